"""What Stripe says by itself: signed, fresh, once, of this environment. And the secrets that make it so."""

import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import stripe

from contract.payments_desk import CAPTURE, CONFIGURE, REFUND, STOREFRONT, VOID
from contract.stripe_desk import DISPUTED, IN_PARTS, WEBHOOK_SECRET, StripeDesk
from kokoa.kernel.clock import now_ms
from kokoa.kernel.ids import new_id
from kokoa.postgres import Database
from kokoa.postgres.vault import Vault
from kokoa.services.payments.service import PaymentsService
from stripe_running import SECRET_KEY, StripeServer, stripe_up

PROVIDERS = "{ paymentProviders { key active hasSecret hasSecretKey operations version } }"
HELD = "payment_intent.amount_capturable_updated"


@pytest.fixture(scope="module")
def server() -> Iterator[StripeServer]:
    with stripe_up() as running:
        yield running


@pytest.fixture(scope="module")
async def service(payments_database: Database, server: StripeServer) -> AsyncIterator[PaymentsService]:
    found = PaymentsService(payments_database, Vault(bytes(32)), 60_000, stripe_url=server.url)
    yield found
    await found.close()


@pytest.fixture
async def desk(service: PaymentsService, payments_database: Database, server: StripeServer) -> StripeDesk:
    found = StripeDesk(service, payments_database, server)
    await found.use()
    return found


async def test_stripe_says_what_we_did_not_hear(desk: StripeDesk) -> None:
    """Each answer is lost, and Stripe's event comes before we ask."""
    payment = await desk.create(1_000, "stripe")
    desk.server.fault("POST /v1/payment_intents/.*/confirm", "lost answer")
    await desk.authorize(payment, method=desk.server.card(IN_PARTS))
    assert await desk.hear(desk.said(payment, HELD)[0]) is True
    for key, document, path, type_, amount in (
        ("c1", CAPTURE, "POST .*/capture", HELD, 400),
        ("c2", CAPTURE, "POST .*/capture", "payment_intent.succeeded", None),
        ("r1", REFUND, "POST /v1/refunds", "charge.refunded", 150),
        ("r2", REFUND, "POST /v1/refunds", "refund.created", 50),
    ):
        desk.server.fault(path, "lost answer")
        await desk.request(document, payment, key, amount)
        assert await desk.pending() == 1
        assert await desk.hear(desk.said(payment, type_)[-1]) is True, key
        assert await desk.pending() == 0, key
    assert await desk.own_books(payment) == await desk.stripe_books(payment) == {"charged": 1_000, "refunded": 200}
    other = await desk.paid_by()
    desk.server.fault("POST .*/cancel", "lost answer")
    await desk.request(VOID, other, "v")
    assert await desk.hear(desk.said(other, "payment_intent.canceled")[0]) is True
    assert await desk.amounts(other) == {"authorized": 1_000, "cancelled": 1_000}


async def test_what_we_know_changes_nothing(desk: StripeDesk) -> None:
    payment = await desk.paid_by(IN_PARTS)
    await desk.request(CAPTURE, payment, "c1", 400)
    await desk.request(CAPTURE, payment, "c2")
    await desk.request(REFUND, payment, "r", 150)
    before = await desk.types(payment)
    for type_ in (HELD, "payment_intent.succeeded", "charge.refunded", "refund.created"):
        for event in desk.said(payment, type_):
            assert await desk.hear(event) is True, type_
            assert await desk.hear(event) is False, "the same again"
    assert await desk.types(payment) == before


async def test_a_chargeback(desk: StripeDesk) -> None:
    payment = await desk.paid_by(DISPUTED)
    await desk.request(CAPTURE, payment, "c")
    (event,) = desk.said(payment, "charge.dispute.created")
    question = json.loads(json.dumps(event)) | {"id": "evt_question"}
    question["data"]["object"]["status"] = "warning_needs_response"
    assert await desk.hear(question) is False, "a question takes no money"
    assert (await desk.amounts(payment))["charged"] == 1_000
    assert [await desk.hear(event), await desk.hear(event)] == [True, False]
    assert (await desk.amounts(payment))["chargedBack"] == 1_000
    assert (await desk.history(payment))[-1]["key"] == event["data"]["object"]["id"]
    assert (await desk.events()).count("ChargebackReceived") == 1
    foreign = event | {"id": "evt_foreign"}
    foreign["data"]["object"]["payment_intent"] = "pi_of_another_shop"
    assert await desk.hear(foreign) is False


