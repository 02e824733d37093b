"""What Stripe's objects mean to us, and what of ours Stripe is told."""

from typing import Any

import msgspec
import pytest

from kokoa.services.payments.errors import InvalidPaymentProvider
from kokoa.services.payments.model import NewTransaction, left_after
from kokoa.services.payments.providers.model import Webhook
from kokoa.services.payments.stripe.model import (
    Event,
    Intent,
    news_of,
    own_amount,
    refusal,
    require_key,
    require_signing_secret,
    stripe_amount,
)

# Of the tests' names, so always the same.
PAYMENT, OTHER = "01a00000-0000-7000-8000-000000000001", "01a00000-0000-7000-8000-000000000002"
OURS = {"kokoa_environment": "e", "kokoa_payment": PAYMENT, "kokoa_key": "a"}
INTENT = {
    "id": "pi_1",
    "status": "requires_capture",
    "amount": 1_000,
    "currency": "eur",
    "created": 1,
    "metadata": OURS,
}


def said(type_: str, object_: dict[str, Any], key: str | None = None) -> Webhook | None:
    """What an event means.  key: the Idempotency-Key of its cause."""
    event = {"id": "evt_1", "type": type_, "data": {"object": object_}}
    if key is not None:
        event["request"] = {"id": "req_1", "idempotency_key": key}
    return news_of(msgspec.json.decode(msgspec.json.encode(event), type=Event))


@pytest.mark.parametrize(
    ("minor", "currency", "theirs"),
    [(1_250, "EUR", 1_250), (5, "JPY", 5), (5, "ISK", 500), (7, "UGX", 700), (500, "MGA", 5), (550, "MGA", None)],
)
def test_amounts_as_stripe_counts_them(minor: int, currency: str, theirs: int | None) -> None:
    assert stripe_amount(minor, currency) == theirs
    if theirs is not None:
        assert own_amount(theirs, currency.lower()) == minor


@pytest.mark.parametrize(
    ("type_", "cause", "kind", "key"),
    [
        ("payment_intent.amount_capturable_updated", None, "SUCCESS", "a"),
        ("payment_intent.amount_capturable_updated", f"confirm|{PAYMENT}:a", "SUCCESS", "a"),
        ("payment_intent.amount_capturable_updated", f"{PAYMENT}:c", "SUCCESS", "c"),
        ("payment_intent.succeeded", f"{PAYMENT}:c", "SUCCESS", "c"),
        ("payment_intent.succeeded", None, "SUCCESS", "a"),
        ("payment_intent.succeeded", f"{OTHER}:c", "SUCCESS", "a"),
        ("payment_intent.canceled", f"{PAYMENT}:v", "SUCCESS", "v"),
        ("payment_intent.canceled", f"drop|{PAYMENT}:a", "FAILURE", "a"),
        ("payment_intent.canceled", None, "FAILURE", "a"),
    ],
)
def test_what_events_of_a_payment_intent_mean(type_: str, cause: str | None, kind: str, key: str) -> None:
    found = said(type_, INTENT, cause)
    assert found is not None
    assert (found.id, found.payment_id, found.environment_id) == ("evt_1", PAYMENT, "e")
    assert found.news is not None
    assert (found.news.kind, found.news.key, found.news.provider_reference) == (kind, key, "pi_1")


def test_who_could_try_again_is_asked_about() -> None:
    found = said("payment_intent.payment_failed", INTENT, f"confirm|{PAYMENT}:a")
    assert found is not None
    assert (found.payment_id, found.news) == (PAYMENT, None)


def test_a_key_may_have_any_signs() -> None:
    found = said("payment_intent.succeeded", INTENT, f"{PAYMENT}:confirm|x:y/z")
    assert found is not None
    assert found.news is not None
    assert found.news.key == "confirm|x:y/z"


def test_an_old_version_of_the_api_names_requests_by_id() -> None:
    event = {"id": "e", "type": "payment_intent.succeeded", "request": "req_1", "data": {"object": INTENT}}
    found = news_of(
        msgspec.convert(event | {"data": {"object": msgspec.Raw(msgspec.json.encode(INTENT))}}, type=Event)
    )
    assert found is not None
    assert found.news is not None
    assert found.news.key == "a"


@pytest.mark.parametrize(
    ("type_", "object_", "cause"),
    [
        ("customer.created", {"id": "cus_1"}, None),
        ("payment_intent.succeeded", INTENT | {"metadata": {}}, None),
        ("payment_intent.succeeded", INTENT | {"metadata": None}, f"{PAYMENT}:c"),
        ("charge.refunded", {"id": "ch_1", "metadata": OURS}, None),
        ("charge.refunded", {"id": "ch_1", "metadata": OURS}, f"{OTHER}:r"),
        ("refund.updated", {"id": "re_1", "amount": 1, "status": "pending", "metadata": OURS}, None),
        ("charge.dispute.created", {"id": "dp_1", "amount": 1, "currency": "eur", "status": "needs_response"}, None),
    ],
)
def test_what_means_nothing_to_us(type_: str, object_: dict[str, Any], cause: str | None) -> None:
    assert said(type_, object_, cause) is None


def test_why_a_payment_failed() -> None:
    error = {"code": "card_declined", "decline_code": "insufficient_funds", "message": "Not enough."}
    intent = msgspec.convert(INTENT | {"status": "requires_payment_method", "last_payment_error": error}, type=Intent)
    assert intent.why == "insufficient_funds: Not enough."
    assert refusal(None, None) == "Stripe gives no reason"


def test_what_was_captured_by_us() -> None:
    marks = {"kokoa_capture_1": "400", "kokoa_capture_2": "50", "kokoa_capture_3": "somebody's", "other": "9"}
    assert msgspec.convert(INTENT | {"metadata": marks}, type=Intent).ours == 450


def test_what_is_left_of_an_authorisation() -> None:
    held = [NewTransaction("AUTHORIZE_REQUEST", 1_000, "a"), NewTransaction("AUTHORIZE_SUCCESS", 1_000, "a")]
    assert left_after(held, "CHARGE", 400) == 600
    assert left_after(held, "CANCEL", 1_000) == 0
    assert left_after(held, "AUTHORIZE", 5) == left_after(held, "REFUND", 5) == 0
    waiting = [*held, NewTransaction("CHARGE_REQUEST", 400, "c")]
    assert left_after(waiting, "CANCEL", 600) == 400, "what is pending may fail, and be taken then"


@pytest.mark.parametrize("key", ["sk_test_51abcDEF", "rk_live_51abcDEF", "sk_live_" + "a" * 100])
def test_secret_keys(key: str) -> None:
    require_key(key)


@pytest.mark.parametrize("key", ["", "pk_live_51abcDEF", "sk_51abcDEF", "sk_test_ä5555555", "sk_test_51abcDEF\n"])
def test_what_is_no_secret_key(key: str) -> None:
    with pytest.raises(InvalidPaymentProvider) as caught:
        require_key(key)
    assert len(key) < 10 or key not in caught.value.message


def test_signing_secrets() -> None:
    require_signing_secret("whsec_Dq1hbGWh3QRbDkWJt2v8Zb7XyqTtH0aW")
    with pytest.raises(InvalidPaymentProvider):
        require_signing_secret("Dq1hbGWh3QRbDkWJt2v8Zb7XyqTtH0aW")
