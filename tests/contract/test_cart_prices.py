"""What lines cost: what the graph says now, overrides included, and how many statements it takes."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from contract.cart_shop import ADD, CHANGE, CREATE, MERCHANT, READ, CartShop, CartStage, customer, quantities
from contract.test_catalog_statements import counting
from kokoa.kernel.call import Call
from kokoa.kernel.errors import Unavailable
from kokoa.kernel.overrides import GraphAnswer
from kokoa.services.carts.pricing.graph import Graph
from kokoa.services.carts.service import CartsService

PRICE = """mutation($input: UpdateVariantInput!) { updateVariant(input: $input) { product { version } } }"""
PRICES = """mutation($input: SetVariantPricesInput!) { setVariantPrices(input: $input) { version } }"""
STATUS = """mutation($id: ID!, $version: Int!) { archiveProduct(id: $id, version: $version) { version } }"""
OWN = {"channel": None, "currency": "EUR", "priceMinor": 777, "price": 7.77}
CHANNEL = 'mutation { createChannel(input: {key: "eu", name: "EU", currency: "EUR"}) { id } }'


@pytest.fixture
def shop(cart_stage: CartStage) -> Iterator[CartShop]:
    yield CartShop(cart_stage)
    cart_stage.join()


def worth(cart: Mapping[str, Any]) -> list[tuple[int, str]]:
    return [(line["unitPriceMinor"], line["priceSource"]) for line in cart["lines"]]


class BrokenGraph:
    """Answers nothing."""

    async def answer(self, document: str, variables: Mapping[str, Any], call: Call) -> GraphAnswer:
        raise Unavailable("The graph is away.")


async def test_a_price_that_changes_is_the_carts_at_once_and_the_line_says_so(shop: CartShop) -> None:
    product = await shop.product("lamp", price=1_000)
    cart = await shop.cart()
    await shop.add(cart, lamp=3)
    dearer = {"id": product["variants"][0]["id"], "version": 1, "priceMinor": 1_250}
    await shop.data(PRICE, MERCHANT, input=dearer)
    now = await shop.read(cart)
    assert now["lines"][0]["priceChanged"] == {"beforeMinor": 1_000, "afterMinor": 1_250}
    assert (now["lines"][0]["totalMinor"], now["subtotalMinor"], now["pricesAsOf"]) == (3_750, 3_750, None)
    listed = (await shop.data("{ carts { subtotalMinor pricesAsOf } }", MERCHANT))[0]
    assert listed["subtotalMinor"] == 3_000
    assert listed["pricesAsOf"] is not None, "a list shows what lines cost when they were changed"
    # Whoever puts more in has seen the new price.
    again = await shop.add(cart, lamp=1)
    assert (again["lines"][0]["priceChanged"], again["subtotalMinor"]) == (None, 5_000)


async def test_what_is_not_sold_any_more_is_a_problem_of_its_line(shop: CartShop) -> None:
    product, _ = await shop.product("lamp"), await shop.product("rug")
    await shop.stock("rug", 5)
    cart = await shop.cart()
    await shop.add(cart, lamp=1, rug=4)
    await shop.data(STATUS, MERCHANT, id=product["id"], version=1)
    await shop.stock("rug", -2)
    now = await shop.read(cart)
    assert [line["problem"] for line in now["lines"]] == ["NOT_FOR_SALE", "NOT_ENOUGH"]
    assert now["subtotalMinor"] == 5_000


async def test_a_graph_that_fails_serves_the_stored_price_and_says_since_when(shop: CartShop) -> None:
    await shop.product("lamp")
    cart = await shop.cart()
    before = await shop.add(cart, lamp=2)
    alone = CartsService(shop.stage.database, BrokenGraph()).subgraph
    result = await alone.execute(READ, {"token": cart["token"]}, shop.call())
    assert not result.errors
    assert result.data
    now = result.data["cart"]
    assert (now["subtotalMinor"], quantities(now)) == (before["subtotalMinor"], {"lamp": 2})
    assert now["pricesAsOf"] is not None
    line = {"id": before["lines"][0]["id"]}
    more = (ADD, {"lines": [{"sku": "lamp"}]}), (CHANGE, {"lines": [{**line, "quantity": 3}]})
    for document, given in more:
        refused = await alone.execute(document, {"input": {"cartToken": cart["token"], **given}}, shop.call())
        assert [error["extensions"]["code"] for error in refused.errors] == ["UNAVAILABLE"]
    assert (await shop.read(cart))["version"] == before["version"]
    # To have less of something nobody need be asked.
    less = {"input": {"cartToken": cart["token"], "lines": [{**line, "quantity": 1}]}}
    assert not (await alone.execute(CHANGE, less, shop.call())).errors
    assert quantities(await shop.read(cart)) == {"lamp": 1}


class ListeningGraph:
    """Asks another, and notes whether it told of stock."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.stocks: list[bool] = []

    async def answer(self, document: str, variables: Mapping[str, Any], call: Call) -> GraphAnswer:
        answer = await self._graph.answer(document, variables, call)
        self.stocks.append(all("availability" in one for one in answer.data["variants"]))
        return answer