async def test_a_refund_comes_back(desk: StripeDesk) -> None:
    """No test card of the server does that: the event is as Stripe documents it."""
    payment = await desk.paid_by()
    await desk.request(CAPTURE, payment, "c")
    await desk.request(REFUND, payment, "r", 300)
    event = desk.said(payment, "refund.created")[0] | {"id": "evt_failed", "type": "refund.failed"}
    event["data"]["object"] |= {"status": "failed", "failure_reason": "expired_or_canceled_card"}
    assert await desk.hear(event) is True
    assert (await desk.amounts(payment))["refundable"] == 1_000
    last = (await desk.history(payment))[-1]
    assert (last["type"], last["message"]) == ("REFUND_REVERSED", "expired_or_canceled_card")


async def test_signatures_that_are_wrong_old_or_none(desk: StripeDesk) -> None:
    payment = await desk.paid_by()
    (event,) = desk.said(payment, HELD)
    now = now_ms() // 1_000
    bad = "WEBHOOK_NOT_SIGNED"
    assert await desk.hear(event, secret="whsec_of0somebody0else0altogether") == bad
    assert [await desk.hear(event, moment=moment) for moment in (now - 400, now + 400, 0, -1)] == [bad] * 4
    for header in (
        "",
        "t=",
        "t=x,v1=y",
        f"t={now}",
        f"t={now},v1=",
        f"t={now},v0={'0' * 64}",
        f"t={now},v1={'ü' * 64}",
    ):
        assert await desk.hear(event, header=header or " ") == bad, header
    assert await desk.hear(b"\xff\xfe") == bad
    late = stripe.WebhookSignature.generate_signature_header("{}", WEBHOOK_SECRET, now + 400)
    assert await desk.hear(b"{}", header=late.replace(",", "=1,")) == bad
    none = desk.service.webhooks.receive_webhook(desk.environment_id, "stripe", {}, b"{}")
    with pytest.raises(Exception, match="not that of this webhook"):
        await none
    assert await desk.hear(event) is True


async def test_bodies_that_are_no_events(desk: StripeDesk) -> None:
    intent = {"id": "pi_1", "status": "requires_capture", "amount": "much", "currency": "eur", "created": 1}
    for body in (b"", b"[]", b"{", b"{}", json.dumps({"id": "e", "type": HELD, "data": {"object": intent}}).encode()):
        assert await desk.hear(body) == "INVALID_WEBHOOK", body
    for object_, type_ in (
        ({"id": "cus_1"}, "customer.created"),
        ({**intent, "amount": 5}, HELD),
        ({**intent, "amount": 5, "metadata": {"kokoa_payment": "nobody"}}, HELD),
        ({"id": "re_1", "amount": 5, "status": "pending"}, "refund.updated"),
        ({"id": "ch_1"}, "charge.refunded"),
    ):
        event = {"id": f"evt_{new_id()}", "type": type_, "data": {"object": object_}}
        assert await desk.hear(event) is False, type_


async def test_other_environments_at_the_same_account(desk: StripeDesk) -> None:
    """Stripe tells each of its endpoints everything: what is another environment's changes nothing."""
    other = StripeDesk(desk.service, desk.database, desk.server)
    theirs = "whsec_of0the0other0environment"
    await other.use(webhookSecret=theirs)
    payment = await desk.create(1_000, "stripe")
    desk.server.fault("POST /v1/payment_intents/.*/confirm", "lost answer")
    await desk.authorize(payment, method=desk.server.card())
    (event,) = desk.said(payment, HELD)
    assert await other.hear(event, secret=theirs) is False
    assert await other.hear(event) == "WEBHOOK_NOT_SIGNED"
    assert await desk.hear(event, secret=theirs) == "WEBHOOK_NOT_SIGNED"
    forged = json.loads(json.dumps(event))
    forged["data"]["object"]["metadata"]["kokoa_environment"] = other.environment_id
    assert await other.hear(forged, secret=theirs) == "PAYMENT_NOT_FOUND"
    assert await desk.types(payment) == ["AUTHORIZE_REQUEST"]
    assert await desk.hear(event) is True


