"""What can go wrong in search."""

from kokoa.kernel.errors import Conflict, Invalid, Unavailable


class InvalidSearch(Invalid):
    """The words, limit or offset are out of bounds."""


class InvalidSearchFilter(Invalid):
    """A part of a search's filter cannot be read, or does not go with another."""


class InvalidSuggestions(Invalid):
    """The beginning of the words, or the limit, is out of bounds."""


class UnknownLanguage(Invalid):
    """The index cannot be in this language."""


class InvalidSynonym(Invalid):
    """A word or its meanings cannot be a synonym."""


class TooManySynonyms(Conflict):
    """The environment has as many synonyms as it may have."""


class InvalidBoost(Invalid):
    """A boost names nothing, or both a product and a category, or its factor is out of bounds."""


class TooManyBoosts(Conflict):
    """The environment has as many boosts as it may have."""


class IndexingFailed(Unavailable):
    """The graph did not give what is to be indexed; the events come again."""
