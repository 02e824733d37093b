"""Facts that catalog tells others. They name the product; who wants its fields asks the graph, so overrides hold."""

from kokoa.postgres import Event


class ProductCreated(Event, frozen=True, kw_only=True):
    """A product is in the store."""

    product_id: str
    version: int

    def key(self) -> str:
        return self.product_id


class ProductUpdated(Event, frozen=True, kw_only=True):
    """A product, one of its variants or prices changed."""

    product_id: str
    version: int

    def key(self) -> str:
        return self.product_id


class ProductDeleted(Event, frozen=True, kw_only=True):
    """A product left the store for good."""

    product_id: str
    version: int

    def key(self) -> str:
        return self.product_id
