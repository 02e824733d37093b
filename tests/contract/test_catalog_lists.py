"""Lists of products on a real server: each filter and sort beside a plain Python reading of it, pages and cursors."""

import base64
import contextlib
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract.catalog_shop import MANAGEMENT, STOREFRONT, Shop
from kokoa.kernel.ids import new_correlation_id, new_id
from kokoa.kernel.money import Money
from kokoa.postgres import Database
from kokoa.services.catalog.errors import InvalidCursor
from kokoa.services.catalog.lists.cursors import read_cursor, write_cursor
from kokoa.services.catalog.lists.filters import PARTS_MAX
from kokoa.services.catalog.lists.model import Sort
from kokoa.services.catalog.lists.ways import Bounds
from kokoa.services.catalog.model import NewProduct, NewVariant, Product
from kokoa.services.catalog.service import CatalogService

LIST = """query($filter: ProductFilter, $sort: ProductSort, $limit: Int! = 100, $offset: Int! = 0) {
  products(filter: $filter, sort: $sort, limit: $limit, offset: $offset) { id }
}"""
CONNECT = """
query($filter: ProductFilter, $sort: ProductSort, $first: Int, $after: String, $last: Int, $before: String) {
  productConnection(filter: $filter, sort: $sort, first: $first, after: $after, last: $last, before: $before) {
    edges { cursor node { id } }  nodes { id }  totalCount
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}"""
PATHS = ("home", "home/light", "home/light/lamps", "home-office", "garden")
NAMES = (
    "Lamp", "lamp shade", "Desk LAMP", "50% off", "under_score", "back\\slash", "Äpfel", "äpfelchen", "Sofa", "zebra",
)  # fmt: skip
START = datetime(2026, 1, 1, tzinfo=UTC)
Keeps = Callable[[Product, list[str]], bool]
SORTS = [(field, direction) for field in ("NAME", "PRICE", "CREATED", "UPDATED") for direction in ("ASC", "DESC")]


class Goods(Shop):
    """A shop with 60 products of all kinds, and what is known of them."""

    known: list[tuple[Product, list[str]]]

    def listed(self, keeps: Keeps, scopes: frozenset[str] = MANAGEMENT) -> list[Product]:
        return [
            product
            for product, skus in self.known
            if keeps(product, skus) and (scopes == MANAGEMENT or product.status == "PUBLISHED")
        ]


@pytest.fixture
def database(catalog: tuple[CatalogService, Database]) -> Database:
    return catalog[1]


@pytest.fixture(scope="module")
async def goods(catalog: tuple[CatalogService, Database]) -> Goods:
    """For tests that change nothing."""
    return await make_goods(*catalog)


async def make_goods(service: CatalogService, database: Database) -> Goods:
    shop = Goods(service)
    for path in PATHS:
        parent, _, slug = path.rpartition("/")
        found = await shop.data("query($p: String) { category(path: $p) { id } }", p=parent)
        create = "mutation($input: CreateCategoryInput!) { createCategory(input: $input) { id } }"
        parent_id = found["category"]["id"] if parent else None
        await shop.data(create, input={"name": slug, "slug": slug, "parentId": parent_id})
    created = await service.actions.create_products(
        shop.environment_id, [new_product(number) for number in range(60)], correlation_id=new_correlation_id()
    )
    await database.execute(shop.environment_id, SPREAD, [one.id for one in created], START)
    archive = "UPDATE products SET status = 'ARCHIVED' WHERE environment_id = $1 AND id = ANY ($2::uuid[])"
    await database.execute(shop.environment_id, archive, [one.id for one in created[::11]])
    after = await service.store.products_by_ids(shop.environment_id, [one.id for one in created])
    variants = await service.store.variants_of(shop.environment_id, list(after))
    shop.known = [(one, [variant.sku for variant in variants.get(one.id, [])]) for one in after.values()]
    return shop


# Moments with ties, half of them with microseconds.
SPREAD = """
    UPDATE products SET created_at = $3::timestamptz + make_interval(days => (wanted.n / 3)::int, secs => 0.000001),
                        updated_at = $3::timestamptz + make_interval(hours => (wanted.n % 7)::int)
      FROM unnest($2::uuid[]) WITH ORDINALITY AS wanted (id, n)
     WHERE products.environment_id = $1 AND products.id = wanted.id
"""


