"""What can go wrong in search."""

from kokoa.kernel.errors import Invalid, Unavailable


class InvalidSearch(Invalid):
    """The words, limit or offset are out of bounds."""


class InvalidSearchFilter(Invalid):
    """A part of a search's filter cannot be read, or does not go with another."""


class InvalidSuggestions(Invalid):
    """The beginning of the words, or the limit, is out of bounds."""


class UnknownLanguage(Invalid):
    """The index cannot be in this language."""


class IndexingFailed(Unavailable):
    """The graph did not give what is to be indexed; the events come again."""
