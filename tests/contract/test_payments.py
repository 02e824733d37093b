"""Payments: authorised, charged, refunded and cancelled once, whatever the provider does and whoever asks at once."""

import asyncio
from typing import Any

import asyncpg
import pytest

from contract.payments_desk import (
    AUTHORIZE,
    CAPTURE,
    CONFIGURE,
    CREATE,
    FOUND,
    OVERDUE,
    PAYMENT,
    RECORD,
    REFUND,
    SETTLE,
    STOREFRONT,
    VOID,
    Desk,
)
from contract.test_catalog_statements import counting
from kokoa.kernel.ids import new_id
from kokoa.postgres import Database
from kokoa.postgres.vault import Vault
from kokoa.services.payments.service import PaymentsService
from kokoa.services.payments.store import queries

PAGE = """query($reference: String, $after: String, $limit: Int!) {
  payments(reference: $reference, after: $after, limit: $limit) { items { id } cursor hasMore } }"""


@pytest.fixture
async def desk(payments: PaymentsService, payments_database: Database) -> Desk:
    desk = Desk(payments, payments_database)
    await desk.activate()
    return desk


async def test_authorised_captured_in_parts_refunded_and_the_rest_given_up(desk: Desk) -> None:
    payment = await desk.create()
    assert (await desk.find(payment))["authorizationStatus"] == "NONE"
    done = await desk.authorize(payment)
    assert (done["authorizationStatus"], done["chargeStatus"]) == ("FULL", "NONE")
    done = await desk.request(CAPTURE, payment, "c1", 300)
    assert done["chargeStatus"] == "PARTIAL"
    await desk.request(CAPTURE, payment, "c2", 200)
    await desk.request(REFUND, payment, "r1", 100)
    done = await desk.request(VOID, payment, "v1")
    assert done["amounts"]["cancelled"] == 500
    assert done["authorizationStatus"] == "PARTIAL"
    wanted = {"authorized": 1_000, "charged": 500, "refunded": 100, "cancelled": 500, "refundable": 400}
    assert await desk.amounts(payment) == wanted
    assert await desk.books(payment) == {name: wanted[name] for name in wanted if name != "refundable"}
    assert await desk.types(payment) == [
        f"{operation}_{part}"
        for operation in ("AUTHORIZE", "CHARGE", "CHARGE", "REFUND", "CANCEL")
        for part in ("REQUEST", "SUCCESS")
    ]
    assert await desk.events() == [
        "PaymentCreated",
        "PaymentAuthorized",
        "PaymentCaptured",
        "PaymentCaptured",
        "PaymentRefunded",
        "PaymentVoided",
    ]


async def test_what_the_provider_refuses_is_a_transaction_and_frees_the_amount(desk: Desk) -> None:
    payment = await desk.create()
    done = await desk.authorize(payment, "a1", "declined")
    assert done["authorizationStatus"] == "NONE"
    assert done["amounts"]["authorizePending"] == 0
    assert (await desk.history(payment))[-1]["message"] == "declined"
    assert (await desk.authorize(payment, "a2", "ok;capture=declined"))["authorizationStatus"] == "FULL"
    assert (await desk.request(CAPTURE, payment, "c"))["amounts"]["capturable"] == 1_000
    assert await desk.events() == ["PaymentCreated", "PaymentFailed", "PaymentAuthorized", "PaymentFailed"]


async def test_nothing_more_than_is_there(desk: Desk) -> None:
    payment = await desk.create()
    for document in (CAPTURE, VOID):
        assert await desk.code(document, input={"id": payment, "idempotencyKey": "x"}) == "MORE_THAN_AUTHORIZED"
    assert await desk.code(REFUND, input={"id": payment, "idempotencyKey": "x"}) == "MORE_THAN_CHARGED"
    too_much = {"id": payment, "idempotencyKey": "x", "amountMinor": 1_001}
    assert await desk.code(AUTHORIZE, input=too_much) == "MORE_THAN_AUTHORIZABLE"
    await desk.authorize(payment, amountMinor=600)
    assert await desk.code(CAPTURE, input=too_much | {"amountMinor": 601}) == "MORE_THAN_AUTHORIZED"
    await desk.request(CAPTURE, payment, "c", 600)
    assert await desk.code(REFUND, input=too_much | {"amountMinor": 601}) == "MORE_THAN_CHARGED"
    assert await desk.code(AUTHORIZE, input=too_much | {"amountMinor": 401}) == "MORE_THAN_AUTHORIZABLE"
    assert (await desk.authorize(payment, "a2"))["amounts"]["authorized"] == 1_000


