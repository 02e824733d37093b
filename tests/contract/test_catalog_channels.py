"""Channels: which products are sold where and for which prices, in lists, by product, and by variant."""

import asyncio
from typing import Any

import pytest

from contract.catalog_shop import MANAGEMENT, STOREFRONT, Shop
from contract.test_catalog_schedules import told
from contract.test_catalog_statements import counting
from kokoa.postgres import Database
from kokoa.services.catalog.channels.model import CHANNELS_MAX
from kokoa.services.catalog.model import Category
from kokoa.services.catalog.service import CatalogService

CREATE_CHANNEL = """mutation($input: CreateChannelInput!) {
  createChannel(input: $input) { id key name currency countries version } }"""
UPDATE_CHANNEL = """mutation($input: UpdateChannelInput!) {
  updateChannel(input: $input) { key name currency countries version } }"""
DELETE_CHANNEL = "mutation($id: ID!, $v: Int!) { deleteChannel(id: $id, version: $v) }"
LIMIT = """mutation($id: ID!, $v: Int!, $keys: [String!]) {
  setProductChannels(id: $id, version: $v, channels: $keys) { version channels } }"""
PRICES = "prices { channel currency priceMinor price }"
SET_PRICES = f"""mutation($input: SetVariantPricesInput!) {{
  setVariantPrices(input: $input) {{ version variants {{ sku {PRICES} }} }} }}"""
PRICE_IN = """query($id: ID, $channel: String, $currency: String) { product(id: $id) { price variants {
  price priceIn(channel: $channel, currency: $currency) { channel currency priceMinor price } } } }"""


@pytest.fixture
def database(catalog: tuple[CatalogService, Database]) -> Database:
    return catalog[1]


@pytest.fixture
async def shop(catalog: tuple[CatalogService, Database]) -> Shop:
    """One with a shop front in euros and one in kronor."""
    shop = Shop(catalog[0])
    await shop.service.actions.put_categories(shop.environment_id, [Category("lamps", "Lamps")])
    await channel(shop, "eu", currency="EUR")
    await channel(shop, "sweden", currency="SEK", countries=["SE"])
    return shop


async def channel(shop: Shop, key: str, **more: Any) -> Any:
    wanted = {"key": key, "name": key.title(), **more}
    return (await shop.data(CREATE_CHANNEL, input=wanted))["createChannel"]


async def limited(shop: Shop, product_id: str, version: int, *keys: str) -> Any:
    return (await shop.data(LIMIT, id=product_id, v=version, keys=list(keys)))["setProductChannels"]


def prices(product_id: str, version: int, sku: str, *given: tuple[str | None, str, int]) -> dict[str, Any]:
    of_variant = [{"channel": one, "currency": currency, "priceMinor": minor} for one, currency, minor in given]
    return {"id": product_id, "version": version, "variants": [{"sku": sku, "prices": of_variant}]}


async def test_a_channel_is_made_changed_and_removed(shop: Shop, database: Database) -> None:
    made = await channel(shop, "b2b", countries=["DE", "AT"])
    assert made["version"] == 1
    change = {"id": made["id"], "version": 1, "name": "Business", "currency": "EUR"}
    for _ in range(2):  # again, as after a lost answer
        changed = (await shop.data(UPDATE_CHANNEL, input=change))["updateChannel"]
        assert changed == {**{k: v for k, v in made.items() if k != "id"}, **without_id(change), "version": 2}
    cleared = {"id": made["id"], "version": 2, "currency": None, "countries": []}
    changed = (await shop.data(UPDATE_CHANNEL, input=cleared))["updateChannel"]
    assert (changed["currency"], changed["countries"], changed["name"]) == (None, [], "Business")
    assert await shop.code(UPDATE_CHANNEL, input={**change, "name": "Late"}) == "CHANNEL_CHANGED"
    assert await shop.code(DELETE_CHANNEL, id=made["id"], v=1) == "CHANNEL_CHANGED"
    await shop.data(DELETE_CHANNEL, id=made["id"], v=3)
    assert await shop.code(DELETE_CHANNEL, id=made["id"], v=3) == "CHANNEL_NOT_FOUND"
    listed = (await shop.data("{ channels { key } }", STOREFRONT))["channels"]
    assert [one["key"] for one in listed] == ["eu", "sweden"]
    assert await told(shop, database, made["id"]) == [
        "ChannelCreated",
        "ChannelUpdated",
        "ChannelUpdated",
        "ChannelDeleted",
    ]


