"""How many statements a list takes: the same for one product and for fifty, and few."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from contract.catalog_shop import MANAGEMENT, STOREFRONT, Shop
from contract.test_product_types import create_type
from kokoa.kernel.ids import new_correlation_id
from kokoa.kernel.money import Money
from kokoa.postgres import Database
from kokoa.postgres.connections import PinnedConnection
from kokoa.services.catalog.model import Category, NewProduct, NewVariant
from kokoa.services.catalog.service import CatalogService
from kokoa.services.catalog.types.details import DetailsChange, NewOption, Option, VariantChange

PARTS = "id name price status variants { sku } category { path name }"
PAGE = "pageInfo { hasNextPage hasPreviousPage endCursor } totalCount"
CURSOR = "query { productConnection(first: 2) { pageInfo { endCursor } } }"
# Query, and how many statements it may take.
LISTS = {
    "listing": ("query($n: Int!) { products(limit: $n) { PARTS } }", 3),
    "listing of a category": ('query($n: Int!) { products(limit: $n, category: "shelf-1") { PARTS } }', 3),
    "filtered": (
        """query($n: Int!) { products(
             limit: $n, sort: {field: PRICE, direction: DESC},
             filter: {or: [{nameContains: "thing"}, {skus: ["none"]}], not: {category: "nowhere"}}) { PARTS } }""",
        4,
    ),
    "types, attributes and options": (
        """query($n: Int!) { products(limit: $n) {
             productType { key } attributes(keys: ["like"]) { display reference { id } }
             attribute(key: "power") { number } options { key }
             variants { attributes { key } options { value } product { id } } } }""",
        10,
    ),
    "filtered by type and attribute": (
        """query($n: Int!) { products(limit: $n, filter: {
             productType: "lamp", attributes: [{key: "power", min: 1}]}) { PARTS } }""",
        3,
    ),
    "connection": (
        """query($n: Int!, $after: String) { productConnection(first: $n, after: $after, filter: {currency: "EUR"}) {
             nodes { PARTS } edges { cursor } PAGE } }""",
        5,
    ),
    "connection from the end": (
        "query($n: Int!) { productConnection(last: $n) { edges { cursor node { PARTS } } PAGE } }",
        4,
    ),
    "connection without a count": (
        "query($n: Int!) { productConnection(first: $n) { nodes { id } pageInfo { hasNextPage } } }",
        1,
    ),
    "categories with products": (
        """query($n: Int!) { categories(limit: $n) {
             parent { path } breadcrumbs { path } products(limit: 3) { PARTS } } }""",
        5,
    ),
    "categories with what is below": (
        """query($n: Int!) { categories(limit: $n) {
             children { path } products(limit: 3, includeSubcategories: true) { PARTS } } }""",
        5,
    ),
    "categories with products of a channel": (
        """query($n: Int!) { categories(limit: $n) {
             parent { path } breadcrumbs { path } products(limit: 3, channel: "eu") { PARTS } } }""",
        5,
    ),
    "categories with what is below of a channel": (
        """query($n: Int!) { categories(limit: $n) {
             children { path } products(limit: 3, includeSubcategories: true, channel: "eu") { PARTS } } }""",
        5,
    ),
    "variants by SKU": (
        """query($n: Int!, $skus: [String!]) { variants(skus: $skus, limit: $n) {
             sku name price product { name } priceIn(currency: "EUR") { priceMinor } } }""",
        1,
    ),
    "variants by SKU in another currency": (
        """query($n: Int!, $skus: [String!]) { variants(skus: $skus, limit: $n) {
             sku priceIn(currency: "SEK") { priceMinor } } }""",
        2,
    ),
    "variants by SKU in a channel": (
        """query($n: Int!, $skus: [String!]) { variants(skus: $skus, limit: $n) {
             sku product { name soldIn(channel: "eu") category { path } }
             priceIn(channel: "eu") { priceMinor } } }""",
        4,
    ),
    "entities": (
        """query($n: Int!, $representations: [_Any!]!) {
             products(limit: $n) { id }
             _entities(representations: $representations) { ... on Product { PARTS } } }""",
        4,
    ),
}

LIKE = {"key": "like", "name": "Like", "type": "REFERENCE"}
VARIANT_LEVEL = {"key": "ean", "name": "EAN", "type": "TEXT", "level": "VARIANT"}


@pytest.fixture(scope="module")
async def shop(catalog: tuple[CatalogService, Database]) -> Shop:
    shop = Shop(catalog[0])
    shelves = [Category(f"shelf-{n}", f"Shelf {n}") for n in range(60)]
    await shop.service.actions.put_categories(shop.environment_id, shelves)
    await shop.data('mutation { createChannel(input: {key: "eu", name: "EU"}) { id } }')
    products = [
        NewProduct(
            f"Thing {n}",
            f"thing-{n}",
            "",
            f"shelf-{n}" if n < 60 else "shelf-1",
            None,
            (NewVariant(f"SKU-{n}", "", Money(100 + n, "EUR")),),
        )
        for n in range(110)
    ]
    await create_type(shop, "lamp", [{"key": "power", "name": "P", "type": "NUMBER"}, LIKE, VARIANT_LEVEL])
    first = await shop.create("Thing 5 and its shade", variants=[], category="shelf-1")
    size = NewOption(Option("size", "Size", ("S",)), "S")
    details = [
        DetailsChange(
            "lamp",
            (("power", n + 1), ("like", first["id"])),
            (size,),
            {f"SKU-{n}": VariantChange((("ean", f"{n}"),))},
        )
        for n in range(110)
    ]
    await shop.service.actions.create_products(
        shop.environment_id, products, details=details, correlation_id=new_correlation_id()
    )
    return shop


@contextmanager
def counting(patch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every statement that a connection sends meanwhile, but for the pinning of its environment."""
    sent: list[str] = []

    def counted(name: str) -> Any:
        send = getattr(PinnedConnection, name)

        async def count(self: Any, statement: str, *more: Any, **named: Any) -> Any:
            if "set_config" not in statement:
                sent.append(statement)
            return await send(self, statement, *more, **named)

        return count

    with patch.context() as patched:
        for name in ("fetch", "fetchrow", "fetchval", "execute", "executemany"):
            patched.setattr(PinnedConnection, name, counted(name))
        yield sent


