"""GraphQL ⇄ actions and store."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kokoa.kernel.call import Call
from kokoa.kernel.places import Place, read_destination, read_places
from kokoa.services.taxes.actions import TaxesActions
from kokoa.services.taxes.errors import TaxCategoryNotFound, TaxRateNotFound, TaxZoneNotFound
from kokoa.services.taxes.model import (
    RATES_PAGE_MAX,
    ZONES_PAGE_MAX,
    Line,
    Rate,
    Settings,
    Shipping,
    Zone,
    categories_given,
    is_key,
    is_reverse_charge,
    line_categories,
    require_lines,
    require_page,
    require_skus,
    require_vat,
    tax,
)
from kokoa.services.taxes.store import TaxesStore

Arguments = Mapping[str, Any]


class TaxesResolvers:
    """Field resolvers of schema.graphql."""

    def __init__(self, store: TaxesStore, actions: TaxesActions) -> None:
        self._store = store
        self._actions = actions

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Query.taxes": self.taxes,
            "Query.taxCategories": self.categories_of,
            "Query.taxConfiguration": self.configuration,
            "TaxConfiguration.settings": self.settings,
            "TaxConfiguration.categories": self.categories,
            "TaxConfiguration.zones": self.zones,
            "TaxConfiguration.rates": self.rates,
            "TaxPlace.region": _regions,
            "TaxPlace.postalCodePrefix": _prefixes,
            "Mutation.putTaxSettings": self.put_settings,
            "Mutation.putTaxCategory": self.put_category,
            "Mutation.deleteTaxCategory": self.delete_category,
            "Mutation.putTaxZone": self.put_zone,
            "Mutation.deleteTaxZone": self.delete_zone,
            "Mutation.putTaxRate": self.put_rate,
            "Mutation.deleteTaxRate": self.delete_rate,
            "Mutation.setTaxCategories": self.set_categories,
        }

    async def taxes(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        place = given["destination"]
        destination = read_destination(place["country"], place.get("region"), place.get("postal_code"))
        vat_number = require_vat(given.get("vat_number"))
        lines = [
            Line(one["key"], one["amount_minor"], one.get("tax_category"), one.get("sku")) for one in given["lines"]
        ]
        delivery = given.get("shipping")
        shipping = None if delivery is None else Shipping(delivery["amount_minor"], delivery.get("tax_category"))
        require_lines(given["currency"], lines, shipping)
        given_categories = categories_given(lines, shipping)
        keys = set(filter(is_key, given_categories.values()))
        skus = {line.sku for line in lines if line.sku is not None and line.tax_category is None}
        table, named = await self._store.table_for(call.environment_id, destination, sorted(skus), sorted(keys))
        categories = line_categories(lines, given_categories, named, table.settings.default_category)
        reverse_charge = is_reverse_charge(table.settings, destination, vat_number, given.get("company"))
        return [tax(table, lines, categories, shipping, currency=given["currency"], reverse_charge=reverse_charge)]

    async def categories_of(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        skus = args["skus"]
        require_skus(skus)
        default = (await self._store.settings(call.environment_id)).default_category
        own = await self._store.categories_of(call.environment_id, skus)
        return [[_SkuCategory(sku, own.get(sku, default)) for sku in skus]]

    async def configuration(self, _: Sequence[Any], __: Arguments, ___: Call) -> Sequence[Any]:
        return [{}]

    async def settings(self, _: Sequence[Any], __: Arguments, call: Call) -> Sequence[Any]:
        return [await self._store.settings(call.environment_id)]

    async def categories(self, _: Sequence[Any], __: Arguments, call: Call) -> Sequence[Any]:
        return [await self._store.categories(call.environment_id)]

    async def zones(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        after = require_page(args["limit"], ZONES_PAGE_MAX, args.get("after"))
        return [await self._store.zones(call.environment_id, after, args["limit"])]

    async def rates(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        after = require_page(args["limit"], RATES_PAGE_MAX, args.get("after"))
        zone = args.get("zone")
        if zone is not None and not is_key(zone):
            return [[]]
        return [await self._store.rates(call.environment_id, after, zone, args["limit"])]

    async def put_settings(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        category = _known_form(given.get("default_category"), TaxCategoryNotFound, "tax category")
        wanted = Settings(category, given["prices_include_tax"], given.get("seller_country"))
        put = self._actions.put_settings(
            call.environment_id, wanted, given.get("version"), correlation_id=call.correlation_id
        )
        return [await put]

    async def put_category(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        put = self._actions.put_category(
            call.environment_id,
            given["key"],
            given["name"],
            given.get("version"),
            correlation_id=call.correlation_id,
        )
        return [await put]

    async def delete_category(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        key = _known_form(args["key"], TaxCategoryNotFound, "tax category")
        await self._actions.delete_category(
            call.environment_id, key or "", args["version"], correlation_id=call.correlation_id
        )
        return [key]

    async def put_zone(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        places = read_places(
            [(one["country"], one.get("region"), one.get("postal_code_prefix")) for one in given["places"]]
        )
        wanted = Zone(given["key"], given["name"], given.get("prices_include_tax"), 0, places)
        put = self._actions.put_zone(
            call.environment_id, wanted, given.get("version"), correlation_id=call.correlation_id
        )
        return [await put]

    async def delete_zone(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        key = _known_form(args["key"], TaxZoneNotFound, "tax zone")
        await self._actions.delete_zone(
            call.environment_id, key or "", args["version"], correlation_id=call.correlation_id
        )
        return [key]

    async def put_rate(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        wanted = Rate(
            given["key"],
            _known_form(given["zone"], TaxZoneNotFound, "tax zone") or "",
            _known_form(given["category"], TaxCategoryNotFound, "tax category") or "",
            given["name"],
            given["basis_points"],
            given.get("valid_from"),
            given.get("valid_to"),
            0,
        )
        put = self._actions.put_rate(
            call.environment_id, wanted, given.get("version"), correlation_id=call.correlation_id
        )
        return [await put]

    async def delete_rate(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        key = _known_form(args["key"], TaxRateNotFound, "tax rate")
        await self._actions.delete_rate(
            call.environment_id, key or "", args["version"], correlation_id=call.correlation_id
        )
        return [key]

    async def set_categories(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        rows = [(one["sku"], one.get("tax_category")) for one in args["rows"]]
        changed = await self._actions.set_categories_of(call.environment_id, rows, correlation_id=call.correlation_id)
        return [{"changed": changed, "unchanged": len(rows) - changed}]


class _SkuCategory(msgspec.Struct, frozen=True):
    sku: str
    tax_category: str | None


def _known_form(
    key: str | None, error: type[TaxCategoryNotFound | TaxZoneNotFound | TaxRateNotFound], what: str
) -> str | None:
    """The key, when one may have it; no other needs to be looked for. Raises the error."""
    if key is not None and not is_key(key):
        raise error(f"There is no {what} {key[:80]!r}.")
    return key


def _regions(parents: Sequence[Place], _: Arguments, __: Call) -> Sequence[Any]:
    return [parent.region or None for parent in parents]


def _prefixes(parents: Sequence[Place], _: Arguments, __: Call) -> Sequence[Any]:
    return [parent.postal_prefix or None for parent in parents]