def without_id(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in ("id", "version")}


LISTS = [
    '{ products(channel: "%s") { name } }',
    '{ products(channel: "%s", category: "lamps") { name } }',
    '{ products(channel: "%s", filter: {currency: "EUR"}, sort: {field: CREATED}) { name } }',
    '{ products(filter: {channel: "%s"}) { name } }',
    '{ productConnection(filter: {channel: "%s"}) { nodes { name } totalCount } }',
    '{ productConnection(channel: "%s") { nodes { name } totalCount } }',
    '{ category(path: "lamps") { products(channel: "%s") { name } } }',
    '{ category(path: "lamps") { products(channel: "%s", includeSubcategories: true) { name } } }',
]


@pytest.mark.parametrize("document", LISTS)
async def test_a_list_has_what_is_sold_in_the_channel(shop: Shop, document: str) -> None:
    for name, keys in (("Everywhere", None), ("Only EU", ["eu"]), ("Only Sweden", ["sweden"]), ("Nowhere", [])):
        made = await shop.create(name, category="lamps")
        if keys is not None:
            await limited(shop, made["id"], 1, *keys)
    assert await listed(shop, document % "eu") == ["Everywhere", "Only EU"]
    assert await listed(shop, document % "sweden") == ["Everywhere", "Only Sweden"]
    assert await listed(shop, document % "nowhere") == []
    assert len(await listed(shop, "{ products { name } }")) == 4


async def listed(shop: Shop, document: str) -> list[str]:
    found = await shop.data(document, STOREFRONT)
    at = found.get("category", found)
    products = at["products"] if "products" in at else found["productConnection"]["nodes"]
    if "productConnection" in found:
        assert found["productConnection"]["totalCount"] == len(products)
    return sorted(one["name"] for one in products)


async def test_one_product_is_shown_in_its_channels_only(shop: Shop, database: Database) -> None:
    made = (await shop.create("Lamp"))["id"]
    assert (await limited(shop, made, 1, "sweden", "eu"))["channels"] == ["eu", "sweden"]
    assert await limited(shop, made, 1, "eu", "sweden") == {"version": 2, "channels": ["eu", "sweden"]}  # again
    await limited(shop, made, 2, "sweden")
    query = """query($id: ID!, $channel: String) {
      id: product(id: $id, channel: $channel) { id } slug: product(slug: "lamp", channel: $channel) { id }
      ids: products(ids: [$id], channel: $channel) { id } }"""
    yes = {"id": {"id": made}, "slug": {"id": made}, "ids": [{"id": made}]}
    no = {"id": None, "slug": None, "ids": []}
    for key, answer in (("sweden", yes), ("eu", no), ("nowhere", no), (None, yes)):
        assert await shop.data(query, STOREFRONT, id=made, channel=key) == answer, key
    back = "mutation($id: ID!) { setProductChannels(id: $id, version: 3) { version channels } }"
    assert (await shop.data(back, id=made))["setProductChannels"] == {"version": 4, "channels": None}
    assert (await shop.data(query, STOREFRONT, id=made, channel="eu")) == yes
    assert await told(shop, database, made) == ["ProductCreated"] + ["ProductUpdated"] * 3


