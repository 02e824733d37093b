"""What becomes of orders: quantities, stock and money add up, whatever crashes and however many ask at once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from contract.cart_shop import MERCHANT, SHOPPER, customer
from contract.dying import Died, die_at
from contract.order_shop import OrderShop, OrderStage, open_order_stage
from kokoa.kernel.call import Caller
from kokoa.kernel.ids import new_id
from kokoa.messaging import EmbeddedNats
from kokoa.processes.steps import STEPS
from kokoa.services.catalog.media.objects import MediaObjects
from kokoa.services.orders.fulfilling import actions
from kokoa.services.orders.fulfilling.model import CAPTURE_ATTEMPTS_MAX

LEAVING = [step for step in STEPS if step.startswith("fulfilment.")]
ENDING = [step for step in STEPS if step.startswith("cancellation.")]
_SHOWN = """id state version lines { id sku quantity fulfilledQuantity cancelledQuantity }
  fulfillments { id state capturedMinor lines { lineId quantity } }"""
_FULFILMENT = f"""id state capturedMinor trackingCarrier trackingNumber refusal {{ code message field }}
  lines {{ lineId quantity }} order {{ {_SHOWN} }}"""
FULFIL = f"mutation($input: CreateFulfillmentInput!) {{ createFulfillment(input: $input) {{ {_FULFILMENT} }} }}"
CANCEL = f"mutation($input: CancelOrderInput!) {{ cancelOrder(input: $input) {{ id state order {{ {_SHOWN} }} }} }}"
SHIP = f"""mutation($id: ID!, $number: String) {{
  shipFulfillment(id: $id, trackingCarrier: "DHL", trackingNumber: $number) {{ {_FULFILMENT} }} }}"""
DELIVER = f"mutation($id: ID!) {{ deliverFulfillment(id: $id) {{ {_FULFILMENT} }} }}"
READ = f"query($id: ID!) {{ order(id: $id) {{ {_SHOWN} }} }}"
HISTORY = "query($id: ID!) { order(id: $id) { history { kind fulfillmentId note actor } } }"
MONEY = """query($id: ID!) { order(id: $id) { payment { id amounts {
  charged refunded cancelled capturable refundable } } } }"""
LEFT = "query($sku: String!) { stockItem(sku: $sku) { onHand reserved } }"
CAPTURE = "mutation($input: PaymentRequestInput!) { capturePayment(input: $input) { id } }"
TAKE = "mutation($input: AdjustStockInput!) { adjustStock(input: $input) { onHand } }"


class Desk(OrderShop):
    """Where orders are packed."""

    async def placed(self, who: Caller = SHOPPER, method: str = "ok", **quantities: int) -> Any:
        """An order as this page's tests read it."""
        placed = await self.place(await self.full_cart(who, **quantities), who, method=method)
        assert placed["state"] == "PLACED"
        return await self.data(READ, MERCHANT, id=placed["id"])

    def part(self, order: Any, key: str = "", **quantities: int) -> Any:
        """What is asked to let some of each SKU leave."""
        ids = {line["sku"]: line["id"] for line in order["lines"]}
        lines = [{"lineId": ids[sku], "quantity": quantity} for sku, quantity in quantities.items()]
        return {"orderId": order["id"], "lines": lines, "idempotencyKey": key or new_id()}

    async def fulfil(self, order: Any, key: str = "", **quantities: int) -> Any:
        return await self.data(FULFIL, MERCHANT, input=self.part(order, key, **quantities))

    async def cancel(self, order: Any, who: Caller = MERCHANT, key: str = "", **more: Any) -> Any:
        return await self.data(CANCEL, who, input={"id": order["id"], "idempotencyKey": key or new_id(), **more})

    async def money(self, order: Any) -> dict[str, int]:
        amounts = (await self.data(MONEY, MERCHANT, id=order["id"]))["payment"]["amounts"]
        return {name: amount for name, amount in amounts.items() if amount}

    async def stock_left(self, sku: str = "lamp") -> tuple[int, int]:
        """On hand, reserved."""
        found = await self.data(LEFT, MERCHANT, sku=sku)
        return found["onHand"], found["reserved"]

    async def kinds(self, order: Any) -> list[str]:
        return [one["kind"] for one in (await self.data(HISTORY, MERCHANT, id=order["id"]))["history"]]

    async def sweep_changes(self) -> None:
        """All that is left half-way is overdue, and gone on with once, as far as it goes."""
        statement = """UPDATE changes SET due_at = now() - interval '1 s'
                        WHERE environment_id = $1 AND due_at IS NOT NULL"""
        await self.stage.databases["orders"].execute(self.environment_id, statement)
        await self.stage.orders.changes.sweep()


