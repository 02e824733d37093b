"""Carts of shoppers and customers: what is put in, whose it is, and what becomes of it."""

from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from contract.cart_shop import (
    ADD,
    CHANGE,
    CREATE,
    CUSTOM,
    EMAIL,
    FREEZE,
    MERCHANT,
    MERGE,
    NOTE,
    READ,
    RELEASE,
    REMOVE,
    SHOPPER,
    CartShop,
    CartStage,
    customer,
    quantities,
)
from contract.plans import as_superuser, explained
from kokoa.kernel.ids import new_id
from kokoa.services.carts.model import Lifetimes, new_cart
from kokoa.services.carts.service import CartsService
from kokoa.services.carts.store import insert, queries


@pytest.fixture
def shop(cart_stage: CartStage) -> CartShop:
    return CartShop(cart_stage)


async def test_a_cart_is_filled_by_whoever_has_its_token(shop: CartShop) -> None:
    product = await shop.product("lamp", "lamp-red")
    cart = await shop.cart(email="Ada@Example.com", locale="fi")
    assert (cart["state"], cart["version"], cart["lines"], cart["email"]) == ("ACTIVE", 1, [], "ada@example.com")
    after = await shop.add(cart, lamp=2)
    assert after["lines"] == [
        {
            "id": after["lines"][0]["id"],
            "sku": "lamp",
            "name": "lamp",
            "variantName": "Lamp",
            "quantity": 2,
            "unitPriceMinor": 1000,
            "totalMinor": 2000,
            "priceSource": "PRICE",
            "problem": None,
            "variant": {"id": product["variants"][0]["id"]},
            "priceChanged": None,
        }
    ]
    line = {"variantId": product["variants"][1]["id"], "quantity": 3}
    after = await shop.data(ADD, input={"cartToken": cart["token"], "lines": [line, {"sku": "lamp"}]})
    assert quantities(after) == {"lamp": 3, "lamp-red": 3}
    assert (after["version"], after["itemCount"], after["subtotalMinor"]) == (3, 6, 6003)
    assert await shop.read(cart) == after
    stored = await shop.data("query($id: ID!) { cart(id: $id) { weightGrams } }", MERCHANT, id=cart["id"])
    assert stored == {"weightGrams": 600}
    assert [kind for kind, _ in await shop.sent()] == ["CartCreated", "CartLinesChanged", "CartLinesChanged"]


async def test_the_token_is_kept_as_a_digest(shop: CartShop) -> None:
    cart = await shop.cart()
    assert len(cart["token"]) == 43
    row = await shop.stage.database.fetchval(
        shop.environment_id, "SELECT carts::text FROM carts WHERE environment_id = $1 AND id = $2", cart["id"]
    )
    assert cart["token"] not in row


async def test_lines_are_changed_and_removed(shop: CartShop) -> None:
    await shop.product("a", "b", "c")
    cart = await shop.cart()
    lines = (await shop.add(cart, a=1, b=2, c=3))["lines"]
    a, b, c = (line["id"] for line in lines)

    async def change(*wanted: tuple[str, int]) -> dict[str, int]:
        given = [{"id": line_id, "quantity": quantity} for line_id, quantity in wanted]
        return quantities(await shop.data(CHANGE, input={"cartToken": cart["token"], "lines": given}))

    assert await change((a, 5), (b, 0)) == {"a": 5, "c": 3}
    assert await change((c, 1)) == {"a": 5, "c": 1}
    version = (await shop.read(cart))["version"]
    assert await change((c, 1)) == {"a": 5, "c": 1}
    assert (await shop.read(cart))["version"] == version, "what changes nothing is no change"
    remove = {"cartToken": cart["token"], "lineIds": [a]}
    assert quantities(await shop.data(REMOVE, input=remove)) == {"c": 1}
    assert await shop.code(REMOVE, input=remove) == "CART_LINE_NOT_FOUND"
    given = [{"id": c, "quantity": 0}, {"id": a, "quantity": 1}]
    assert await shop.code(CHANGE, input={"cartToken": cart["token"], "lines": given}) == "CART_LINE_NOT_FOUND"
    assert quantities(await shop.read(cart)) == {"c": 1}


