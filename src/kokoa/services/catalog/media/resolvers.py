"""GraphQL ⇄ actions and store, for pictures of products."""

from collections.abc import Mapping, Sequence
from typing import Any

from kokoa.kernel.call import Call
from kokoa.kernel.ids import require_id
from kokoa.services.catalog.media.actions import MediaActions, Wanted
from kokoa.services.catalog.media.errors import InvalidMedia
from kokoa.services.catalog.media.model import MEDIA_OF_PRODUCT_MAX, Media, path_of
from kokoa.services.catalog.media.store import MediaStore
from kokoa.services.catalog.model import Product, sees_unpublished
from kokoa.services.catalog.store import CatalogStore

Arguments = Mapping[str, Any]


class MediaResolvers:
    """Field resolvers of schema.graphql.  products: reads them by id."""

    def __init__(self, store: MediaStore, products: CatalogStore, actions: MediaActions) -> None:
        self._store = store
        self._products = products
        self._actions = actions

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Product.media": self.media,
            "Product.thumbnail": self.thumbnails,
            "ProductMedia.url": self.urls,
            "ProductMedia.product": self.products_of,
            "Mutation.addMedia": self.add,
            "Mutation.attachMedia": self.attach,
            "Mutation.updateMedia": self.update,
            "Mutation.orderMedia": self.order,
            "Mutation.deleteMedia": self.delete,
        }

    async def media(self, parents: Sequence[Product], args: Arguments, call: Call) -> Sequence[Any]:
        limit = args["limit"]
        if not 0 <= limit <= MEDIA_OF_PRODUCT_MAX:
            raise InvalidMedia(f"limit must be 0 to {MEDIA_OF_PRODUCT_MAX}, not {limit}.", field="limit")
        found = await self._store.of_products(call.environment_id, [one.id for one in parents], limit)
        return [found.get(one.id, []) for one in parents]

    async def thumbnails(self, parents: Sequence[Product], _: Arguments, call: Call) -> Sequence[Any]:
        found = await self._store.of_products(call.environment_id, [one.id for one in parents], 1)
        return [next(iter(found.get(one.id, ())), None) for one in parents]

    def urls(self, parents: Sequence[Media], args: Arguments, _: Call) -> Sequence[Any]:
        return [path_of(one.content_hash, args["rendition"], args["format"]) for one in parents]

    async def products_of(self, parents: Sequence[Media], _: Arguments, call: Call) -> Sequence[Any]:
        ids = [one.product_id for one in parents]
        found = await self._products.products_by_ids(
            call.environment_id, ids, published_only=not sees_unpublished(call.caller.scopes)
        )
        return [found.get(product_id) for product_id in ids]

    async def add(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        upload_id = require_id(given["upload"], field="upload")
        added = self._actions.add(call.environment_id, upload_id, _wanted(given), correlation_id=call.correlation_id)
        return [await added]

    async def attach(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        media_id = require_id(given["media_id"], field="mediaId")
        attached = self._actions.attach(
            call.environment_id, media_id, _wanted(given), correlation_id=call.correlation_id
        )
        return [await attached]

    async def update(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        media_id = require_id(args["id"], field="id")
        updated = self._actions.update(
            call.environment_id, media_id, args["version"], args["alt"], correlation_id=call.correlation_id
        )
        return [await updated]

    async def order(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        if len(args["ids"]) > MEDIA_OF_PRODUCT_MAX:
            raise InvalidMedia(f"A product has at most {MEDIA_OF_PRODUCT_MAX} pictures.", field="ids")
        ids = [require_id(text, field="ids") for text in args["ids"]]
        product_id = require_id(args["product_id"], field="productId")
        ordered = self._actions.order(
            call.environment_id, product_id, args["version"], ids, correlation_id=call.correlation_id
        )
        return [await ordered]

    async def delete(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        media_id = require_id(args["id"], field="id")
        deleted = self._actions.delete(
            call.environment_id, media_id, args["version"], correlation_id=call.correlation_id
        )
        return [await deleted]


def _wanted(given: Arguments) -> Wanted:
    return Wanted(require_id(given["product_id"], field="productId"), given.get("version"), given.get("alt", ""))
