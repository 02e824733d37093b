"""What can go wrong with a variant."""

from kokoa.kernel.errors import Invalid, NotFound


class VariantNotFound(NotFound):
    """This environment has no such variant."""


class InvalidVariants(Invalid):
    """The variants of a product are too many, or an order does not name each of them once."""
