"""Shoppers with an account and a cart, goods on shelves, over HTTP: in one process, and each service in its own."""

import json
import uuid
from pathlib import Path
from typing import Any

from partners import line_to_each_process
from running import RunningStore, roles_apart, until

from kokoa.kernel.clock import now_ms
from kokoa.services.payments.webhooks.signatures import secret_bytes, sign

REGISTER = """mutation($input: RegisterCustomerInput!) { registerCustomer(input: $input) {
  customer { email } tokens { accessToken refreshToken } } }"""
ME = "{ me { email } }"
SHELF = '{ product(slug: "harbour-desk-lamp") { variants { sku availability { inStock quantity backorderable } } } }'


def ask(store: RunningStore, query: str, token: str = "", **variables: Any) -> Any:
    """As a shopper; the status and the answer."""
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    body = json.dumps({"query": query, "variables": variables}).encode()
    return store.storefront("/graphql", method="POST", body=body, headers=headers)


def ended_everywhere(store: RunningStore, token: str, processes: int) -> bool:
    """Whether no web process takes the token any more: each may remember for a second that its session stands."""
    with line_to_each_process(store, processes) as lines:
        headers = {"X-Tenant-ID": "demo", "Authorization": f"Bearer {token}"}
        return all(line.request("/graphql?query={me{email}}", headers=headers).status == 401 for line in lines)


