"""Stripe's API on 127.0.0.1: localstripe, and what localstripe lacks, in the shapes of Stripe's documentation.

Run as a process of its own: `python stripe_test_server.py PORT`. Payments, charges, refunds, test cards, errors,
signatures and the delivery of webhooks are localstripe's. Added here, because it has them not: `Idempotency-Key`
(https://docs.stripe.com/api/idempotent_requests), `return_url` with `redirect_to_url`, `amount_capturable` and
`amount_received`, captures in parts (for the Mastercard …4444) with metadata, decline codes, the refusal of
refunds over what was charged, disputes (of the card …0259, as at Stripe), the events of all these, and what the
network does: `POST /_config/faults` loses requests or answers.
"""

import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from aiohttp import web
from localstripe import resources
from localstripe.errors import UserError
from localstripe.webhooks import schedule_webhook

BASE = ""
IN_PARTS = "5555555555554444"
DISPUTED = "4000000000000259"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_key: ContextVar[str | None] = ContextVar("idempotency key", default=None)


class Event(resources.Event):
    """Says which request caused it."""

    def __init__(self, type: str, data: Any) -> None:
        super().__init__(type, data)
        self.request = {"id": f"req_{resources.random_id(14)}", "idempotency_key": _key.get()}


class Dispute(resources.StripeObject):
    """A chargeback."""

    object = "dispute"
    _id_prefix = "dp_"

    def __init__(self, intent: "PaymentIntent", amount: int) -> None:
        super().__init__()
        self.amount = amount
        self.currency = intent.currency
        self.charge = intent.latest_charge.id
        self.payment_intent = intent.id
        self.reason = "fraudulent"
        self.status = "needs_response"
        self.metadata: dict[str, str] = {}


class PaymentIntent(resources.PaymentIntent):
    """What is held, captured in parts, and sent to the customer's bank."""

    def __init__(self, **data: Any) -> None:
        super().__init__(**data)
        self._taken = 0

    @property
    def amount_capturable(self) -> int:
        return self.amount - self._taken if self.status == "requires_capture" else 0

    @property
    def amount_received(self) -> int:
        return self._taken

    @property
    def last_payment_error(self) -> Any:
        error = super().last_payment_error
        return {**error, "decline_code": "generic_decline"} if error and error["code"] == "card_declined" else error

    def _card(self) -> str:
        return str(resources.PaymentMethod._api_retrieve(self.payment_method)._card_number)

    def _create_charge(self, on_failure_now: Any) -> None:
        super()._create_charge(on_failure_now)
        self.latest_charge.metadata = dict(self.metadata)
        status = "available" if self._card() == IN_PARTS else "unavailable"
        self.latest_charge.payment_method_details = {"type": "card", "card": {"multicapture": {"status": status}}}
        schedule_webhook(Event("payment_intent.amount_capturable_updated", self))

    @classmethod
    def _api_confirm(cls, id: str, return_url: str | None = None, **more: Any) -> Any:
        intent = super()._api_confirm(id, **more)
        if return_url is not None and intent.next_action:
            redirect = {"url": f"{BASE}/redirect/{id}", "return_url": return_url}
            intent.next_action = {"type": "redirect_to_url", "redirect_to_url": redirect}
        return intent

    @classmethod
    def _api_authenticate(cls, id: str, **more: Any) -> Any:
        intent = super()._api_authenticate(id, **more)
        if intent._authentication_failed:
            schedule_webhook(Event("payment_intent.payment_failed", intent))
        return intent

    @classmethod
    def _api_cancel(cls, id: str, **more: Any) -> Any:
        if cls._api_retrieve(id).status in ("canceled", "succeeded"):
            raise UserError(400, "You cannot cancel it.", {"code": "payment_intent_unexpected_state"})
        intent = super()._api_cancel(id, **more)
        schedule_webhook(Event("payment_intent.canceled", intent))
        return intent

    @classmethod
    def _api_capture(
        cls, id: str, amount_to_capture: Any = None, final_capture: Any = None, metadata: Any = None
    ) -> Any:
        intent = cls._api_retrieve(id)
        amount = intent.amount_capturable if amount_to_capture is None else int(amount_to_capture)
        if intent.status != "requires_capture":
            raise UserError(400, "It cannot be captured.", {"code": "payment_intent_unexpected_state"})
        if amount > intent.amount_capturable:
            raise UserError(400, "It is more than can be captured.", {"code": "amount_too_large"})
        in_parts = intent._card() == IN_PARTS
        if final_capture is not None and not in_parts:
            raise UserError(400, "final_capture needs multicapture.", {"code": "parameter_invalid"})
        intent.metadata.update(metadata or {})
        intent._taken += amount
        if resources.try_convert_to_bool(final_capture) is False and intent._taken < intent.amount:
            schedule_webhook(Event("payment_intent.amount_capturable_updated", intent))
            return intent
        intent.latest_charge._capture(amount=intent._taken, on_success=intent._on_success)
        if intent._card() == DISPUTED:
            schedule_webhook(Event("charge.dispute.created", Dispute(intent, amount)))
        return intent