def new_product(number: int) -> NewProduct:
    currency = ("EUR", "USD", "CHF")[number % 3]
    price = Money((number % 5) * 1000, currency)
    variants = (NewVariant(f"SKU-{number}-A", "", price), NewVariant(f"SKU-{number}-B", "", price))
    return NewProduct(
        name=NAMES[number % len(NAMES)],
        slug=f"product-{number}",
        description="",
        category_slug=None if number % 6 == 5 else PATHS[number % 6],
        external_reference=f"erp-{number}" if number % 4 else None,
        variants=() if number % 13 == 12 else variants,
        status="DRAFT" if number % 7 == 3 else "PUBLISHED",
    )


def sort_key(field: str) -> Callable[[Product], tuple[Any, ...]]:
    return {
        "NAME": lambda one: (one.name, one.id),
        "PRICE": lambda one: (one.currency or "~", one.price_minor or 0, one.id),
        "CREATED": lambda one: (one.created_at, one.id),
        "UPDATED": lambda one: (one.updated_at, one.id),
    }[field]


def in_order(products: list[Product], field: str = "NAME", direction: str = "ASC") -> list[str]:
    return [one.id for one in sorted(products, key=sort_key(field), reverse=direction == "DESC")]


async def listed(shop: Shop, scopes: frozenset[str] = MANAGEMENT, **variables: Any) -> list[str]:
    return [one["id"] for one in (await shop.data(LIST, scopes, **variables))["products"]]


def within(path: str | None, *stems: str) -> bool:
    return path is not None and any(path == stem or path.startswith(f"{stem}/") for stem in stems)


MIDDLE = START + timedelta(days=5)
KEEPS: list[tuple[dict[str, Any], Keeps]] = [
    ({}, lambda p, _: True),
    ({"status": ["DRAFT", "ARCHIVED"]}, lambda p, _: p.status != "PUBLISHED"),
    ({"status": []}, lambda p, _: False),
    ({"category": "home"}, lambda p, _: p.category_slug == "home"),
    ({"category": "home", "includeSubcategories": True}, lambda p, _: within(p.category_slug, "home")),
    ({"category": "home/light", "includeSubcategories": True}, lambda p, _: within(p.category_slug, "home/light")),
    ({"category": "nowhere", "includeSubcategories": True}, lambda p, _: False),
    ({"not": {"category": "home"}}, lambda p, _: p.category_slug != "home"),
    ({"namePrefix": "LAMP"}, lambda p, _: p.name.lower().startswith("lamp")),
    ({"namePrefix": "äpf"}, lambda p, _: p.name.lower().startswith("äpf")),
    ({"namePrefix": "50%"}, lambda p, _: p.name.startswith("50%")),
    ({"namePrefix": "%"}, lambda p, _: False),
    ({"nameContains": "lAm"}, lambda p, _: "lam" in p.name.lower()),
    ({"nameContains": "ÄPF"}, lambda p, _: "äpf" in p.name.lower()),
    ({"nameContains": "0% o"}, lambda p, _: "0% o" in p.name),
    ({"nameContains": "r_s"}, lambda p, _: "r_s" in p.name),
    ({"nameContains": "k\\s"}, lambda p, _: "k\\s" in p.name),
    ({"nameContains": "l_m"}, lambda p, _: False),
    ({"currency": "EUR"}, lambda p, _: p.currency == "EUR"),
    (
        {"currency": "USD", "minPriceMinor": 1000, "maxPriceMinor": 3000},
        lambda p, _: p.currency == "USD" and 1000 <= (p.price_minor or 0) <= 3000,
    ),
    ({"not": {"currency": "EUR", "minPriceMinor": -5}}, lambda p, _: p.currency != "EUR"),
    ({"skus": ["SKU-4-A", "SKU-9-B", "no"]}, lambda _, skus: bool({"SKU-4-A", "SKU-9-B"} & set(skus))),
    ({"externalReferences": ["erp-1", "erp-2"]}, lambda p, _: p.external_reference in {"erp-1", "erp-2"}),
    ({"not": {"externalReferences": ["erp-1"]}}, lambda p, _: p.external_reference != "erp-1"),
    ({"createdFrom": MIDDLE.isoformat()}, lambda p, _: p.created_at >= MIDDLE),
    ({"createdTo": "2026-01-06T02:00:00+02:00"}, lambda p, _: p.created_at < MIDDLE),
    ({"updatedTo": "0001-01-01T00:00:00Z"}, lambda p, _: False),
    ({"updatedFrom": "2026-01-01T03:00:00Z"}, lambda p, _: p.updated_at >= START + timedelta(hours=3)),
    ({"updatedTo": "9999-12-31T23:59:59.999999Z"}, lambda p, _: True),
]  # fmt: skip