async def test_the_same_key_is_done_once_and_another_request_with_it_is_refused(desk: Desk) -> None:
    payment = await desk.create()
    await asyncio.gather(*(desk.authorize(payment) for _ in range(10)))
    await asyncio.gather(*(desk.request(CAPTURE, payment, "c", 100) for _ in range(10)))
    assert await desk.amounts(payment) == {
        "authorized": 1_000,
        "charged": 100,
        "capturable": 900,
        "refundable": 100,
    }
    for document, given in ((CAPTURE, {"amountMinor": 200}), (REFUND, {"amountMinor": 100}), (VOID, {})):
        again = {"id": payment, "idempotencyKey": "c", **given}
        assert await desk.code(document, input=again) == "IDEMPOTENCY_KEY_REUSED"
    other = {"id": payment, "idempotencyKey": "a", "method": "declined"}
    assert await desk.code(AUTHORIZE, input=other) == "IDEMPOTENCY_KEY_REUSED"
    assert len(await desk.types(payment)) == 4


async def test_many_at_once_never_capture_more_than_is_authorised(desk: Desk) -> None:
    payment = await desk.authorized()

    async def capture(number: int) -> bool:
        given = {"id": payment, "idempotencyKey": f"c{number}", "amountMinor": 150}
        result = await desk.ask(CAPTURE, input=given)
        assert not result.errors or result.errors[0]["extensions"]["code"] == "MORE_THAN_AUTHORIZED"
        return not result.errors

    assert sum(await asyncio.gather(*map(capture, range(30)))) == 6
    assert (await desk.amounts(payment))["charged"] == 900
    assert await desk.books(payment) == {"authorized": 1_000, "charged": 900}

    async def refund(number: int) -> bool:
        result = await desk.ask(REFUND, input={"id": payment, "idempotencyKey": f"r{number}", "amountMinor": 400})
        return not result.errors

    assert sum(await asyncio.gather(*map(refund, range(10)))) == 2
    assert (await desk.books(payment))["refunded"] == 800


async def test_an_answer_that_was_lost_is_found_again_by_its_key(desk: Desk) -> None:
    payment = await desk.create()
    done = await desk.authorize(payment, method="lost-answer;capture=lost-answer;refund=lost-answer")
    assert (done["authorizationStatus"], done["amounts"]["authorizePending"]) == ("NONE", 1_000)
    await desk.sweep()
    assert (await desk.find(payment))["authorizationStatus"] == "FULL"
    assert (await desk.request(CAPTURE, payment, "c"))["amounts"]["chargePending"] == 1_000
    assert await desk.code(CAPTURE, input={"id": payment, "idempotencyKey": "d"}) == "MORE_THAN_AUTHORIZED", "pending"
    await desk.sweep()
    await desk.pass_time()
    await desk.sweep()
    assert await desk.amounts(payment) == {"authorized": 1_000, "charged": 1_000, "refundable": 1_000}
    assert await desk.books(payment) == {"authorized": 1_000, "charged": 1_000}
    assert len(await desk.types(payment)) == 4
    assert (await desk.history(payment))[1]["actor"] == "service:payments"


async def test_a_request_that_never_arrived_fails_and_can_take_no_effect_later(payments_database: Database) -> None:
    impatient = PaymentsService(payments_database, Vault(bytes(32)), call_timeout_ms=200)
    desk = Desk(impatient, payments_database)
    await desk.activate()
    payment = await desk.create()
    done = await desk.authorize(payment, method="timeout")
    assert done["amounts"]["authorizePending"] == 1_000
    await desk.sweep()
    assert await desk.amounts(payment) == {}
    assert await desk.types(payment) == ["AUTHORIZE_REQUEST", "AUTHORIZE_FAILURE"]
    assert await desk.books(payment) == {}
    patient = Desk(PaymentsService(payments_database, Vault(bytes(32))), payments_database, desk.environment_id)
    assert (await patient.authorize(payment, "again"))["authorizationStatus"] == "FULL"


