"""What comes back of orders: quantities, stock and money add up, whatever crashes and however many ask at once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from contract.cart_shop import MERCHANT, SHOPPER, customer
from contract.dying import Died, die_at
from contract.order_shop import OrderStage, open_order_stage
from contract.payments_desk import OVERDUE
from contract.test_order_fulfilments import CAPTURE, MONEY, Desk
from kokoa.kernel.call import Caller
from kokoa.kernel.ids import new_id
from kokoa.messaging import EmbeddedNats
from kokoa.processes.steps import STEPS
from kokoa.services.catalog.media.objects import MediaObjects
from kokoa.services.orders.returning import actions

RECEIVING = [step for step in STEPS if step.startswith("reception.")]
REFUNDING = [step for step in STEPS if step.startswith("refund.")]

_RETURN = """id state version note reason lines { lineId quantity reason received backInStock unusable refunded }"""
_REFUND = """id state amountMinor feeMinor shippingMinor reason refusal { code message field }"""
REQUEST = f"mutation($input: RequestReturnInput!) {{ requestReturn(input: $input) {{ {_RETURN} }} }}"
RECEIVE = f"""mutation($input: ReceiveReturnInput!) {{ receiveReturn(input: $input) {{
  id state lines {{ lineId quantity condition locationKey }} return {{ {_RETURN} }} }} }}"""
CANCEL_RETURN = f"""mutation($id: ID!, $version: Int, $reason: String) {{
  cancelReturn(id: $id, version: $version, reason: $reason) {{ {_RETURN} }} }}"""
REJECT = f"""mutation($id: ID!, $reason: String!, $version: Int) {{
  rejectReturn(id: $id, reason: $reason, version: $version) {{ {_RETURN} }} }}"""
REFUND_RETURN = f"""mutation($input: RefundReturnInput!) {{ refundReturn(input: $input) {{
  {_REFUND} return {{ {_RETURN} }} order {{ state version }} }} }}"""
REFUND_ORDER = f"""mutation($input: RefundOrderInput!) {{ refundOrder(input: $input) {{
  {_REFUND} return {{ id }} order {{ state }} }} }}"""
AFTER = f"""query($id: ID!) {{ order(id: $id) {{ state version totalMinor
  lines {{ sku quantity fulfilledQuantity cancelledQuantity returnedQuantity grossMinor }}
  returns {{ {_RETURN} }} refunds {{ {_REFUND} return {{ id }} }} }} }}"""
HISTORY = "query($id: ID!) { order(id: $id) { history { kind fulfillmentId returnId note actor } } }"
MOVED = """query($sku: String!) { stockItem(sku: $sku) { onHand levels { location onHand }
  movements { reason onHand reference } } }"""
LOCATION = """mutation { createStockLocation(input: {key: "attic", name: "Attic"}) { id } }"""


class ReturnDesk(Desk):
    """Where parcels come back to."""

    async def sold(self, who: Caller = SHOPPER, method: str = "ok", **quantities: int) -> Any:
        """An order of which all has left."""
        order = await self.placed(who, method, **quantities)
        await self.fulfil(order, **quantities)
        return order

    def wanted(self, order: Any, key: str = "", reason: str | None = None, **quantities: int) -> dict[str, Any]:
        """What is asked to let some of each SKU come back."""
        ids = {line["sku"]: line["id"] for line in order["lines"]}
        lines = [{"lineId": ids[sku], "quantity": count, "reason": reason} for sku, count in quantities.items()]
        return {"orderId": order["id"], "lines": lines, "idempotencyKey": key or new_id()}

    async def returned(self, order: Any, who: Caller = MERCHANT, key: str = "", **quantities: int) -> Any:
        return await self.data(REQUEST, who, input=self.wanted(order, key, **quantities))

    def back(
        self, order: Any, found: Any, key: str = "", condition: str = "BACK_IN_STOCK", **quantities: int
    ) -> dict[str, Any]:
        """What is asked when some of each SKU came back."""
        ids = {line["sku"]: line["id"] for line in order["lines"]}
        lines = [{"lineId": ids[sku], "quantity": count, "condition": condition} for sku, count in quantities.items()]
        return {"id": found["id"], "lines": lines, "idempotencyKey": key or new_id()}

    async def receive(self, order: Any, found: Any, key: str = "", **quantities: int) -> Any:
        return await self.data(RECEIVE, MERCHANT, input=self.back(order, found, key, **quantities))

    async def refund(self, found: Any, key: str = "", **more: int) -> Any:
        given = {"returnId": found["id"], "idempotencyKey": key or new_id(), **more}
        return await self.data(REFUND_RETURN, MERCHANT, input=given)

    async def after(self, order: Any) -> Any:
        return await self.data(AFTER, MERCHANT, id=order["id"])


@pytest.fixture(scope="module")
async def stage(postgres: str, nats_server: EmbeddedNats, media_objects: MediaObjects) -> AsyncIterator[OrderStage]:
    async with open_order_stage(postgres, nats_server.url, media_objects) as stage:
        yield stage


@pytest.fixture
async def shop(stage: OrderStage) -> ReturnDesk:
    """With ten lamps at 9.99 euros, and rugs that nobody counts at 20."""
    shop = ReturnDesk(stage)
    await shop.open()
    await shop.product("lamp", price=999)
    await shop.product("rug", price=2_000)
    await shop.stock("lamp", 10)
    return shop


async def test_a_return_comes_back_in_two_parts_and_is_refunded_less_a_fee(shop: ReturnDesk) -> None:
    order = await shop.sold(lamp=3, rug=1)
    asked = await shop.returned(order, lamp=2, rug=1)
    assert (asked["state"], asked["version"]) == ("REQUESTED", 1)
    first = await shop.receive(order, asked, lamp=1)
    assert (first["state"], first["return"]["state"]) == ("RECEIVED", "PARTIALLY_RECEIVED")
    assert (await shop.after(order))["state"] == "PARTIALLY_RETURNED"
    refund = await shop.refund(asked, feeMinor=99)
    assert (refund["state"], refund["amountMinor"], refund["feeMinor"]) == ("REFUNDED", 900, 99)
    assert refund["return"]["lines"][0]["refunded"] == 1
    second = await shop.receive(order, asked, lamp=1, rug=1)
    assert (second["return"]["state"], await shop.stock_left()) == ("RECEIVED", (9, 0))
    assert (await shop.refund(asked))["amountMinor"] == 2_999
    assert await shop.money(order) == {"charged": 4_997, "refunded": 3_899, "refundable": 1_098}
    after = await shop.after(order)
    assert (after["state"], [line["returnedQuantity"] for line in after["lines"]]) == ("PARTIALLY_RETURNED", [2, 1])
    assert [one["amountMinor"] for one in after["refunds"]] == [900, 2_999]
    rest = await shop.returned(order, lamp=1)
    await shop.receive(order, rest, condition="UNUSABLE", lamp=1)
    assert ((await shop.after(order))["state"], await shop.stock_left()) == ("RETURNED", (9, 0))
    assert (await shop.refund(rest))["amountMinor"] == 999
    # All but the fee.
    assert await shop.money(order) == {"charged": 4_997, "refunded": 4_898, "refundable": 99}
    assert await shop.kinds(order) == [
        "FULFILLMENT_CREATED",
        "RETURN_REQUESTED",
        "RETURN_RECEIVED",
        "REFUNDED",
        "RETURN_RECEIVED",
        "REFUNDED",
        "RETURN_REQUESTED",
        "RETURN_RECEIVED",
        "REFUNDED",
    ]
    told = (await shop.order_events())[3:]
    assert told == [
        "ReturnRequested",
        "ReturnReceived",
        "OrderRefunded",
        "ReturnReceived",
        "OrderRefunded",
        "ReturnRequested",
        "ReturnReceived",
        "OrderRefunded",
    ]


async def test_what_is_back_in_stock_lies_where_it_was_put_and_the_rest_nowhere(shop: ReturnDesk) -> None:
    await shop.data(LOCATION, MERCHANT)
    order = await shop.sold(lamp=3, rug=1)
    asked = await shop.returned(order, lamp=3, rug=1)
    lamp, rug = (line["lineId"] for line in asked["lines"])
    lines = [
        {"lineId": lamp, "quantity": 1, "condition": "BACK_IN_STOCK", "locationKey": "attic"},
        {"lineId": lamp, "quantity": 1, "condition": "BACK_IN_STOCK"},
        {"lineId": lamp, "quantity": 1, "condition": "UNUSABLE"},
        {"lineId": rug, "quantity": 1, "condition": "BACK_IN_STOCK"},
    ]
    done = await shop.data(RECEIVE, MERCHANT, input={"id": asked["id"], "lines": lines, "idempotencyKey": "b"})
    assert [one["locationKey"] for one in done["lines"]] == ["attic", None, None, None]
    shown = done["return"]["lines"][0]
    assert (shown["received"], shown["backInStock"], shown["unusable"]) == (3, 2, 1)
    item = await shop.data(MOVED, MERCHANT, sku="lamp")
    assert item["onHand"] == 9
    assert {one["location"]: one["onHand"] for one in item["levels"]} == {"default": 8, "attic": 1}
    back = [one for one in item["movements"] if one["reason"] == "RETURNED"]
    assert [(one["onHand"], one["reference"]) for one in back] == [(1, asked["id"])] * 2
    # Nobody counts rugs, and a return does not begin with it.
    assert await shop.data(MOVED, MERCHANT, sku="rug") is None


async def test_no_more_comes_back_than_has_left_and_is_in_no_other_return(shop: ReturnDesk) -> None:
    order = await shop.placed(lamp=3)
    assert await shop.code(REQUEST, MERCHANT, input=shop.wanted(order, lamp=1)) == "INVALID_RETURN"
    await shop.fulfil(order, lamp=2)
    first = await shop.returned(order, lamp=1)
    assert await shop.code(REQUEST, MERCHANT, input=shop.wanted(order, lamp=2)) == "INVALID_RETURN"
    ended = await shop.data(CANCEL_RETURN, MERCHANT, id=first["id"], reason="kept")
    assert (ended["state"], ended["reason"]) == ("CANCELLED", "kept")
    assert await shop.data(CANCEL_RETURN, MERCHANT, id=first["id"]) == ended
    second = await shop.returned(order, lamp=2)
    assert (await shop.data(REJECT, MERCHANT, id=second["id"], reason="too late"))["state"] == "REJECTED"
    third = await shop.returned(order, lamp=2)
    await shop.receive(order, third, lamp=1)
    assert (await shop.after(order))["state"] == "PARTIALLY_FULFILLED"
    assert await shop.code(REJECT, MERCHANT, id=third["id"], reason="no") == "RETURN_STATE_DIFFERS"
    # What came back counts, what did not may come back another time.
    assert (await shop.data(CANCEL_RETURN, MERCHANT, id=third["id"]))["lines"][0]["received"] == 1
    assert await shop.code(RECEIVE, MERCHANT, input=shop.back(order, third, lamp=1)) == "RETURN_STATE_DIFFERS"
    assert (await shop.refund(third))["amountMinor"] == 999
    assert (await shop.returned(order, lamp=1))["state"] == "REQUESTED"
    assert await shop.code(REQUEST, MERCHANT, input=shop.wanted(order, lamp=1)) == "INVALID_RETURN"


async def test_what_leaves_after_a_refund_is_captured_and_what_is_cancelled_given_back_once(shop: ReturnDesk) -> None:
    order = await shop.placed(lamp=4)
    await shop.fulfil(order, lamp=2)
    asked = await shop.returned(order, lamp=1)
    await shop.receive(order, asked, lamp=1)
    await shop.refund(asked)
    assert (await shop.fulfil(order, lamp=1))["capturedMinor"] == 999
    assert await shop.money(order) == {"charged": 2_997, "refunded": 999, "capturable": 999, "refundable": 1_998}
    assert (await shop.cancel(order))["state"] == "CANCELLED"
    assert await shop.money(order) == {"charged": 2_997, "refunded": 999, "cancelled": 999, "refundable": 1_998}
    later = await shop.returned(order, lamp=2)
    await shop.receive(order, later, lamp=2)
    await shop.refund(later)
    assert ((await shop.after(order))["state"], await shop.money(order)) == (
        "CANCELLED",
        {"charged": 2_997, "refunded": 2_997, "cancelled": 999},
    )


async def test_a_cancellation_gives_back_what_was_charged_early_beside_what_was_refunded(shop: ReturnDesk) -> None:
    order = await shop.placed(lamp=3)
    payment = (await shop.data(MONEY, MERCHANT, id=order["id"]))["payment"]["id"]
    await shop.data(CAPTURE, MERCHANT, input={"id": payment, "idempotencyKey": "all"})
    await shop.fulfil(order, lamp=2)
    asked = await shop.returned(order, lamp=1)
    await shop.receive(order, asked, lamp=1)
    await shop.refund(asked)
    await shop.cancel(order)
    # One lamp is with the customer, and paid.
    assert await shop.money(order) == {"charged": 2_997, "refunded": 1_998, "refundable": 999}


async def test_an_order_whose_placement_is_forgotten_comes_back_as_any_other(shop: ReturnDesk) -> None:
    order = await shop.placed(lamp=2)
    forgotten = "DELETE FROM placements WHERE environment_id = $1"
    await shop.stage.databases["orders"].execute(shop.environment_id, forgotten)
    await shop.fulfil(order, lamp=2)
    asked = await shop.returned(order, lamp=1)
    await shop.receive(order, asked, lamp=1)
    assert (await shop.refund(asked))["state"] == "REFUNDED"


async def test_goodwill_is_given_once_and_never_more_than_is_charged(shop: ReturnDesk) -> None:
    order = await shop.placed(lamp=2)
    given = {"orderId": order["id"], "amountMinor": 500, "reason": "late", "idempotencyKey": "sorry"}
    early = await shop.data(REFUND_ORDER, MERCHANT, input={**given, "idempotencyKey": "early"})
    assert (early["state"], early["refusal"]["code"]) == ("REFUSED", "MORE_THAN_CHARGED")
    await shop.fulfil(order, lamp=2)
    answers = await asyncio.gather(*(shop.data(REFUND_ORDER, MERCHANT, input=given) for _ in range(8)))
    assert len({one["id"] for one in answers}) == 1
    done = await shop.data(REFUND_ORDER, MERCHANT, input=given)
    assert (done["state"], done["amountMinor"], done["reason"], done["return"]) == ("REFUNDED", 500, "late", None)
    assert await shop.money(order) == {"charged": 1_998, "refunded": 500, "refundable": 1_498}
    assert await shop.code(REFUND_ORDER, MERCHANT, input={**given, "amountMinor": 499}) == "IDEMPOTENCY_KEY_REUSED"
    more = await shop.data(REFUND_ORDER, MERCHANT, input={**given, "amountMinor": 1_499, "idempotencyKey": "2"})
    assert (more["refusal"]["code"], more["order"]["state"]) == ("MORE_THAN_CHARGED", "FULFILLED")
    assert await shop.kinds(order) == ["REFUND_REFUSED", "FULFILLMENT_CREATED", "REFUNDED", "REFUND_REFUSED"]


async def test_a_refund_that_the_provider_declines_says_so_and_may_be_asked_for_again(shop: ReturnDesk) -> None:
    order = await shop.sold(method="ok;refund=declined", lamp=1)
    asked = await shop.returned(order, lamp=1)
    await shop.receive(order, asked, lamp=1)
    refused = await shop.refund(asked, "once")
    assert (refused["state"], refused["refusal"]["code"]) == ("REFUSED", "REFUND_DECLINED")
    assert await shop.refund(asked, "once") == refused
    assert refused["return"]["lines"][0]["refunded"] == 0
    assert (await shop.refund(asked, "twice"))["id"] != refused["id"]
    assert await shop.money(order) == {"charged": 999, "refundable": 999}
    assert (await shop.order_events())[-1] == "ReturnReceived"


async def test_a_refund_whose_answer_is_lost_is_waited_for(shop: ReturnDesk) -> None:
    order = await shop.sold(method="ok;refund=lost-answer", lamp=1)
    asked = await shop.returned(order, lamp=1)
    await shop.receive(order, asked, lamp=1)
    assert (await shop.refund(asked, "once"))["state"] == "IN_PROGRESS"
    busy = {"returnId": asked["id"], "idempotencyKey": "other"}
    assert await shop.code(REFUND_RETURN, MERCHANT, input=busy) == "ORDER_BUSY"
    await shop.sweep_changes()
    assert (await shop.refund(asked, "once"))["state"] == "IN_PROGRESS"
    await shop.stage.databases["payments"].execute(shop.environment_id, OVERDUE)
    await shop.stage.payments.reconciler.sweep()
    await shop.sweep_changes()
    assert (await shop.refund(asked, "once"))["state"] == "REFUNDED"
    assert await shop.money(order) == {"charged": 999, "refunded": 999}
    assert (await shop.order_events()).count("OrderRefunded") == 1


async def test_the_same_key_is_one_return_and_one_reception(shop: ReturnDesk) -> None:
    order = await shop.sold(lamp=3)
    answers = await asyncio.gather(*(shop.returned(order, key="once", lamp=2) for _ in range(8)))
    assert len({one["id"] for one in answers}) == 1
    asked = answers[0]
    receptions = await asyncio.gather(*(shop.receive(order, asked, "here", lamp=2) for _ in range(8)))
    assert len({one["id"] for one in receptions}) == 1
    assert (await shop.receive(order, asked, "here", lamp=2))["return"]["state"] == "RECEIVED"
    assert await shop.stock_left() == (9, 0)
    for document, given in (
        (REQUEST, shop.wanted(order, "once", lamp=1)),
        (RECEIVE, shop.back(order, asked, "here", lamp=1)),
        (REFUND_RETURN, {"returnId": asked["id"], "idempotencyKey": "here"}),
    ):
        assert await shop.code(document, MERCHANT, input=given) == "IDEMPOTENCY_KEY_REUSED"


async def test_of_many_at_once_no_more_comes_back_or_is_given_back_than_there_is(shop: ReturnDesk) -> None:
    order = await shop.sold(lamp=3)
    asked = await asyncio.gather(*(shop.ask(REQUEST, MERCHANT, input=shop.wanted(order, lamp=2)) for _ in range(4)))
    assert {one.errors[0]["extensions"]["code"] for one in asked if one.errors} == {"INVALID_RETURN"}
    (found,) = (await shop.after(order))["returns"]
    wanted = [shop.ask(RECEIVE, MERCHANT, input=shop.back(order, found, lamp=1)) for _ in range(6)]
    wanted += [
        shop.ask(REFUND_RETURN, MERCHANT, input={"returnId": found["id"], "idempotencyKey": new_id()})
        for _ in range(6)
    ]
    answers = await asyncio.gather(*wanted)
    codes = {one.errors[0]["extensions"]["code"] for one in answers if one.errors}
    assert codes <= {"ORDER_BUSY", "INVALID_RETURN", "INVALID_REFUND", "RETURN_STATE_DIFFERS"}
    line = (await shop.after(order))["returns"][0]["lines"][0]
    assert 1 <= line["received"] <= 2
    assert await shop.stock_left() == (7 + line["received"], 0)
    assert (await shop.money(order)).get("refunded", 0) == line["refunded"] * 999


@pytest.mark.parametrize("step", RECEIVING)
async def test_a_reception_that_died_on_its_way_is_done_once(
    shop: ReturnDesk, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await shop.sold(lamp=3)
    asked = await shop.returned(order, lamp=2)
    died = die_at(step, monkeypatch, actions)
    with pytest.raises(Died):
        await shop.receive(order, asked, "once", lamp=2)
    assert died == [step]
    assert (await shop.receive(order, asked, "once", lamp=2))["state"] == "IN_PROGRESS"
    assert await shop.code(RECEIVE, MERCHANT, input=shop.back(order, asked, lamp=1)) == "ORDER_BUSY"
    assert await shop.code(CANCEL_RETURN, MERCHANT, id=asked["id"]) == "ORDER_BUSY"
    await shop.sweep_changes()
    done = await shop.receive(order, asked, "once", lamp=2)
    assert (done["state"], done["return"]["state"], await shop.stock_left()) == ("RECEIVED", "RECEIVED", (9, 0))
    assert (await shop.order_events())[-2:] == ["ReturnRequested", "ReturnReceived"]


@pytest.mark.parametrize("step", REFUNDING)
async def test_a_refund_that_died_on_its_way_is_given_once(
    shop: ReturnDesk, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await shop.sold(lamp=3)
    asked = await shop.returned(order, lamp=2)
    await shop.receive(order, asked, lamp=2)
    died = die_at(step, monkeypatch, actions)
    with pytest.raises(Died):
        await shop.refund(asked, "once", feeMinor=98)
    assert died == [step]
    await shop.sweep_changes()
    done = await shop.refund(asked, "once", feeMinor=98)
    assert (done["state"], done["amountMinor"]) == ("REFUNDED", 1_900)
    assert await shop.money(order) == {"charged": 2_997, "refunded": 1_900, "refundable": 1_097}
    assert (await shop.order_events()).count("OrderRefunded") == 1


async def test_customers_ask_for_returns_of_their_own_orders_only(shop: ReturnDesk, stage: OrderStage) -> None:
    who = customer()
    order = await shop.sold(who, lamp=3)
    mine = await shop.data(REQUEST, who, input=shop.wanted(order, "mine", lamp=1))
    assert (await shop.data(AFTER, who, id=order["id"]))["returns"] == [mine]
    elsewhere = ReturnDesk(stage)
    for stranger, desk in ((customer(), shop), (SHOPPER, shop), (MERCHANT, elsewhere)):
        assert await desk.code(REQUEST, stranger, input=shop.wanted(order, lamp=1)) == "ORDER_NOT_FOUND"
        assert await desk.code(CANCEL_RETURN, stranger, id=mine["id"]) == "RETURN_NOT_FOUND"
    for document, given in (
        (RECEIVE, {"input": shop.back(order, mine, lamp=1)}),
        (REFUND_RETURN, {"input": {"returnId": mine["id"], "idempotencyKey": "r"}}),
        (REJECT, {"id": mine["id"], "reason": "no"}),
    ):
        assert await elsewhere.code(document, MERCHANT, **given) == "RETURN_NOT_FOUND"
        for caller in (who, SHOPPER):
            assert (await shop.ask(document, caller, **given)).errors
    goodwill = {"orderId": order["id"], "amountMinor": 1, "reason": "x", "idempotencyKey": "g"}
    assert await elsewhere.code(REFUND_ORDER, MERCHANT, input=goodwill) == "ORDER_NOT_FOUND"
    assert (await shop.ask(REFUND_ORDER, who, input=goodwill)).errors
    assert (await shop.data(CANCEL_RETURN, who, id=mine["id"]))["state"] == "CANCELLED"
    other = await shop.data(REQUEST, who, input=shop.wanted(order, lamp=2))
    await shop.receive(order, other, lamp=1)
    assert await shop.code(CANCEL_RETURN, who, id=other["id"]) == "RETURN_STATE_DIFFERS"
    asked = (await shop.data(HISTORY, MERCHANT, id=order["id"]))["history"][1]
    assert asked == {
        "kind": "RETURN_REQUESTED",
        "fulfillmentId": None,
        "returnId": mine["id"],
        "note": None,
        "actor": f"storefront:{who.subject}",
    }


_LINE = {"lineId": "", "quantity": 1}


@pytest.mark.parametrize(
    ("more", "code", "field"),
    [
        ({"idempotencyKey": "a\0b"}, "INVALID_IDEMPOTENCY_KEY", "idempotencyKey"),
        ({"orderId": "no id"}, "INVALID_ID", "orderId"),
        ({"orderId": new_id()}, "ORDER_NOT_FOUND", None),
        ({"lines": []}, "INVALID_RETURN", "lines"),
        ({"lines": [_LINE, _LINE]}, "INVALID_RETURN", "lines"),
        ({"lines": [{**_LINE, "lineId": "a\0b"}]}, "INVALID_RETURN", "lines.0.lineId"),
        ({"lines": [{**_LINE, "reason": "x" * 101}]}, "INVALID_RETURN", "lines.0.reason"),
        ({"note": "a\0b"}, "INVALID_RETURN", "note"),
    ],
)
async def test_a_bad_request_is_an_error_and_changes_nothing(
    shop: ReturnDesk, more: dict[str, Any], code: str, field: str | None
) -> None:
    order = await shop.sold(lamp=2)
    before = await shop.after(order)
    (error,) = (await shop.ask(REQUEST, MERCHANT, input={**shop.wanted(order, lamp=1), **more})).errors
    assert (error["extensions"]["code"], error["extensions"].get("field")) == (code, field)
    for quantity in (0, -1, 3):
        assert await shop.code(REQUEST, MERCHANT, input=shop.wanted(order, lamp=quantity)) == "INVALID_RETURN"
    assert await shop.after(order) == before


@pytest.mark.parametrize(
    ("more", "code", "field"),
    [
        ({"quantity": 3}, "INVALID_RETURN", "lines.0.quantity"),
        ({"quantity": -1}, "INVALID_RETURN", "lines.0.quantity"),
        ({"lineId": "x"}, "INVALID_RETURN", "lines.0.lineId"),
        ({"locationKey": "moon"}, "INVALID_RETURN", "lines.0.locationKey"),
        ({"locationKey": "a\0b"}, "INVALID_RETURN", "lines.0.locationKey"),
        ({"condition": "UNUSABLE", "locationKey": "default"}, "INVALID_RETURN", "lines.0.locationKey"),
    ],
)
async def test_a_bad_reception_is_an_error_and_changes_nothing(
    shop: ReturnDesk, more: dict[str, Any], code: str, field: str
) -> None:
    order = await shop.sold(lamp=2)
    asked = await shop.returned(order, lamp=2)
    before = await shop.after(order), await shop.stock_left()
    given = shop.back(order, asked, lamp=1)
    given["lines"][0] |= more
    (error,) = (await shop.ask(RECEIVE, MERCHANT, input=given)).errors
    assert (error["extensions"]["code"], error["extensions"].get("field")) == (code, field)
    assert await shop.code(RECEIVE, MERCHANT, input={**given, "version": 7, "lines": []}) == "RETURN_CHANGED"
    assert (await shop.after(order), await shop.stock_left()) == before


async def test_a_bad_refund_is_an_error_and_changes_nothing(shop: ReturnDesk) -> None:
    order = await shop.sold(lamp=2)
    asked = await shop.returned(order, lamp=2)
    given = {"returnId": asked["id"], "idempotencyKey": new_id()}
    assert await shop.code(REFUND_RETURN, MERCHANT, input=given) == "INVALID_REFUND"
    await shop.receive(order, asked, lamp=2)
    before = await shop.after(order)
    for more in ({"feeMinor": -1}, {"feeMinor": 1_999}, {"shippingMinor": -1}, {"shippingMinor": 1}):
        assert await shop.code(REFUND_RETURN, MERCHANT, input={**given, **more}) == "INVALID_REFUND"
    unknown = {**given, "returnId": new_id()}
    assert await shop.code(REFUND_RETURN, MERCHANT, input=unknown) == "RETURN_NOT_FOUND"
    goodwill = {"orderId": order["id"], "amountMinor": 1, "reason": "x", "idempotencyKey": new_id()}
    for worse, code in (
        ({"amountMinor": 0}, "INVALID_REFUND"),
        ({"amountMinor": -5}, "INVALID_REFUND"),
        ({"reason": ""}, "INVALID_RETURN"),
        ({"idempotencyKey": ""}, "INVALID_IDEMPOTENCY_KEY"),
    ):
        assert await shop.code(REFUND_ORDER, MERCHANT, input={**goodwill, **worse}) == code
    assert await shop.after(order) == before
    # All of it kept back is a refund of nothing.
    assert (await shop.refund(asked, feeMinor=1_998))["amountMinor"] == 0
    assert await shop.money(order) == {"charged": 1_998, "refundable": 1_998}