@pytest.mark.parametrize(
    ("fields", "stock"),
    [
        ("subtotalMinor totals { goodsMinor }", False),
        ("lines { unitPriceMinor priceChanged { afterMinor } }", False),
        ("subtotalMinor lines { id } more: lines { ... on CartLine { problem } } totals { goodsMinor }", True),
    ],
)
async def test_stock_is_asked_for_only_by_who_wants_to_know_what_cannot_be_ordered(
    shop: CartShop, fields: str, stock: bool
) -> None:
    await shop.product("lamp")
    await shop.stock("lamp", 5)
    cart = await shop.cart()
    await shop.add(cart, lamp=4)
    await shop.stock("lamp", -2)
    graph = ListeningGraph(shop.stage.graph)
    alone = CartsService(shop.stage.database, graph, read_within_ms=30_000).subgraph
    read = f"query($token: String) {{ cart(cartToken: $token) {{ {fields} }} }}"
    result = await alone.execute(read, {"token": cart["token"]}, shop.call())
    assert not result.errors
    assert result.data
    assert graph.stocks == [stock], "all of it is one query"
    assert not stock or result.data["cart"]["more"] == [{"problem": "NOT_ENOUGH"}]


class SilentGraph:
    """Never answers, and counts who waits."""

    waiting = 0

    async def answer(self, document: str, variables: Mapping[str, Any], call: Call) -> GraphAnswer:
        self.waiting += 1
        return await asyncio.get_running_loop().create_future()


async def test_a_graph_that_never_answers_is_not_waited_for_to_the_end(shop: CartShop) -> None:
    await shop.product("lamp")
    cart = await shop.cart()
    await shop.add(cart, lamp=1)
    graph = SilentGraph()
    alone = CartsService(shop.stage.database, graph).subgraph
    result = await alone.execute(READ, {"token": cart["token"]}, shop.call())
    assert result.data
    assert (result.data["cart"]["subtotalMinor"], graph.waiting) == (1_000, 1)
    assert result.data["cart"]["pricesAsOf"] is not None


@pytest.mark.parametrize(
    ("taken", "source"),
    [
        ({"price: Float!": 7.77}, "PRICE"),
        ({"priceMinor: Int!": 777}, "PRICE"),
        ({"price: Float!": 7.77, "priceMinor: Int!": 777}, "PRICE"),
        ({"priceIn(channel: String, currency: String): VariantPrice!": OWN}, "PRICE_IN"),
    ],
    ids=lambda one: one if isinstance(one, str) else ",".join(name.split(":")[0] for name in one),
)
async def test_a_price_that_a_partner_has_taken_over_is_what_a_line_costs(
    shop: CartShop, taken: Mapping[str, Any], source: str
) -> None:
    await shop.product("lamp", price=1_000)
    cart = await shop.cart()
    await shop.add(cart, lamp=1)
    shop.stage.join(taken)
    now = await shop.read(cart)
    assert now["lines"][0]["priceChanged"] == {"beforeMinor": 1_000, "afterMinor": 777}
    assert worth(await shop.add(cart, lamp=1)) == [(777, source)]
    shop.stage.join()
    assert (await shop.read(cart))["lines"][0]["priceChanged"] == {"beforeMinor": 777, "afterMinor": 1_000}


@pytest.mark.parametrize("price", [-1.0, 1e12])
async def test_a_price_that_is_none_is_refused(shop: CartShop, price: float) -> None:
    await shop.product("lamp")
    cart = await shop.cart()
    await shop.add(cart, lamp=1)
    shop.stage.join({"price: Float!": price})
    lines = [{"sku": "lamp"}]
    assert await shop.code(ADD, input={"cartToken": cart["token"], "lines": lines}) == "VARIANT_WITHOUT_PRICE"
    now = await shop.read(cart)
    assert (now["lines"][0]["problem"], now["subtotalMinor"]) == ("NO_PRICE", 1_000)