async def test_what_the_provider_decides_later_comes_by_a_webhook(desk: Desk) -> None:
    payment = await desk.create()
    assert (await desk.authorize(payment, method="delayed"))["amounts"]["authorizePending"] == 1_000
    await desk.sweep()
    assert (await desk.find(payment))["amounts"]["authorizePending"] == 1_000, "it has not decided"
    await desk.pass_time()
    assert (await desk.find(payment))["authorizationStatus"] == "FULL"
    assert (await desk.history(payment))[-1]["actor"] == "provider:test"


@pytest.mark.parametrize("approve", [True, False])
async def test_the_customer_is_sent_to_the_provider_first(desk: Desk, approve: bool) -> None:
    payment = await desk.create()
    done = await desk.authorize(payment, "a", "redirect", returnUrl="https://shop.example/back?cart=1")
    assert done["actionUrl"].startswith("https://shop.example/back?cart=1&testPayment=test_")
    assert done["amounts"]["authorizePending"] == 1_000
    await desk.sweep()
    assert (await desk.find(payment))["actionUrl"] == done["actionUrl"]
    for wrong in ({"id": payment, "key": "b"}, {"id": await desk.create(), "key": "a"}):
        assert await desk.code(SETTLE, input=wrong | {"approve": True}) == "TEST_PAYMENT_NOT_FOUND"
    after = await desk.data(SETTLE, input={"id": payment, "key": "a", "approve": approve})
    assert after["authorizationStatus"] == ("FULL" if approve else "NONE")
    assert after["actionUrl"] is None
    assert await desk.code(SETTLE, input={"id": payment, "key": "a", "approve": approve}) == "TEST_PAYMENT_NOT_FOUND"
    assert "PaymentActionRequired" in await desk.events()


async def test_a_customer_who_does_not_come_back_is_waited_for_half_an_hour(desk: Desk) -> None:
    payment = await desk.create()
    await desk.authorize(payment, "a", "redirect", returnUrl="https://shop.example/back")
    await desk.sweep()
    assert (await desk.find(payment))["amounts"]["authorizePending"] == 1_000
    past = """UPDATE simulated_operations SET due_at = due_at - interval '1801 s'
     WHERE environment_id = $1 AND state = 'WAITING'"""
    await desk.database.execute(desk.environment_id, past)
    late = {"id": payment, "key": "a", "approve": True}
    assert await desk.code(SETTLE, input=late) == "TEST_PAYMENT_NOT_FOUND"
    await desk.sweep()
    assert await desk.amounts(payment) == {}
    assert (await desk.history(payment))[-1]["message"] == "the customer did not come"


async def test_a_chargeback_and_a_refund_that_comes_back(desk: Desk) -> None:
    payment = await desk.authorized("chargeback-later")
    await desk.request(CAPTURE, payment, "c", 700)
    await desk.pass_time()
    await desk.pass_time()
    found = await desk.find(payment)
    assert (found["amounts"]["chargedBack"], found["chargeStatus"]) == (700, "NONE")
    assert await desk.code(REFUND, input={"id": payment, "idempotencyKey": "r"}) == "MORE_THAN_CHARGED"
    other = await desk.authorized("ok;refund=reversed-later")
    await desk.request(CAPTURE, other, "c")
    assert (await desk.request(REFUND, other, "r", 400))["chargeStatus"] == "PARTIAL"
    await desk.pass_time()
    assert (await desk.find(other))["chargeStatus"] == "FULL"
    for one in (payment, other):
        assert await desk.books(one) == {
            name: amount
            for name, amount in (await desk.amounts(one)).items()
            if name not in ("capturable", "refundable")
        }
    assert {"ChargebackReceived", "RefundReversed"} <= set(await desk.events())


async def test_invoices_are_authorised_at_once_and_paid_when_money_is_recorded(desk: Desk) -> None:
    payment = await desk.create(provider="manual")
    assert (await desk.authorize(payment, method=None))["authorizationStatus"] == "FULL"
    assert await desk.code(CAPTURE, input={"id": payment, "idempotencyKey": "c"}) == "PAYMENT_OPERATION_UNSUPPORTED"
    given = {"id": payment, "amountMinor": 600, "note": "statement 7", "idempotencyKey": "m1"}
    made = await asyncio.gather(*(desk.data(RECORD, input=given) for _ in range(5)))
    assert {one["chargeStatus"] for one in made} == {"PARTIAL"}
    assert await desk.code(RECORD, input=given | {"amountMinor": 1}) == "IDEMPOTENCY_KEY_REUSED"
    over = await desk.data(RECORD, input=given | {"idempotencyKey": "m2"})
    assert (over["chargeStatus"], over["amounts"]["charged"]) == ("OVER", 1_200)
    assert (await desk.request(REFUND, payment, "r", 200))["chargeStatus"] == "FULL"
    huge = given | {"idempotencyKey": "m3", "amountMinor": 2**31 - 1}
    assert await desk.code(RECORD, input=huge) == "TOO_MUCH_PAID"
    assert await desk.code(RECORD, input=given | {"id": await desk.create()}) == "PAYMENT_OPERATION_UNSUPPORTED"


