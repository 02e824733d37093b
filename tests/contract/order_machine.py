"""Anything that may happen to carts, orders, payments and stock, in any order, and what must be true after each step.

Hypothesis decides what happens; it runs in a thread of its own, and what it asks runs in the loop of the tests.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from contract.cart_shop import ADD, MERCHANT, MERGE, REMOVE, SHOPPER, customer
from contract.dying import Died
from contract.order_books import OrderBooks
from contract.order_shop import CONTINUE, PAYMENTS_OF, PLACE, SETTLE, OrderShop, OrderStage
from contract.payments_desk import OVERDUE
from kokoa.kernel.call import Caller
from kokoa.kernel.ids import new_id
from kokoa.processes.steps import STEPS
from kokoa.services.orders.errors import OrderStepUnavailable
from kokoa.services.orders.fulfilling import actions as changing
from kokoa.services.orders.placing import actions as placing
from kokoa.services.orders.returning import actions as returning

_T = TypeVar("_T")

PRICES = {"lamp": 1_000, "sofa": 7_777}
STOCKED = 6
CODE, USES_MAX = "FEWUSES", 2
SHOPPERS = st.sampled_from(["ann", "bob"])
QUANTITIES = st.integers(1, 3)
SKUS = st.sampled_from(sorted(PRICES))
METHODS = st.sampled_from(
    [
        "ok",
        "ok;capture=lost-answer;void=lost-answer;refund=lost-answer",
        "declined",
        "lost-answer",
        "delayed;capture=delayed;void=delayed;refund=delayed",
        "redirect",
        "ok;capture=declined",
    ]
)
STEPS_OF_ORDERS = [step for step in STEPS if step.startswith(("order.", "refusal."))]
STEPS_OF_CHANGES = [step for step in STEPS if step.startswith(("fulfilment.", "cancellation."))]
STEPS_OF_RETURNS = [step for step in STEPS if step.startswith(("reception.", "refund."))]
ASK_TIMEOUT_S = 60
# What may be refused at any time, and changes nothing then.
REFUSED = {
    "CART_FROZEN",
    "CART_CLOSED",
    "CART_NOT_FOUND",
    "CART_TO_ORDER_NOT_FOUND",
    "CART_LINE_NOT_FOUND",
    "NOT_ENOUGH_FOR_CART",
    "ORDER_BUSY",
    "ORDER_NOT_CANCELLABLE",
    "INVALID_FULFILLMENT",
    "INVALID_RETURN",
    "INVALID_REFUND",
    "RETURN_STATE_DIFFERS",
    "TEST_PAYMENT_NOT_FOUND",
    "STOCK_BELOW_ZERO",
    "PLACEMENT_NOT_FOUND",
}

_CODE_PUT = "mutation($input: PutPromotionInput!) { putPromotion(input: $input) { used } }"
_CODE_ADD = "mutation($input: CartCodeInput!) { addCartCode(input: $input) { id } }"
_FULFIL = "mutation($input: CreateFulfillmentInput!) { createFulfillment(input: $input) { id state } }"
_CANCEL = "mutation($input: CancelOrderInput!) { cancelOrder(input: $input) { id state } }"
_ADJUST = "mutation($input: AdjustStockInput!) { adjustStock(input: $input) { onHand } }"
_LINES = """query($id: ID!) { order(id: $id) { lines { id quantity fulfilledQuantity cancelledQuantity }
  returns { id state lines { lineId quantity received } } } }"""
_COME_BACK = "mutation($input: RequestReturnInput!) { requestReturn(input: $input) { id } }"
_RECEIVE = "mutation($input: ReceiveReturnInput!) { receiveReturn(input: $input) { id state } }"
_REFUND_RETURN = "mutation($input: RefundReturnInput!) { refundReturn(input: $input) { id state } }"
_REFUND_ORDER = "mutation($input: RefundOrderInput!) { refundOrder(input: $input) { id state } }"
_NO_MORE = "mutation($id: ID!) { cancelReturn(id: $id) { id } }"
_CHANGES_DUE = """UPDATE changes SET due_at = now() - interval '1 s'
 WHERE environment_id = $1 AND due_at IS NOT NULL"""
_WEBHOOKS_DUE = "UPDATE simulated_webhooks SET due_at = now() - interval '1 s' WHERE environment_id = $1"
_THAW = """UPDATE carts SET frozen_until = now() - interval '1 s'
 WHERE environment_id = $1 AND state = 'FROZEN'"""
_HOLDS_END = """UPDATE reservations SET expires_at = now() - interval '1 s'
 WHERE environment_id = $1 AND state = 'HELD'"""


async def _late(*_: object) -> Any:
    raise OrderStepUnavailable("A part of the store does not answer.")


class OrderMachine(RuleBasedStateMachine):
    """One environment with two shoppers: Ann without, Bob with an account.  stage, loop: of the tests."""

    stage: OrderStage
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        super().__init__()
        self.shop = OrderShop(self.stage)
        self.books = OrderBooks(self.shop)
        self.bob = customer()
        self.carts: dict[str, Any] = {}
        self.requests: list[tuple[Caller, dict[str, Any]]] = []
        self.placed: list[str] = []

    def do(self, work: Coroutine[Any, Any, _T]) -> _T:
        """In the loop of the tests."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(ASK_TIMEOUT_S)

    def ask(self, document: str, who: Caller, **variables: Any) -> Any:
        """The one field's value; None for what was refused."""
        return self.do(self._ask(document, who, **variables))

    async def _ask(self, document: str, who: Caller, **variables: Any) -> Any:
        result = await self.shop.ask(document, who, **variables)
        if not result.errors:
            assert result.data is not None
            return next(iter(result.data.values()))
        code = str(result.errors[0]["extensions"]["code"])
        assert code in REFUSED or code.endswith("UNAVAILABLE") or code == "DEADLINE_EXCEEDED", result.errors
        return None

    def who(self, name: str) -> Caller:
        return self.bob if name == "bob" else SHOPPER

    @initialize()
    def open(self) -> None:
        async def work() -> None:
            await self.shop.open()
            for sku, price in PRICES.items():
                await self.shop.product(sku, price=price)
                await self.shop.stock(sku, STOCKED)
            few = {"code": CODE, "name": "Few", "kind": "FIXED", "usesMax": USES_MAX}
            few |= {"amounts": [{"currency": "EUR", "amountMinor": 300}]}
            await self.shop.data(_CODE_PUT, MERCHANT, input=few)
            self.carts = {"ann": await self.shop.cart(), "bob": await self.shop.cart(self.bob)}

        self.do(work())

    # shoppers

    @rule(name=SHOPPERS, sku=SKUS, quantity=QUANTITIES)
    def add(self, name: str, sku: str, quantity: int) -> None:
        given = {**self._named(name), "lines": [{"sku": sku, "quantity": quantity}], "idempotencyKey": new_id()}
        self.ask(ADD, self.who(name), input=given)

    @rule(name=SHOPPERS)
    def remove(self, name: str) -> None:
        cart = self.do(self.shop.read(self.carts[name], self.who(name)))
        if cart and cart["lines"]:
            self.ask(REMOVE, self.who(name), input={**self._named(name), "lineIds": [cart["lines"][0]["id"]]})

    @rule(name=SHOPPERS)
    def try_code(self, name: str) -> None:
        self.ask(_CODE_ADD, self.who(name), input={**self._named(name), "code": CODE})

    @rule()
    def sign_in(self) -> None:
        """Ann's cart becomes Bob's; she takes another."""
        merged = self.ask(MERGE, self.bob, token=self.carts["ann"]["token"])
        if merged:
            self.carts = {"ann": self.do(self.shop.cart()), "bob": {"id": merged["id"]}}

    @rule(name=SHOPPERS)
    def leave(self, name: str) -> None:
        """Somebody else comes, or comes back."""
        self.carts[name] = self.do(self.shop.cart(self.who(name)))

    @rule(name=SHOPPERS, sku=SKUS, quantity=QUANTITIES, method=METHODS, code=st.booleans())
    def buy(self, name: str, sku: str, quantity: int, method: str, code: bool) -> None:
        """All at once, so that much is ordered."""
        self.leave(name)
        self.add(name, sku, quantity)
        if code:
            self.try_code(name)
        self.place(name, method)

    @rule(name=SHOPPERS, method=METHODS)
    def place(self, name: str, method: str) -> None:
        self._went(self.ask(PLACE, self.who(name), input=self._order(name, method)))

    @rule(method=METHODS, other=METHODS, same=st.booleans())
    def place_at_once(self, method: str, other: str, same: bool) -> None:
        """Both of them, or one of them twice."""
        names = ("ann", "ann") if same else ("ann", "bob")
        wanted = [self._order(name, each) for name, each in zip(names, (method, other), strict=True)]

        async def work() -> list[Any]:
            asked = [self._ask(PLACE, self.who(n), input=w) for n, w in zip(names, wanted, strict=True)]
            return list(await asyncio.gather(*asked))

        for placement in self.do(work()):
            self._went(placement)

    @rule(name=SHOPPERS, method=METHODS, step=st.sampled_from(STEPS_OF_ORDERS))
    def place_and_die(self, name: str, method: str, step: str) -> None:
        given = self._order(name, method)
        self._die_at(step, self._ask(PLACE, self.who(name), input=given))

    @rule(late=st.booleans())
    def carts_are_late(self, late: bool) -> None:
        """At first: then placements are written down before their carts are frozen."""
        shop: Any = self.stage.orders.actions._placing._shop
        if late:
            shop.freeze_own = _late
        else:
            vars(shop).pop("freeze_own", None)

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def place_again(self, data: st.DataObject) -> None:
        """The same request, as whoever lost the answer sends it."""
        who, given = data.draw(st.sampled_from(self.requests))
        self._went(self.ask(PLACE, who, input=given))

    @precondition(lambda self: self.placed)
    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        placement_id = data.draw(st.sampled_from(self.placed))
        self._went(self.ask(CONTINUE, MERCHANT, id=placement_id))

    @precondition(lambda self: self.placed)
    @rule(data=st.data(), approve=st.booleans())
    def pay(self, data: st.DataObject, approve: bool) -> None:
        """Where they were sent; most were not."""
        self._settle(data.draw(st.sampled_from(self.placed)), approve=approve)

    # the merchant

    @precondition(lambda self: self.placed)
    @rule(data=st.data(), complete=st.booleans(), dies=st.sampled_from([None, *STEPS_OF_CHANGES]))
    def fulfil(self, data: st.DataObject, complete: bool, dies: str | None) -> None:
        order_id = data.draw(st.sampled_from(self.placed))
        order = self.ask(_LINES, MERCHANT, id=order_id)
        left = {
            line["id"]: line["quantity"] - line["fulfilledQuantity"] - line["cancelledQuantity"]
            for line in (order["lines"] if order else ())
        }
        lines = [{"lineId": key, "quantity": number if complete else 1} for key, number in left.items() if number]
        if lines:
            given = {"orderId": order_id, "lines": lines, "idempotencyKey": new_id()}
            self._die_at(dies, self._ask(_FULFIL, MERCHANT, input=given))

    @precondition(lambda self: self.placed)
    @rule(data=st.data(), dies=st.sampled_from([None, *STEPS_OF_CHANGES]))
    def cancel(self, data: st.DataObject, dies: str | None) -> None:
        order_id = data.draw(st.sampled_from(self.placed))
        if self.ask(_LINES, MERCHANT, id=order_id):
            given = {"id": order_id, "idempotencyKey": new_id()}
            self._die_at(dies, self._ask(_CANCEL, MERCHANT, input=given))

    @precondition(lambda self: self.placed)
    @rule(data=st.data(), quantity=QUANTITIES)
    def send_back(self, data: st.DataObject, quantity: int) -> None:
        """More than has left is refused."""
        order_id, order = self._some_order(data)
        if order:
            lines = [{"lineId": order["lines"][0]["id"], "quantity": quantity}]
            given = {"orderId": order_id, "lines": lines, "idempotencyKey": new_id()}
            self.ask(_COME_BACK, MERCHANT, input=given)

    @precondition(lambda self: self.placed)
    @rule(data=st.data(), usable=st.booleans(), dies=st.sampled_from([None, *STEPS_OF_RETURNS]))
    def receive(self, data: st.DataObject, usable: bool, dies: str | None) -> None:
        """One piece of each line that is on its way; more than that is refused."""
        _, order = self._some_order(data)
        for found in order["returns"][:1] if order else ():
            condition = "BACK_IN_STOCK" if usable else "UNUSABLE"
            lines = [{"lineId": line["lineId"], "quantity": 1, "condition": condition} for line in found["lines"]]
            given = {"id": found["id"], "lines": lines, "idempotencyKey": new_id()}
            self._die_at(dies, self._ask(_RECEIVE, MERCHANT, input=given))

    @precondition(lambda self: self.placed)
    @rule(data=st.data(), fee=st.sampled_from([0, 100]), dies=st.sampled_from([None, *STEPS_OF_RETURNS]))
    def refund(self, data: st.DataObject, fee: int, dies: str | None) -> None:
        """What came back; what is worth nothing any more is refused."""
        _, order = self._some_order(data)
        for found in order["returns"][:1] if order else ():
            given = {"returnId": found["id"], "feeMinor": fee, "idempotencyKey": new_id()}
            self._die_at(dies, self._ask(_REFUND_RETURN, MERCHANT, input=given))

    @precondition(lambda self: self.placed)
    @rule(data=st.data(), amount=st.sampled_from([1, 500]), dies=st.sampled_from([None, *STEPS_OF_RETURNS]))
    def apologise(self, data: st.DataObject, amount: int, dies: str | None) -> None:
        order_id, order = self._some_order(data)
        if order:
            given = {"orderId": order_id, "amountMinor": amount, "reason": "late", "idempotencyKey": new_id()}
            self._die_at(dies, self._ask(_REFUND_ORDER, MERCHANT, input=given))

    @precondition(lambda self: self.placed)
    @rule(data=st.data())
    def keep_it(self, data: st.DataObject) -> None:
        _, order = self._some_order(data)
        for found in order["returns"][:1] if order else ():
            self.ask(_NO_MORE, MERCHANT, id=found["id"])

    @rule(sku=SKUS, delta=st.sampled_from([1, 2, -1]))
    def count(self, sku: str, delta: int) -> None:
        """Goods come in; what is taken out is nobody's."""
        if delta < 0 and self.do(self.shop.available(sku)) < -delta:
            return
        reason = "RECEIVED" if delta > 0 else "DAMAGED"
        self.ask(_ADJUST, MERCHANT, input={"sku": sku, "delta": delta, "reason": reason})

    # the worker, and time

    @rule()
    def sweep(self) -> None:
        self.do(self._sweep())

    @rule()
    def hear_of_payments(self) -> None:
        """Webhooks that are due, and requests without an answer that are asked about."""
        self.do(self._hear())

    @rule(minutes=st.sampled_from([11, 180]))
    def pass_time(self, minutes: int) -> None:
        """Carts thaw; after hours goods are not held any more."""

        async def work() -> None:
            databases = self.stage.databases
            await databases["carts"].execute(self.shop.environment_id, _THAW)
            await self.shop.older(minutes)
            if minutes > 120:
                await databases["inventory"].execute(self.shop.environment_id, _HOLDS_END)
                inventory: Any = self.stage._services["inventory"]
                await inventory.reservations.expire(self.shop.environment_id)

        self.do(work())

    # what must be so

    @invariant()
    def everything_adds_up(self) -> None:
        if self.carts:
            self.do(self.books.require_in_order())

    def teardown(self) -> None:
        self.carts_are_late(late=False)
        if self.carts:
            self.do(self._end())

    async def _end(self) -> None:
        """Everybody comes to a decision; the worker does what is left."""
        for placement_id in list(self.placed):
            await self._decide(placement_id, approve=False)
        for _ in range(20):
            await self._hear()
            await self._sweep()
            if not await self.books.half_done():
                break
        await self.books.require_in_order()
        await self.books.require_settled()

    # how

    def _named(self, name: str) -> dict[str, Any]:
        cart = self.carts[name]
        return {"cartToken": cart["token"]} if cart.get("token") else {"id": cart["id"]}

    def _order(self, name: str, method: str) -> dict[str, Any]:
        given = self.shop.order_of(self.carts[name], new_id(), method, returnUrl="https://shop.example")
        self.requests.append((self.who(name), given))
        return dict(given)

    def _some_order(self, data: st.DataObject) -> tuple[str, Any]:
        """Its id, and it; None for a placement that is none."""
        order_id = data.draw(st.sampled_from(self.placed))
        return order_id, self.ask(_LINES, MERCHANT, id=order_id)

    def _went(self, placement: Any) -> None:
        if placement and placement["id"] not in self.placed:
            self.placed.append(placement["id"])

    def _settle(self, placement_id: str, *, approve: bool) -> None:
        self.do(self._decide(placement_id, approve=approve))

    async def _decide(self, placement_id: str, *, approve: bool) -> None:
        found = await self.shop.data(PAYMENTS_OF, MERCHANT, reference=placement_id)
        for payment in found["items"]:
            await self._ask(SETTLE, MERCHANT, input={"id": payment["id"], "key": "authorize", "approve": approve})

    def _die_at(self, step: str | None, work: Coroutine[Any, Any, Any]) -> None:
        def reached(name: str) -> None:
            if name == step:
                raise Died

        async def watched() -> Any:
            try:
                return await work
            except Died:
                return None

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(placing, "reached", reached)
            patch.setattr(changing, "reached", reached)
            patch.setattr(returning, "reached", reached)
            answer = self.do(watched())
        if answer and "refusal" in answer:
            self._went(answer)

    async def _sweep(self) -> None:
        await self.shop.sweep()
        await self.stage.databases["orders"].execute(self.shop.environment_id, _CHANGES_DUE)
        await self.stage.orders.changes.sweep()
        while await self.stage.carts.actions.sweep():
            pass
        self.placed = [str(row["id"]) for row in await self.books.placements()]

    async def _hear(self) -> None:
        database = self.stage.databases["payments"]
        await database.execute(self.shop.environment_id, _WEBHOOKS_DUE)
        while await self.stage.payments.deliveries.deliver(self.shop.environment_id):
            pass
        await database.execute(self.shop.environment_id, OVERDUE)
        await self.stage.payments.reconciler.sweep()
