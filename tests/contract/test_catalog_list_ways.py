"""Every way to a page finds the same page: each filter, sort and direction beside a plain Python reading of it."""

import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from contract.catalog_shop import Shop
from contract.test_product_types import create_type
from kokoa.kernel.ids import new_correlation_id
from kokoa.kernel.money import Money
from kokoa.postgres import Database
from kokoa.services.catalog.lists.filters import read_filter
from kokoa.services.catalog.lists.model import AllOf, Filter, Sort, SortField, ahead_of, beyond, key_of
from kokoa.services.catalog.lists.store import ListStore, shown
from kokoa.services.catalog.lists.ways import BOUNDS, Bounds
from kokoa.services.catalog.model import NewProduct, NewVariant, Product
from kokoa.services.catalog.service import CatalogService
from kokoa.services.catalog.types.details import DetailsChange, VariantChange

COUNT = 300
START = datetime(2026, 1, 1, tzinfo=UTC)
PATHS = ("home", "home/light", "home/light/lamps", "home-office", "garden")
WORDS = ("Lamp", "lamp shade", "Desk LAMP", "50% off", "under_score", "Äpfel", "Sofa", "zebra")
ENDLESS = 1_000_000
# By name, which way they lead to.
WAYS = {
    "as it comes": BOUNDS,
    "gathered": Bounds(ENDLESS, ENDLESS, ENDLESS, ENDLESS),
    "marked": Bounds(0, ENDLESS, ENDLESS, ENDLESS, walked=0, walked_names=0),
    "walked": Bounds(0, 0, 0, 0, walked=ENDLESS, walked_names=ENDLESS),
    "walked, then marked": Bounds(0, 0, 0, ENDLESS, walked=7, walked_names=7),
    "walked, then walked on": Bounds(0, 0, 0, 0, walked=7, walked_names=7),
    "by the second": Bounds(40, 40, 90, 200, walked=20, walked_names=20),
}
SORTS = [Sort(field, descending) for field in ("NAME", "PRICE", "CREATED", "UPDATED") for descending in (False, True)]


class Known(msgspec.Struct):
    """A product and what else is known of it."""

    product: Product
    skus: list[str]
    kind: str
    values: Mapping[str, Any]
    channels: list[str] | None


Keeps = Callable[[Known], bool]
Case = tuple[dict[str, Any], Keeps]


class Goods(Shop):
    """A shop with some hundred products of all kinds."""

    known: list[Known]
    database: Database


@pytest.fixture(scope="module")
async def goods(catalog: tuple[CatalogService, Database]) -> Goods:
    shop = Goods(catalog[0])
    shop.database = catalog[1]
    for path in PATHS:
        parent, _, slug = path.rpartition("/")
        found = await shop.data("query($p: String) { category(path: $p) { id } }", p=parent)
        create = "mutation($input: CreateCategoryInput!) { createCategory(input: $input) { id } }"
        parent_id = found["category"]["id"] if parent else None
        await shop.data(create, input={"name": slug, "slug": slug, "parentId": parent_id})
    attributes = [
        {"key": "material", "name": "Material", "type": "TEXT"},
        {"key": "weight", "name": "Weight", "type": "INTEGER"},
        {"key": "size", "name": "Size", "type": "INTEGER", "level": "VARIANT"},
    ]
    for key in ("ware", "good"):
        await create_type(shop, key, attributes)
    for key in ("eu", "rare"):
        await shop.data(f'mutation {{ createChannel(input: {{key: "{key}", name: "{key}"}}) {{ id }} }}')
    chance = random.Random(5)
    kinds = [chance.choice(["ware", "ware", "good", ""]) for _ in range(COUNT)]
    values = [made_values(chance, n) for n in range(COUNT)]
    details = [
        DetailsChange(
            kind or None,
            tuple((key, one[key]) for key in ("material", "weight")) if kind else (),
            (),
            {f"SKU-{n}-{m}": VariantChange((("size", one["size"] + m),)) for m in range(2)} if kind else {},
        )
        for n, (kind, one) in enumerate(zip(kinds, values, strict=True))
    ]
    created = await shop.service.actions.create_products(
        shop.environment_id,
        [new_product(chance, n) for n in range(COUNT)],
        details=details,
        correlation_id=new_correlation_id(),
    )
    ids = [one.id for one in created]
    await shop.database.execute(shop.environment_id, SPREAD, ids, START)
    limits = {ids[n]: ["rare"] if n % 9 == 0 else ["eu", "rare"] for n in range(0, COUNT, 3)}
    for product_id, channels in limits.items():
        await shop.database.execute(shop.environment_id, LIMIT, product_id, channels)
    after = await shop.service.store.products_by_ids(shop.environment_id, ids)
    shop.known = [
        Known(after[one], [f"SKU-{n}-0", f"SKU-{n}-1"], kinds[n], values[n] if kinds[n] else {}, limits.get(one))
        for n, one in enumerate(ids)
    ]
    return shop