async def test_payments_are_found_by_what_they_pay_and_page_by_page(desk: Desk) -> None:
    made = [await desk.create(reference=f"order-{number % 2}") for number in range(5)]
    first = await desk.data(PAGE, limit=2)
    second = await desk.data(PAGE, limit=3, after=first["cursor"])
    assert [one["id"] for one in first["items"] + second["items"]] == made[::-1]
    assert (first["hasMore"], second["hasMore"], second["cursor"]) == (True, False, None)
    assert [one["id"] for one in (await desk.data(PAGE, reference="order-1", limit=10))["items"]] == [
        made[3],
        made[1],
    ]
    for wrong in ({"limit": 0}, {"limit": 101}):
        assert await desk.code(PAGE, **wrong) == "INVALID_PAYMENT_PAGE"
    assert await desk.code(PAGE, limit=1, after="nonsense") == "INVALID_ID"
    assert await desk.code(PAGE, limit=1, reference="\x00") == "INVALID_PAYMENT"


async def test_a_payment_that_is_made_again_with_its_key_is_the_same(desk: Desk) -> None:
    more = {"idempotencyKey": "k", "externalReference": "erp-1"}
    made = await asyncio.gather(*(desk.create(**more) for _ in range(5)))
    assert len(set(made)) == 1
    given = {"reference": "order-1", "amountMinor": 1_000, "currency": "EUR", "provider": "test"}
    assert await desk.code(CREATE, input=given | {"idempotencyKey": "k"}) == "IDEMPOTENCY_KEY_REUSED"
    assert await desk.code(CREATE, input=given | {"externalReference": "erp-1"}) == "PAYMENT_REFERENCE_TAKEN"


AT_ONCE = {"method": None, "returnUrl": None, "idempotencyKey": "a"}


async def test_a_payment_is_made_and_promised_by_one_request(desk: Desk) -> None:
    """Of a provider that asks nobody, in one transaction; as if both were asked for one after the other."""
    given = {"reference": "order-1", "amountMinor": 1_000, "currency": "EUR", "provider": "manual"}
    whole = given | {"idempotencyKey": "k", "authorize": AT_ONCE}
    made = await asyncio.gather(*(desk.data(CREATE, input=whole) for _ in range(5)))
    assert len({one["id"] for one in made}) == 1
    (payment,) = {one["id"] for one in made}
    assert {one["authorizationStatus"] for one in made} == {"FULL"}
    assert await desk.types(payment) == ["AUTHORIZE_REQUEST", "AUTHORIZE_SUCCESS"]
    assert await desk.events() == ["PaymentCreated", "PaymentAuthorized"]
    apart = await desk.create(provider="manual")
    await desk.authorize(apart, method=None)
    told = ("version", "authorizationStatus", "amounts")
    assert [made[0][name] for name in told] == [(await desk.find(apart))[name] for name in told]
    assert [one["actor"] for one in await desk.history(payment)] == [
        one["actor"] for one in await desk.history(apart)
    ]
    # The request is the payment's, whichever way it came.
    assert (await desk.authorize(payment, method=None))["version"] == made[0]["version"]
    assert await desk.code(AUTHORIZE, input={"id": payment, "idempotencyKey": "a", "method": "x"}) == (
        "IDEMPOTENCY_KEY_REUSED"
    )
    other = given | {"idempotencyKey": "k", "authorize": AT_ONCE | {"idempotencyKey": "b"}}
    assert await desk.code(CREATE, input=other) == "IDEMPOTENCY_KEY_REUSED"
    assert await desk.code(CREATE, input=given | {"idempotencyKey": "k"}) == "IDEMPOTENCY_KEY_REUSED"