@pytest.mark.parametrize("scopes", [MANAGEMENT, STOREFRONT], ids=["management", "storefront"])
async def test_each_filter_keeps_what_it_says_for_whoever_asks(goods: Goods, scopes: frozenset[str]) -> None:
    for given, keeps in KEEPS:
        wanted = in_order(goods.listed(keeps, scopes))
        assert await listed(goods, scopes, filter=given) == wanted, given


async def test_filters_join_by_and_or_and_not(goods: Goods, monkeypatch: pytest.MonkeyPatch) -> None:
    """150 made-up combinations, by whichever way; the same seed each time."""
    chance = random.Random(20)
    for _ in range(150):
        few = chance.choice([0, 2, 500])
        bounds = Bounds(few, *(chance.choice([few, 8, 8_000]) for _ in range(3)), *chance.choices([3, 9, 8_000], k=2))
        monkeypatch.setattr(goods.service.lists, "bounds", bounds)
        given, keeps = made_up(chance, 3)
        while str(given).count("nameContains") > PARTS_MAX:
            given, keeps = made_up(chance, 3)
        scopes = chance.choice([MANAGEMENT, STOREFRONT])
        assert await listed(goods, scopes, filter=given) == in_order(goods.listed(keeps, scopes)), given


def made_up(chance: random.Random, depth: int) -> tuple[dict[str, Any], Keeps]:
    kind = chance.choice(["plain", "and", "or", "not"]) if depth else "plain"
    if kind == "plain":
        return chance.choice(KEEPS)
    if kind == "not":
        given, keeps = made_up(chance, depth - 1)
        return {"not": given}, lambda product, skus: not keeps(product, skus)
    parts = [made_up(chance, depth - 1) for _ in range(chance.randint(1, 3))]
    join = all if kind == "and" else any
    return {kind: [given for given, _ in parts]}, lambda p, skus: join(keeps(p, skus) for _, keeps in parts)


@pytest.mark.parametrize(("field", "direction"), SORTS)
async def test_sorts_break_ties_by_id_and_pages_are_parts_of_the_list(
    goods: Goods, field: str, direction: str
) -> None:
    sort = {"field": field, "direction": direction}
    wanted = in_order(goods.listed(lambda p, _: True), field, direction)
    assert await listed(goods, sort=sort) == wanted
    assert await listed(goods, sort=sort, limit=7, offset=20) == wanted[20:27]
    deep = {"category": "home", "includeSubcategories": True}
    kept = goods.listed(lambda p, _: within(p.category_slug, "home"), STOREFRONT)
    assert await listed(goods, STOREFRONT, sort=sort, filter=deep) == in_order(kept, field, direction)