async def test_a_variant_that_cannot_be_sold_is_refused_with_its_place_and_nothing_changes(shop: CartShop) -> None:
    await shop.product("good")
    await shop.product("draft", status="DRAFT")
    await shop.product("scarce")
    await shop.stock("scarce", 3)
    cart = await shop.cart()
    for sku, code, field in (
        ("none", "VARIANT_NOT_FOR_SALE", "lines.1.sku"),
        ("draft", "VARIANT_NOT_FOR_SALE", "lines.1.sku"),
        ("scarce", "NOT_ENOUGH_FOR_CART", "lines.1.quantity"),
    ):
        lines = [{"sku": "good"}, {"sku": sku, "quantity": 4}]
        assert await shop.refusal(ADD, input={"cartToken": cart["token"], "lines": lines}) == (code, field)
    # Not even whoever sees drafts puts one into a cart.
    lines = [{"sku": "draft"}]
    assert await shop.code(ADD, MERCHANT, input={"id": cart["id"], "lines": lines}) == "VARIANT_NOT_FOR_SALE"
    assert (await shop.read(cart))["version"] == 1
    dollars = await shop.cart(currency="USD")
    lines = [{"sku": "good"}]
    assert await shop.refusal(ADD, input={"cartToken": dollars["token"], "lines": lines}) == (
        "VARIANT_WITHOUT_PRICE",
        "lines.0",
    )
    scarce = (await shop.add(cart, scarce=2))["lines"][0]
    assert await shop.refusal(
        ADD, input={"cartToken": cart["token"], "lines": [{"sku": "scarce", "quantity": 2}]}
    ) == ("NOT_ENOUGH_FOR_CART", "lines.0.quantity")
    more = [{"id": scarce["id"], "quantity": 4}]
    assert await shop.refusal(CHANGE, input={"cartToken": cart["token"], "lines": more}) == (
        "NOT_ENOUGH_FOR_CART",
        "lines.0.quantity",
    )
    assert quantities(await shop.read(cart)) == {"scarce": 2}


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([], "INVALID_CART_LINE"),
        ([{"sku": "a"}] * 201, "INVALID_CART_LINE"),
        ([{"sku": "a", "quantity": 0}], "INVALID_CART_LINE"),
        ([{"sku": "a", "quantity": -1}], "INVALID_CART_LINE"),
        ([{"sku": "a", "quantity": 10_000}], "INVALID_CART_LINE"),
        ([{"sku": "a", "quantity": 9_999}, {"sku": "a"}], "INVALID_CART_LINE"),
        ([{"sku": "a\0"}], "INVALID_CART_LINE"),
        ([{"sku": ""}], "INVALID_CART_LINE"),
        ([{}], "INVALID_CART_LINE"),
        ([{"sku": "a", "variantId": new_id()}], "INVALID_CART_LINE"),
        ([{"variantId": "a"}], "INVALID_ID"),
        ([{"variantId": new_id()}], "VARIANT_NOT_FOR_SALE"),
        ([{"sku": "gold", "quantity": 3}], "CART_FULL"),
    ],
)
async def test_hostile_lines_are_refused(shop: CartShop, lines: list[object], code: str) -> None:
    await shop.product("a")
    await shop.product("gold", price=1_000_000_000)
    cart = await shop.cart()
    assert await shop.code(ADD, input={"cartToken": cart["token"], "lines": lines}) == code
    assert (await shop.read(cart))["version"] == 1


async def test_hostile_carts_are_refused(shop: CartShop) -> None:
    for given in (
        {"currency": "eur"},
        {"currency": "ABC"},
        {"currency": "EUR", "locale": "x\0"},
        {"currency": "EUR", "channel": "No Key"},
        {"currency": "EUR", "email": "nobody"},
        {"currency": "EUR", "customerId": new_id()},
    ):
        assert await shop.code(CREATE, input=given) == "INVALID_CART", given
    cart = await shop.cart()
    for document, more in (
        (EMAIL, {"email": "\0@example.com"}),
        (NOTE, {"note": "\0"}),
        (NOTE, {"note": "x" * 2_001}),
    ):
        assert await shop.code(document, input={"cartToken": cart["token"], **more}) == "INVALID_CART"
    assert await shop.data(READ, token="\0" * 9) is None
    assert await shop.code(READ, id="x") == "INVALID_ID"
    for limit in (0, 251):
        assert await shop.code(f"{{ carts(limit: {limit}) {{ id }} }}", MERCHANT) in (
            "INVALID_CART_PAGE",
            "LIMIT_EXCEEDED",
        )