@pytest.mark.parametrize(
    ("method", "status", "types"),
    [
        ("ok", "FULL", ["AUTHORIZE_REQUEST", "AUTHORIZE_SUCCESS"]),
        ("declined", "NONE", ["AUTHORIZE_REQUEST", "AUTHORIZE_FAILURE"]),
        ("redirect", "NONE", ["AUTHORIZE_REQUEST", "ACTION_REQUIRED"]),
    ],
)
async def test_a_provider_that_asks_is_asked_once_for_the_payment_it_was_made_with(
    desk: Desk, method: str, status: str, types: list[str]
) -> None:
    await desk.activate()
    authorize = {"method": method, "returnUrl": "https://shop.example/back", "idempotencyKey": "a"}
    more = {"idempotencyKey": "k", "authorize": authorize}
    given = {"reference": "order-1", "amountMinor": 1_000, "currency": "EUR", "provider": "test", **more}
    made = [await desk.data(CREATE, input=given) for _ in range(3)]
    assert len({one["id"] for one in made}) == 1
    assert {one["authorizationStatus"] for one in made} == {status}
    assert await desk.types(made[0]["id"]) == types


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"authorize": AT_ONCE | {"idempotencyKey": ""}}, "INVALID_IDEMPOTENCY_KEY"),
        ({"authorize": AT_ONCE | {"method": "x" * 201}}, "INVALID_PAYMENT"),
        ({"authorize": AT_ONCE | {"returnUrl": "javascript:alert(1)"}}, "INVALID_PAYMENT"),
        ({"authorize": AT_ONCE, "provider": "stripe"}, "INVALID_PAYMENT_METHOD"),
        ({"authorize": AT_ONCE, "provider": "test"}, "PAYMENT_PROVIDER_INACTIVE"),
    ],
)
async def test_what_cannot_be_promised_makes_no_payment(desk: Desk, more: dict[str, Any], code: str) -> None:
    await desk.data(CONFIGURE, input={"key": "test", "active": False})
    given = {"reference": "order-1", "amountMinor": 1_000, "currency": "EUR", "provider": "manual"}
    assert await desk.code(CREATE, input=given | more) == code
    assert await desk.events() == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"reference": " "}, "reference"),
        ({"reference": "x" * 129}, "reference"),
        ({"reference": "a\x00"}, "reference"),
        ({"amountMinor": 0}, "amountMinor"),
        ({"amountMinor": -5}, "amountMinor"),
        ({"currency": "EURO"}, "currency"),
        ({"currency": "QQQ"}, "currency"),
        ({"externalReference": ""}, "externalReference"),
        ({"externalReference": "\x00"}, "externalReference"),
        ({"customerId": "me"}, "customerId"),
        ({"idempotencyKey": ""}, "idempotencyKey"),
    ],
)
async def test_bad_payments_are_refused(desk: Desk, given: dict[str, Any], field: str) -> None:
    good = {"reference": "order-1", "amountMinor": 1_000, "currency": "EUR", "provider": "test"}
    result = await desk.ask(CREATE, input=good | given)
    assert result.errors[0]["extensions"]["field"] == field, result.errors
    assert await desk.events() == []


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"id": "x"}, "INVALID_ID"),
        ({"id": new_id()}, "PAYMENT_NOT_FOUND"),
        ({"amountMinor": 0}, "INVALID_PAYMENT"),
        ({"method": ""}, "INVALID_PAYMENT"),
        ({"method": "m" * 201}, "INVALID_PAYMENT"),
        ({"method": "\x00"}, "INVALID_PAYMENT"),
        ({"method": "free"}, "INVALID_PAYMENT_METHOD"),
        ({"method": "ok;steal=ok"}, "INVALID_PAYMENT_METHOD"),
        ({"method": "redirect"}, "INVALID_PAYMENT_METHOD"),
        ({"method": "redirect", "returnUrl": "javascript:alert(1)"}, "INVALID_PAYMENT"),
        ({"idempotencyKey": "ü"}, "INVALID_IDEMPOTENCY_KEY"),
        ({"idempotencyKey": "k" * 201}, "INVALID_IDEMPOTENCY_KEY"),
    ],
)
async def test_bad_requests_are_refused_and_change_nothing(desk: Desk, given: dict[str, Any], code: str) -> None:
    payment = await desk.create()
    assert await desk.code(AUTHORIZE, input={"id": payment, "idempotencyKey": "a", **given}) == code
    assert await desk.types(payment) == []