def signs_in_and_out(store: RunningStore, processes: int) -> None:
    given = {"email": f"{uuid.uuid4()}@example.com", "password": "correct horse battery"}
    opened = ask(store, REGISTER, input=given).json["data"]["registerCustomer"]
    token = opened["tokens"]["accessToken"]
    assert ask(store, ME).json["data"] == {"me": None}
    assert ask(store, ME, token).json["data"] == {"me": {"email": given["email"]}}
    assert ask(store, "{ customers { id } }", token).json["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert ask(store, "mutation { signOut }", token).json["data"] == {"signOut": True}
    until(lambda: ended_everywhere(store, token, processes), within_s=30, what="the end of the session everywhere")
    for path in ("/graphql?query={me{email}}", "/api/search?q=lamp"):
        answer = store.storefront(path, headers={"Authorization": f"Bearer {token}"})
        assert (answer.status, answer.json["code"]) == (401, "SESSION_ENDED")
    refused = ask(store, ME, token[:-3] + "xxx")
    assert (refused.status, refused.json["code"]) == (401, "CUSTOMER_TOKEN_INVALID")


def has_goods_on_its_shelves(store: RunningStore) -> None:
    variants = ask(store, SHELF).json["data"]["product"]["variants"]
    assert {one["sku"] for one in variants} >= {"LMP-HARB-BLK"}
    assert all(one["availability"]["quantity"] is not None for one in variants)
    sku = variants[0]["sku"]
    before = variants[0]["availability"]["quantity"]
    adjust = """mutation($sku: String!) {
      adjustStock(input: {sku: $sku, location: "helsinki", delta: 3, reason: RECEIVED}) { sku } }"""
    assert store.graphql(adjust, {"sku": sku}).json["data"] == {"adjustStock": {"sku": sku}}
    after = ask(store, SHELF).json["data"]["product"]["variants"][0]["availability"]["quantity"]
    assert after == before + 3


def fills_a_cart_and_signs_in(store: RunningStore) -> None:
    """The cart asks the graph, wherever that is, and the worker thaws what is frozen."""
    create = 'mutation { createCart(input: {currency: "EUR"}) { cartToken cart { id } } }'
    add = """mutation($cart: String, $sku: String) { addCartLines(input: {
      cartToken: $cart, lines: [{sku: $sku, quantity: 2}]}) { itemCount subtotalMinor } }"""
    merge = "mutation($cart: String!) { mergeCarts(token: $cart) { id } }"
    mine = """{ cart { id itemCount pricesAsOf
      lines { name quantity problem variant { priceMinor product { slug } } } } }"""
    made = ask(store, create).json["data"]["createCart"]
    key = {"cart": made["cartToken"]}
    added = ask(store, add, sku="LMP-HARB-BLK", **key).json["data"]["addCartLines"]
    assert added["itemCount"] == 2
    refused = ask(store, add, sku="none", **key).json["errors"][0]["extensions"]
    assert (refused["code"], refused["field"]) == ("VARIANT_NOT_FOR_SALE", "lines.0.sku")
    given = {"email": f"{uuid.uuid4()}@example.com", "password": "correct horse battery"}
    token = ask(store, REGISTER, input=given).json["data"]["registerCustomer"]["tokens"]["accessToken"]
    assert ask(store, mine, token).json["data"] == {"cart": None}
    assert ask(store, merge, token, **key).json["data"]["mergeCarts"]["id"] == made["cart"]["id"]
    cart = ask(store, mine, token).json["data"]["cart"]
    assert (cart["itemCount"], cart["pricesAsOf"], cart["lines"][0]["problem"]) == (2, None, None)
    variant = cart["lines"][0]["variant"]
    assert variant["product"]["slug"] == "harbour-desk-lamp"
    assert added["subtotalMinor"] == 2 * variant["priceMinor"]
    freeze = 'mutation($id: ID!) { freezeCart(id: $id, key: "order", seconds: 1) { state } }'
    assert store.graphql(freeze, {"id": cart["id"]}).json["data"] == {"freezeCart": {"state": "FROZEN"}}
    frozen = "{ carts(filter: {state: FROZEN}) { id } }"
    until(lambda: store.graphql(frozen).json["data"] == {"carts": []}, within_s=30, what="the cart to thaw")
    assert ask(store, add, token, sku="LMP-HARB-BLK").json["data"]["addCartLines"]["itemCount"] == 4


def hears_payment_providers(store: RunningStore) -> None:
    """The provider's word comes by the shop's own domain, and counts if it is signed."""
    use = """mutation { configurePaymentProvider(input: {key: "test", active: true, rotateSecret: true}) {
      webhookSecret } }"""
    used = store.graphql(use).json
    assert "errors" not in used, used
    secret = used["data"]["configurePaymentProvider"]["webhookSecret"]
    create = """mutation { createPayment(input: {reference: "order-1", amountMinor: 500, currency: "EUR",
      provider: "test"}) { id } }"""
    payment = store.graphql(create).json["data"]["createPayment"]["id"]
    authorize = """mutation($id: ID!) { authorizePayment(input: {id: $id, idempotencyKey: "a", method: "redirect",
      returnUrl: "https://shop.example/"}) { authorizationStatus actionUrl } }"""
    begun = store.graphql(authorize, {"id": payment}).json["data"]["authorizePayment"]
    assert begun["authorizationStatus"] == "NONE"
    assert begun["actionUrl"].startswith("https://shop.example/?testPayment=")
    body = json.dumps(
        {"type": "operation.succeeded", "key": f"{payment}:a", "reference": "psp-1", "amount_minor": 500}
    ).encode()
    signed = sign(secret_bytes(secret), str(uuid.uuid4()), now_ms() // 1_000, body)
    path = "/api/payments/webhooks/test"
    forged = store.storefront(path, method="POST", body=body + b" ", headers=signed)
    assert (forged.status, forged.json["code"]) == (401, "WEBHOOK_NOT_SIGNED")
    found = "query($id: ID!) { payment(id: $id) { authorizationStatus } }"
    assert store.graphql(found, {"id": payment}).json["data"]["payment"]["authorizationStatus"] == "NONE"
    for _ in range(2):
        assert store.storefront(path, method="POST", body=body, headers=signed).status == 204
    assert store.graphql(found, {"id": payment}).json["data"]["payment"]["authorizationStatus"] == "FULL"


def test_in_one_process(store: RunningStore) -> None:
    signs_in_and_out(store, processes=2)
    has_goods_on_its_shelves(store)
    fills_a_cart_and_signs_in(store)
    hears_payment_providers(store)


def test_each_service_in_a_process_of_its_own(tmp_path: Path) -> None:
    with roles_apart(tmp_path / "state") as store:
        signs_in_and_out(store, processes=1)
        has_goods_on_its_shelves(store)
        fills_a_cart_and_signs_in(store)
        hears_payment_providers(store)