@pytest.mark.parametrize("end", ["first", "last"])
@pytest.mark.parametrize(("field", "direction"), SORTS)
async def test_cursors_walk_the_whole_list_once(goods: Goods, field: str, direction: str, end: str) -> None:
    sort, given = {"field": field, "direction": direction}, {"not": {"category": "garden"}}
    wanted = in_order(goods.listed(lambda p, _: p.category_slug != "garden", STOREFRONT), field, direction)
    walked: list[str] = []
    cursor = None
    for _ in range(20):
        more = {"first": 9, "after": cursor} if end == "first" else {"last": 9, "before": cursor}
        page = await connection(goods, STOREFRONT, filter=given, sort=sort, **more)
        ids = [edge["node"]["id"] for edge in page["edges"]]
        assert ids == [one["id"] for one in page["nodes"]]
        assert page["totalCount"] == len(wanted)
        info = page["pageInfo"]
        assert (info["startCursor"], info["endCursor"]) == (page["edges"][0]["cursor"], page["edges"][-1]["cursor"])
        if end == "first":
            walked, cursor, onward, back = walked + ids, info["endCursor"], "hasNextPage", "hasPreviousPage"
        else:
            walked, cursor, onward, back = ids + walked, info["startCursor"], "hasPreviousPage", "hasNextPage"
        assert info[back] == (len(walked) > len(ids))
        assert info[onward] == (len(walked) < len(wanted))
        if not info[onward]:
            break
    assert walked == wanted


async def connection(shop: Shop, scopes: frozenset[str] = MANAGEMENT, **variables: Any) -> Any:
    return (await shop.data(CONNECT, scopes, **variables))["productConnection"]


async def test_two_cursors_make_a_window_and_an_empty_page_knows_its_surroundings(goods: Goods) -> None:
    edges = (await connection(goods, first=100))["edges"]
    after, before = edges[4]["cursor"], edges[9]["cursor"]
    for more in ({"first": 50}, {"last": 50}):
        page = await connection(goods, after=after, before=before, **more)
        assert [edge["node"]["id"] for edge in page["edges"]] == [edge["node"]["id"] for edge in edges[5:9]]
        assert (page["pageInfo"]["hasPreviousPage"], page["pageInfo"]["hasNextPage"]) == (True, True)
    empty = await connection(goods, after=edges[-1]["cursor"])
    ends = {"hasNextPage": False, "hasPreviousPage": True, "startCursor": None, "endCursor": None}
    assert (empty["edges"], empty["pageInfo"]) == ([], ends)
    none = await connection(goods, last=5, before=edges[0]["cursor"])
    assert (none["pageInfo"]["hasNextPage"], none["pageInfo"]["hasPreviousPage"]) == (True, False)
    assert (await connection(goods, first=0))["pageInfo"]["hasNextPage"] is True
    assert (await connection(goods, filter={"ids": []}))["totalCount"] == 0


async def test_a_page_goes_on_where_it_ended_whatever_was_added_or_taken_before(
    catalog: tuple[CatalogService, Database],
) -> None:
    goods = await make_goods(*catalog)
    wanted = in_order(goods.listed(lambda p, _: True))
    page = await connection(goods, first=10)
    await goods.service.actions.delete_product(
        goods.environment_id, wanted[9], 1, correlation_id=new_correlation_id()
    )
    await goods.create("AAA comes first")
    following = await connection(goods, first=10, after=page["pageInfo"]["endCursor"])
    assert [edge["node"]["id"] for edge in following["edges"]] == wanted[10:20]


async def test_another_environment_finds_nothing_by_ids_categories_and_cursors(goods: Goods) -> None:
    other = Shop(goods.service)
    own = (await other.create("Own"))["id"]
    foreign = goods.known[0][0]
    category = (await goods.data('{ category(slug: "home") { id } }'))["category"]["id"]
    for given in (
        {"ids": [foreign.id]},
        {"categoryId": category, "includeSubcategories": True},
        {"categoryId": category},
        {"category": "home", "includeSubcategories": True},
        {"skus": ["SKU-1-A"]},
        {"externalReferences": ["erp-1"]},
        {"nameContains": "lamp"},
    ):
        assert await listed(other, filter=given) == [], given
        assert await listed(other, filter={"not": given}) == [own], given
    cursor = (await connection(goods, first=1))["pageInfo"]["endCursor"]
    assert await other.code(CONNECT, after=cursor) == "INVALID_CURSOR"
    same = in_order(goods.listed(lambda p, _: within(p.category_slug, "home")))
    assert await listed(goods, filter={"categoryId": category, "includeSubcategories": True}) == same