async def test_a_payment_has_so_many_transactions_at_most(desk: Desk) -> None:
    payment = await desk.create(provider="manual")
    given = {"id": payment, "amountMinor": 1}
    for number in range(200):
        await desk.data(RECORD, input=given | {"idempotencyKey": f"{number}"})
    last = given | {"idempotencyKey": "last"}
    assert await desk.code(RECORD, input=last) == "TOO_MANY_PAYMENT_TRANSACTIONS"
    page = "query($id: ID!, $before: ID) { payment(id: $id) { transactions(limit: 150, before: $before) { id } } }"
    first = (await desk.data(page, id=payment))["transactions"]
    rest = (await desk.data(page, id=payment, before=first[-1]["id"]))["transactions"]
    assert (len(first), len(rest)) == (150, 50)
    assert await desk.code(page, id=payment, before="1; DROP") == "INVALID_PAYMENT_PAGE"


async def test_another_store_and_a_shopper_find_nothing(desk: Desk) -> None:
    payment = await desk.authorized()
    other = Desk(desk.service, desk.database)
    await other.activate()
    assert await other.find(payment) is None
    assert (await other.data(PAGE, limit=10))["items"] == []
    request = {"id": payment, "idempotencyKey": "x"}
    for document in (AUTHORIZE, CAPTURE, VOID, REFUND):
        assert await other.code(document, input=request) == "PAYMENT_NOT_FOUND"
    assert await other.code(RECORD, input=request | {"amountMinor": 1}) == "PAYMENT_NOT_FOUND"
    entity = f"query($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on Payment {PAYMENT} }} }}"
    asked = [{"__typename": "Payment", "id": payment}]
    assert await other.data(entity, r=asked) == [None]
    assert (await desk.data(entity, r=asked))[0]["id"] == payment
    assert await desk.code(FOUND, STOREFRONT, id=payment) == "FORBIDDEN"
    assert await desk.code(CAPTURE, STOREFRONT, input=request) == "FORBIDDEN"
    assert (await desk.ask(entity, STOREFRONT, r=asked)).errors, "nor by the way that gateways take"
    assert await desk.types(payment) == ["AUTHORIZE_REQUEST", "AUTHORIZE_SUCCESS"]


async def test_what_happened_is_there_for_good_and_counts_once(desk: Desk) -> None:
    payment = await desk.authorized()
    for statement in (
        "UPDATE transactions SET amount_minor = 5 WHERE environment_id = $1 AND payment_id = $2",
        "DELETE FROM transactions WHERE environment_id = $1 AND payment_id = $2",
        """INSERT INTO transactions (environment_id, payment_id, type, amount_minor, key, actor, correlation_id)
           VALUES ($1, $2, 'AUTHORIZE_SUCCESS', 5, 'a', 'me', '')""",
    ):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await desk.database.execute(desk.environment_id, statement, payment)
    assert (await desk.amounts(payment))["authorized"] == 1_000


async def test_a_page_takes_as_many_statements_for_many_payments_as_for_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await desk.authorized()
    page = f"query($n: Int!) {{ payments(limit: $n) {{ items {PAYMENT[:-1]} transactions {{ type }} }} }} }}"
    for size in (1, 3):
        with counting(monkeypatch) as sent:
            items = (await desk.data(page, n=size))["items"]
        assert [len(one["transactions"]) for one in items] == [2] * size
        assert len(sent) == 3


async def test_a_request_takes_a_dozen_statements(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside those of the provider, and of beginning and ending transactions."""
    payment = await desk.create(provider="manual")
    for most in (12, 2):  # the same key again
        with counting(monkeypatch) as sent:
            await desk.authorize(payment, method=None)
        assert len([one for one in sent if one not in ("BEGIN;", "COMMIT;")]) <= most, sent


async def test_of_many_workers_one_asks_about_a_request(desk: Desk) -> None:
    payment = await desk.create()
    await desk.authorize(payment, method="delayed")
    await desk.database.execute(desk.environment_id, OVERDUE)
    claims = (
        desk.database.fetchrow(desk.environment_id, queries.claim_request, payment, "a", 600.0) for _ in range(8)
    )
    assert sum(row is not None for row in await asyncio.gather(*claims)) == 1
    await desk.sweep()
    assert (await desk.find(payment))["amounts"]["authorizePending"] == 1_000
