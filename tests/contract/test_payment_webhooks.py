"""What providers say by themselves: only if it is signed, once, and in whatever order it comes."""

import asyncio
from typing import Any

import msgspec
import pytest

from contract.payments_desk import AUTHORIZE, CAPTURE, CONFIGURE, CREATE, STOREFRONT, Desk
from kokoa.kernel.clock import now_ms, to_datetime
from kokoa.kernel.errors import KokoaError
from kokoa.kernel.ids import new_id
from kokoa.postgres import Database
from kokoa.services.payments.service import PaymentsService
from kokoa.services.payments.webhooks.signatures import secret_bytes, sign

PROVIDERS = "{ paymentProviders { key active hasSecret version operations } }"


class Sender:
    """Whoever knows a secret.  moment: Unix time in seconds; None for now."""

    def __init__(self, desk: Desk, secret: str) -> None:
        self.desk = desk
        self.secret = secret_bytes(secret)

    async def send(
        self, message: Any, webhook_id: str = "", provider: str = "test", moment: int | None = None
    ) -> Any:
        """Whether it was new, or the code of the error."""
        body = message if isinstance(message, bytes) else msgspec.json.encode(message)
        headers = sign(self.secret, webhook_id or new_id(), moment or now_ms() // 1_000, body)
        shouted = {name.title(): value for name, value in headers.items()}
        webhooks = self.desk.service.webhooks
        try:
            return await webhooks.receive_webhook(self.desk.environment_id, provider, shouted, body)
        except KokoaError as error:
            return error.code


def said(payment: str, type_: str = "operation.succeeded", key: str = "a", **more: Any) -> dict[str, Any]:
    return {"type": type_, "key": f"{payment}:{key}", "reference": "psp-1", "amount_minor": 1_000, **more}


@pytest.fixture
async def sender(payments: PaymentsService, payments_database: Database) -> Sender:
    desk = Desk(payments, payments_database)
    return Sender(desk, await desk.activate())


async def test_a_webhook_counts_once_however_often_it_comes(sender: Sender) -> None:
    payment = await sender.desk.create()
    await sender.desk.authorize(payment, method="delayed")
    news = said(payment)
    results = await asyncio.gather(*(sender.send(news, "w1") for _ in range(8)))
    assert sorted(results) == [False] * 7 + [True]
    assert await sender.send(news, "w2") is True, "another one that says the same"
    assert await sender.desk.types(payment) == ["AUTHORIZE_REQUEST", "AUTHORIZE_SUCCESS"]


async def test_an_older_word_does_not_undo_a_newer_one(sender: Sender) -> None:
    payment = await sender.desk.authorized()
    for type_ in ("operation.action_required", "operation.failed"):
        assert await sender.send(said(payment, type_, url="https://x")) is True
    found = await sender.desk.find(payment)
    assert (found["authorizationStatus"], found["actionUrl"]) == ("FULL", None)
    assert await sender.desk.types(payment) == ["AUTHORIZE_REQUEST", "AUTHORIZE_SUCCESS"]


async def test_what_the_provider_did_after_all_counts(sender: Sender) -> None:
    payment = await sender.desk.create()
    await sender.desk.authorize(payment, method="declined")
    assert await sender.send(said(payment)) is True
    assert (await sender.desk.find(payment))["authorizationStatus"] == "FULL"


async def test_a_chargeback_counts_once_by_its_own_id(sender: Sender) -> None:
    payment = await sender.desk.authorized()
    await sender.desk.request(CAPTURE, payment, "c")
    for webhook in ("w1", "w2"):
        await sender.send(said(payment, "chargeback.created", "c", reference="d1", amount_minor=400), webhook)
    await sender.send(said(payment, "chargeback.created", "c", reference="d2", amount_minor=100))
    assert (await sender.desk.amounts(payment))["chargedBack"] == 500
    assert (await sender.desk.events()).count("ChargebackReceived") == 2


async def test_who_does_not_know_the_secret_is_not_heard(sender: Sender) -> None:
    payment = await sender.desk.create()
    await sender.desk.authorize(payment, method="delayed")
    other = Desk(sender.desk.service, sender.desk.database)
    theirs = Sender(sender.desk, await other.activate())
    assert await theirs.send(said(payment)) == "WEBHOOK_NOT_SIGNED"
    assert await sender.send(said(payment), moment=now_ms() // 1_000 - 301) == "WEBHOOK_NOT_SIGNED"
    assert await sender.send(said(payment), provider="manual") == "WEBHOOK_NOT_SIGNED"
    assert await sender.send(said(payment), provider="nobody") == "PAYMENT_PROVIDER_NOT_FOUND"
    # With a secret of their own they reach no payment but their own.
    theirs.desk = other
    assert await theirs.send(said(payment)) == "PAYMENT_NOT_FOUND"
    assert await sender.desk.types(payment) == ["AUTHORIZE_REQUEST"]
    unset = Sender(Desk(sender.desk.service, sender.desk.database), f"whsec_{'A' * 44}")
    assert await unset.send(said(payment)) == "WEBHOOK_NOT_SIGNED"


async def test_what_cannot_be_read_is_refused_and_may_come_again(sender: Sender) -> None:
    payment = await sender.desk.create()
    await sender.desk.authorize(payment, method="delayed")
    for body in (
        b"",
        b"[]",
        b"{",
        b"\xff",
        b"x" * 70_000,
        said(payment, "operation.stolen"),
        said("nobody"),
        said(payment, amount_minor=2**40),
        said(payment, amount_minor="1000"),
    ):
        assert await sender.send(body, "w1") == "INVALID_WEBHOOK"
    assert await sender.send(said(new_id()), "w1") == "PAYMENT_NOT_FOUND"
    assert await sender.send(said(payment, key="never-asked"), "w0") is True
    assert await sender.send(said(payment), "w1") is True
    assert await sender.desk.types(payment) == ["AUTHORIZE_REQUEST", "AUTHORIZE_SUCCESS"]


async def test_a_text_that_postgres_cannot_hold_is_refused(sender: Sender) -> None:
    payment = await sender.desk.create()
    await sender.desk.authorize(payment, method="delayed")
    stale = {"type": "operation.action_required", "url": "\x00"}
    for more in ({"message": "a\x00"}, {"reference": "\x00"}, {"reference": "x" * 600}, stale):
        assert await sender.send(said(payment) | more) == "INVALID_WEBHOOK", more


async def test_seen_webhooks_are_forgotten_in_time(sender: Sender) -> None:
    payment = await sender.desk.authorized()
    await sender.send(said(payment), "w1")
    webhooks = sender.desk.service.webhooks
    await webhooks.forget_seen(to_datetime(now_ms() - 60_000))
    assert await sender.send(said(payment), "w1") is False
    while await webhooks.forget_seen(to_datetime(now_ms() + 60_000)):
        pass
    assert await sender.send(said(payment), "w1") is True
    assert len(await sender.desk.types(payment)) == 2


async def test_a_provider_is_used_where_it_is_active(payments: PaymentsService, payments_database: Database) -> None:
    desk = Desk(payments, payments_database)
    found = {one["key"]: one for one in await desk.data(PROVIDERS)}
    assert (found["manual"]["active"], found["test"]["active"], found["test"]["hasSecret"]) == (True, False, False)
    given = {"reference": "o", "amountMinor": 5, "currency": "EUR", "provider": "test"}
    assert await desk.code(CREATE, input=given) == "PAYMENT_PROVIDER_INACTIVE"
    assert await desk.code(CREATE, input=given | {"provider": "\x00"}) == "PAYMENT_PROVIDER_NOT_FOUND"
    first = await desk.data(CONFIGURE, input={"key": "test", "active": True, "version": 0})
    assert first["webhookSecret"].startswith("whsec_")
    assert first["provider"] == {"key": "test", "active": True, "hasSecret": True, "version": 1}
    assert await desk.code(CONFIGURE, input={"key": "test", "version": 0}) == "PAYMENT_PROVIDER_CHANGED"
    assert (await desk.data(CONFIGURE, input={"key": "test", "version": 1}))["webhookSecret"] is None
    assert await desk.data(CONFIGURE, input={"key": "manual", "active": False}) == {
        "webhookSecret": None,
        "provider": {"key": "manual", "active": False, "hasSecret": False, "version": 1},
    }
    needless = {"key": "manual", "rotateSecret": True}
    assert await desk.code(CONFIGURE, input=needless) == "INVALID_PAYMENT_PROVIDER"
    turned = await desk.data(CONFIGURE, input={"key": "test", "rotateSecret": True})
    assert turned["webhookSecret"] != first["webhookSecret"]
    payment = await desk.create()
    await desk.authorize(payment, method="delayed")
    assert await Sender(desk, first["webhookSecret"]).send(said(payment)) == "WEBHOOK_NOT_SIGNED"
    assert await Sender(desk, turned["webhookSecret"]).send(said(payment)) is True
    begun = await desk.authorized()
    made = await desk.create(idempotencyKey="k")
    await desk.data(CONFIGURE, input={"key": "test", "active": False})
    assert await desk.create(idempotencyKey="k") == made, "again, as after a lost answer"
    assert (await desk.authorize(begun))["authorizationStatus"] == "FULL"
    unbegun = {"id": made, "idempotencyKey": "a"}
    assert await desk.code(AUTHORIZE, input=unbegun) == "PAYMENT_PROVIDER_INACTIVE"
    assert (await desk.request(CAPTURE, begun, "c"))["chargeStatus"] == "FULL", "what began goes on"
    assert await desk.code(CREATE, input=given) == "PAYMENT_PROVIDER_INACTIVE"


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_short", "whsec_" + "A" * 4_000, "A" * 44, "whsec_" + "ü" * 44]
)
async def test_bad_secrets_are_refused(sender: Sender, secret: str) -> None:
    wrong = {"key": "test", "webhookSecret": secret}
    assert await sender.desk.code(CONFIGURE, input=wrong) == "INVALID_PAYMENT_PROVIDER"
    assert await sender.desk.code(CONFIGURE, STOREFRONT, input={"key": "test"}) == "FORBIDDEN"
    assert await sender.desk.code(PROVIDERS, STOREFRONT) == "FORBIDDEN"


async def test_secrets_are_sealed(sender: Sender) -> None:
    row = await sender.desk.database.fetchrow(
        sender.desk.environment_id, "SELECT webhook_secret_sealed FROM providers WHERE environment_id = $1"
    )
    assert row is not None
    assert sender.secret not in row[0]
    assert b"whsec" not in row[0]
