"""GraphQL ⇄ actions and store. Each resolver answers for all parents of its level at once."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from typing import Any

import msgspec

from kokoa.kernel.call import Call
from kokoa.kernel.ids import require_id
from kokoa.kernel.money import Money
from kokoa.messaging.feed import Feed
from kokoa.services.catalog.actions import CatalogActions
from kokoa.services.catalog.categories.model import CategoryNode
from kokoa.services.catalog.categories.resolvers import CategoryResolvers
from kokoa.services.catalog.categories.store import CategoryStore
from kokoa.services.catalog.channels.store import ChannelStore
from kokoa.services.catalog.errors import InvalidFilter, InvalidPage
from kokoa.services.catalog.lists.filters import read_filter, read_sort
from kokoa.services.catalog.lists.model import BY_NAME, EVERYTHING, AllOf, Condition
from kokoa.services.catalog.lists.resolvers import ListResolvers
from kokoa.services.catalog.model import (
    IDS_MAX,
    NewProduct,
    NewVariant,
    Product,
    ProductChanges,
    StatusChange,
    require_page,
    require_plain,
    sees_unpublished,
    slug_of,
)
from kokoa.services.catalog.store import CatalogStore
from kokoa.services.catalog.types.inputs import read_details

Arguments = Mapping[str, Any]


class _HeardProduct(msgspec.Struct):
    product_id: str = ""
    status: str = ""
    previous_status: str = ""


class _Heard(msgspec.Struct):
    """What a subscription needs of an event. It is a product's event if it names one."""

    data: _HeardProduct

    def is_for(self, wanted: AbstractSet[str] | None, *, published_only: bool) -> bool:
        """wanted: ids of products, or None for all."""
        if not self.data.product_id or (wanted is not None and self.data.product_id not in wanted):
            return False
        return not published_only or "PUBLISHED" in (self.data.status, self.data.previous_status)


def _published_only(call: Call) -> bool:
    return not sees_unpublished(call.caller.scopes)


