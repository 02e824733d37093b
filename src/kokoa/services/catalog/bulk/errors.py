"""What can go wrong with many products at once."""

from kokoa.kernel.errors import Conflict, Invalid, Unavailable


class InvalidBatch(Invalid):
    """A batch has more rows than one call takes."""


class DuplicateReference(Invalid):
    """Two rows have the same external reference."""


class UnknownCurrency(Invalid):
    """A currency is not in ISO 4217."""


class InvalidCategoryPath(Invalid):
    """The names of a category are too many, or one of them is empty or too long."""


class UnknownLocale(Invalid):
    """A row has texts in a locale that the environment has not; setLocales adds it."""


class UnknownCustomField(Invalid):
    """A row has a value of a custom field that the environment's products have not."""


class BatchContended(Unavailable):
    """Others changed the same products again and again meanwhile."""


class ChangesForgotten(Conflict):
    """Deletions after the cursor of a feed are kept no longer, so the reader has to read everything again."""
