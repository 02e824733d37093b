"""What can go wrong in search."""

from kokoa.kernel.errors import Invalid, Unavailable


class InvalidSearch(Invalid):
    """The words, limit or offset are out of bounds."""


class IndexingFailed(Unavailable):
    """The graph did not give what is to be indexed; the events come again."""