def made_values(chance: random.Random, n: int) -> dict[str, Any]:
    return {"material": chance.choice(["oak", "steel", "wool"]), "weight": n * 7 % 200, "size": n % 40}


def new_product(chance: random.Random, n: int) -> NewProduct:
    price = Money(chance.randrange(40) * 100, chance.choice(["EUR", "EUR", "USD"]))
    return NewProduct(
        name=f"{chance.choice(WORDS)}{f' {n % 50}' if n % 3 else ''}",
        slug=f"product-{n}",
        description="",
        category_slug=chance.choice([*PATHS, None]),
        external_reference=f"erp-{n}" if n % 4 else None,
        variants=tuple(NewVariant(f"SKU-{n}-{m}", "", price) for m in range(2)),
        status="DRAFT" if n % 7 == 3 else "PUBLISHED",
    )


SPREAD = """
    UPDATE products SET created_at = $3::timestamptz + make_interval(days => (wanted.n / 3)::int),
                        updated_at = $3::timestamptz + make_interval(hours => (wanted.n % 70)::int)
      FROM unnest($2::uuid[]) WITH ORDINALITY AS wanted (id, n)
     WHERE products.environment_id = $1 AND products.id = wanted.id
"""
LIMIT = "INSERT INTO product_channels (environment_id, product_id, channels) VALUES ($1, $2, $3)"


def within(path: str | None, stem: str) -> bool:
    return path is not None and (path == stem or path.startswith(f"{stem}/"))


def price_of(one: Known, currency: str) -> int:
    return one.product.price_minor or 0 if one.product.currency == currency else -1


def equals(key: str, *values: Any) -> Case:
    given = {"equals": values[0]} if len(values) == 1 else {"in": list(values)}
    return {"attributes": [{"key": key, **given}]}, lambda one: one.values.get(key) in values


def between(low: int, high: int) -> Case:
    given = {"attributes": [{"key": "weight", "min": low, "max": high}]}
    return given, lambda one: low <= one.values.get("weight", -1) <= high


def every(*filters: Case) -> Case:
    return {"and": [given for given, _ in filters]}, lambda one: all(keeps(one) for _, keeps in filters)


def either(*filters: Case) -> Case:
    return {"or": [given for given, _ in filters]}, lambda one: any(keeps(one) for _, keeps in filters)


def no(wanted: Case) -> Case:
    return {"not": wanted[0]}, lambda one: not wanted[1](one)


LAMPS: Case = ({"name_contains": "lamp"}, lambda one: "lamp" in one.product.name.lower())
RARE_NAME: Case = ({"name_contains": "fel 1"}, lambda one: "fel 1" in one.product.name.lower())
HOME: Case = (
    {"category": "home", "include_subcategories": True},
    lambda one: within(one.product.category_slug, "home"),
)
EUROS: Case = (
    {"currency": "EUR", "min_price_minor": 1500},
    lambda one: price_of(one, "EUR") >= 1500,
)
DEAR: Case = (
    {"currency": "EUR", "min_price_minor": 3700, "max_price_minor": 3900},
    lambda one: 3700 <= price_of(one, "EUR") <= 3900,
)
WARES: Case = ({"product_type": ["ware"]}, lambda one: one.kind == "ware")
RARELY_SOLD: Case = ({"channel": "eu"}, lambda one: one.channels is None or "eu" in one.channels)
SKUS: Case = (
    {"skus": [f"SKU-{n}-0" for n in range(0, COUNT, 5)]},
    lambda one: any(int(sku.split("-")[1]) % 5 == 0 for sku in one.skus),
)
SIZES: Case = (
    {"attributes": [{"key": "size", "in": [7, 8]}]},
    lambda one: one.values.get("size") in (6, 7, 8),
)
REFERENCES: Case = (
    {"external_references": ["erp-1", "erp-2"]},
    lambda one: one.product.external_reference in ("erp-1", "erp-2"),
)
DRAFTS: Case = ({"status": ["DRAFT"]}, lambda one: one.product.status == "DRAFT")
FILTERS: dict[str, Case] = {
    "all": ({}, lambda _: True),
    "material": equals("material", "oak"),
    "materials of a type": every(equals("material", "oak", "wool"), WARES),
    "variants' attribute": SIZES,
    "weights": between(20, 120),
    "few weights": between(20, 22),
    "no weights": between(201, 300),
    "weights of a material": every(between(50, 150), equals("material", "steel")),
    "type": WARES,
    "category": ({"category": "home/light"}, lambda one: one.product.category_slug == "home/light"),
    "category and below": HOME,
    "category and below from a price on": every(HOME, EUROS),
    "dear": DEAR,
    "dear, of a material": every(DEAR, equals("material", "oak")),
    "euros": EUROS,
    "name begins": ({"name_prefix": "lAmp"}, lambda one: one.product.name.lower().startswith("lamp")),
    "name contains": LAMPS,
    "rare name": RARE_NAME,
    "name contains, of a category": every(LAMPS, HOME),
    "name contains, of a material": every(LAMPS, equals("material", "oak")),
    "names, either": either(LAMPS, RARE_NAME),
    "skus": SKUS,
    "skus of a material": every(SKUS, equals("material", "oak")),
    "references or weights": either(
        REFERENCES,
        every(between(10, 40), WARES),
    ),
    "dear or of a category": either(DEAR, HOME),
    "not of a material": no(equals("material", "oak")),
    "of a material, not of a category": every(equals("material", "oak"), no(HOME)),
    "neither": no(either(LAMPS, WARES, DEAR)),
    "made then": (
        {"created_from": START + timedelta(days=20), "created_to": START + timedelta(days=60)},
        lambda one: START + timedelta(days=20) <= one.product.created_at < START + timedelta(days=60),
    ),
    "changed since": (
        {"updated_from": START + timedelta(hours=50)},
        lambda one: one.product.updated_at >= START + timedelta(hours=50),
    ),
    "channel": RARELY_SOLD,
    "channel, of a material": every(RARELY_SOLD, equals("material", "wool")),
    "drafts": DRAFTS,
    "drafts of a material": every(DRAFTS, equals("material", "steel")),
}


