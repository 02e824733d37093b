"""GraphQL ⇄ actions and store, for locales, translations and SEO. One statement a field and level."""

from collections.abc import Mapping, Sequence
from typing import Any

from kokoa.kernel.call import Call
from kokoa.kernel.ids import require_id
from kokoa.services.catalog.categories.model import CategoryNode
from kokoa.services.catalog.channels.store import ChannelStore
from kokoa.services.catalog.model import Product, require_plain, sees_unpublished
from kokoa.services.catalog.store import CatalogStore
from kokoa.services.catalog.translations.actions import TranslationActions
from kokoa.services.catalog.translations.model import Texts, canonical_locale, localized
from kokoa.services.catalog.translations.seo import Level, OwnSeo, seo_of
from kokoa.services.catalog.translations.store import CATEGORIES, PRODUCTS, Owners, SeoParts, TranslationStore

Arguments = Mapping[str, Any]
Owner = Product | CategoryNode


class TranslationResolvers:
    """Field resolvers of schema.graphql.  products: reads them by id.  channels: say which are sold there."""

    def __init__(
        self, store: TranslationStore, products: CatalogStore, channels: ChannelStore, actions: TranslationActions
    ) -> None:
        self._store = store
        self._products = products
        self._channels = channels
        self._actions = actions

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Query.locales": self.locales,
            "Query.localizedProduct": self.localized_product,
            "Mutation.setLocales": self.set_locales,
            "Mutation.translateProduct": self.translate_product,
            "Mutation.removeProductTranslation": self.remove_product_translation,
            "Mutation.setProductSeo": self.set_product_seo,
            "Mutation.translateCategory": self.translate_category,
            "Mutation.removeCategoryTranslation": self.remove_category_translation,
            "Mutation.setCategorySeo": self.set_category_seo,
            "Product.ownSeo": self.own_seo,
            **{f"Product.{name}": resolve for name, resolve in self._fields(PRODUCTS).items()},
            **{f"Category.{name}": resolve for name, resolve in self._fields(CATEGORIES).items()},
        }

    def _fields(self, owners: Owners) -> dict[str, Any]:
        """The fields that products and categories have alike."""

        async def shown(parents: Sequence[Owner], args: Arguments, call: Call) -> Sequence[Any]:
            locale, ids = canonical_locale(args["locale"]), [one.id for one in parents]
            chosen = await self._store.texts_in(call.environment_id, owners, ids, locale)
            return [
                localized(chosen, one.id, name=one.name, description=_description(one), slug=one.slug)
                for one in parents
            ]

        async def exact(parents: Sequence[Owner], args: Arguments, call: Call) -> Sequence[Any]:
            locale, ids = canonical_locale(args["locale"]), [one.id for one in parents]
            found = await self._store.translations_of(call.environment_id, owners, ids, locale)
            return [next(iter(found.get(one_id, ())), None) for one_id in ids]

        async def every(parents: Sequence[Owner], _: Arguments, call: Call) -> Sequence[Any]:
            ids = [one.id for one in parents]
            found = await self._store.translations_of(call.environment_id, owners, ids, None)
            return [found.get(one_id, []) for one_id in ids]

        async def seo(parents: Sequence[Owner], args: Arguments, call: Call) -> Sequence[Any]:
            asked, ids = args.get("locale"), [one.id for one in parents]
            locale = canonical_locale(asked) if asked is not None else None
            found = await self._store.seo_of(call.environment_id, owners, ids, locale)
            nothing = SeoParts(OwnSeo(), [])
            return [_seo(one, found.get(one.id, nothing)) for one in parents]

        return {"localized": shown, "translation": exact, "translations": every, "seo": seo}

    async def locales(self, _: Sequence[Any], __: Arguments, call: Call) -> Sequence[Any]:
        return [await self._store.locales(call.environment_id)]

    async def localized_product(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        slug, locale = args["slug"], canonical_locale(args["locale"])
        require_plain(slug, "slug")
        channel = args.get("channel")
        if channel is not None:
            require_plain(channel, "channel")
        ids = await self._store.product_ids_by_slug(call.environment_id, slug, locale)
        if not ids:
            return [None]
        found = await self._products.products_by_ids(
            call.environment_id, ids, published_only=not sees_unpublished(call.caller.scopes)
        )
        shown = [found[one] for one in ids if one in found]
        if shown and channel is not None:
            sold = await self._channels.available(call.environment_id, [one.id for one in shown], channel)
            shown = [one for one in shown if one.id in sold]
        return [next(iter(shown), None)]

    async def own_seo(self, parents: Sequence[Product], _: Arguments, call: Call) -> Sequence[Any]:
        found = await self._store.seo_of(call.environment_id, PRODUCTS, [one.id for one in parents], None)
        return [found[one.id].own if one.id in found and found[one.id].own != OwnSeo() else None for one in parents]

    async def set_locales(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        others = [(one["code"], one.get("fallback")) for one in given.get("locales") or ()]
        return [
            await self._actions.set_locales(
                call.environment_id, given["default"], others, correlation_id=call.correlation_id
            )
        ]

    async def translate_product(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        translated = self._actions.translate_product(
            *_changed(args, call), args["locale"], _texts(args["input"]), correlation_id=call.correlation_id
        )
        return [await translated]

    async def remove_product_translation(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        removed = self._actions.remove_product_translation(
            *_changed(args, call), args["locale"], correlation_id=call.correlation_id
        )
        return [await removed]

    async def set_product_seo(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        changed = self._actions.set_product_seo(
            *_changed(args, call), _own_seo(args["input"]), correlation_id=call.correlation_id
        )
        return [await changed]

    async def translate_category(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        translated = self._actions.translate_category(
            *_changed(args, call), args["locale"], _texts(args["input"]), correlation_id=call.correlation_id
        )
        return [await translated]

    async def remove_category_translation(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        removed = self._actions.remove_category_translation(
            *_changed(args, call), args["locale"], correlation_id=call.correlation_id
        )
        return [await removed]

    async def set_category_seo(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        changed = self._actions.set_category_seo(
            *_changed(args, call), _own_seo(args["input"]), correlation_id=call.correlation_id
        )
        return [await changed]


def _changed(args: Arguments, call: Call) -> tuple[str, str, int]:
    """Environment, id and version of what is to be changed."""
    return call.environment_id, require_id(args["id"], field="id"), args["version"]


def _texts(given: Arguments) -> Texts:
    return Texts(*(given.get(name) for name in Texts.__struct_fields__))


def _own_seo(given: Arguments) -> OwnSeo:
    return OwnSeo(
        given.get("title"), given.get("description"), given.get("canonical_path"), bool(given.get("no_index"))
    )


def _description(owner: Owner) -> str:
    return owner.description if isinstance(owner, Product) else ""


def _seo(owner: Owner, parts: SeoParts) -> Any:
    own = Level(owner.name, _description(owner), parts.own.title, parts.own.description)
    return seo_of(parts.own, [*parts.levels, own])