@pytest.mark.parametrize("scopes", [STOREFRONT, MANAGEMENT], ids=["storefront", "management"])
@pytest.mark.parametrize("name", LISTS)
async def test_a_list_takes_as_many_statements_for_fifty_as_for_one(
    shop: Shop, name: str, scopes: frozenset[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    document, most = LISTS[name]
    document = document.replace("PARTS", PARTS).replace("PAGE", PAGE)
    after = (await shop.data(CURSOR, scopes))["productConnection"]["pageInfo"]["endCursor"]
    every = [one["id"] for one in (await shop.data("{ products(limit: 50) { id } }", scopes))["products"]]
    counts = []
    for size in (1, 50):
        wanted: dict[str, Any] = {"n": size}
        if "$after" in document:
            wanted["after"] = after
        if "$skus" in document:
            wanted["skus"] = [f"SKU-{n}" for n in range(size)]
        if "$representations" in document:
            wanted["representations"] = [{"__typename": "Product", "id": one} for one in every[:size]]
        with counting(monkeypatch) as sent:
            answer = await shop.data(document, scopes, **wanted)
        assert longest(answer) == size
        counts.append(len(sent))
    assert counts[0] == counts[1] <= most, counts


async def test_a_change_takes_few_statements(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """With everything that it can say; without attributes and options as many as before there were any."""
    one = (await shop.data('{ product(slug: "thing-7") { id variants { id } } }'))["product"]
    variant = one["variants"][0]["id"]
    update = "mutation($input: UpdateProductInput!) { updateProduct(input: $input) { version } }"
    change = "mutation($input: UpdateVariantInput!) { updateVariant(input: $input) { product { version } } }"
    attributes = [{"key": "power", "value": 900}, {"key": "like", "value": one["id"]}]
    own, chosen = [{"key": "ean", "value": "new"}], [{"key": "size", "value": "S"}]
    for document, given, most in (
        (update, {"id": one["id"], "version": 1, "description": "x"}, 2),
        (update, {"id": one["id"], "version": 2, "attributes": attributes}, 12),
        (change, {"id": variant, "version": 3, "priceMinor": 7, "attributes": own, "options": chosen}, 12),
    ):
        with counting(monkeypatch) as sent:
            await shop.data(document, input=given)
        assert len([one for one in sent if one not in ("BEGIN;", "COMMIT;")]) <= most, sent


def longest(answer: Any) -> int:
    """The length of the longest list in an answer."""
    if isinstance(answer, dict):
        return max((longest(value) for value in answer.values()), default=0)
    return max([len(answer), *map(longest, answer)]) if isinstance(answer, list) else 0