async def test_the_price_of_the_channel_comes_before_the_one_of_the_currency_and_that_before_the_own(
    shop: Shop,
) -> None:
    made = (await shop.create("Lamp"))["id"]
    given = prices(
        made,
        1,
        "Lamp-1",
        ("sweden", "SEK", 99_900),
        (None, "SEK", 105_000),
        ("eu", "EUR", 8_500),
        (None, "JPY", 14_000),
    )
    answer = (await shop.data(SET_PRICES, input=given))["setVariantPrices"]
    assert answer["version"] == 2
    own = {"channel": None, "currency": "EUR", "priceMinor": 8990, "price": 89.9}
    assert [one["priceMinor"] for one in answer["variants"][0]["prices"]] == [8990, 14_000, 105_000, 8_500, 99_900]
    assert answer["variants"][0]["prices"][0] == own
    assert answer["variants"][1]["prices"] == [{**own, "priceMinor": 7990, "price": 79.9}]
    chosen = {
        ("sweden", "SEK"): ("sweden", "SEK", 99_900, 999.0),
        ("sweden", None): ("sweden", "SEK", 99_900, 999.0),
        ("eu", "SEK"): (None, "SEK", 105_000, 1050.0),
        (None, "SEK"): (None, "SEK", 105_000, 1050.0),
        ("eu", None): ("eu", "EUR", 8_500, 85.0),
        ("sweden", "EUR"): (None, "EUR", 8_990, 89.9),
        ("sweden", "JPY"): (None, "JPY", 14_000, 14_000.0),
        ("sweden", "USD"): (None, "EUR", 8_990, 89.9),
        (None, "USD"): (None, "EUR", 8_990, 89.9),
        (None, None): (None, "EUR", 8_990, 89.9),
    }
    for (key, currency), wanted in chosen.items():
        found = await shop.data(PRICE_IN, STOREFRONT, id=made, channel=key, currency=currency)
        first, second = found["product"]["variants"]
        assert tuple(first["priceIn"].values()) == wanted, (key, currency)
        assert (first["price"], found["product"]["price"]) == (89.9, 79.9), "the default prices stay what they are"
        assert second["priceIn"]["currency"] == "EUR"
    assert await shop.code(PRICE_IN, id=made, channel="nowhere") == "CHANNEL_NOT_FOUND"
    assert await shop.code(PRICE_IN, id=made, currency="euro") == "INVALID_PRICES"


async def test_prices_are_set_as_a_whole_for_each_variant_named(shop: Shop, database: Database) -> None:
    made = (await shop.create("Lamp"))["id"]
    for _ in range(2):  # again, as after a lost answer
        await shop.data(SET_PRICES, input=prices(made, 1, "Lamp-1", (None, "SEK", 1), ("eu", "EUR", 2)))
    await shop.data(SET_PRICES, input=prices(made, 2, "Lamp-2", (None, "SEK", 3)))
    answer = (await shop.data(SET_PRICES, input=prices(made, 3, "Lamp-1", (None, "SEK", 4))))["setVariantPrices"]
    assert [[one["priceMinor"] for one in v["prices"]] for v in answer["variants"]] == [[8990, 4], [7990, 3]]
    assert await shop.code(SET_PRICES, input=prices(made, 3, "Lamp-1")) == "PRODUCT_CHANGED"
    await shop.data(SET_PRICES, input=prices(made, 4, "Lamp-1"))
    assert await told(shop, database, made) == ["ProductCreated"] + ["ProductUpdated"] * 4
    # An import that replaces a variant takes its prices along.
    await shop.data("mutation($id: ID!) { deleteProduct(id: $id, version: 5) }", id=made)
    assert not await database.fetch(shop.environment_id, "SELECT 1 FROM variant_prices WHERE environment_id = $1")


