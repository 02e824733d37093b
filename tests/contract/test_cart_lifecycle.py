"""From whom to whom carts go, who keeps them still, and when they end; many at once lose nothing."""

import asyncio
from collections import Counter
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from contract.cart_shop import (
    ADD,
    CHANGE,
    CREATE,
    CUSTOM,
    FREEZE,
    MERCHANT,
    MERGE,
    NOTE,
    ORDERED,
    READ,
    RELEASE,
    REMOVE,
    SHOPPER,
    CartShop,
    CartStage,
    customer,
    quantities,
)
from kokoa.kernel.clock import now_ms, to_datetime
from kokoa.kernel.ids import new_id


@pytest.fixture
def shop(cart_stage: CartStage) -> CartShop:
    return CartShop(cart_stage)


async def test_whoever_signs_in_has_what_they_put_in_before(shop: CartShop) -> None:
    await shop.product("a", "b")
    ada = customer()
    mine = await shop.cart(ada)
    await shop.add(mine, ada, a=1)
    cart = await shop.cart(email="ada@example.com")
    await shop.add(cart, a=2, b=3)
    await shop.data(CUSTOM, MERCHANT, input={"id": cart["id"], "name": "Gift wrap", "unitPriceMinor": 250})
    after = await shop.data(MERGE, ada, token=cart["token"])
    assert (after["id"], quantities(after)) == (mine["id"], {"a": 3, "b": 3, None: 1})
    assert (after["email"], after["subtotalMinor"]) == ("ada@example.com", 3_000 + 3_003 + 250)
    assert await shop.data(MERGE, ada, token=cart["token"]) == after
    merged = await shop.read(cart, ada)
    assert (merged["state"], merged["mergedInto"]) == ("MERGED", mine["id"])
    lines = {"cartToken": cart["token"], "lines": [{"sku": "a"}]}
    assert await shop.code(ADD, ada, input=lines) == "CART_CLOSED"
    # Whoever signs out on a computer that others use leaves nothing behind.
    assert await shop.read(cart) is None
    assert await shop.code(ADD, input=lines) == "CART_NOT_FOUND"
    assert await shop.code(MERGE, customer(), token=cart["token"]) == "CART_NOT_FOUND"
    kinds = [kind for kind, _ in await shop.sent()]
    assert kinds[-2:] == ["CartMerged", "CartLinesChanged"]
    # A repetition that comes after the order is answered with what became of it.
    await shop.data(FREEZE, MERCHANT, id=mine["id"], key="o")
    await shop.data(ORDERED, MERCHANT, id=mine["id"], key="o", order="1")
    late = await shop.data(MERGE, ada, token=cart["token"])
    assert (late["id"], late["state"]) == (mine["id"], "ORDERED")


async def test_an_anonymous_cart_becomes_the_customers_who_has_none(shop: CartShop) -> None:
    await shop.product("a")
    ada = customer()
    cart = await shop.cart()
    await shop.add(cart, a=2)
    after = await shop.data(MERGE, ada, token=cart["token"])
    assert (after["id"], after["customerId"], after["state"], quantities(after)) == (
        cart["id"],
        ada.subject,
        "ACTIVE",
        {"a": 2},
    )
    assert (await shop.data(READ, ada))["id"] == cart["id"]
    # The token is in the browser still, and opens nothing for whoever uses it next.
    assert await shop.read(cart) is None
    assert await shop.code(NOTE, input={"cartToken": cart["token"], "note": "x"}) == "CART_NOT_FOUND"
    assert await shop.code(MERGE, customer(), token=cart["token"]) == "CART_NOT_FOUND"
    assert (await shop.data(MERGE, ada, token=cart["token"]))["version"] == after["version"]