class CatalogResolvers:
    """Field resolvers of schema.graphql."""

    def __init__(
        self,
        store: CatalogStore,
        actions: CatalogActions,
        category_store: CategoryStore,
        categories: CategoryResolvers,
        lists: ListResolvers,
        channels: ChannelStore,
        feed: Feed,
    ) -> None:
        self._store = store
        self._category_store = category_store
        self._categories = categories
        self._lists = lists
        self._channels = channels
        self._actions = actions
        self._feed = feed

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`; a bare type name resolves its entity references."""
        return {
            "Query.products": self.products,
            "Query.product": self.product,
            "Query.countries": self.countries,
            "Mutation.createProduct": self.create_product,
            "Mutation.updateProduct": self.update_product,
            "Mutation.deleteProduct": self.delete_product,
            "Mutation.publishProduct": self._status_change("publish"),
            "Mutation.unpublishProduct": self._status_change("unpublish"),
            "Mutation.archiveProduct": self._status_change("archive"),
            "Mutation.restoreProduct": self._status_change("restore"),
            "Subscription.productChanged": self.product_changed,
            "ProductChange.product": self.changed_products,
            "Product": self.product_references,
            "Product.variants": self.product_variants,
            "Product.category": self.product_category,
            "Variant": self.variant_references,
            "Country": self.country_references,
            "Category.products": self.category_products,
            **self._categories.table(),
            **self._lists.table(),
        }

    async def products(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        limit, offset, category = args["limit"], args["offset"], args.get("category")
        require_page(limit, offset)
        wanted, sort = read_filter(args.get("filter")), read_sort(args.get("sort"))
        channel = args.get("channel")
        if channel is not None:
            require_plain(channel, "channel")
        plain = (wanted, sort) == (EVERYTHING, BY_NAME)
        if args.get("ids") is not None:
            if not plain:
                raise InvalidFilter("ids goes without filter and sort; give filter.ids instead.", field="ids")
            found = await self._products_by_ids(call, args["ids"], limit, offset)
            return [found if channel is None else await self._sold_in(call, channel, found)]
        if category is not None:
            require_plain(category, "category")
        if channel is not None:
            wanted = AllOf((Condition("channel", (channel,)), wanted))
        if not plain or channel is not None:
            parts = wanted if category is None else AllOf((Condition("category", (category,)), wanted))
            return [await self._lists.page(parts, sort, limit, offset, call)]
        page = {"limit": limit, "offset": offset, "published_only": _published_only(call)}
        if category is not None:
            return [await self._store.products_of_category(call.environment_id, category, **page)]
        return [await self._store.products(call.environment_id, **page)]

    async def _products_by_ids(self, call: Call, ids: Sequence[str], limit: int, offset: int) -> list[Product]:
        if len(ids) > IDS_MAX:
            raise InvalidPage(f"At most {IDS_MAX} ids can be asked for at once, not {len(ids)}.", field="ids")
        wanted = [require_id(text, field="ids") for text in ids][offset : offset + limit]
        found = await self._products_of(call, wanted)
        return [found[product_id] for product_id in wanted if product_id in found]

    async def _sold_in(self, call: Call, channel: str, products: Sequence[Product]) -> list[Product]:
        """Those of these products that are sold in the channel."""
        require_plain(channel, "channel")
        found = await self._channels.available(call.environment_id, [one.id for one in products], channel)
        return [one for one in products if one.id in found]

    async def _products_of(self, call: Call, ids: Sequence[str]) -> Mapping[str, Product]:
        """Those of these products that the caller may see, by id."""
        return await self._store.products_by_ids(call.environment_id, ids, published_only=_published_only(call))

    async def product(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given_id, slug = args.get("id"), args.get("slug")
        if (given_id is None) == (slug is None):
            raise InvalidPage("Give either id or slug.", field="id")
        found: Product | None
        if slug is not None:
            require_plain(slug, "slug")
            found = await self._store.product_by_slug(call.environment_id, slug, published_only=_published_only(call))
        else:
            product_id = require_id(str(given_id), field="id")
            found = (await self._products_of(call, [product_id])).get(product_id)
        if found is not None and args.get("channel") is not None:
            return [next(iter(await self._sold_in(call, args["channel"], [found])), None)]
        return [found]

    async def product_changed(self, args: Arguments, call: Call) -> AsyncGenerator[Any, None]:
        ids = args.get("ids")
        if ids is not None and len(ids) > IDS_MAX:
            raise InvalidPage(f"At most {IDS_MAX} ids can be followed at once, not {len(ids)}.", field="ids")
        wanted = None if ids is None else {require_id(text, field="ids") for text in ids}
        async with aclosing(self._feed.follow(call.environment_id)) as events:
            async for payload in events:
                heard = msgspec.json.decode(payload, type=_Heard)
                if heard.is_for(wanted, published_only=_published_only(call)):
                    yield {"id": heard.data.product_id}

    async def changed_products(self, parents: Sequence[Arguments], _: Arguments, call: Call) -> Sequence[Any]:
        return await self.product_references(parents, call)

    async def product_references(self, representations: Sequence[Arguments], call: Call) -> Sequence[Any]:
        ids = [require_id(representation["id"], field="id") for representation in representations]
        found = await self._products_of(call, ids)
        return [found.get(product_id) for product_id in ids]

    async def product_variants(self, parents: Sequence[Product], _: Arguments, call: Call) -> Sequence[Any]:
        found = await self._store.variants_of(call.environment_id, [parent.id for parent in parents])
        return [found.get(parent.id, []) for parent in parents]

    async def product_category(self, parents: Sequence[Product], _: Arguments, call: Call) -> Sequence[Any]:
        paths = [parent.category_slug for parent in parents if parent.category_slug]
        found = await self._category_store.by_paths(call.environment_id, paths)
        return [found.get(parent.category_slug or "") for parent in parents]

    async def variant_references(self, representations: Sequence[Arguments], call: Call) -> Sequence[Any]:
        ids = [require_id(representation["id"], field="id") for representation in representations]
        found = await self._store.variants_by_ids(call.environment_id, ids, published_only=_published_only(call))
        return [found.get(variant_id) for variant_id in ids]

    async def category_products(self, parents: Sequence[CategoryNode], args: Arguments, call: Call) -> Sequence[Any]:
        limit, offset = args["limit"], args["offset"]
        require_page(limit, offset)
        channel = args.get("channel")
        if channel is not None:
            require_plain(channel, "channel")
        paths = [parent.path for parent in parents]
        if args["include_subcategories"]:
            pages = await self._lists.pages_of_subtrees(paths, limit, offset, channel, call)
            return [pages.get(path, []) for path in paths]
        pages = await self._store.products_of_categories(
            call.environment_id,
            paths,
            limit=limit,
            offset=offset,
            published_only=_published_only(call),
            channel=channel,
        )
        return [pages.get(path, []) for path in paths]

    async def countries(self, _: Sequence[Any], __: Arguments, call: Call) -> Sequence[Any]:
        return [await self._store.countries(call.environment_id)]

    async def country_references(self, representations: Sequence[Arguments], call: Call) -> Sequence[Any]:
        found = {country.code: country for country in await self._store.countries(call.environment_id)}
        return [found.get(representation["code"]) for representation in representations]

    async def create_product(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        created = self._actions.create_product(
            call.environment_id,
            _new_product(given),
            details=read_details(given, given["variants"]),
            correlation_id=call.correlation_id,
        )
        return [await created]

    async def update_product(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        changes = ProductChanges(given.get("name"), given.get("description"), given.get("category"))
        details = read_details(given)
        product_id = require_id(given["id"], field="id")
        return [
            await self._actions.update_product(
                call.environment_id,
                product_id,
                given["version"],
                changes,
                details=details,
                correlation_id=call.correlation_id,
            )
        ]

    async def delete_product(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        product_id = require_id(args["id"], field="id")
        await self._actions.delete_product(
            call.environment_id, product_id, args["version"], correlation_id=call.correlation_id
        )
        return [product_id]

    def _status_change(self, change: StatusChange) -> Any:
        async def resolve(_: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
            product_id = require_id(args["id"], field="id")
            changed = self._actions.change_status(
                call.environment_id, product_id, args["version"], change, correlation_id=call.correlation_id
            )
            return [await changed]

        return resolve


def _new_product(given: Arguments) -> NewProduct:
    variants = tuple(
        NewVariant(
            v["sku"],
            v.get("name", ""),
            Money(v["price_minor"], v["currency"]),
            v.get("weight_grams"),
            v.get("external_reference"),
        )
        for v in given["variants"]
    )
    return NewProduct(
        name=given["name"],
        slug=given.get("slug") or slug_of(given["name"]),
        description=given.get("description", ""),
        category_slug=given.get("category"),
        external_reference=given.get("external_reference"),
        variants=variants,
        status=given.get("status", "PUBLISHED"),
    )
