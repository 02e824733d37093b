"""What is given back of orders with discounts, taxes and delivery: to the last minor unit what was paid."""

from collections.abc import AsyncIterator

import pytest

from contract.cart_shop import MERCHANT
from contract.order_shop import OrderStage, open_order_stage
from contract.test_order_fulfilments import READ
from contract.test_order_returns import AFTER, REFUND_RETURN, ReturnDesk
from contract.test_order_totals import POST, SET_UP, SETTINGS, full, promotion
from kokoa.kernel.ids import new_id
from kokoa.messaging import EmbeddedNats
from kokoa.services.catalog.media.objects import MediaObjects


@pytest.fixture(scope="module")
async def stage(postgres: str, nats_server: EmbeddedNats, media_objects: MediaObjects) -> AsyncIterator[OrderStage]:
    async with open_order_stage(postgres, nats_server.url, media_objects) as stage:
        yield stage


@pytest.fixture
async def shop(stage: OrderStage) -> ReturnDesk:
    """Finland has 25.5 % tax on top of prices, and post for 5.90; lamps are at 10 euros, a tenth less by a code."""
    shop = ReturnDesk(stage)
    await shop.open()
    await shop.product("lamp", price=1_000)
    for document in SET_UP:
        await shop.data(document, MERCHANT)
    await shop.data(SETTINGS % "false", MERCHANT)
    await shop.data(POST, MERCHANT, active=True)
    await promotion(shop)
    return shop


async def test_everything_that_was_paid_is_given_back_in_parts_and_no_more(shop: ReturnDesk) -> None:
    placed = await shop.place(await full(shop, "TENTH", quantity=3))
    order = await shop.data(READ, MERCHANT, id=placed["id"])
    # 27.00 with 6.89 tax, and 5.90 with 1.50.
    shown = await shop.data(AFTER, MERCHANT, id=order["id"])
    assert (shown["totalMinor"], [line["grossMinor"] for line in shown["lines"]]) == (4_129, [3_389])
    assert (await shop.fulfil(order, lamp=1))["capturedMinor"] == 1_376
    first = await shop.returned(order, lamp=1)
    await shop.receive(order, first, lamp=1)
    done = await shop.refund(first, shippingMinor=200)
    assert (done["amountMinor"], done["shippingMinor"]) == (1_129 + 200, 200)
    assert (await shop.fulfil(order, lamp=2))["capturedMinor"] == 2_753
    second = await shop.returned(order, lamp=2)
    await shop.receive(order, second, lamp=1)
    given = {"returnId": second["id"], "idempotencyKey": new_id(), "shippingMinor": 541}
    assert await shop.code(REFUND_RETURN, MERCHANT, input=given) == "INVALID_REFUND"
    assert (await shop.refund(second))["amountMinor"] == 1_130
    await shop.receive(order, second, lamp=1)
    assert (await shop.refund(second, shippingMinor=540))["amountMinor"] == 1_130 + 540
    assert await shop.money(order) == {"charged": 4_129, "refunded": 4_129}
    assert (await shop.after(order))["state"] == "RETURNED"
    assert await shop.code(REFUND_RETURN, MERCHANT, input={**given, "shippingMinor": 0}) == "INVALID_REFUND"


async def test_a_part_of_a_discounted_order_is_due_for_what_it_costs(shop: ReturnDesk) -> None:
    placed = await shop.place(await full(shop, "TENTH", quantity=2))
    order = await shop.data(READ, MERCHANT, id=placed["id"])
    await shop.fulfil(order, lamp=1)
    await shop.cancel(order)
    # Half of 22.59 and 7.40 is due for the one that has left, and delivery with it.
    money = await shop.money(order)
    assert (money["charged"], money["cancelled"]) == (1_499, 1_500)
    asked = await shop.returned(order, lamp=1)
    await shop.receive(order, asked, lamp=1)
    assert (await shop.refund(asked, shippingMinor=370))["amountMinor"] == 1_129 + 370
    assert (await shop.money(order))["refunded"] == 1_499