DEEP: dict[str, Any] = {"namePrefix": "a"}
for _ in range(5):
    DEEP = {"not": DEEP}


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        ({"filter": {"ids": ["7"]}}, "INVALID_ID", "filter.ids"),
        ({"filter": {"ids": [new_id()] * 101}}, "INVALID_FILTER", "at most 100"),
        ({"filter": {"skus": [""]}}, "INVALID_FILTER", "filter.skus"),
        ({"filter": {"skus": ["a\x00"]}}, "INVALID_TEXT", "filter.skus"),
        ({"filter": {"or": [{"externalReferences": ["x" * 129]}]}}, "INVALID_FILTER", "filter.or.0.externalRef"),
        ({"filter": {"namePrefix": ""}}, "INVALID_FILTER", "filter.namePrefix"),
        ({"filter": {"namePrefix": "a\x00"}}, "INVALID_TEXT", "NUL"),
        ({"filter": {"namePrefix": "\ud800"}}, "INVALID_TEXT", "surrogate"),
        ({"filter": {"nameContains": "ab"}}, "INVALID_FILTER", "3 to 200"),
        ({"filter": {"nameContains": "x" * 201}}, "INVALID_FILTER", "3 to 200"),
        ({"filter": {"category": "a\x00"}}, "INVALID_TEXT", "filter.category"),
        ({"filter": {"category": "a", "categoryId": new_id()}}, "INVALID_FILTER", "not both"),
        ({"filter": {"categoryId": "a"}}, "INVALID_ID", "filter.categoryId"),
        ({"filter": {"includeSubcategories": True}}, "INVALID_FILTER", "needs category"),
        ({"filter": {"minPriceMinor": 1}}, "INVALID_FILTER", "currency"),
        ({"filter": {"currency": "eur"}}, "INVALID_FILTER", "ISO 4217"),
        ({"filter": {"currency": "E\x00R"}}, "INVALID_FILTER", "ISO 4217"),
        ({"filter": {"currency": "EUR", "minPriceMinor": 2, "maxPriceMinor": 1}}, "INVALID_FILTER", "above"),
        ({"filter": {"currency": "EUR", "minPriceMinor": 2**31}}, "BAD_USER_INPUT", "32-bit"),
        ({"filter": {"currency": "EUR", "minPriceMinor": 1.5}}, "BAD_USER_INPUT", "Int"),
        ({"filter": {"status": ["SOLD"]}}, "BAD_USER_INPUT", "ProductStatus"),
        ({"filter": {"createdFrom": "0001-01-01T00:00:00+01:00"}}, "BAD_USER_INPUT", "years 1 to 9999"),
        ({"filter": {"createdTo": "9999-12-31T23:59:59-01:00"}}, "BAD_USER_INPUT", "years 1 to 9999"),
        ({"filter": {"createdTo": "10000-01-01T00:00:00Z"}}, "BAD_USER_INPUT", "not a date and time"),
        ({"filter": {"createdTo": "infinity"}}, "BAD_USER_INPUT", "not a date and time"),
        ({"filter": {"updatedTo": "2026-01-01"}}, "BAD_USER_INPUT", "time zone"),
        ({"filter": {"updatedTo": 1767225600}}, "BAD_USER_INPUT", "DateTime"),
        (
            {"filter": {"updatedFrom": "2026-01-02T00:00:00Z", "updatedTo": "2026-01-01T00:00:00Z"}},
            "INVALID_FILTER",
            "updatedFrom is after updatedTo",
        ),
        ({"filter": {"or": []}}, "INVALID_FILTER", "at least one"),
        ({"filter": {"and": [{}, {"or": []}]}}, "INVALID_FILTER", "filter.and.1.or"),
        ({"filter": DEEP}, "INVALID_FILTER", "5 levels"),
        ({"filter": {"or": [{}] * 64}}, "INVALID_FILTER", "64 conditions"),
        ({"filter": {"or": [{"namePrefix": "a"}] * 40}}, "INVALID_FILTER", "64 conditions"),
        ({"filter": {"or": [{"nameContains": "lamp"}] * 4}}, "INVALID_FILTER", "nameContains may stand 3 times"),
        ({"sort": {"field": "COLOUR"}}, "BAD_USER_INPUT", "ProductSortField"),
        ({"limit": 101}, "INVALID_PAGE", "limit"),
        ({"offset": 10_001}, "INVALID_PAGE", "offset"),
    ],
)
async def test_a_wrong_filter_is_named(goods: Goods, given: dict[str, Any], code: str, says: str) -> None:
    found, message = await goods.error(LIST, STOREFRONT, **given)
    assert (found, says in message) == (code, True), message


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("first: 101", "INVALID_PAGE"),
        ("first: -1", "INVALID_PAGE"),
        ("last: 101", "INVALID_PAGE"),
        ("first: 1, last: 1", "INVALID_PAGE"),
        ('after: ""', "INVALID_CURSOR"),
        ('after: "%%%"', "INVALID_CURSOR"),
        ('before: "bmV2ZXI"', "INVALID_CURSOR"),
        (f'before: "{"A" * 2001}"', "INVALID_CURSOR"),
    ],
)
async def test_a_wrong_window_is_named(goods: Goods, arguments: str, code: str) -> None:
    assert await goods.code(f"{{ productConnection({arguments}) {{ nodes {{ id }} }} }}") == code