async def test_a_cart_is_full_at_200_lines(shop: CartShop) -> None:
    for start in range(0, 220, 55):
        await shop.product(*(f"s{n}" for n in range(start, start + 55)))
    cart = await shop.cart()
    full = await shop.add(cart, **{f"s{n}": 1 for n in range(200)})
    prices = sum(1_000 + n % 55 for n in range(200))
    assert (len(full["lines"]), full["subtotalMinor"]) == (200, prices)
    assert await shop.code(ADD, input={"cartToken": cart["token"], "lines": [{"sku": "s200"}]}) == "CART_FULL"
    assert (await shop.add(cart, s0=1))["itemCount"] == 201


async def test_a_stale_version_is_refused_and_none_means_whatever_there_is(shop: CartShop) -> None:
    await shop.product("a")
    cart = await shop.cart()
    for document, more in (
        (ADD, {"lines": [{"sku": "a"}]}),
        (EMAIL, {"email": "ada@example.com"}),
        (NOTE, {"note": "Ring twice."}),
    ):
        now = (await shop.read(cart))["version"]
        for version in (now - 1, now + 1):
            given = {"cartToken": cart["token"], "version": version, **more}
            assert await shop.code(document, input=given) == "CART_CHANGED"
        assert (await shop.data(document, input={"cartToken": cart["token"], "version": now, **more}))[
            "version"
        ] == now + 1
    line = (await shop.add(cart, a=1))["lines"][0]["id"]
    for document, more in ((CHANGE, {"lines": [{"id": line, "quantity": 1}]}), (REMOVE, {"lineIds": [line]})):
        assert await shop.code(document, input={"cartToken": cart["token"], "version": 1, **more}) == "CART_CHANGED"


async def test_a_request_with_a_key_is_done_once(shop: CartShop) -> None:
    await shop.product("a")
    cart, other = await shop.cart(), await shop.cart()
    given = {"cartToken": cart["token"], "lines": [{"sku": "a", "quantity": 2}], "idempotencyKey": "k", "version": 1}
    once = await shop.data(ADD, input=given)
    assert await shop.data(ADD, input=given) == once
    assert quantities(once) == {"a": 2}
    changed = {**given, "lines": [{"sku": "a", "quantity": 3}]}
    assert await shop.code(ADD, input=changed) == "IDEMPOTENCY_KEY_REUSED"
    # Another's key is no answer, and not in the way.
    assert quantities(await shop.data(ADD, input={**given, "cartToken": other["token"]})) == {"a": 2}
    refused = {"cartToken": cart["token"], "lines": [{"sku": "none"}], "idempotencyKey": "free"}
    assert await shop.code(ADD, input=refused) == "VARIANT_NOT_FOR_SALE"
    assert (await shop.data(ADD, input={**refused, "lines": [{"sku": "a"}]}))["itemCount"] == 3
    custom = {"id": cart["id"], "name": "Gift wrap", "unitPriceMinor": 250, "idempotencyKey": "k"}
    wrapped = await shop.data(CUSTOM, MERCHANT, input=custom)
    assert (await shop.data(CUSTOM, MERCHANT, input=custom))["itemCount"] == wrapped["itemCount"] == 4


async def test_only_management_sets_prices(shop: CartShop) -> None:
    cart = await shop.cart()
    custom = {"id": cart["id"], "name": "Engraving", "unitPriceMinor": 1_500, "quantity": 2}
    for who in (SHOPPER, customer()):
        assert await shop.code(CUSTOM, who, input=custom) == "FORBIDDEN"
    after = await shop.data(CUSTOM, MERCHANT, input=custom)
    assert [(line["name"], line["variant"], line["priceSource"], line["totalMinor"]) for line in after["lines"]] == [
        ("Engraving", None, "CUSTOM", 3_000)
    ]
    for wrong in ({"unitPriceMinor": -1}, {"quantity": 0}, {"name": " "}, {"name": "\0"}, {"weightGrams": -1}):
        assert await shop.code(CUSTOM, MERCHANT, input={**custom, **wrong}) == "INVALID_CART_LINE"


