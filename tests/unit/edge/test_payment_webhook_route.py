"""Payment providers' webhooks at the edge: bytes and signature go to the payments service, nothing else does."""

from kokoa.edge.native.payment_webhooks import BODY_BYTES_MAX
from kokoa.services.payments.errors import PaymentProviderNotFound, WebhookNotSigned
from unit.edge.edge_fakes import BOEING, FakeEdge
from unit.web.asgi_client import ask

STORE = {"X-Tenant-ID": "boeing"}
SIGNED = {"Webhook-Id": "w1", "Webhook-Timestamp": "1", "Webhook-Signature": "v1,x"}
PATH = "/api/payments/webhooks/test"


async def test_the_bytes_and_the_signature_are_passed_on_as_they_came() -> None:
    edge = FakeEdge()
    headers = {**STORE, **SIGNED, "Stripe-Signature": "t=1", "Cookie": "secret", "X-Else": "1"}
    answer = await ask(edge.app, "POST", PATH, headers=headers, body=b'{ "a": \xff}')
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["cache-control"] == "no-store"
    passed = {"webhook-id": "w1", "webhook-timestamp": "1", "webhook-signature": "v1,x", "stripe-signature": "t=1"}
    assert edge.webhooks.taken == [(BOEING.id, "test", passed, b'{ "a": \xff}')]


async def test_a_refusal_is_the_services() -> None:
    edge = FakeEdge()
    for refusal, status in ((WebhookNotSigned("no"), 401), (PaymentProviderNotFound("none"), 404)):
        edge.webhooks.refusal = refusal
        answer = await ask(edge.app, "POST", PATH, headers=STORE, body=b"{}")
        assert (answer.status, answer.json()["code"]) == (status, type(refusal).code)


async def test_what_is_too_large_or_comes_in_another_way_is_refused() -> None:
    edge = FakeEdge()
    large = await ask(edge.app, "POST", PATH, headers=STORE | SIGNED, body=b"x" * (BODY_BYTES_MAX + 1))
    assert large.status == 413
    assert (await ask(edge.app, "GET", PATH, headers=STORE)).status == 405
    assert (await ask(edge.app, "POST", PATH, headers={}, body=b"{}")).status in (400, 404), "of no store"
    assert edge.webhooks.taken == []
