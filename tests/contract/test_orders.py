"""Orders: placed once, of what was priced, paid and reserved; else everything is as before."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from contract.cart_shop import FREEZE, MERCHANT, SHOPPER, customer
from contract.order_shop import CONTINUE, FOUND, ORDER, PAID, PLACE, OrderShop, OrderStage, open_order_stage
from kokoa.kernel.ids import new_id
from kokoa.messaging import EmbeddedNats
from kokoa.services.catalog.media.objects import MediaObjects

MY_ORDERS = f"query($before: String, $limit: Int! = 20) {{ myOrders(before: $before, limit: $limit) {{ {ORDER} }} }}"


@pytest.fixture(scope="module")
async def stage(postgres: str, nats_server: EmbeddedNats, media_objects: MediaObjects) -> AsyncIterator[OrderStage]:
    async with open_order_stage(postgres, nats_server.url, media_objects) as stage:
        yield stage


@pytest.fixture
async def shop(stage: OrderStage) -> AsyncIterator[OrderShop]:
    """With ten lamps at 10 euros, and rugs that nobody counts at 20."""
    shop = OrderShop(stage)
    await shop.open()
    await shop.product("lamp", price=1_000)
    await shop.product("rug", price=2_000)
    await shop.stock("lamp", 10)
    yield shop
    stage.join()


async def test_a_cart_becomes_an_order_that_is_paid_and_reserved(shop: OrderShop) -> None:
    cart = await shop.full_cart(lamp=2, rug=1)
    placed = await shop.place(cart, expectedTotalMinor=4_000)
    assert (placed["state"], placed["refusal"], placed["actionUrl"]) == ("PLACED", None, None)
    order = placed["order"]
    assert (order["number"], order["state"], order["totalMinor"], order["cartId"]) == (
        "10001",
        "CONFIRMED",
        4_000,
        cart["id"],
    )
    assert [(one["sku"], one["quantity"], one["unitPriceMinor"]) for one in order["lines"]] == [
        ("lamp", 2, 1_000),
        ("rug", 1, 2_000),
    ]
    assert await shop.available("lamp") == 8
    paid = (await shop.data(PAID, MERCHANT, id=order["id"]))["payment"]
    assert (paid["authorizationStatus"], paid["amountMinor"], paid["reference"]) == ("FULL", 4_000, order["id"])
    closed = await shop.read(cart)
    assert (closed["state"], closed["orderId"]) == ("ORDERED", order["id"])
    assert await shop.order_events() == ["OrderPlaced"]
    # It is for good: time changes nothing, and nothing is left to do.
    await shop.sweep()
    assert await shop.held(order["id"]) == 2
    assert await shop.data(FOUND, MERCHANT, number="10001") == order


async def test_numbers_follow_one_another_and_each_environment_has_its_own(
    shop: OrderShop, stage: OrderStage
) -> None:
    numbers = [(await shop.place(await shop.full_cart(rug=1)))["order"]["number"] for _ in range(3)]
    assert numbers == ["10001", "10002", "10003"]
    refused = await shop.place(await shop.full_cart(rug=1), method="declined")
    assert (refused["state"], refused["order"]) == ("REFUSED", None)
    assert (await shop.place(await shop.full_cart(rug=1)))["order"]["number"] == "10004"
    other = OrderShop(stage)
    assert await other.orders() == []
    assert await other.data(FOUND, MERCHANT, number="10001") is None
    assert [one["number"] for one in await shop.orders()] == ["10004", "10003", "10002", "10001"]


async def test_the_same_key_a_hundred_times_at_once_is_one_order(shop: OrderShop) -> None:
    cart = await shop.full_cart(lamp=1)
    answers = await asyncio.gather(*(shop.place(cart) for _ in range(100)))
    assert len({one["id"] for one in answers}) == 1
    assert {one["state"] for one in answers} <= {"PLACED", "IN_PROGRESS"}
    again = await shop.place(cart)
    assert (again["state"], again["id"]) == ("PLACED", answers[0]["id"])
    assert len(await shop.orders()) == 1
    assert (await shop.available("lamp"), await shop.capturable(again["id"])) == (9, 1_000)
    other = await shop.code(PLACE, input=shop.order_of(cart, method="declined"))
    assert other == "IDEMPOTENCY_KEY_REUSED"


async def test_a_key_that_has_a_placement_freezes_no_other_cart(shop: OrderShop) -> None:
    assert (await shop.place(await shop.full_cart(lamp=1), key="k"))["state"] == "PLACED"
    other = await shop.full_cart(lamp=1)
    assert await shop.code(PLACE, input=shop.order_of(other, key="k")) == "IDEMPOTENCY_KEY_REUSED"
    assert (await shop.read(other))["state"] == "ACTIVE"
    assert (await shop.place(other, key="k2"))["state"] == "PLACED"


async def test_a_refused_request_that_comes_again_leaves_the_cart_as_free_as_it_was(shop: OrderShop) -> None:
    cart = await shop.full_cart(lamp=1)
    refused = await shop.place(cart, method="declined")
    again = await asyncio.gather(*(shop.place(cart, method="declined") for _ in range(10)))
    assert again == [refused] * 10
    assert (await shop.read(cart))["state"] == "ACTIVE"
    before = "UPDATE placements SET freeze_key = NULL WHERE environment_id = $1"
    await shop.stage.databases["orders"].execute(shop.environment_id, before)
    assert await shop.place(cart, method="declined") == refused, "also of a version that had no freeze keys"
    assert (await shop.read(cart))["state"] == "ACTIVE"
    assert (await shop.place(cart, key="again"))["state"] == "PLACED"


async def test_the_same_request_does_not_shorten_how_long_a_cart_waits_for_a_customer(shop: OrderShop) -> None:
    cart = await shop.full_cart(lamp=1)
    statement = "SELECT frozen_until - now() AS left FROM carts WHERE environment_id = $1"
    for _ in range(2):
        assert (await shop.place(cart, method="redirect", returnUrl="https://shop.example"))["actionUrl"]
        row = await shop.stage.databases["carts"].fetchrow(shop.environment_id, statement)
        assert row is not None
        assert row["left"] > timedelta(minutes=9)


async def test_a_cart_is_ordered_once_whatever_the_keys_are(shop: OrderShop) -> None:
    cart = await shop.full_cart(lamp=1)
    answers = await asyncio.gather(*(shop.place(cart, key=f"k{n}") for n in range(10)))
    assert [one["state"] for one in answers].count("PLACED") == 1
    codes = {one["refusal"]["code"] for one in answers if one["state"] == "REFUSED"}
    assert codes <= {"CART_FROZEN", "CART_CLOSED"}
    assert len(await shop.orders()) == 1
    assert await shop.available("lamp") == 9


async def test_a_placement_that_is_over_is_forgotten_and_its_cart_stays_ordered(shop: OrderShop) -> None:
    cart, waiting = await shop.full_cart(rug=1), await shop.full_cart(rug=1)
    placed = await shop.place(cart)
    begun = await shop.place(waiting, method="redirect", returnUrl="https://shop.example/")
    assert begun["state"] == "ACTION_REQUIRED"
    store = shop.stage.orders.store
    assert await store.forget_placements(datetime.now(UTC) - timedelta(hours=1)) == 0
    assert await store.forget_placements(datetime.now(UTC) + timedelta(hours=1)) >= 1
    assert await store.placement(shop.environment_id, placed["order"]["id"]) is None
    assert await store.placement(shop.environment_id, begun["id"]) is not None, "it goes on"
    again = await shop.place(cart)
    assert (again["state"], again["refusal"]["code"]) == ("REFUSED", "CART_CLOSED")
    assert await shop.data(FOUND, MERCHANT, number=placed["order"]["number"]) == placed["order"]


async def test_two_hundred_shoppers_get_the_last_fifty(shop: OrderShop) -> None:
    await shop.product("chair", price=500)
    await shop.stock("chair", 50)
    carts = []
    for _ in range(10):
        carts += await asyncio.gather(*(shop.full_cart(chair=1) for _ in range(20)))
    answers = await asyncio.gather(*(shop.place(cart) for cart in carts))
    for _ in range(20):
        if not any(one["state"] == "IN_PROGRESS" for one in answers):
            break
        await shop.sweep()
        answers = [await shop.place(cart) for cart in carts]
    assert [one["state"] for one in answers].count("PLACED") == 50
    refusals = {one["refusal"]["code"] for one in answers if one["state"] == "REFUSED"}
    assert refusals <= {"OUT_OF_STOCK", "NOT_ENOUGH"}
    assert await shop.available("chair") == 0
    orders = await shop.orders()
    assert sorted(int(one["number"]) for one in orders) == list(range(10_001, 10_051))
    money = [await shop.capturable(one["id"]) for one in answers]
    assert sorted(money) == [0] * 150 + [500] * 50


@pytest.mark.parametrize(
    ("more", "code", "field"),
    [
        ({"method": "declined"}, "PAYMENT_DECLINED", "paymentMethod"),
        ({"method": "no such"}, "INVALID_PAYMENT_METHOD", "paymentMethod"),
        ({"paymentProvider": "nobody"}, "PAYMENT_PROVIDER_NOT_FOUND", "paymentProvider"),
        ({"expectedTotalMinor": 999}, "TOTAL_CHANGED", "expectedTotalMinor"),
    ],
)
async def test_what_is_refused_leaves_everything_as_before(
    shop: OrderShop, more: dict[str, object], code: str, field: str
) -> None:
    cart = await shop.full_cart(lamp=3)
    refused = await shop.place(cart, **more)
    assert (refused["state"], refused["order"]) == ("REFUSED", None)
    assert (refused["refusal"]["code"], refused["refusal"]["field"]) == (code, field)
    assert await shop.available("lamp") == 10
    assert (await shop.capturable(refused["id"]), await shop.held(refused["id"])) == (0, 0)
    assert (await shop.read(cart))["state"] == "ACTIVE"
    assert await shop.order_events() == ["OrderPlacementRefused"]
    # The cart is still good for an order.
    assert (await shop.place(cart, key="again"))["state"] == "PLACED"


async def test_what_cannot_be_ordered_says_why(shop: OrderShop) -> None:
    empty = await shop.place(await shop.cart())
    assert (empty["refusal"]["code"], empty["refusal"]["field"]) == ("CART_EMPTY", "cartId")
    cart = await shop.full_cart(lamp=8)
    await shop.place(await shop.full_cart(lamp=5))
    short = await shop.place(cart)
    assert (short["refusal"]["code"], short["refusal"]["field"]) == ("NOT_ENOUGH", "cart.lines.0")
    frozen = await shop.full_cart(rug=1)
    await shop.data(FREEZE, MERCHANT, id=frozen["id"], key="somebody")
    assert (await shop.place(frozen))["refusal"]["code"] == "CART_FROZEN"
    assert (await shop.read(frozen))["state"] == "FROZEN", "it is somebody else's to release"


async def test_a_customer_who_is_sent_elsewhere_to_pay_comes_back(shop: OrderShop) -> None:
    cart = await shop.full_cart(lamp=2)
    waiting = await shop.place(cart, method="redirect", returnUrl="https://shop.test/back")
    assert (waiting["state"], waiting["order"]) == ("ACTION_REQUIRED", None)
    assert waiting["actionUrl"]
    again = await shop.data(CONTINUE, id=waiting["id"], token=cart["token"])
    assert again["state"] == "ACTION_REQUIRED"
    assert (await shop.read(cart))["state"] == "FROZEN"
    assert await shop.code(CONTINUE, id=waiting["id"], token="another") == "PLACEMENT_NOT_FOUND"
    assert await shop.code(CONTINUE, customer(), id=waiting["id"]) == "PLACEMENT_NOT_FOUND"
    await shop.settle(waiting, approve=True)
    placed = await shop.data(CONTINUE, id=waiting["id"], token=cart["token"])
    assert (placed["state"], placed["order"]["number"]) == ("PLACED", "10001")


@pytest.mark.parametrize("approve", [False, None])
async def test_a_customer_who_does_not_pay_has_their_cart_back(shop: OrderShop, approve: bool | None) -> None:
    cart = await shop.full_cart(lamp=2)
    waiting = await shop.place(cart, method="redirect", returnUrl="https://shop.test/back")
    if approve is None:
        await shop.older(11)
    else:
        await shop.settle(waiting, approve=approve)
    await shop.sweep()
    refused = await shop.place(cart, method="redirect", returnUrl="https://shop.test/back")
    assert refused["state"] == "REFUSED"
    assert refused["refusal"]["code"] == ("PAYMENT_DECLINED" if approve is False else "PAYMENT_NOT_FINISHED")
    assert (await shop.available("lamp"), (await shop.read(cart))["state"]) == (10, "ACTIVE")
    if approve is None:
        # They pay after all: it is given up, too.
        await shop.settle(waiting, approve=True)
        await shop.sweep()
    assert await shop.capturable(waiting["id"]) == 0
    assert await shop.orders() == []


async def test_orders_are_their_customers_and_managements(shop: OrderShop) -> None:
    mine, other = customer(), customer()
    cart = await shop.cart(mine)
    await shop.add({}, mine, rug=1)
    for who in (other, SHOPPER):
        assert await shop.code(PLACE, who, input=shop.order_of(cart)) == "CART_TO_ORDER_NOT_FOUND"
    order = (await shop.place(cart, mine))["order"]
    assert order["customerId"] == mine.subject
    assert await shop.data(FOUND, mine, id=order["id"]) == order
    assert [one["number"] for one in await shop.data(MY_ORDERS, mine)] == [order["number"]]
    assert await shop.data(MY_ORDERS, mine, before=order["number"]) == []
    assert await shop.data(MY_ORDERS, other) == []
    for who in (other, SHOPPER):
        assert await shop.data(FOUND, who, id=order["id"]) is None
        assert await shop.data(FOUND, who, number=order["number"]) is None
        assert await shop.code("{ orders { id } }", who) == "FORBIDDEN"
    anonymous = await shop.full_cart(rug=1)
    by_id = {**shop.order_of({"id": anonymous["id"]}), "paymentMethod": "ok"}
    assert await shop.code(PLACE, input=by_id) == "CART_TO_ORDER_NOT_FOUND", "its token opens it, not its id"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"idempotencyKey": ""}, "INVALID_IDEMPOTENCY_KEY"),
        ({"idempotencyKey": "k" * 201}, "INVALID_IDEMPOTENCY_KEY"),
        ({"paymentProvider": "a\0b"}, "INVALID_PLACEMENT"),
        ({"paymentMethod": ""}, "INVALID_PLACEMENT"),
        ({"paymentMethod": "x" * 201}, "INVALID_PLACEMENT"),
        ({"returnUrl": "javascript:alert(1)"}, "INVALID_PLACEMENT"),
        ({"expectedTotalMinor": -1}, "INVALID_PLACEMENT"),
        ({"cartToken": None}, "INVALID_PLACEMENT"),
        ({"cartToken": "x" * 201}, "INVALID_PLACEMENT"),
        ({"cartToken": "no such"}, "CART_TO_ORDER_NOT_FOUND"),
        ({"cartToken": None, "cartId": "no id"}, "INVALID_ID"),
        ({"cartToken": None, "cartId": new_id()}, "CART_TO_ORDER_NOT_FOUND"),
    ],
)
async def test_bad_input_is_an_error_and_changes_nothing(shop: OrderShop, more: dict[str, object], code: str) -> None:
    cart = await shop.full_cart(lamp=1)
    assert await shop.code(PLACE, input={**shop.order_of(cart), **more}) == code
    assert (await shop.read(cart))["version"] == 2
    assert await shop.order_events() == []


@pytest.mark.parametrize("number", ["", "1e9", "-1", "9" * 19, "١"])
async def test_what_is_no_number_finds_nothing(shop: OrderShop, number: str) -> None:
    assert await shop.code(FOUND, MERCHANT, number=number) == "INVALID_ORDER_PAGE"


async def test_a_partners_price_is_what_is_ordered(shop: OrderShop) -> None:
    cart = await shop.full_cart(lamp=2)
    shop.stage.join({"price: Float!": 7.77})
    changed = await shop.place(cart, key="old", expectedTotalMinor=2_000)
    assert changed["refusal"]["code"] == "TOTAL_CHANGED"
    order = (await shop.place(cart, expectedTotalMinor=1_554))["order"]
    assert (order["totalMinor"], order["lines"][0]["unitPriceMinor"]) == (1_554, 777)
    assert (await shop.data(PAID, MERCHANT, id=order["id"]))["payment"]["amountMinor"] == 1_554


async def test_what_costs_nothing_is_ordered_without_a_payment(shop: OrderShop) -> None:
    await shop.product("gift", price=0)
    order = (await shop.place(await shop.full_cart(gift=1)))["order"]
    assert (order["totalMinor"], (await shop.data(PAID, MERCHANT, id=order["id"]))["payment"]) == (0, None)
