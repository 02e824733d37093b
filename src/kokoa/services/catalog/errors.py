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


class InvalidText(Invalid):
    """A text holds a character that cannot be stored, so nothing could be found by it."""


class InvalidCategory(Invalid):
    """A category's field is not acceptable."""


class CategoryInsideItself(Invalid):
    """A category cannot be moved below itself."""


class CategoryTooDeep(Invalid):
    """The tree of categories would have more levels than there may be."""


class TooManyCategories(Conflict):
    """The environment, or a category, has as many categories as it may have."""


class CategoryTooLarge(Conflict):
    """More products would follow a category to another path than can in one step."""


class CategoryChanged(Conflict):
    """Somebody changed the category since it was read."""


class CategoryNotEmpty(Conflict):
    """A category with products or subcategories cannot be deleted."""


class InvalidFilter(Invalid):
    """A filter of a list of products is not acceptable; the field says where."""


class InvalidCursor(Invalid):
    """A cursor is not one of this list: made up, of another sort, or of another store."""