REFUSED: list[tuple[list[dict[str, Any]], str]] = [
    ([{"sku": "none", "prices": []}], "VARIANT_NOT_FOUND"),
    ([{"sku": "Lamp-1", "prices": []}, {"sku": "Lamp-1", "prices": []}], "INVALID_PRICES"),
    ([{"sku": "Lamp-1", "prices": [{"channel": "x", "currency": "EUR", "priceMinor": 1}]}], "CHANNEL_NOT_FOUND"),
    ([{"sku": "Lamp-1", "prices": [{"channel": "\x00", "currency": "EUR", "priceMinor": 1}]}], "CHANNEL_NOT_FOUND"),
    ([{"sku": "Lamp-1", "prices": [{"currency": "EUR", "priceMinor": 1}]}], "INVALID_PRICES"),
    ([{"sku": "Lamp-1", "prices": [{"currency": "EUX", "priceMinor": 1}]}], "INVALID_PRICES"),
    ([{"sku": "Lamp-1", "prices": [{"currency": "SEK", "priceMinor": -1}]}], "INVALID_PRICES"),
    ([{"sku": "Lamp-1", "prices": [{"currency": "SEK", "priceMinor": 1}] * 2}], "INVALID_PRICES"),
    ([{"sku": "Lamp-1", "prices": [{"currency": "SEK", "priceMinor": 1}] * 1_001}], "INVALID_PRICES"),
]


@pytest.mark.parametrize(("given", "code"), REFUSED)
async def test_prices_that_make_no_sense_are_refused_and_change_nothing(
    shop: Shop, given: list[dict[str, Any]], code: str
) -> None:
    made = (await shop.create("Lamp"))["id"]
    assert await shop.code(SET_PRICES, input={"id": made, "version": 1, "variants": given}) == code
    found = await shop.data(f"query($id: ID!) {{ product(id: $id) {{ version variants {{ {PRICES} }} }} }}", id=made)
    assert (found["product"]["version"], [len(v["prices"]) for v in found["product"]["variants"]]) == (1, [1, 1])


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "Shop"},
        {"key": "a b"},
        {"key": "x" * 65},
        {"name": " "},
        {"name": "a\x00b"},
        {"currency": "EUX"},
        {"countries": ["Sweden"]},
        {"countries": ["SE", "SE"]},
        {"countries": ["SE"] * 251},
    ],
)
async def test_a_channel_that_makes_no_sense_is_refused(shop: Shop, wrong: dict[str, Any]) -> None:
    given = {"key": "new", "name": "New", **wrong}
    assert await shop.code(CREATE_CHANNEL, input=given) == "INVALID_CHANNEL"
    assert len((await shop.data("{ channels { id } }"))["channels"]) == 2


async def test_channels_are_bounded_and_their_keys_unique(shop: Shop) -> None:
    assert await shop.code(CREATE_CHANNEL, input={"key": "eu", "name": "Again"}) == "CHANNEL_KEY_TAKEN"
    for number in range(CHANNELS_MAX - 3):
        await channel(shop, f"c{number}")
    results = await asyncio.gather(
        *(shop.ask(CREATE_CHANNEL, variables={"input": {"key": f"last{n}", "name": "Last"}}) for n in range(4))
    )
    codes = [result.errors[0]["extensions"]["code"] for result in results if result.errors]
    assert codes == ["TOO_MANY_CHANNELS"] * 3


async def test_a_channel_that_is_named_stays(shop: Shop) -> None:
    made = (await shop.create("Lamp"))["id"]
    found = {one["key"]: one["id"] for one in (await shop.data("{ channels { id key } }"))["channels"]}
    await limited(shop, made, 1, "eu")
    await shop.data(SET_PRICES, input=prices(made, 2, "Lamp-1", ("sweden", "SEK", 1)))
    for key in ("eu", "sweden"):
        assert await shop.code(DELETE_CHANNEL, id=found[key], v=1) == "CHANNEL_IN_USE"
    await shop.data(LIMIT, id=made, v=3, keys=None)
    await shop.data(SET_PRICES, input=prices(made, 4, "Lamp-1"))
    for key in ("eu", "sweden"):
        await shop.data(DELETE_CHANNEL, id=found[key], v=1)