@pytest.fixture(scope="module")
async def stage(postgres: str, nats_server: EmbeddedNats, media_objects: MediaObjects) -> AsyncIterator[OrderStage]:
    async with open_order_stage(postgres, nats_server.url, media_objects) as stage:
        yield stage


@pytest.fixture
async def shop(stage: OrderStage) -> Desk:
    """With ten lamps at 9.99 euros, and rugs that nobody counts at 20."""
    shop = Desk(stage)
    await shop.open()
    await shop.product("lamp", price=999)
    await shop.product("rug", price=2_000)
    await shop.stock("lamp", 10)
    return shop


async def test_an_order_leaves_in_two_parts_and_is_paid_as_it_leaves(shop: Desk) -> None:
    order = await shop.placed(lamp=3, rug=1)
    assert (order["state"], order["version"], order["fulfillments"]) == ("CONFIRMED", 1, [])
    first = await shop.fulfil(order, lamp=2)
    assert (first["state"], first["capturedMinor"], first["refusal"]) == ("PENDING", 1_998, None)
    assert (first["order"]["state"], first["order"]["version"]) == ("PARTIALLY_FULFILLED", 2)
    assert [line["fulfilledQuantity"] for line in first["order"]["lines"]] == [2, 0]
    assert (await shop.stock_left(), await shop.money(order)) == (
        (8, 1),
        {"charged": 1_998, "capturable": 2_999, "refundable": 1_998},
    )
    second = await shop.fulfil(order, lamp=1, rug=1)
    assert (second["capturedMinor"], second["order"]["state"]) == (2_999, "FULFILLED")
    assert [one["id"] for one in second["order"]["fulfillments"]] == [first["id"], second["id"]]
    assert (await shop.stock_left(), await shop.money(order)) == ((7, 0), {"charged": 4_997, "refundable": 4_997})
    assert await shop.order_events() == [
        "OrderPlaced",
        "FulfillmentCreated",
        "FulfillmentCreated",
        "OrderFulfilled",
    ]
    assert await shop.code(FULFIL, MERCHANT, input=shop.part(order, lamp=1)) == "INVALID_FULFILLMENT"
    assert await shop.code(CANCEL, MERCHANT, input={"id": order["id"], "idempotencyKey": "c"}) == (
        "ORDER_NOT_CANCELLABLE"
    )


async def test_a_part_is_shipped_and_delivered_and_the_history_says_who_did_it(shop: Desk) -> None:
    order = await shop.placed(lamp=2)
    part = await shop.fulfil(order, lamp=2)
    assert await shop.code(DELIVER, MERCHANT, id=part["id"]) == "FULFILLMENT_STATE_DIFFERS"
    shipped = await shop.data(SHIP, MERCHANT, id=part["id"], number="JD01")
    assert (shipped["state"], shipped["trackingCarrier"], shipped["trackingNumber"]) == ("SHIPPED", "DHL", "JD01")
    assert await shop.data(SHIP, MERCHANT, id=part["id"], number="JD02") == shipped
    assert (await shop.data(DELIVER, MERCHANT, id=part["id"]))["state"] == "DELIVERED"
    assert await shop.code(SHIP, MERCHANT, id=part["id"]) == "FULFILLMENT_STATE_DIFFERS"
    history = (await shop.data(HISTORY, MERCHANT, id=order["id"]))["history"]
    assert [one["kind"] for one in history] == ["FULFILLMENT_CREATED", "SHIPPED", "DELIVERED"]
    assert {(one["actor"], one["fulfillmentId"]) for one in history} == {("server", part["id"])}
    assert (await shop.order_events())[-2:] == ["FulfillmentShipped", "FulfillmentDelivered"]


