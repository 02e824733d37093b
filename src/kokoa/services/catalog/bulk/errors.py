"""What can go wrong with many products at once."""

from kokoa.kernel.errors import Invalid, Unavailable


class InvalidBatch(Invalid):
    """A batch has more rows than one call takes."""


class InvalidCursor(Invalid):
    """A cursor is none that an earlier page gave."""


class DuplicateReference(Invalid):
    """Two rows have the same external reference."""


class UnknownCurrency(Invalid):
    """A currency is not in ISO 4217."""


class InvalidCategoryPath(Invalid):
    """A category's path is too deep, or one of its names is empty or too long."""


class BatchContended(Unavailable):
    """Others changed the same products again and again meanwhile."""