async def test_what_cannot_be_merged_changes_nothing(shop: CartShop) -> None:
    await shop.product("a")
    ada = customer()
    mine, dollars = await shop.cart(ada), await shop.cart(currency="USD")
    assert await shop.code(MERGE, ada, token=dollars["token"]) == "CART_CURRENCY_DIFFERS"
    assert await shop.code(MERGE, ada, token="none") == "CART_NOT_FOUND"
    assert await shop.code(MERGE, SHOPPER, token=dollars["token"]) == "FORBIDDEN"
    assert await shop.code(MERGE, MERCHANT, token=dollars["token"]) == "CUSTOMER_NOT_SIGNED_IN"
    cart = await shop.cart()
    await shop.add(cart, a=9_000)
    await shop.add(mine, ada, a=5_000)
    await shop.data(FREEZE, MERCHANT, id=mine["id"], key="o")
    assert await shop.code(MERGE, ada, token=cart["token"]) == "CART_FROZEN"
    await shop.data(RELEASE, MERCHANT, id=mine["id"], key="o")
    await shop.data(FREEZE, MERCHANT, id=cart["id"], key="o")
    assert await shop.code(MERGE, ada, token=cart["token"]) == "CART_FROZEN"
    assert quantities(await shop.data(READ, ada)) == {"a": 5_000}
    await shop.data(RELEASE, MERCHANT, id=cart["id"], key="o")
    assert quantities(await shop.data(MERGE, ada, token=cart["token"])) == {"a": 9_999}


async def test_two_customers_with_one_token_and_one_with_two(shop: CartShop) -> None:
    await shop.product("a")
    cart = await shop.cart()
    await shop.add(cart, a=1)
    both = [customer(), customer()]
    results = await asyncio.gather(*(shop.ask(MERGE, who, token=cart["token"]) for who in both))
    assert sorted(len(result.errors) for result in results) == [0, 1]
    ada, carts = customer(), [await shop.cart() for _ in range(6)]
    for one in carts:
        await shop.add(one, a=1)
    await asyncio.gather(*(shop.data(MERGE, ada, token=one["token"]) for one in carts * 2))
    assert quantities(await shop.data(READ, ada)) == {"a": 6}


async def test_a_frozen_cart_stays_as_it_is(shop: CartShop) -> None:
    await shop.product("a")
    cart = await shop.cart()
    line = (await shop.add(cart, a=1))["lines"][0]["id"]
    assert await shop.code(FREEZE, MERCHANT, id=cart["id"], key="o", version=1) == "CART_CHANGED"
    frozen = await shop.data(FREEZE, MERCHANT, id=cart["id"], key="o", version=2)
    assert (frozen["state"], frozen["version"]) == ("FROZEN", 3)
    key = {"cartToken": cart["token"]}
    for document, more in (
        (ADD, {"lines": [{"sku": "a"}]}),
        (CHANGE, {"lines": [{"id": line, "quantity": 2}]}),
        (REMOVE, {"lineIds": [line]}),
        (NOTE, {"note": "x"}),
    ):
        assert await shop.code(document, input={**key, **more}) == "CART_FROZEN"
    # Whoever asks again, the answer lost, is answered alike; another has to wait.
    again = await shop.data(FREEZE, MERCHANT, id=cart["id"], key="o", version=2, seconds=600)
    assert again["frozenUntil"] > frozen["frozenUntil"]
    assert await shop.code(FREEZE, MERCHANT, id=cart["id"], key="other") == "CART_FROZEN"
    assert await shop.code(RELEASE, MERCHANT, id=cart["id"], key="other") == "CART_FROZEN"
    assert await shop.code(ORDERED, MERCHANT, id=cart["id"], key="other", order="1") == "CART_FROZEN"
    for document, more in ((FREEZE, {}), (RELEASE, {}), (ORDERED, {"order": "1"})):
        assert await shop.code(document, customer(), id=cart["id"], key="o", **more) == "FORBIDDEN"
    released = await shop.data(RELEASE, MERCHANT, id=cart["id"], key="o")
    assert (released["state"], released["frozenUntil"]) == ("ACTIVE", None)
    assert (await shop.data(RELEASE, MERCHANT, id=cart["id"], key="o"))["version"] == released["version"]
    assert quantities(await shop.add(cart, a=1)) == {"a": 2}


