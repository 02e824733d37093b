"""Money by Stripe: what we ask, and what becomes of it when the network or Stripe says no, or nothing."""

from collections.abc import AsyncIterator, Iterator

import pytest

from contract.payments_desk import AUTHORIZE, CAPTURE, CONFIGURE, REFUND, VOID
from contract.stripe_desk import (
    ASKS_THE_CUSTOMER,
    DECLINED,
    IN_PARTS,
    RETURN_URL,
    StripeDesk,
)
from kokoa.postgres import Database
from kokoa.postgres.vault import Vault
from kokoa.services.payments.service import PaymentsService
from stripe_running import StripeServer, stripe_up


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


async def test_money_is_held_taken_and_given_back(desk: StripeDesk) -> None:
    payment = await desk.paid_by()
    found = await desk.find(payment)
    assert (found["authorizationStatus"], found["amounts"]["capturable"]) == ("FULL", 1_000)
    intent = desk.intent(payment)
    assert (intent["status"], intent["capture_method"], intent["currency"]) == ("requires_capture", "manual", "eur")
    assert intent["metadata"] == {
        "kokoa_environment": desk.environment_id,
        "kokoa_payment": payment,
        "kokoa_key": "a",
        "kokoa_reference": "order-1",
    }
    assert (await desk.request(CAPTURE, payment, "c"))["chargeStatus"] == "FULL"
    assert (await desk.request(REFUND, payment, "r1", 300))["amounts"]["refunded"] == 300
    assert (await desk.request(REFUND, payment, "r2"))["amounts"]["refunded"] == 1_000
    assert await desk.own_books(payment) == await desk.stripe_books(payment) == {"charged": 1_000, "refunded": 1_000}
    assert await desk.types(payment) == [
        *("AUTHORIZE_REQUEST", "AUTHORIZE_SUCCESS", "CHARGE_REQUEST", "CHARGE_SUCCESS"),
        *("REFUND_REQUEST", "REFUND_SUCCESS", "REFUND_REQUEST", "REFUND_SUCCESS"),
    ]
    references = {one["type"]: one["providerReference"] for one in await desk.history(payment)}
    assert references["AUTHORIZE_SUCCESS"] == references["CHARGE_SUCCESS"] == intent["id"]
    assert references["REFUND_SUCCESS"].startswith("re_")


async def test_the_same_key_asks_once(desk: StripeDesk) -> None:
    payment = await desk.paid_by()
    for _ in range(2):
        await desk.request(CAPTURE, payment, "c")
        await desk.request(REFUND, payment, "r", 400)
    assert await desk.stripe_books(payment) == {"charged": 1_000, "refunded": 400}


async def test_what_is_not_needed_is_let_go(desk: StripeDesk) -> None:
    payment = await desk.paid_by()
    assert (await desk.request(VOID, payment, "v"))["amounts"]["cancelled"] == 1_000
    assert desk.intent(payment)["status"] == "canceled"
    again = await desk.authorize(payment, "a2", desk.server.card())
    assert again["authorizationStatus"] == "FULL", "another card, afterwards"


async def test_an_account_that_captures_in_parts(desk: StripeDesk) -> None:
    payment = await desk.paid_by(IN_PARTS)
    await desk.request(CAPTURE, payment, "c1", 400)
    assert await desk.own_books(payment) == await desk.stripe_books(payment) == {"charged": 400, "capturable": 600}
    await desk.request(CAPTURE, payment, "c2", 350)
    await desk.request(VOID, payment, "v", 50)
    assert (await desk.own_books(payment))["capturable"] == 200
    await desk.request(CAPTURE, payment, "c3")
    assert await desk.own_books(payment) == await desk.stripe_books(payment) == {"charged": 950}
    assert desk.intent(payment)["status"] == "succeeded", "the last capture let go of the rest"


