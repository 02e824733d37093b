"""A shopper pays by card: their bank asks them, Stripe tells the store's own domain, the order is placed."""

import json
import uuid
from typing import Any

import pytest
from running import RunningStore, until

from kokoa.kernel.clock import now_ms
from stripe_running import SECRET_KEY, StripeServer

WEBHOOK_SECRET = "whsec_of0the0running0store0at0kokoa"
ASKS_THE_CUSTOMER = "4000002760003184"
DECLINED = "4000000000000341"
CONFIGURE = """mutation($input: ConfigurePaymentProviderInput!) { configurePaymentProvider(input: $input) {
  webhookSecret provider { active hasSecret hasSecretKey } } }"""
FILL = """mutation { createCart(input: {currency: "EUR"}) { cartToken } }"""
ADD = """mutation($cart: String!, $sku: String!, $quantity: Int!) { addCartLines(input: {
  cartToken: $cart, lines: [{sku: $sku, quantity: $quantity}]}) { subtotalMinor } }"""
PLACE = """mutation($input: PlaceOrderInput!) { placeOrder(input: $input) {
  id state actionUrl refusal { code field } order { id } } }"""
CONTINUE = """mutation($id: ID!, $token: String!) { continuePlacement(id: $id, cartToken: $token) {
  state order { id totalMinor lines { id } } } }"""
PAYMENT = """query($id: ID!) { order(id: $id) { payment {
  id provider authorizationStatus chargeStatus amounts { charged capturable } transactions { type actor } } } }"""
LEAVE = """mutation($input: CreateFulfillmentInput!) { createFulfillment(input: $input) { state capturedMinor } }"""


def asked(store: RunningStore, query: str, *, shopper: bool = False, **variables: Any) -> Any:
    """The one field's value."""
    if shopper:
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"Content-Type": "application/json"}
        answer = store.storefront("/graphql", method="POST", body=body, headers=headers)
    else:
        answer = store.graphql(query, variables)
    assert "errors" not in answer.json, answer.json
    return next(iter(answer.json["data"].values()))


@pytest.fixture(scope="module", autouse=True)
def stripe_is_used(store: RunningStore, stripe_server: StripeServer) -> None:
    """The store takes money by Stripe, and hears it at its own domain."""
    given = {"key": "stripe", "active": True, "secretKey": SECRET_KEY, "webhookSecret": WEBHOOK_SECRET}
    settings = asked(store, CONFIGURE, input=given)
    assert settings == {"webhookSecret": None, "provider": {"active": True, "hasSecret": True, "hasSecretKey": True}}
    store.run("kokoa tenant add-domain demo localhost")
    url = f"{store.url.replace('127.0.0.1', 'localhost')}/api/payments/webhooks/stripe"
    stripe_server.hook("demo", url, WEBHOOK_SECRET)


def order(store: RunningStore, server: StripeServer, card: str, quantity: int = 1) -> tuple[str, Any]:
    """(cart token, placement) of lamps that are paid by a card."""
    cart = asked(store, FILL, shopper=True)["cartToken"]
    asked(store, ADD, shopper=True, cart=cart, sku="LMP-HARB-BLK", quantity=quantity)
    given = {
        "cartToken": cart,
        "paymentProvider": "stripe",
        "paymentMethod": server.card(card),
        "returnUrl": "https://shop.example/checkout",
        "idempotencyKey": str(uuid.uuid4()),
    }
    return cart, asked(store, PLACE, shopper=True, input=given)


def test_an_order_is_paid_by_card(store: RunningStore, stripe_server: StripeServer) -> None:
    cart, placement = order(store, stripe_server, ASKS_THE_CUSTOMER)
    assert (placement["state"], placement["actionUrl"].partition("/redirect/")[0]) == (
        "ACTION_REQUIRED",
        stripe_server.url,
    )
    intent = placement["actionUrl"].rpartition("/")[2]
    stripe_server.authenticate(intent, success=True)

    def placed() -> Any:
        now = asked(store, CONTINUE, shopper=True, id=placement["id"], token=cart)
        return now["order"] if now["state"] == "PLACED" else None

    bought = until(placed, within_s=90, what="Stripe's word, and the order")
    payment = asked(store, PAYMENT, id=bought["id"])["payment"]
    assert (payment["provider"], payment["authorizationStatus"]) == ("stripe", "FULL")
    assert payment["transactions"][0] == {"type": "AUTHORIZE_SUCCESS", "actor": "provider:stripe"}
    held = stripe_server.ask(f"/v1/payment_intents/{intent}")
    assert (held["status"], held["amount"]) == ("requires_capture", bought["totalMinor"])
    lines = [{"lineId": bought["lines"][0]["id"], "quantity": 1}]
    given = {"orderId": bought["id"], "lines": lines, "idempotencyKey": str(uuid.uuid4())}
    left = asked(store, LEAVE, input=given)
    assert (left["state"], left["capturedMinor"]) == ("PENDING", bought["totalMinor"])
    taken = stripe_server.ask(f"/v1/payment_intents/{intent}")
    assert (taken["status"], taken["amount_received"]) == ("succeeded", bought["totalMinor"])


def test_an_order_that_leaves_in_parts_is_captured_with_the_last(
    store: RunningStore, stripe_server: StripeServer
) -> None:
    """The account captures an authorisation once: a part would lose the rest."""
    _, placement = order(store, stripe_server, "4242424242424242", quantity=2)
    assert placement["state"] == "PLACED"
    found = asked(
        store, "query($id: ID!) { order(id: $id) { totalMinor lines { id } } }", id=placement["order"]["id"]
    )
    captured = []
    for _ in range(2):
        lines = [{"lineId": found["lines"][0]["id"], "quantity": 1}]
        given = {"orderId": placement["order"]["id"], "lines": lines, "idempotencyKey": str(uuid.uuid4())}
        captured.append(asked(store, LEAVE, input=given)["capturedMinor"])
    assert captured == [0, found["totalMinor"]]
    payment = asked(store, PAYMENT, id=placement["order"]["id"])["payment"]
    assert payment["amounts"] == {"charged": found["totalMinor"], "capturable": 0}


def test_a_card_that_is_declined_orders_nothing(store: RunningStore, stripe_server: StripeServer) -> None:
    _, placement = order(store, stripe_server, DECLINED)
    assert (placement["state"], placement["order"]) == ("REFUSED", None)
    assert placement["refusal"]["field"] == "paymentMethod"


def test_nobody_else_speaks_for_stripe(store: RunningStore) -> None:
    event = b'{"id": "evt_1", "type": "customer.created", "data": {"object": {}}}'
    for signature in ("", "v1=0", f"t={now_ms() // 1_000},v1={'0' * 64}"):
        headers = {"Host": "localhost", "Stripe-Signature": signature}
        answer = store.request("/api/payments/webhooks/stripe", method="POST", body=event, headers=headers)
        assert (answer.status, answer.json["code"]) == (401, "WEBHOOK_NOT_SIGNED"), signature
