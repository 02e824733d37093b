"""Stripe's API by Stripe's own library: each call once, errors as facts. Who repeats is the reconciler."""

from collections.abc import Awaitable
from typing import Any, TypeVar

import aiohttp
import msgspec
import stripe
import structlog

from kokoa.services.payments.errors import PaymentProviderUnavailable
from kokoa.services.payments.stripe.model import Intent, Refund, RefundPage, refusal

REFUNDS_MAX = 1_000
_PAGE = 100
_TIMEOUT_S = 30.0  # whoever asks waits for less

_DETAIL_MAX = 500

_log = structlog.get_logger(__name__)
_Answer = TypeVar("_Answer", Intent, Refund, RefundPage)


class Refused(Exception):
    """Stripe refuses a request for good; inside this provider only."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class KeyRefused(Refused):
    """The secret key is wrong, revoked, or may not do this."""


class StripeApi:
    """Where Stripe is; the connections of all accounts.  url: without a path."""

    def __init__(self, url: str) -> None:
        stripe.enable_telemetry = False  # it would tell Stripe of this machine
        self._url = url.rstrip("/")
        self._http = stripe.AIOHTTPClient(timeout=_TIMEOUT_S)

    def account(self, secret_key: str) -> "Account":
        """As whoever has the key."""
        client = stripe.StripeClient(
            secret_key, base_addresses={"api": self._url}, http_client=self._http, max_network_retries=0
        )
        return Account(client)

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.close_async()


class Account:
    """An account's requests.  key: Idempotency-Key; the same again is answered alike for a day.

    All raise Refused, KeyRefused, and PaymentProviderUnavailable when it may have happened or not.
    """

    def __init__(self, client: Any) -> None:
        self._intents = client.v1.payment_intents
        self._refunds = client.v1.refunds

    async def create(self, params: dict[str, Any], key: str) -> Intent:
        """A PaymentIntent that nobody has confirmed."""
        return await _done(self._intents.create_async(params, {"idempotency_key": key}), Intent)

    async def confirm(self, intent_id: str, params: dict[str, Any], key: str) -> Intent:
        """Ask the customer's bank."""
        return await _done(self._intents.confirm_async(intent_id, params, {"idempotency_key": key}), Intent)

    async def find(self, intent_id: str) -> Intent:
        """As it is now, with its charge."""
        return await _done(self._intents.retrieve_async(intent_id, {"expand": ["latest_charge"]}), Intent)

    async def capture(self, intent_id: str, params: dict[str, Any], key: str) -> Intent:
        """Take what is held."""
        return await _done(self._intents.capture_async(intent_id, params, {"idempotency_key": key}), Intent)

    async def cancel(self, intent_id: str, key: str) -> Intent:
        """Let go of what is held, or of what was not confirmed; it can take no effect any more."""
        return await _done(self._intents.cancel_async(intent_id, {}, {"idempotency_key": key}), Intent)

    async def refund(self, params: dict[str, Any], key: str) -> Refund:
        """Give back."""
        return await _done(self._refunds.create_async(params, {"idempotency_key": key}), Refund)

    async def refunds(self, intent_id: str) -> list[Refund]:
        """All of a PaymentIntent's, at most REFUNDS_MAX."""
        found: list[Refund] = []
        while len(found) < REFUNDS_MAX:
            params = {"payment_intent": intent_id, "limit": _PAGE}
            if found:
                params["starting_after"] = found[-1].id
            page = await _done(self._refunds.list_async(params), RefundPage)
            found += page.data
            if not page.has_more or not page.data:
                break
        return found


async def _done(call: Awaitable[Any], type_: type[_Answer]) -> _Answer:
    try:
        answer = await call
        return msgspec.json.decode(answer.last_response.body, type=type_)
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        raise KeyRefused("Stripe refuses the secret key that this environment gave.") from error
    except (stripe.CardError, stripe.InvalidRequestError) as error:
        body = error.json_body if isinstance(error.json_body, dict) else {}
        said = body.get("error") or {}
        raise Refused(refusal(said.get("decline_code") or error.code, error.user_message)) from error
    except (stripe.StripeError, aiohttp.ClientError, msgspec.DecodeError) as error:
        detail = f"{type(error).__name__}: {error}"[:_DETAIL_MAX]
        _log.warning("stripe_did_not_answer", detail=detail)
        raise PaymentProviderUnavailable("Stripe does not answer.", detail=detail) from error