async def test_a_customer_has_one_cart_and_nobody_else_sees_it(shop: CartShop) -> None:
    ada, bob = customer(), customer()
    cart = await shop.cart(ada)
    assert (cart["token"], cart["customerId"]) == (None, ada.subject)
    assert (await shop.cart(ada))["id"] == cart["id"]
    assert await shop.code(CREATE, ada, input={"currency": "USD"}) == "CART_CURRENCY_DIFFERS"
    assert (await shop.data(READ, ada))["id"] == cart["id"]
    for who in (SHOPPER, bob, customer(cart["id"])):
        assert await shop.data(READ, who, id=cart["id"]) is None
        assert await shop.data(READ, who) is None
        note = {"id": cart["id"], "note": "mine now"}
        assert await shop.code(NOTE, who, input=note) == "CART_NOT_FOUND"
        lines = {"id": cart["id"], "lines": [{"sku": "a"}]}
        assert await shop.code(ADD, who, input=lines) == "CART_NOT_FOUND"
    assert (await shop.data(READ, MERCHANT, id=cart["id"]))["customerId"] == ada.subject


async def test_an_anonymous_cart_is_seen_with_its_token_alone(shop: CartShop) -> None:
    cart, other = await shop.cart(), await shop.cart()
    assert await shop.data(READ, id=cart["id"]) is None
    assert await shop.data(READ, customer(), id=cart["id"]) is None
    assert await shop.data(READ, token=cart["token"][:-1]) is None
    assert await shop.data(READ, id=other["id"], token=cart["token"]) is None
    assert (await shop.data(READ, id=cart["id"], token=cart["token"]))["id"] == cart["id"]
    mixed = {"id": other["id"], "cartToken": cart["token"], "note": "x"}
    assert await shop.code(NOTE, input=mixed) == "CART_NOT_FOUND"
    elsewhere = CartShop(shop.stage)
    assert await elsewhere.data(READ, token=cart["token"]) is None
    assert await elsewhere.data(READ, MERCHANT, id=cart["id"]) is None
    assert await elsewhere.code(NOTE, input={"cartToken": cart["token"], "note": "x"}) == "CART_NOT_FOUND"


async def test_entities_are_found_by_who_may_see_them(shop: CartShop) -> None:
    ada = customer()
    own, anonymous = await shop.cart(ada), await shop.cart()
    entities = "query($all: [_Any!]!) { _entities(representations: $all) { ... on Cart { id } } }"
    both = [{"__typename": "Cart", "id": one["id"]} for one in (own, anonymous)]
    found = []
    for who in (ada, customer(), SHOPPER, MERCHANT):
        result = await shop.stage.carts.subgraph.execute(entities, {"all": both}, shop.call(who))
        assert result.data
        found.append([one is not None for one in result.data["_entities"]])
    assert found == [[True, False], [False, False], [False, False], [True, True]]


async def test_management_lists_carts(shop: CartShop) -> None:
    ada = customer()
    carts = [await shop.cart(), await shop.cart(ada), await shop.cart()]
    page = """query($filter: CartFilter, $after: ID, $n: Int! = 50) {
      carts(filter: $filter, after: $after, limit: $n) { id } }"""

    async def ids(**given: object) -> list[str]:
        return [one["id"] for one in await shop.data(page, MERCHANT, **given)]

    assert await ids() == [one["id"] for one in carts]
    assert await ids(n=1, after=carts[0]["id"]) == [carts[1]["id"]]
    assert await ids(filter={"customerId": ada.subject}) == [carts[1]["id"]]
    assert await ids(filter={"customerId": ada.subject, "state": "ORDERED"}) == []
    assert await ids(filter={"state": "ACTIVE"}) == [one["id"] for one in carts]
    assert await shop.code(page) == await shop.code(page, ada) == "FORBIDDEN"
    assert await CartShop(shop.stage).data(page, MERCHANT) == []


async def test_addresses_email_and_note(shop: CartShop) -> None:
    cart = await shop.cart()
    put = """mutation($input: SetCartAddressesInput!) { setCartAddresses(input: $input) {
      shippingAddress { firstName line1 city country } billingAddress { city } } }"""
    home = {"firstName": "Ada", "line1": "Aleksanterinkatu 1", "city": "Helsinki", "country": "FI"}
    key = {"cartToken": cart["token"]}
    assert await shop.data(put, input={**key, "shippingAddress": home}) == {
        "shippingAddress": home,
        "billingAddress": None,
    }
    both = await shop.data(put, input={**key, "billingAddress": {**home, "city": "Turku"}})
    assert (both["shippingAddress"], both["billingAddress"]) == (home, {"city": "Turku"})
    gone = await shop.data(put, input={**key, "shippingAddress": None})
    assert (gone["shippingAddress"], gone["billingAddress"]) == (None, {"city": "Turku"})
    wrong = {**key, "billingAddress": {**home, "country": "Finland"}}
    assert await shop.refusal(put, input=wrong) == ("INVALID_ADDRESS", "billingAddress.country")
    assert (await shop.data(EMAIL, input={**key, "email": "Ada@example.com"}))["email"] == "ada@example.com"
    assert (await shop.data(EMAIL, input=key))["email"] is None
    assert (await shop.data(NOTE, input={**key, "note": "Ring twice."}))["note"] == "Ring twice."
    assert [kind for kind, _ in await shop.sent()] == ["CartCreated", *["CartDetailsChanged"] * 6]