async def test_the_same_key_is_one_part_and_another_request_with_it_is_refused(shop: Desk) -> None:
    order = await shop.placed(lamp=5)
    answers = await asyncio.gather(*(shop.fulfil(order, "once", lamp=2) for _ in range(20)))
    assert len({one["id"] for one in answers}) == 1
    again = await shop.fulfil(order, "once", lamp=2)
    assert (again["state"], again["order"]["lines"][0]["fulfilledQuantity"]) == ("PENDING", 2)
    assert (await shop.stock_left(), (await shop.money(order))["charged"]) == ((8, 3), 1_998)
    for other in (shop.part(order, "once", lamp=1), shop.part(await shop.placed(lamp=2), "once", lamp=2)):
        assert await shop.code(FULFIL, MERCHANT, input=other) == "IDEMPOTENCY_KEY_REUSED"
    assert await shop.code(CANCEL, MERCHANT, input={"id": order["id"], "idempotencyKey": "once"}) == (
        "IDEMPOTENCY_KEY_REUSED"
    )


async def test_of_many_at_once_no_more_leaves_than_was_ordered(shop: Desk) -> None:
    order = await shop.placed(lamp=3)
    wanted = [shop.ask(FULFIL, MERCHANT, input=shop.part(order, lamp=2)) for _ in range(8)]
    given_up = shop.ask(CANCEL, MERCHANT, input={"id": order["id"], "idempotencyKey": new_id()})
    answers = await asyncio.gather(*wanted, given_up)
    codes = {one.errors[0]["extensions"]["code"] for one in answers if one.errors}
    assert codes <= {"ORDER_BUSY", "INVALID_FULFILLMENT", "ORDER_NOT_CANCELLABLE"}
    after = await shop.data(READ, MERCHANT, id=order["id"])
    line, charged = after["lines"][0], (await shop.money(order)).get("charged", 0)
    assert line["fulfilledQuantity"] + line["cancelledQuantity"] <= 3
    assert charged == line["fulfilledQuantity"] * 999
    reserved = 3 - line["fulfilledQuantity"] - line["cancelledQuantity"]
    assert await shop.stock_left() == (10 - line["fulfilledQuantity"], reserved)


async def test_what_is_left_after_a_part_is_cancelled(shop: Desk) -> None:
    order = await shop.placed(lamp=3, rug=1)
    await shop.fulfil(order, lamp=1)
    done = await shop.cancel(order, reason="too late", key="c")
    assert (done["state"], done["order"]["state"]) == ("CANCELLED", "CANCELLED")
    assert [(line["fulfilledQuantity"], line["cancelledQuantity"]) for line in done["order"]["lines"]] == [
        (1, 2),
        (0, 1),
    ]
    assert (await shop.stock_left(), await shop.available("lamp")) == ((9, 0), 9)
    assert await shop.money(order) == {"charged": 999, "cancelled": 3_998, "refundable": 999}
    assert await shop.cancel(order, reason="too late", key="c") == done
    assert await shop.kinds(order) == ["FULFILLMENT_CREATED", "CANCELLED"]
    assert (await shop.order_events())[-1] == "OrderCancelled"
    assert await shop.code(FULFIL, MERCHANT, input=shop.part(order, lamp=1)) == "INVALID_FULFILLMENT"