async def test_an_account_that_captures_once_loses_nothing(desk: StripeDesk) -> None:
    payment = await desk.paid_by()
    await desk.request(CAPTURE, payment, "c1", 400)
    assert await desk.own_books(payment) == await desk.stripe_books(payment) == {"capturable": 1_000}
    refused = (await desk.history(payment))[-1]
    assert refused["type"] == "CHARGE_FAILURE"
    assert "captures an authorisation once" in refused["message"]
    kept = await desk.request(VOID, payment, "v", 600)
    assert (kept["amounts"]["cancelled"], kept["amounts"]["capturable"]) == (600, 400)
    assert "when the rest is captured" in (await desk.history(payment))[-1]["message"]
    await desk.request(CAPTURE, payment, "c2")
    assert await desk.own_books(payment) == await desk.stripe_books(payment) == {"charged": 400}


async def test_a_part_and_then_the_rest_is_voided(desk: StripeDesk) -> None:
    payment = await desk.paid_by()
    await desk.request(VOID, payment, "v1", 600)
    assert desk.intent(payment)["status"] == "requires_capture"
    await desk.request(VOID, payment, "v2", 400)
    assert desk.intent(payment)["status"] == "canceled"
    assert (await desk.amounts(payment)) == {"authorized": 1_000, "cancelled": 1_000}


async def test_a_bank_declines(desk: StripeDesk) -> None:
    payment = await desk.paid_by(DECLINED)
    assert (await desk.find(payment))["authorizationStatus"] == "NONE"
    refused = (await desk.history(payment))[-1]
    assert refused["type"] == "AUTHORIZE_FAILURE"
    assert refused["message"] == "generic_decline: Your card was declined."
    assert desk.intent(payment)["status"] == "canceled", "nobody can pay it behind our back"
    assert (await desk.authorize(payment, "a2", desk.server.card()))["authorizationStatus"] == "FULL"


async def test_stripe_refuses_more_than_there_is(desk: StripeDesk, server: StripeServer) -> None:
    payment = await desk.paid_by()
    intent = desk.intent(payment)["id"]
    server.ask(f"/v1/payment_intents/{intent}/cancel", {})
    await desk.request(CAPTURE, payment, "c")
    refused = (await desk.history(payment))[-1]
    assert (refused["type"], refused["message"][:30]) == ("CHARGE_FAILURE", "payment_intent_unexpected_stat")
    assert (await desk.request(VOID, payment, "v"))["amounts"]["cancelled"] == 1_000


async def test_a_payment_has_one_authorisation_at_a_time(desk: StripeDesk) -> None:
    payment = await desk.create(1_000, "stripe")
    await desk.authorize(payment, "a1", desk.server.card(), amountMinor=400)
    more = {"id": payment, "idempotencyKey": "a2", "method": desk.server.card()}
    assert await desk.code(AUTHORIZE, input=more) == "PAYMENT_OPERATION_UNSUPPORTED"
    assert len(desk.intents(payment)) == 1


@pytest.mark.parametrize("method", [None, "4242424242424242", "tok_visa", "pm_", "pm_a/../b", "pm_a b", "pm_\x00"])
async def test_only_payment_methods_of_stripe(desk: StripeDesk, method: str | None) -> None:
    payment = await desk.create(1_000, "stripe")
    given = {"id": payment, "idempotencyKey": "a", "method": method}
    expected = "INVALID_PAYMENT" if method == "pm_\x00" else "INVALID_PAYMENT_METHOD"
    assert await desk.code(AUTHORIZE, input=given) == expected
    assert desk.intents(payment) == []


async def test_a_payment_method_that_stripe_does_not_know(desk: StripeDesk) -> None:
    payment = await desk.create(1_000, "stripe")
    await desk.authorize(payment, method="pm_nobody")
    assert await desk.types(payment) == ["AUTHORIZE_REQUEST", "AUTHORIZE_FAILURE"]
    assert desk.intents(payment) == []


async def test_the_bank_wants_to_see_the_customer(desk: StripeDesk, server: StripeServer) -> None:
    payment = await desk.paid_by(ASKS_THE_CUSTOMER, returnUrl=RETURN_URL)
    found = await desk.find(payment)
    intent = desk.intent(payment)
    assert found["actionUrl"] == intent["next_action"]["redirect_to_url"]["url"]
    assert intent["next_action"]["redirect_to_url"]["return_url"] == RETURN_URL
    assert found["amounts"]["authorizePending"] == 1_000
    await desk.sweep()
    assert (await desk.find(payment))["actionUrl"] == found["actionUrl"], "there is time still"
    server.authenticate(intent["id"], success=True)
    assert await desk.hear(desk.said(payment, "payment_intent.amount_capturable_updated")[0]) is True
    after = await desk.find(payment)
    assert (after["authorizationStatus"], after["actionUrl"]) == ("FULL", None)
    assert await desk.pending() == 0