def raise_failure(charge: Any) -> None:
    """The bank declined, and why."""
    contents = {"code": charge.failure_code, "decline_code": "generic_decline", "charge": charge.id}
    raise UserError(402, charge.failure_message, contents)


def refund(**data: Any) -> Any:
    """Never more than was charged, and told."""
    intent = PaymentIntent._api_retrieve(data["payment_intent"])
    left = intent.latest_charge.amount - intent.latest_charge.amount_refunded
    if int(data["amount"]) > left:
        raise UserError(400, f"Refund amount is greater than unrefunded amount ({left}).")
    made = resources.Refund(**data)
    schedule_webhook(Event("refund.created", made))
    schedule_webhook(Event("charge.refunded", intent.latest_charge))
    return made


def completed() -> web.Application:
    """localstripe's program with these in the place of its own."""
    resources.Store.dump_to_disk = lambda self: None  # each server is its own, and forgotten with it
    resources.Event, resources.PaymentIntent = Event, PaymentIntent
    resources.Charge._raise_failure, resources.Refund._api_create = raise_failure, refund
    for place, (method, url, function) in enumerate(resources.extra_apis):
        if url.startswith("/v1/payment_intents/"):
            resources.extra_apis[place] = (method, url, getattr(PaymentIntent, function.__name__))
    from localstripe.server import app  # noqa: PLC0415 - it takes the classes as it finds them

    app.middlewares.insert(0, idempotent)
    app.middlewares.insert(0, faulty)
    app.router.add_post("/_config/faults", arrange_fault)
    app.router.add_post("/_config/forget", forget_keys)
    return app


_answers: dict[tuple[str, str], tuple[bytes, int, bytes]] = {}
_faults: list[dict[str, str]] = []


@web.middleware
async def idempotent(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The same key with the same request is answered alike, with another it is refused."""
    key = request.headers.get("Idempotency-Key")
    if request.method != "POST" or key is None:
        return await handler(request)
    asked = request.path.encode() + b"\n" + await request.read()
    place = (request.headers.get("Authorization", ""), key)
    if place in _answers:
        known, status, body = _answers[place]
        if known != asked:
            error = {"type": "idempotency_error", "message": "Keys are for one request and its repetitions."}
            return web.json_response({"error": error}, status=400)
        return web.Response(body=body, status=status, content_type="application/json")
    _key.set(key)
    response = await handler(request)
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    if response.status != 401:
        _answers[place] = (asked, response.status, response.body)
    return response


@web.middleware
async def faulty(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Lose the request, or its answer, once, as it was arranged; or let it wait for ever."""
    fault = next((one for one in _faults if re.search(one["path"], f"{request.method} {request.path}")), None)
    if fault is None:
        return await handler(request)
    _faults.remove(fault)
    if fault["fault"] in ("lost answer", "hang after"):
        await handler(request)
    if fault["fault"].startswith("hang"):
        await asyncio.Event().wait()
    if fault["fault"] == "error":
        return web.json_response({"error": {"type": "api_error", "message": "Try again."}}, status=503)
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def arrange_fault(request: web.Request) -> web.Response:
    """path: a regular expression for `METHOD /path`.  fault: lost request, lost answer, hang after, error; or none.

    None takes back what has not happened.
    """
    fault = json.loads(await request.read())
    if fault["fault"] == "none":
        _faults.clear()
    else:
        _faults.append(fault)
    return web.Response()


async def forget_keys(_: web.Request) -> web.Response:
    """As Stripe does after a day."""
    _answers.clear()
    return web.Response()


if __name__ == "__main__":
    BASE = f"http://127.0.0.1:{sys.argv[1]}"
    web.run_app(
        completed(),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        print=lambda _: print("ready", flush=True),
        access_log=None,
        handler_cancellation=True,
    )