async def test_an_event_marks_no_request_of_another_payment(desk: StripeDesk) -> None:
    payment, other = await desk.paid_by(), await desk.paid_by()
    desk.server.fault("POST .*/capture", "lost request")
    await desk.request(CAPTURE, other, "c")
    await desk.request(CAPTURE, payment, "c")
    (event,) = desk.said(payment, "payment_intent.succeeded")
    event["request"]["idempotency_key"] = f"{other}:c"
    assert await desk.hear(event) is True
    assert (await desk.find(other))["amounts"]["chargePending"] == 1_000


async def test_it_is_active_once_it_has_its_secrets(
    service: PaymentsService, payments_database: Database, server: StripeServer
) -> None:
    desk = StripeDesk(service, payments_database, server)
    (found,) = [one for one in await desk.data(PROVIDERS) if one["key"] == "stripe"]
    assert (found["active"], found["hasSecret"], found["hasSecretKey"], found["version"]) == (False, False, False, 0)
    named: dict[str, Any] = {"key": "stripe"}
    keys, hooks = {"secretKey": SECRET_KEY}, {"webhookSecret": WEBHOOK_SECRET}
    for given in ({"active": True}, {"active": True, **keys}, {"active": True, **hooks}, {"rotateSecret": True}):
        assert await desk.code(CONFIGURE, input=named | given) == "INVALID_PAYMENT_PROVIDER", given
    first = await desk.data(CONFIGURE, input=named | keys | {"version": 0})
    assert first == {
        "webhookSecret": None,
        "provider": {"key": "stripe", "active": False, "hasSecret": False, "version": 1},
    }
    assert await desk.code(CONFIGURE, input=named | keys | {"version": 0}) == "PAYMENT_PROVIDER_CHANGED"
    await desk.data(CONFIGURE, input=named | hooks | {"active": True})
    assert await desk.code(CONFIGURE, STOREFRONT, input=named) == "FORBIDDEN"
    for key in ("manual", "test"):
        assert await desk.code(CONFIGURE, input={"key": key, **keys}) == "INVALID_PAYMENT_PROVIDER"


@pytest.mark.parametrize(
    "given",
    [
        {"secretKey": "pk_test_a0publishable0key"},
        {"secretKey": ""},
        {"secretKey": "sk_test_"},
        {"secretKey": f"sk_test_{'a' * 4_000}"},
        {"secretKey": "sk_test_with\r\nX-Header: 1"},
        {"webhookSecret": ""},
        {"webhookSecret": "whsec_"},
        {"webhookSecret": "a0secret0without0its0beginning"},
    ],
)
async def test_secrets_that_are_none(desk: StripeDesk, given: dict[str, str]) -> None:
    result = await desk.ask(CONFIGURE, input={"key": "stripe", **given})
    (error,) = result.errors
    assert (error["extensions"]["code"], error["extensions"]["field"]) == ("INVALID_PAYMENT_PROVIDER", *given)
    (secret,) = given.values()
    assert len(secret) < 10 or secret not in error["message"]


async def test_secrets_are_never_shown_or_logged(
    desk: StripeDesk, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = [await desk.use(), await desk.data(PROVIDERS)]
    for fault in ("lost answer", "error"):
        desk.server.fault("POST /v1/payment_intents/.*/confirm", fault)
        payment = await desk.paid_by()
        await desk.sweep()
        shown += [await desk.find(payment), await desk.history(payment)]
    await desk.use(secretKey="rk_test_a0key0that0is0revoked")
    payment = await desk.paid_by()
    printed = capfd.readouterr()
    assert "stripe_did_not_answer" in printed.out
    shown += [await desk.history(payment), await desk.hear(b"{}"), caplog.text, printed]
    row = await desk.database.fetchrow(
        desk.environment_id, "SELECT * FROM providers WHERE environment_id = $1 AND key = 'stripe'"
    )
    told = await desk.database.fetch(desk.environment_id, "SELECT * FROM outbox WHERE environment_id = $1")
    assert caplog.records, "Stripe's library was heard"
    for secret in (SECRET_KEY, WEBHOOK_SECRET, "a0key0that0is0revoked"):
        assert secret not in repr([shown, row, told])
