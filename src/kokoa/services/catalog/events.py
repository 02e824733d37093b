"""Facts that catalog tells others. They name the product; who wants its fields asks the graph, so overrides hold.

status is what the product has after the event, or had before it was deleted: storefronts hear of published ones only.
"""

from collections.abc import Mapping

from kokoa.postgres import Event


class ProductEvent(Event, frozen=True, kw_only=True):
    """What all events of a product have. status: DRAFT, PUBLISHED or ARCHIVED."""

    product_id: str
    version: int
    status: str = "PUBLISHED"

    def key(self) -> str:
        return self.product_id


class ProductCreated(ProductEvent, frozen=True, kw_only=True):
    """A product is in the catalogue."""


class ProductUpdated(ProductEvent, frozen=True, kw_only=True):
    """A product, one of its variants or prices changed."""


class ProductDeleted(ProductEvent, frozen=True, kw_only=True):
    """A product left the catalogue for good."""


class ProductStatusChanged(ProductEvent, frozen=True, kw_only=True):
    """What the four events below have. previous_status: before the event."""

    previous_status: str


class ProductPublished(ProductStatusChanged, frozen=True, kw_only=True):
    """Storefronts see the product from now on."""


class ProductUnpublished(ProductStatusChanged, frozen=True, kw_only=True):
    """A published product is a draft again."""


class ProductArchived(ProductStatusChanged, frozen=True, kw_only=True):
    """The product is kept, and sold no more."""


class ProductRestored(ProductStatusChanged, frozen=True, kw_only=True):
    """An archived product is a draft again."""


STATUS_CHANGES: Mapping[str, type[ProductStatusChanged]] = {
    "publish": ProductPublished,
    "unpublish": ProductUnpublished,
    "archive": ProductArchived,
    "restore": ProductRestored,
}
"""By what is done to a product."""


class CategoryEvent(Event, frozen=True, kw_only=True):
    """What all events of one category have. path: slugs from the root down; of a deleted one its last."""

    category_id: str
    version: int
    path: str

    def key(self) -> str:
        return self.category_id


class CategoryCreated(CategoryEvent, frozen=True, kw_only=True):
    """A category is in the tree."""


class CategoryRenamed(CategoryEvent, frozen=True, kw_only=True):
    """A category has another name or slug; with the slug the paths of its subtree changed."""


class CategoryMoved(CategoryEvent, frozen=True, kw_only=True):
    """A category stands below another parent, and its subtree with it."""


class CategoryDeleted(CategoryEvent, frozen=True, kw_only=True):
    """An empty category left the tree."""


class CategoriesOrdered(Event, frozen=True, kw_only=True):
    """The children of a parent, or the roots, have another order."""

    parent_id: str | None

    def key(self) -> str:
        return self.parent_id or "roots"


class ProductTypeEvent(Event, frozen=True, kw_only=True):
    """What all events of a product type have. product_type: its key."""

    product_type_id: str
    product_type: str
    version: int

    def key(self) -> str:
        return self.product_type_id


class ProductTypeCreated(ProductTypeEvent, frozen=True, kw_only=True):
    """A product type is there to be used."""


class ProductTypeUpdated(ProductTypeEvent, frozen=True, kw_only=True):
    """A product type has another name or other attributes; products that changed with it are told one by one."""


class ProductTypeDeleted(ProductTypeEvent, frozen=True, kw_only=True):
    """A product type that no product had is gone."""


class ChannelEvent(Event, frozen=True, kw_only=True):
    """What all events of a channel have. channel: its key."""

    channel_id: str
    channel: str
    version: int

    def key(self) -> str:
        return self.channel_id


class ChannelCreated(ChannelEvent, frozen=True, kw_only=True):
    """Products may be sold in another channel."""


class ChannelUpdated(ChannelEvent, frozen=True, kw_only=True):
    """A channel has another name, currency or countries."""


class ChannelDeleted(ChannelEvent, frozen=True, kw_only=True):
    """A channel that nothing named is gone."""