def sort_key(field: SortField) -> Callable[[Product], tuple[Any, ...]]:
    return lambda one: key_of(one, Sort(field))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FILTERS)
async def test_each_way_finds_what_the_filter_says_in_order(goods: Goods, name: str, way: str) -> None:
    """Pages from both ends, from a place within and from behind a cursor, for storefronts and for management."""
    given, keeps = FILTERS[name]
    store = ListStore(goods.database, WAYS[way])
    for sort in SORTS:
        for published_only in (False, True):
            kept = [one.product for one in goods.known if keeps(one)]
            kept = [one for one in kept if one.status == "PUBLISHED" or not published_only]
            kept.sort(key=sort_key(sort.field), reverse=sort.descending)
            wanted = shown(read_filter(given), published_only=published_only)
            case = (name, way, sort, published_only)
            await assert_pages(store, goods.environment_id, wanted, sort, kept, case)
            if sort == Sort():
                assert await store.count(goods.environment_id, wanted) == len(kept), case


async def assert_pages(
    store: ListStore, environment_id: str, wanted: Filter, sort: Sort, kept: list[Product], case: Any
) -> None:
    page = await store.page(environment_id, wanted, sort, limit=100)
    assert page == kept[:100], case
    middle = len(kept) // 2
    page = await store.page(environment_id, wanted, sort, limit=3, offset=middle)
    assert page == kept[middle : middle + 3], case
    page = await store.page(environment_id, wanted, sort, limit=9, offset=150)
    assert page == kept[150:159], case
    page = await store.page(environment_id, wanted, sort, backwards=True, limit=11)
    assert page == kept[-11:], case
    if kept:
        place = key_of(kept[middle], sort)
        page = await store.page(environment_id, AllOf((wanted, beyond(place, sort))), sort, limit=21)
        assert page == kept[middle + 1 : middle + 22], case
        before = AllOf((wanted, ahead_of(place, sort)))
        page = await store.page(environment_id, before, sort, backwards=True, limit=5)
        assert page == kept[max(middle - 5, 0) : middle], case


@pytest.mark.parametrize("way", WAYS)
async def test_no_way_leads_into_another_environment(goods: Goods, way: str) -> None:
    other = Shop(goods.service)
    own = (await other.create("Lamp of its own"))["id"]
    store = ListStore(goods.database, WAYS[way])
    for name, (given, keeps) in FILTERS.items():
        for sort in SORTS:
            found = await store.page(other.environment_id, read_filter(given), sort, limit=100)
            assert {one.id for one in found} <= {own}, (name, keeps)


SUBTREE_WAYS = {"merged": BOUNDS, "sorted by keys": Bounds(merged=0), "walked": Bounds(merged=0, keyed=0)}


@pytest.mark.parametrize("channel", [None, "eu", "nowhere"])
@pytest.mark.parametrize("way", SUBTREE_WAYS)
async def test_each_way_finds_what_is_in_a_category_and_below_by_name(
    goods: Goods, way: str, channel: str | None
) -> None:
    """`home` has no product of `home-office`, whatever comes between `home` and `home/` in the alphabet."""
    store = ListStore(goods.database, SUBTREE_WAYS[way])
    for published_only in (False, True):
        for limit, offset in ((100, 0), (7, 20), (3, 500)):
            pages = await store.pages_of_subtrees(
                goods.environment_id,
                [*PATHS, "no-such"],
                limit=limit,
                offset=offset,
                published_only=published_only,
                channel=channel,
            )
            for path in [*PATHS, "no-such"]:
                kept = [
                    one.product
                    for one in goods.known
                    if within(one.product.category_slug, path)
                    and (not published_only or one.product.status == "PUBLISHED")
                    and (channel is None or (channel == "eu" and RARELY_SOLD[1](one)))
                ]
                kept.sort(key=sort_key("NAME"))
                assert pages.get(path, []) == kept[offset : offset + limit], (path, published_only, limit, offset)