async def test_an_ordered_cart_is_for_good_and_its_customer_gets_another(shop: CartShop) -> None:
    await shop.product("a")
    ada = customer()
    cart = await shop.cart(ada)
    await shop.add(cart, ada, a=1)
    assert await shop.code(ORDERED, MERCHANT, id=cart["id"], key="o", order="1") == "CART_NOT_FROZEN"
    await shop.data(FREEZE, MERCHANT, id=cart["id"], key="o")
    # They have a cart while an order is made of it.
    assert (await shop.cart(ada))["id"] == cart["id"]
    done = await shop.data(ORDERED, MERCHANT, id=cart["id"], key="o", order="order-1")
    assert (done["state"], done["orderId"]) == ("ORDERED", "order-1")
    assert await shop.data(ORDERED, MERCHANT, id=cart["id"], key="o", order="order-1") == done
    assert await shop.code(ORDERED, MERCHANT, id=cart["id"], key="o", order="order-2") == "CART_CLOSED"
    assert await shop.code(FREEZE, MERCHANT, id=cart["id"], key="o2") == "CART_CLOSED"
    assert await shop.code(RELEASE, MERCHANT, id=cart["id"], key="o") == "CART_CLOSED"
    assert (await shop.data(READ, ada, id=cart["id"]))["state"] == "ORDERED"
    assert await shop.data(READ, ada) is None
    assert (await shop.cart(ada))["id"] != cart["id"]
    assert ("CartOrdered", {"cart_id": cart["id"], "order_id": "order-1"}) in await shop.sent()


@pytest.mark.parametrize(
    "given",
    [{"key": ""}, {"key": "\0"}, {"key": "x" * 201}, {"key": "o", "seconds": 0}, {"key": "o", "seconds": 601}],
)
async def test_a_freeze_has_a_key_and_an_end(shop: CartShop, given: dict[str, Any]) -> None:
    cart = await shop.cart()
    assert await shop.code(FREEZE, MERCHANT, id=cart["id"], **given) == "INVALID_CART"
    assert await shop.code(FREEZE, MERCHANT, id=new_id(), key="o") == "CART_NOT_FOUND"
    assert await CartShop(shop.stage).code(FREEZE, MERCHANT, id=cart["id"], key="o") == "CART_NOT_FOUND"


async def test_a_frozen_cart_thaws_by_itself(shop: CartShop) -> None:
    await shop.product("a")
    cart, swept = await shop.cart(), await shop.cart()
    for one in (cart, swept):
        await shop.add(one, a=1)
        await shop.data(FREEZE, MERCHANT, id=one["id"], key="o")
        await shop.later(one, frozen_until="now() - interval '1 second'")
    # Whoever reads or changes it need not wait for the job.
    assert (await shop.read(cart))["state"] == "ACTIVE"
    assert await shop.code(ORDERED, MERCHANT, id=cart["id"], key="o", order="1") == "CART_NOT_FROZEN"
    assert quantities(await shop.add(cart, a=1)) == {"a": 2}
    while await shop.stage.carts.actions.sweep():
        pass
    released = [data for kind, data in await shop.sent() if kind == "CartReleased"]
    assert [(one["cart_id"], one["thawed"]) for one in released] == [(cart["id"], True), (swept["id"], True)]
    # Nobody changed it: the order process that comes late may freeze it as it was.
    again = await shop.data(FREEZE, MERCHANT, id=swept["id"], key="o", version=3)
    assert again["version"] == 4


async def test_carts_expire_and_are_forgotten(shop: CartShop) -> None:
    ada = customer()
    old, kept, mine = await shop.cart(), await shop.cart(), await shop.cart(ada)
    for one in (old, mine):
        await shop.later(one, expires_at="now() - interval '1 second'")
    assert (await shop.read(old))["state"] == "EXPIRED"
    assert await shop.code(NOTE, input={"cartToken": old["token"], "note": "x"}) == "CART_CLOSED"
    # A customer whose cart is too old has another at once.
    assert (await shop.cart(ada))["id"] != mine["id"]
    while await shop.stage.carts.actions.sweep():
        pass
    expired = {data["cart_id"] for kind, data in await shop.sent() if kind == "CartExpired"}
    assert expired == {old["id"], mine["id"]}
    states = await shop.data("{ carts { id state } }", MERCHANT)
    assert {one["id"] for one in states if one["state"] == "ACTIVE"} >= {kept["id"]}
    await shop.later(old, expires_at="now() - interval '40 days'")
    store = shop.stage.carts.store
    month_ago = to_datetime(now_ms()) - timedelta(days=30)
    assert await store.forget_closed(month_ago) == 1
    assert await shop.read(old) is None
    assert (await shop.data(READ, MERCHANT, id=mine["id"]))["state"] == "EXPIRED"


