"""What can go wrong with related products and bundles."""

from kokoa.kernel.errors import Conflict, Invalid


class InvalidRelations(Invalid):
    """A list of related products is not acceptable."""


class InvalidBundle(Invalid):
    """The items of a bundle are not acceptable; the field says where."""


class NestedBundle(Conflict):
    """A bundle cannot hold variants of another bundle, or of itself."""


class VariantInBundle(Conflict):
    """A variant that is in a bundle cannot be deleted."""