async def test_strangers_neither_change_nor_see_channels(shop: Shop) -> None:
    made = (await shop.create("Lamp"))["id"]
    ours = (await shop.data("{ channels { id } }"))["channels"][0]["id"]
    await shop.data(SET_PRICES, input=prices(made, 1, "Lamp-1", ("eu", "SEK", 1)))
    stranger = Shop(shop.service)
    theirs = (await stranger.create("Chair"))["id"]
    assert (await stranger.data("{ channels { id } }"))["channels"] == []
    assert await stranger.code(LIMIT, id=theirs, v=1, keys=["eu"]) == "CHANNEL_NOT_FOUND"
    assert await stranger.code(LIMIT, id=made, v=2, keys=[]) == "PRODUCT_NOT_FOUND"
    assert await stranger.code(SET_PRICES, input=prices(made, 2, "Lamp-1")) == "PRODUCT_NOT_FOUND"
    assert await stranger.code(DELETE_CHANNEL, id=ours, v=1) == "CHANNEL_NOT_FOUND"
    assert (
        await stranger.code(UPDATE_CHANNEL, input={"id": ours, "version": 1, "name": "Mine"}) == "CHANNEL_NOT_FOUND"
    )
    assert await stranger.code(PRICE_IN, id=theirs, channel="eu") == "CHANNEL_NOT_FOUND"
    assert await listed(stranger, '{ products(channel: "eu") { name } }') == []
    for document, variables in (
        (LIMIT, {"id": made, "v": 2}),
        (SET_PRICES, {"input": prices(made, 2, "Lamp-1")}),
        (CREATE_CHANNEL, {"input": {"key": "mine", "name": "Mine"}}),
        (UPDATE_CHANNEL, {"input": {"id": ours, "version": 1}}),
        (DELETE_CHANNEL, {"id": ours, "v": 1}),
        ("{ products { channels } }", {}),
    ):
        assert await shop.code(document, STOREFRONT, **variables) == "FORBIDDEN"


async def test_what_leads_to_products_shows_those_of_the_channel(shop: Shop) -> None:
    """Related ones, the limit counting these; parts of bundles; by a slug of a locale; and of any product whether."""
    kit, here, away, draft = [
        (await shop.create(name, status=status))["id"]
        for name, status in (("Kit", "PUBLISHED"), ("Here", "PUBLISHED"), ("Away", "PUBLISHED"), ("Draft", "DRAFT"))
    ]
    await limited(shop, here, 1, "sweden")
    await limited(shop, away, 1, "eu")
    relate = """mutation($id: ID!, $ids: [ID!]!) {
      relateProducts(id: $id, version: 1, kind: RELATED, productIds: $ids) { version } }"""
    await shop.data(relate, id=kit, ids=[away, draft, here])
    bundle = """mutation($id: ID!, $items: [BundleItemInput!]!) {
      setBundle(id: $id, version: 2, items: $items) { version } }"""
    parts = [{"sku": sku, "quantity": 1} for sku in ("Away-1", "Draft-1", "Here-1")]
    await shop.data(bundle, id=kit, items=parts)
    query = """query($id: ID!, $channel: String, $of: String!) { product(id: $id) {
      soldIn(channel: $of) related(limit: 1, channel: $channel) { name soldIn(channel: $of) }
      bundle(channel: $channel) { items { variant { sku product { soldIn(channel: $of) } } } } } }"""
    for key, names, skus in (
        ("sweden", ["Here"], [None, None, "Here-1"]),
        ("eu", ["Away"], ["Away-1", None, None]),
        ("nowhere", [], [None, None, None]),
        (None, ["Away"], ["Away-1", None, "Here-1"]),
    ):
        found = (await shop.data(query, STOREFRONT, id=kit, channel=key, of=key or "eu"))["product"]
        assert found["soldIn"] == (key != "nowhere")
        assert [(one["name"], one["soldIn"]) for one in found["related"]] == [(name, True) for name in names], key
        assert [one["variant"] and one["variant"]["sku"] for one in found["bundle"]["items"]] == skus, key
        sold = {
            one["variant"]["sku"]: one["variant"]["product"]["soldIn"]
            for one in found["bundle"]["items"]
            if one["variant"]
        }
        assert sold == {sku: sku != "Here-1" or key is not None for sku in skus if sku}
    full = (await shop.data(query, id=kit, channel="sweden", of="sweden"))["product"]
    assert [one["name"] for one in full["related"]] == ["Draft"], "management sees drafts, which are everywhere"
    localized = """query($slug: String!, $channel: String) {
      localizedProduct(slug: $slug, locale: "en", channel: $channel) { id } }"""
    await shop.data('mutation { setLocales(input: {default: "en"}) { code } }')
    for key, found in (("sweden", {"id": here}), ("eu", None), ("nowhere", None), (None, {"id": here})):
        answer = await shop.data(localized, STOREFRONT, slug="here", channel=key)
        assert answer["localizedProduct"] == found, key