async def test_a_change_keeps_a_cart_alive(shop: CartShop) -> None:
    await shop.product("a")
    cart, ada = await shop.cart(), customer()
    when = "query($id: ID!) { cart(id: $id) { expiresAt changedAt } }"
    await shop.later(cart, expires_at="now() + interval '1 day'", changed_at="now() - interval '29 days'")
    before = await shop.data(when, MERCHANT, id=cart["id"])
    await shop.add(cart, a=1)
    after = await shop.data(when, MERCHANT, id=cart["id"])
    assert after["expiresAt"] > before["expiresAt"]
    await shop.data(MERGE, ada, token=cart["token"])
    assert (await shop.data(when, MERCHANT, id=cart["id"]))["expiresAt"] > after["expiresAt"]


async def test_many_who_fill_one_cart_at_once_lose_nothing(shop: CartShop) -> None:
    skus = [f"s{n}" for n in range(50)]
    await shop.product(*skus)
    cart = await shop.cart()
    await asyncio.gather(*(shop.add(cart, **{sku: 1}) for sku in skus))
    await asyncio.gather(*(shop.add(cart, s0=2) for _ in range(50)))
    after = await shop.read(cart)
    assert quantities(after) == {**dict.fromkeys(skus, 1), "s0": 101}
    assert after["version"] == 101
    kinds = Counter(kind for kind, _ in await shop.sent())
    assert kinds == {"CartCreated": 1, "CartLinesChanged": 100}


async def test_the_same_key_many_times_at_once_is_done_once(shop: CartShop) -> None:
    await shop.product("a")
    cart = await shop.cart()
    given = {"cartToken": cart["token"], "lines": [{"sku": "a"}], "idempotencyKey": "one"}
    await asyncio.gather(*(shop.data(ADD, input=given) for _ in range(20)))
    assert quantities(await shop.read(cart)) == {"a": 1}


async def test_a_customer_who_creates_many_at_once_has_one(shop: CartShop) -> None:
    ada = customer()
    made = await asyncio.gather(*(shop.data(CREATE, ada, input={"currency": "EUR"}) for _ in range(10)))
    assert len({one["cart"]["id"] for one in made}) == 1
    assert [kind for kind, _ in await shop.sent()] == ["CartCreated"]


async def test_whatever_is_done_at_the_same_time_adds_up(shop: CartShop) -> None:
    """Each of many does anything; what was acknowledged is what is there, and every line and sum agree."""
    random = Random(7)
    skus = [f"s{n}" for n in range(6)]
    await shop.product(*skus)
    ada = customer()
    mine = await shop.cart(ada)
    added: Counter[str] = Counter()
    frozen_while: list[str] = []

    async def put_in() -> None:
        sku, quantity = random.choice(skus), random.randint(1, 3)
        anonymous = random.random() < 0.3
        cart, who = (await shop.cart(), SHOPPER) if anonymous else (mine, ada)
        lines = [{"sku": sku, "quantity": quantity}]
        result = await shop.ask(ADD, who, input={"cartToken": cart["token"], "lines": lines})
        if not result.errors and anonymous:
            result = await shop.ask(MERGE, ada, token=cart["token"])
        codes = [error["extensions"]["code"] for error in result.errors]
        assert codes in ([], ["CART_FROZEN"])
        if codes:
            frozen_while.extend(codes)
        else:
            added[sku] += quantity

    async def keep_still(key: str) -> None:
        result = await shop.ask(FREEZE, MERCHANT, id=mine["id"], key=key)
        if not result.errors:
            assert not (await shop.ask(RELEASE, MERCHANT, id=mine["id"], key=key)).errors

    async def one_of_many(number: int) -> None:
        for step in range(8):
            await (keep_still(f"{number}-{step}") if random.random() < 0.2 else put_in())

    await asyncio.gather(*(one_of_many(number) for number in range(8)))
    after = await shop.data(READ, ada)
    assert quantities(after) == {sku: quantity for sku, quantity in added.items() if quantity}
    assert after["subtotalMinor"] == sum(line["quantity"] * line["unitPriceMinor"] for line in after["lines"])
    assert after["itemCount"] == sum(added.values())