async def test_a_cursor_holds_for_the_sort_it_was_made_with(goods: Goods) -> None:
    cursor = (await connection(goods, first=1))["pageInfo"]["endCursor"]
    for sort in ({"field": "PRICE"}, {"direction": "DESC"}):
        code, message = await goods.error(CONNECT, after=cursor, sort=sort)
        assert (code, "sorted by NAME, ascending" in message) == ("INVALID_CURSOR", True)


FORGED: list[tuple[str, tuple[Any, ...]]] = [
    ("NAME", ("a\x00", new_id())),
    ("NAME", ("a", "not an id")),
    ("NAME", ("a", "b", new_id())),
    ("NAME", (7, new_id())),
    ("NAME", ("a", 7)),
    ("NAME", ()),
    ("PRICE", ("EUR", 2**63, new_id())),
    ("PRICE", (7, 7, new_id())),
    ("PRICE", ("E\x00", 7, new_id())),
    ("CREATED", (2**62, new_id())),
    ("CREATED", (-(2**62), new_id())),
    ("UPDATED", ("today", new_id())),
]


@pytest.mark.parametrize(("field", "key"), FORGED)
async def test_a_forged_cursor_is_refused_and_reaches_no_database(
    goods: Goods, field: Any, key: tuple[Any, ...]
) -> None:
    cursor = write_cursor(goods.environment_id, Sort(field), key)
    code, message = await goods.error(CONNECT, STOREFRONT, after=cursor, sort={"field": field})
    assert (code, message) == ("INVALID_CURSOR", "after is no cursor of this list.")


def test_bytes_that_somebody_changed_are_refused_or_name_a_place() -> None:
    environment, chance = new_id(), random.Random(7)
    good = base64.urlsafe_b64decode(write_cursor(environment, Sort(), ("Lamp", new_id())) + "==")
    for _ in range(2_000):
        changed = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        text = base64.urlsafe_b64encode(bytes(changed)).decode().rstrip("=")
        with contextlib.suppress(InvalidCursor):
            name, product_id = read_cursor(text, environment, Sort(), field="after")
            assert "\x00" not in name
            assert len(product_id) == 36


async def test_ids_keep_their_order_and_go_with_neither_filter_nor_sort(goods: Goods) -> None:
    ids = [product.id for product, _ in goods.known[5:0:-1]]
    query = "query($ids: [ID!]!) { products(ids: $ids) { id } }"
    assert [one["id"] for one in (await goods.data(query, ids=ids))["products"]] == ids
    both = 'query($ids: [ID!]!) { products(ids: $ids, filter: {namePrefix: "a"}) { id } }'
    assert await goods.code(both, ids=ids) == "INVALID_FILTER"
    within_home = '{ products(category: "home", filter: {namePrefix: "L"}) { id } }'
    kept = goods.listed(lambda p, _: p.category_slug == "home" and p.name.lower().startswith("l"))
    assert [one["id"] for one in (await goods.data(within_home))["products"]] == in_order(kept)