async def test_what_was_charged_before_it_left_is_given_back(shop: Desk) -> None:
    order = await shop.placed(lamp=2)
    payment = (await shop.data(MONEY, MERCHANT, id=order["id"]))["payment"]["id"]
    await shop.data(CAPTURE, MERCHANT, input={"id": payment, "amountMinor": 1_500, "idempotencyKey": "early"})
    part = await shop.fulfil(order, lamp=1)
    assert part["capturedMinor"] == 0
    assert (await shop.cancel(order))["state"] == "CANCELLED"
    assert await shop.money(order) == {"charged": 1_500, "refunded": 501, "cancelled": 498, "refundable": 999}


async def test_what_was_declined_is_captured_with_the_next_part(shop: Desk) -> None:
    order = await shop.placed(lamp=2, method="ok;capture=declined")
    part = await shop.fulfil(order, lamp=1)
    assert (part["state"], part["capturedMinor"], await shop.money(order)) == ("PENDING", 0, {"capturable": 1_998})
    assert (await shop.cancel(order))["state"] == "CANCELLED"
    # What has left may be captured still.
    assert await shop.money(order) == {"cancelled": 999, "capturable": 999}


async def test_what_is_not_there_does_not_leave_and_nothing_is_captured(shop: Desk) -> None:
    order = await shop.placed(lamp=3)
    taken = {"sku": "lamp", "delta": -9, "reason": "LOST"}
    await shop.data(TAKE, MERCHANT, input=taken)
    refused = await shop.fulfil(order, lamp=2)
    assert (refused["state"], refused["refusal"]["code"]) == ("REFUSED", "NOT_ON_HAND")
    assert (refused["order"]["state"], await shop.money(order)) == ("CONFIRMED", {"capturable": 2_997})
    assert (await shop.fulfil(order, lamp=1))["state"] == "PENDING"
    assert await shop.kinds(order) == ["FULFILLMENT_REFUSED", "FULFILLMENT_CREATED"]