async def test_what_another_process_did_to_a_cart_is_never_overlooked(shop: CartShop) -> None:
    """Changes are planned on what was written here last; nothing is refused, answered or overwritten by that."""
    await shop.product("a")
    cart = await shop.cart(email="ada@example.com")
    token = {"cartToken": cart["token"]}
    other = CartsService(shop.stage.database, shop.stage.graph, read_within_ms=30_000).subgraph

    async def elsewhere(document: str, **variables: Any) -> Any:
        result = await other.execute(document, variables, shop.call(MERCHANT))
        assert not result.errors, result.errors
        assert result.data
        return next(iter(result.data.values()))

    await elsewhere(NOTE, input={"id": cart["id"], "note": "Ring twice."})
    after = await shop.data(EMAIL, input={**token, "email": "bob@example.com"})
    assert (after["note"], after["email"], after["version"]) == ("Ring twice.", "bob@example.com", 3)
    await elsewhere(EMAIL, input={"id": cart["id"], "email": "eve@example.com"})
    after = await shop.data(EMAIL, input={**token, "email": "bob@example.com"})
    assert (after["email"], after["version"]) == ("bob@example.com", 5), "it was no change of what is known here"
    await elsewhere(FREEZE, id=cart["id"], key="k")
    assert await shop.code(EMAIL, input={**token, "email": "ada@example.com"}) == "CART_FROZEN"
    await shop.data(RELEASE, MERCHANT, id=cart["id"], key="k")
    await shop.data(FREEZE, MERCHANT, id=cart["id"], key="k")
    await elsewhere(RELEASE, id=cart["id"], key="k")
    assert (await shop.add(cart, a=2))["itemCount"] == 2, "frozen is what it was, not what it is"
    once = {**token, "lines": [{"sku": "a", "quantity": 1}], "idempotencyKey": "once"}
    assert (await shop.data(ADD, input=once))["itemCount"] == 3
    await elsewhere(NOTE, input={"id": cart["id"], "note": None})
    again = await shop.data(ADD, input=once)
    assert (again["itemCount"], again["note"]) == (3, None)
    ada = customer()
    await shop.data(MERGE, ada, token=cart["token"])
    assert await shop.code(EMAIL, input={**token, "email": "eve@example.com"}) == "CART_NOT_FOUND"
    assert (await shop.data(EMAIL, ada, input={"id": cart["id"], "email": "ada@example.com"}))["version"] == 14


async def test_a_customer_has_one_cart_in_use_whoever_forgets_to_look(shop: CartShop) -> None:
    async def put_in(customer_id: str | None) -> None:
        cart = new_cart(new_id(), "EUR", datetime.now(UTC), Lifetimes(), customer_id=customer_id)
        async with shop.stage.database.transaction(shop.environment_id) as tx:
            await insert(tx, cart, None)

    ada = new_id()
    await put_in(ada)
    with pytest.raises(asyncpg.UniqueViolationError):
        await put_in(ada)
    await put_in(new_id())
    await put_in(None)
    await put_in(None)


@pytest.mark.parametrize(
    ("statement", "column"),
    [("cart_by_id", "id"), ("cart_by_token", "token_digest"), ("cart_of_customer", "customer_id")],
)
async def test_a_cart_is_looked_up_by_its_key_even_before_there_are_statistics(
    shop: CartShop, postgres: str, statement: str, column: str
) -> None:
    """Plans are kept: one that reads all carts of a store would do so until PostgreSQL has looked at them."""
    value = b"digest" if statement == "cart_by_token" else new_id()
    database = shop.stage.database
    async with as_superuser(database, postgres) as admin:
        plan = await explained(admin, database, shop.environment_id, getattr(queries, statement), value)
    (condition,) = (line for line in plan.splitlines() if "Index Cond:" in line)
    assert f"({column} = " in condition