async def test_a_line_that_nobody_can_price_keeps_nobody_from_putting_in_another(shop: CartShop) -> None:
    bad = (await shop.product("bad"))["variants"][0]["id"]
    await shop.product("good")
    cart = await shop.cart()
    await shop.add(cart, bad=1)
    shop.stage.join({"price: Float!": lambda one: Unavailable("No price.") if one["id"] == bad else 5.0})
    after = await shop.add(cart, good=2)
    assert quantities(after) == {"bad": 1, "good": 2}
    assert after["subtotalMinor"] == 1_000 + 2 * 500
    assert after["pricesAsOf"] is not None
    lines = [{"sku": "bad"}]
    assert await shop.code(ADD, input={"cartToken": cart["token"], "lines": lines}) == "GRAPH_UNAVAILABLE"


async def test_channels_and_currencies_have_prices_of_their_own(shop: CartShop) -> None:
    product = await shop.product("lamp", price=1_000)
    await shop.data(CHANNEL, MERCHANT)
    prices = [{"currency": "USD", "priceMinor": 1_300}, {"channel": "eu", "currency": "EUR", "priceMinor": 900}]
    given = {"id": product["id"], "version": 1, "variants": [{"sku": "lamp", "prices": prices}]}
    await shop.data(PRICES, MERCHANT, input=given)
    for more, wanted in (
        ({}, (1_000, "PRICE")),
        ({"channel": "eu"}, (900, "PRICE_IN")),
        ({"currency": "USD"}, (1_300, "PRICE_IN")),
    ):
        cart = await shop.cart(**more)
        assert worth(await shop.add(cart, lamp=1)) == [wanted]
        assert (await shop.read(cart))["lines"][0]["priceChanged"] is None
    nowhere = {"currency": "EUR", "channel": "none"}
    assert await shop.refusal(CREATE, input=nowhere) == ("INVALID_CART", "channel")


async def test_what_is_not_sold_in_the_carts_channel_is_refused(shop: CartShop) -> None:
    await shop.data(CHANNEL, MERCHANT)
    await shop.data(CHANNEL.replace("eu", "us").replace("EUR", "USD"), MERCHANT)
    product = await shop.product("lamp")
    limit = """mutation($id: ID!, $version: Int!) {
      setProductChannels(id: $id, version: $version, channels: ["us"]) { id } }"""
    cart = await shop.cart(channel="eu")
    await shop.add(cart, lamp=1)
    await shop.data(limit, MERCHANT, id=product["id"], version=1)
    lines = [{"sku": "lamp"}]
    assert await shop.code(ADD, input={"cartToken": cart["token"], "lines": lines}) == "VARIANT_NOT_FOR_SALE"
    assert (await shop.read(cart))["lines"][0]["problem"] == "NOT_FOR_SALE"


async def test_a_customers_cart_costs_what_it_costs_them_whoever_asks(shop: CartShop) -> None:
    """The graph is asked as the shopper, with no more scopes than theirs."""
    await shop.product("lamp")
    ada = customer()
    cart = await shop.cart(ada)
    await shop.add(cart, ada, lamp=1)
    seen: list[Call] = []
    graph = shop.stage.graph.graph
    assert graph is not None
    execute = graph.execute

    async def watched(document: str, variables: Any, call: Call, *more: Any, **named: Any) -> Any:
        seen.append(call)
        return await execute(document, variables, call, *more, **named)

    graph.execute = watched  # type: ignore[method-assign]
    await shop.data(READ, MERCHANT, id=cart["id"])
    inner = seen[-1]
    assert inner.caller == customer(ada.subject)
    assert inner.path[-1] == "carts"


@pytest.mark.parametrize("size", [1, 50])
async def test_adding_takes_few_statements(shop: CartShop, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In all services together; as many for fifty lines as for one."""
    skus = {f"s{n}": 1 for n in range(size)}
    await shop.product(*skus)
    cart = await shop.cart()
    with counting(monkeypatch) as sent:
        await shop.add(cart, **skus)
    statements = [one for one in sent if one not in ("BEGIN;", "COMMIT;")]
    assert len(statements) == 3, statements
    assert len([one for one in statements if "carts" in one or "outbox" in one]) == 1
    with counting(monkeypatch) as sent:
        await shop.read(cart)
    assert len(sent) == 3, sent
    with counting(monkeypatch) as sent:
        await shop.data("query($token: String) { cart(cartToken: $token) { version } }", token=cart["token"])
    assert len(sent) == 1, "nobody asked what it costs"