@pytest.mark.parametrize("step", LEAVING)
async def test_a_part_that_died_on_its_way_leaves_once(
    shop: Desk, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await shop.placed(lamp=3)
    died = die_at(step, monkeypatch, actions)
    with pytest.raises(Died):
        await shop.fulfil(order, "once", lamp=2)
    assert died == [step]
    assert await shop.code(FULFIL, MERCHANT, input=shop.part(order, lamp=1)) == "ORDER_BUSY"
    assert (await shop.fulfil(order, "once", lamp=2))["state"] == "IN_PROGRESS"
    await shop.sweep_changes()
    part = await shop.fulfil(order, "once", lamp=2)
    assert (part["state"], part["capturedMinor"]) == ("PENDING", 1_998)
    assert (await shop.stock_left(), (await shop.money(order))["charged"]) == ((8, 1), 1_998)
    assert await shop.order_events() == ["OrderPlaced", "FulfillmentCreated"]
    assert await shop.kinds(order) == ["FULFILLMENT_CREATED"]


async def test_a_capture_that_died_before_the_provider_heard_of_it_is_made_nevertheless(
    shop: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request is written, and nobody asks; in the end the provider refuses its key for good."""
    order = await shop.placed(lamp=3)

    async def dies(_: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(shop.stage.payments.actions._providers.find("test"), "perform", dies)
        with pytest.raises(Died):
            await shop.fulfil(order, "all", lamp=3)
    await shop.sweep_changes()
    assert (await shop.fulfil(order, "all", lamp=3))["state"] == "IN_PROGRESS", "nobody knows yet"
    overdue = "UPDATE open_requests SET ask_at = now() - interval '1 s' WHERE environment_id = $1"
    await shop.stage.databases["payments"].execute(shop.environment_id, overdue)
    assert await shop.stage.payments.reconciler.sweep() == 1
    assert await shop.money(order) == {"capturable": 2_997}, "that one never arrived"
    await shop.sweep_changes()
    part = await shop.fulfil(order, "all", lamp=3)
    assert (part["state"], part["capturedMinor"]) == ("PENDING", 2_997)
    assert (await shop.money(order))["charged"] == 2_997


async def test_a_capture_that_takes_long_keeps_an_order_for_a_minute_and_no_longer(shop: Desk) -> None:
    order = await shop.placed(lamp=1, method="ok;capture=delayed")
    assert (await shop.fulfil(order, "slow", lamp=1))["state"] == "IN_PROGRESS"
    for _ in range(CAPTURE_ATTEMPTS_MAX + 1):
        await shop.sweep_changes()
    part = await shop.fulfil(order, "slow", lamp=1)
    assert (part["state"], part["capturedMinor"]) == ("PENDING", 999)
    assert await shop.money(order) == {}, "on its way: neither charged nor to be captured"


@pytest.mark.parametrize("step", ENDING)
async def test_a_cancellation_that_died_on_its_way_is_done_once(
    shop: Desk, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await shop.placed(lamp=3)
    await shop.fulfil(order, lamp=1)
    died = die_at(step, monkeypatch, actions)
    with pytest.raises(Died):
        await shop.cancel(order, key="once")
    assert died == [step]
    await shop.sweep_changes()
    assert (await shop.cancel(order, key="once"))["state"] == "CANCELLED"
    assert await shop.stock_left() == (9, 0)
    assert await shop.money(order) == {"charged": 999, "cancelled": 1_998, "refundable": 999}
    assert (await shop.order_events())[-1:] == ["OrderCancelled"]
    assert await shop.kinds(order) == ["FULFILLMENT_CREATED", "CANCELLED"]


async def test_customers_cancel_their_own_and_nobody_elses(shop: Desk, stage: OrderStage) -> None:
    who = customer()
    order = await shop.placed(who, lamp=2)
    asked = {"id": order["id"], "idempotencyKey": "mine"}
    for stranger in (customer(), SHOPPER):
        assert await shop.code(CANCEL, stranger, input=asked) == "ORDER_NOT_FOUND"
    elsewhere = Desk(stage)
    assert await elsewhere.code(CANCEL, MERCHANT, input=asked) == "ORDER_NOT_FOUND"
    assert await elsewhere.code(FULFIL, MERCHANT, input=shop.part(order, lamp=1)) == "ORDER_NOT_FOUND"
    part = await shop.fulfil(order, lamp=1)
    assert await elsewhere.code(SHIP, MERCHANT, id=part["id"]) == "FULFILLMENT_NOT_FOUND"
    assert await shop.code(CANCEL, who, input=asked) == "ORDER_NOT_CANCELLABLE"
    other = await shop.placed(who, lamp=2)
    done = await shop.cancel(other, who)
    assert (done["state"], (await shop.data(HISTORY, MERCHANT, id=other["id"]))["history"][0]["actor"]) == (
        "CANCELLED",
        f"storefront:{who.subject}",
    )
    # Packing is the shop's.
    for caller in (who, SHOPPER):
        refused = await shop.ask(FULFIL, caller, input=shop.part(order, lamp=1))
        assert refused.errors
    assert (await shop.data(READ, MERCHANT, id=order["id"]))["lines"][0]["fulfilledQuantity"] == 1


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"idempotencyKey": ""}, "INVALID_IDEMPOTENCY_KEY"),
        ({"version": 7}, "ORDER_CHANGED"),
        ({"lines": []}, "INVALID_FULFILLMENT"),
        ({"lines": [{"lineId": "a\0b", "quantity": 1}]}, "INVALID_FULFILLMENT"),
        ({"trackingNumber": "a\0b"}, "INVALID_FULFILLMENT"),
        ({"trackingCarrier": "x" * 101}, "INVALID_FULFILLMENT"),
        ({"orderId": "no id"}, "INVALID_ID"),
        ({"orderId": new_id()}, "ORDER_NOT_FOUND"),
    ],
)
async def test_bad_input_is_an_error_and_changes_nothing(shop: Desk, more: dict[str, Any], code: str) -> None:
    order = await shop.placed(lamp=2)
    assert await shop.code(FULFIL, MERCHANT, input={**shop.part(order, lamp=1), **more}) == code
    assert await shop.data(READ, MERCHANT, id=order["id"]) == order