async def test_the_customer_fails_at_their_bank(desk: StripeDesk, server: StripeServer) -> None:
    payment = await desk.paid_by(ASKS_THE_CUSTOMER, returnUrl=RETURN_URL)
    server.authenticate(desk.intent(payment)["id"], success=False)
    assert await desk.hear(desk.said(payment, "payment_intent.payment_failed")[0]) is True
    while await desk.service.reconciler.sweep():
        pass
    assert desk.intent(payment)["status"] == "canceled", "they cannot try another card behind our back"
    refused = (await desk.history(payment))[-1]
    assert refused["type"] == "AUTHORIZE_FAILURE"
    assert refused["message"].startswith("payment_intent_authentication_failure: ")


async def test_the_customer_does_not_come_back(desk: StripeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    payment = await desk.paid_by(ASKS_THE_CUSTOMER, returnUrl=RETURN_URL)
    monkeypatch.setattr("kokoa.services.payments.stripe.provider.CUSTOMER_S", -60)
    await desk.sweep()
    assert (await desk.history(payment))[-1]["message"] == "the customer did not come back from their bank"
    assert desk.intent(payment)["status"] == "canceled"


async def test_without_a_way_back_nobody_is_sent_away(desk: StripeDesk) -> None:
    payment = await desk.paid_by(ASKS_THE_CUSTOMER)
    assert await desk.types(payment) == ["AUTHORIZE_REQUEST", "AUTHORIZE_FAILURE"]
    assert "returnUrl" in (await desk.history(payment))[-1]["message"]
    assert desk.intent(payment)["status"] == "canceled"


CREATE, CONFIRM, TAKE, CANCEL, GIVE_BACK = (
    "POST /v1/payment_intents$",
    "POST /v1/payment_intents/.*/confirm",
    "POST /v1/payment_intents/.*/capture",
    "POST /v1/payment_intents/.*/cancel",
    "POST /v1/refunds",
)


@pytest.mark.parametrize("fault", ["lost request", "lost answer", "error"])
@pytest.mark.parametrize("where", [CREATE, CONFIRM])
async def test_an_authorisation_whose_answer_is_lost_is_found_out(desk: StripeDesk, where: str, fault: str) -> None:
    desk.server.fault(where, fault)
    payment = await desk.paid_by()
    assert (await desk.find(payment))["amounts"]["authorizePending"] == 1_000
    await desk.sweep()
    assert len(desk.intents(payment)) == 1
    authorised = where == CONFIRM and fault == "lost answer"
    assert desk.intent(payment)["status"] == ("requires_capture" if authorised else "canceled")
    assert await desk.own_books(payment) == await desk.stripe_books(payment)
    assert (await desk.types(payment))[-1] == ("AUTHORIZE_SUCCESS" if authorised else "AUTHORIZE_FAILURE")


@pytest.mark.parametrize("fault", ["lost request", "lost answer", "error"])
async def test_what_follows_is_done_once_whatever_is_lost(desk: StripeDesk, fault: str) -> None:
    payment, other = await desk.paid_by(IN_PARTS), await desk.paid_by()
    for key, document, path, amount in (
        ("c1", CAPTURE, TAKE, 300),
        ("c2", CAPTURE, TAKE, 500),
        ("r", REFUND, GIVE_BACK, 250),
        ("c3", CAPTURE, TAKE, None),
    ):
        desk.server.fault(path, fault)
        asked = await desk.request(document, payment, key, amount)
        assert asked["amounts"]["refundPending" if key == "r" else "chargePending"], key
        await desk.sweep()
    assert await desk.own_books(payment) == await desk.stripe_books(payment) == {"charged": 1_000, "refunded": 250}
    desk.server.fault(CANCEL, fault)
    await desk.request(VOID, other, "v")
    await desk.sweep()
    assert (await desk.amounts(other), desk.intent(other)["status"]) == (
        {"authorized": 1_000, "cancelled": 1_000},
        "canceled",
    )


async def test_the_marks_outlive_stripes_memory_of_keys(desk: StripeDesk) -> None:
    """Stripe forgets keys after a day: what was done then is found by its metadata."""
    payment = await desk.paid_by(IN_PARTS)
    for document, path, key in ((CAPTURE, TAKE, "c"), (REFUND, GIVE_BACK, "r")):
        desk.server.fault(path, "lost answer")
        await desk.request(document, payment, key, 300)
        desk.server.tell("forget", {})
        await desk.sweep()
    expected = {"charged": 300, "refunded": 300, "capturable": 700}
    assert await desk.own_books(payment) == await desk.stripe_books(payment) == expected


async def test_stripe_does_not_answer_in_time(
    payments_database: Database, server: StripeServer, desk: StripeDesk
) -> None:
    payment = await desk.paid_by()
    hasty = PaymentsService(payments_database, Vault(bytes(32)), 2_000, stripe_url=server.url)
    impatient = StripeDesk(hasty, payments_database, server)
    impatient.environment_id = desk.environment_id
    server.fault(TAKE, "hang after")
    asked = await impatient.request(CAPTURE, payment, "c")
    assert asked["amounts"]["chargePending"] == 1_000
    server.fault("", "none")  # on a slow machine the time may be over before
    await desk.sweep()
    assert await desk.own_books(payment) == await desk.stripe_books(payment) == {"charged": 1_000}
    await hasty.close()


async def test_a_key_that_stripe_refuses(desk: StripeDesk) -> None:
    kept = await desk.paid_by()
    wrong = "rk_test_a0key0that0is0revoked"
    desk.server.fault(TAKE, "lost answer")
    await desk.request(CAPTURE, kept, "c")
    await desk.use(secretKey=wrong)
    payment = await desk.paid_by()
    refused = (await desk.history(payment))[-1]
    assert (refused["type"], wrong in refused["message"]) == ("AUTHORIZE_FAILURE", False)
    assert "secret key" in refused["message"]
    await desk.database.execute(
        desk.environment_id, "UPDATE open_requests SET ask_at = now() - interval '1 s' WHERE environment_id = $1"
    )
    assert await desk.service.reconciler.sweep() >= 1
    assert (await desk.find(kept))["amounts"]["chargePending"] == 1_000, "who has the right key will know"
    await desk.use()
    await desk.sweep()
    assert await desk.own_books(kept) == await desk.stripe_books(kept) == {"charged": 1_000}


async def test_currencies_that_stripe_counts_in_its_own_way(desk: StripeDesk) -> None:
    async def amount(currency: str, minor: int) -> int:
        payment = await desk.create(minor, "stripe", currency=currency)
        await desk.authorize(payment, method=desk.server.card())
        return int(desk.intent(payment)["amount"])

    assert (await amount("ISK", 5), await amount("JPY", 5), await amount("KWD", 5_120)) == (500, 5, 5_120)
    assert await amount("MGA", 500) == 5
    payment = await desk.create(550, "stripe", currency="MGA")
    await desk.authorize(payment, method=desk.server.card())
    assert "whole units" in (await desk.history(payment))[-1]["message"]


async def test_other_environments_have_no_part_in_it(desk: StripeDesk) -> None:
    other = StripeDesk(desk.service, desk.database, desk.server)
    payment = await desk.paid_by()
    asked = {"id": payment, "idempotencyKey": "c"}
    assert await other.code(CAPTURE, input=asked) == "PAYMENT_NOT_FOUND"
    given = {"reference": "o", "amountMinor": 5, "currency": "EUR", "provider": "stripe"}
    create = "mutation($input: CreatePaymentInput!) { createPayment(input: $input) { id } }"
    assert await other.code(create, input=given) == "PAYMENT_PROVIDER_INACTIVE"
    assert await other.code(CONFIGURE, input={"key": "stripe", "active": True}) == "INVALID_PAYMENT_PROVIDER"
