"""What can go wrong in catalog."""

from kokoa.kernel.errors import Conflict, Invalid, NotFound


class ProductNotFound(NotFound):
    """This environment has no such product."""


class CategoryNotFound(NotFound):
    """This environment has no such category."""


class ProductChanged(Conflict):
    """Somebody changed the product since it was read."""


class ProductIsArchived(Conflict):
    """An archived product is restored before it is published or unpublished."""


class AlreadyTaken(Conflict):
    """A slug, an SKU or an external reference belongs to another product."""


class InvalidProduct(Invalid):
    """A product's field is not acceptable."""


class InvalidPage(Invalid):
    """limit or offset is out of bounds."""