async def test_what_leads_to_products_knows_the_channels_of_its_environment_only(shop: Shop) -> None:
    stranger = Shop(shop.service)
    lamp, bulb = [(await stranger.create(name))["id"] for name in ("Lamp", "Bulb")]
    await stranger.data(
        "mutation($id: ID!, $ids: [ID!]!) {"
        " relateProducts(id: $id, version: 1, kind: RELATED, productIds: $ids) { version } }",
        id=lamp,
        ids=[bulb],
    )
    query = (
        "query($id: ID!, $key: String!) { product(id: $id) { soldIn(channel: $key) related(channel: $key) { id } } }"
    )
    assert await stranger.data(query, id=lamp, key="eu") == {"product": {"soldIn": False, "related": []}}
    fields = (
        "soldIn(channel: $key)",
        "related(channel: $key) { id }",
        "bundle(channel: $key) { items { quantity } }",
        "category { products(channel: $key) { id } }",
    )
    await stranger.service.actions.put_categories(stranger.environment_id, [Category("lamps", "Lamps")])
    filed = (await stranger.create("Filed", category="lamps"))["id"]
    for field in fields:
        document = f"query($id: ID!, $key: String!) {{ product(id: $id) {{ {field} }} }}"
        assert await stranger.code(document, STOREFRONT, id=filed, key="a\x00b") == "INVALID_TEXT"


LEVELS = {
    "channels": ("query($n: Int!) { products(limit: $n) { channels } }", 2),
    "prices": ("query($n: Int!) { products(limit: $n) { variants { prices { price } } } }", 3),
    "priceIn": (
        'query($n: Int!) { products(limit: $n) { variants { priceIn(channel: "sweden") { price } } } }',
        3,
    ),
    "soldIn": ('query($n: Int!) { products(limit: $n) { soldIn(channel: "sweden") } }', 2),
    "a list": ('query($n: Int!) { products(limit: $n, channel: "sweden") { name } }', 1),
    "a list of ids": ('query($n: Int!, $ids: [ID!]) { products(ids: $ids, limit: $n, channel: "eu") { id } }', 2),
}


@pytest.mark.parametrize("name", LEVELS)
async def test_a_level_takes_one_statement_for_one_and_for_many(
    shop: Shop, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [(await shop.create(f"Lamp {number}"))["id"] for number in range(5)]
    document, most = LEVELS[name]
    counts = []
    for size in (1, 5):
        with counting(monkeypatch) as sent:
            more = {"ids": made} if "$ids" in document else {}
            listed = (await shop.data(document, MANAGEMENT, n=size, **more))["products"]
        assert len(listed) == size
        counts.append(len(sent))
    assert counts == [most, most]
