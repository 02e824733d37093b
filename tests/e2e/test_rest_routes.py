"""The REST routes in a running store: strangers and other stores' keys get nowhere, nonsense is refused with its
place, and a partner may take each of them over.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from event_stream import events_of
from partners import Environment, new_environment, problem
from running import Answer, RunningStore, until

from kokoa.edge.native.operations import NativeOperation, Parameter, load_operations

OPERATIONS = tuple(load_operations().values())
WITH_BODY = tuple(one for one in OPERATIONS if any(of.source == "body" for of in one.parameters.values()))
OF_MANAGEMENT = tuple(one for one in OPERATIONS if one.summary.startswith("Management:"))
PASSWORD = "correct horse battery"
ADDRESS = {"line1": "Main street 1", "city": "Helsinki", "country": "FI", "postalCode": "00100"}
VALUES: Mapping[str, Any] = {"Int": 1, "Boolean": True, "PromotionKind": "PERCENT", "ProductStatus": "DRAFT"}


def send(
    environment: Environment, method: str, path: str, body: object = None, who: Mapping[str, str] | None = None
) -> Answer:
    """body: bytes are sent as they are, everything else as JSON.  who: a shopper without it."""
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    headers = {**(environment.shopper if who is None else who), "Content-Type": "application/json"}
    return environment.store.request(path, method=method, body=data, headers=headers)


def made(answer: Answer) -> Any:
    assert answer.status in {200, 201}, answer
    return answer.json


class Customer(NamedTuple):
    """Someone with an account, an address and a cart.  who: their headers."""

    who: dict[str, str]
    cart_id: str
    address_id: str


def customer(environment: Environment) -> Customer:
    known = {"email": f"{uuid.uuid4()}@example.com", "password": PASSWORD}
    tokens = made(send(environment, "POST", "/api/customers", known))["tokens"]
    who = {**environment.shopper, "Authorization": f"Bearer {tokens['accessToken']}"}
    cart = made(send(environment, "POST", "/api/carts", {"currency": "EUR"}, who))["cart"]["id"]
    made(send(environment, "POST", f"/api/carts/{cart}/lines", {"lines": [{"sku": "R-1"}]}, who))
    address = made(send(environment, "POST", "/api/me/addresses", ADDRESS, who))["id"]
    return Customer(who, cart, address)


def stocked(store: RunningStore) -> Environment:
    environment = new_environment(store)
    variants = [{"sku": "R-1", "priceMinor": 1_000, "currency": "EUR"}]
    made(send(environment, "POST", "/api/products", {"name": "Lamp", "variants": variants}, environment.secrets))
    body = {"active": True}
    made(send(environment, "PATCH", "/api/payment-providers/test", body, environment.secrets))
    return environment


@pytest.fixture(scope="module")
def shop(store: RunningStore) -> Environment:
    """With one article that is for sale."""
    return stocked(store)


@pytest.fixture(scope="module")
def rival(store: RunningStore) -> Environment:
    """Another store, which sells the same."""
    return stocked(store)


@pytest.fixture(scope="module")
def aino(shop: Environment) -> Customer:
    return customer(shop)


@pytest.fixture
def untouched(shop: Environment, aino: Customer) -> Iterator[None]:
    """Aino's cart and addresses are afterwards as they were before."""

    def seen() -> Any:
        cart = made(send(shop, "GET", f"/api/carts/{aino.cart_id}", who=aino.who))
        return cart["version"], cart["lines"], made(send(shop, "GET", "/api/me", who=aino.who))["addresses"]

    before = seen()
    yield
    assert seen() == before


def changes_of(cart_id: str) -> list[tuple[str, str, object]]:
    """All that can be done to a cart."""
    cart = f"/api/carts/{cart_id}"
    return [
        ("GET", cart, None),
        ("POST", f"{cart}/lines", {"lines": [{"sku": "R-1"}]}),
        ("PATCH", f"{cart}/lines/{uuid.uuid4()}", {"quantity": 0}),
        ("DELETE", f"{cart}/lines/{uuid.uuid4()}", None),
        ("PATCH", f"{cart}/addresses", {"shippingAddress": ADDRESS}),
        ("PUT", f"{cart}/email", {"email": "thief@example.com"}),
        ("PUT", f"{cart}/note", {"note": "mine"}),
        ("PUT", f"{cart}/shipping-method", {"key": "post"}),
        ("POST", f"{cart}/codes", {"code": "FREE"}),
        ("DELETE", f"{cart}/codes/FREE", None),
    ]


@pytest.mark.usefixtures("untouched")
def test_a_cart_is_its_customers_alone(shop: Environment, rival: Environment, aino: Customer) -> None:
    eve, anonymous = customer(shop), made(send(shop, "POST", "/api/carts", {"currency": "EUR"}))
    other = {**shop.shopper, "X-Cart-Token": anonymous["cartToken"]}
    for method, path, body in changes_of(aino.cart_id):
        for environment, who in ((shop, shop.shopper), (shop, eve.who), (shop, other), (rival, rival.secrets)):
            answer = send(environment, method, path, body, who)
            assert (answer.status, answer.json["code"]) in {(404, "CART_NOT_FOUND"), (404, "NOT_FOUND")}, (
                path,
                answer,
            )


def test_an_anonymous_cart_is_opened_by_its_own_token_in_its_own_store(shop: Environment, rival: Environment) -> None:
    one, other = (made(send(shop, "POST", "/api/carts", {"currency": "EUR"})) for _ in range(2))
    assert one["cart"]["id"] != other["cart"]["id"]
    for method, path, body in changes_of(one["cart"]["id"]):
        for environment, token in ((shop, other["cartToken"]), (shop, "x" * 43), (rival, one["cartToken"])):
            answer = send(environment, method, path, body, {**environment.shopper, "X-Cart-Token": token})
            assert answer.status == 404, (path, answer)
    own = {**shop.shopper, "X-Cart-Token": one["cartToken"]}
    assert made(send(shop, "GET", f"/api/carts/{one['cart']['id']}", who=own))["version"] == one["cart"]["version"]
    assert made(send(shop, "GET", "/api/carts/current", who=own))["id"] == one["cart"]["id"]


@pytest.mark.usefixtures("untouched")
def test_addresses_and_orders_are_their_customers_alone(shop: Environment, aino: Customer) -> None:
    eve = customer(shop)
    address = f"/api/me/addresses/{aino.address_id}"
    assert send(shop, "PUT", address, ADDRESS, eve.who).status == 404
    assert send(shop, "DELETE", address, who=eve.who).status == 404
    order = {"cartId": aino.cart_id, "paymentProvider": "test", "paymentMethod": "ok"}
    stolen = send(shop, "POST", "/api/placements", order, {**eve.who, "Idempotency-Key": "eve"})
    assert problem(stolen, 404, "CART_TO_ORDER_NOT_FOUND")
    own = {"cartId": eve.cart_id, "paymentProvider": "test", "paymentMethod": "ok"}
    keyed = {**eve.who, "Idempotency-Key": "own"}
    placed = made(send(shop, "POST", "/api/placements", own, keyed))

    def is_placed() -> bool:
        again = send(shop, "POST", "/api/placements", own, keyed)
        return bool(again.headers.get("location") == f"/api/orders/{placed['id']}")

    until(is_placed, what="the order and where it is")
    reused = send(shop, "POST", "/api/placements", {**own, "expectedTotalMinor": 1}, keyed)
    assert problem(reused, 409, "IDEMPOTENCY_KEY_REUSED")
    order_path = f"/api/orders/{placed['id']}"
    assert made(send(shop, "GET", order_path, who=eve.who))["totalMinor"] == 1_000
    assert send(shop, "GET", order_path, who=aino.who).status == 404
    give_up = {**aino.who, "Idempotency-Key": "not mine"}
    assert problem(send(shop, "POST", f"{order_path}/cancellations", {}, give_up), 404, "ORDER_NOT_FOUND")
    assert send(shop, "POST", f"/api/placements/{placed['id']}/continuations", who=aino.who).status == 404
    assert made(send(shop, "GET", "/api/me/orders", who=aino.who)) == []
    gives_up(shop, eve, order_path)


def gives_up(shop: Environment, eve: Customer, order_path: str) -> None:
    """A customer cancels what has not left, once."""
    keyed = {**eve.who, "Idempotency-Key": "changed my mind"}
    outdated = {**keyed, "If-Match": '"999"'}

    def refused() -> Answer | None:
        answer = send(shop, "POST", f"{order_path}/cancellations", {}, outdated)
        return None if answer.json["code"] == "ORDER_BUSY" else answer  # it is being placed to its end

    assert problem(until(refused, what="the placement's end"), 409, "ORDER_CHANGED")

    def cancelled() -> Any:
        answer = send(shop, "POST", f"{order_path}/cancellations", {"reason": "too bright"}, keyed)
        return answer.headers.get("location") == order_path and made(answer)["state"] == "CANCELLED"

    until(cancelled, what="the cancellation")
    assert [one["state"] for one in made(send(shop, "GET", "/api/me/orders", who=eve.who))] == ["CANCELLED"]


def test_a_token_of_another_store_opens_nothing(rival: Environment, aino: Customer) -> None:
    foreign = {**rival.shopper, "Authorization": aino.who["Authorization"]}
    for method, path, body in [("GET", "/api/me", None), *changes_of(aino.cart_id)]:
        assert problem(send(rival, method, path, body, foreign), 401, "SESSION_ENDED")
    assert send(rival, "GET", "/api/me").status == 404


def token_sent(store: RunningStore, kind: str, email: str) -> str:
    """What whoever sends mail has heard."""

    def heard() -> list[str]:
        events = events_of(store.state_dir)
        return [one["data"]["token"] for one in events if one["type"] == kind and one["data"]["email"] == email]

    return str(until(heard, what=kind)[-1])


def test_an_account_from_its_first_day_to_another_password(shop: Environment) -> None:
    known = {"email": f"{uuid.uuid4()}@example.com", "password": PASSWORD}
    made(send(shop, "POST", "/api/customers", known))
    token = token_sent(shop.store, "EmailVerificationRequested", known["email"])
    assert made(send(shop, "POST", "/api/customers/email-verifications", {"token": token}))["emailVerified"]
    opened = made(send(shop, "POST", "/api/sessions", known))["tokens"]
    refreshed = made(send(shop, "POST", "/api/sessions/refreshes", {"refreshToken": opened["refreshToken"]}))
    who = {**shop.shopper, "Authorization": f"Bearer {refreshed['accessToken']}"}
    version = made(send(shop, "GET", "/api/me", who=who))["version"]
    named = {**who, "If-Match": f'"{version}"'}
    assert made(send(shop, "PATCH", "/api/me", {"firstName": "Aino"}, named))["firstName"] == "Aino"
    assert send(shop, "PATCH", "/api/me", {"firstName": "Eino"}, named).status == 409
    assert send(shop, "POST", "/api/customers/password-reset-requests", {"email": known["email"]}).status == 204
    token = token_sent(shop.store, "PasswordResetRequested", known["email"])
    another = {"token": token, "password": "battery staple horse"}
    session = made(send(shop, "POST", "/api/customers/password-resets", another))["tokens"]
    until(lambda: send(shop, "GET", "/api/me", who=who).status == 401, what="the end of the other sessions")
    assert send(shop, "POST", "/api/sessions", known).status == 401
    who = {**shop.shopper, "Authorization": f"Bearer {session['accessToken']}"}
    assert made(send(shop, "GET", "/api/me", who=who))["firstName"] == "Aino"
    assert send(shop, "DELETE", "/api/sessions/current", who=who).status == 204
    ended = until(lambda: _refused(send(shop, "GET", "/api/me", who=who)), what="the end of the session")
    assert problem(ended, 401, "SESSION_ENDED")
    assert ended.headers["www-authenticate"]


def _refused(answer: Answer) -> Answer | None:
    return answer if answer.status >= 400 else None


@pytest.mark.parametrize("operation", OF_MANAGEMENT, ids=lambda one: one.name)
def test_what_is_the_merchants_no_shopper_may(shop: Environment, aino: Customer, operation: NativeOperation) -> None:
    path, body = request_of(operation)
    for who in (shop.shopper, aino.who):
        answer = send(shop, operation.key.method, path, body, {**who, "Idempotency-Key": "k"})
        assert answer.status in {401, 403}, answer
        assert answer.json["code"] in {"FORBIDDEN", "UNAUTHENTICATED"}


def test_the_merchants_routes_are_known_as_such() -> None:
    assert len(OF_MANAGEMENT) > 15


@pytest.mark.parametrize("operation", WITH_BODY, ids=lambda one: one.name)
def test_nonsense_is_refused_and_its_place_is_named(shop: Environment, operation: NativeOperation) -> None:
    path, body = request_of(operation)
    who = {**shop.secrets, "Idempotency-Key": "k"}
    if "version" in operation.parameters:
        who["If-Match"] = '"1"'
    members = [one for one in operation.parameters.values() if one.source == "body"]
    refused: list[tuple[object, str, str | None]] = [
        (b"{", "INVALID_PARAMETER", None),
        (b"[1]", "INVALID_PARAMETER", None),
        ({**body, "isAdmin": True}, "UNKNOWN_PARAMETER", "isAdmin"),
        *(({**body, one.name: {"$ne": 1}}, "BAD_USER_INPUT", one.name) for one in members),
    ]
    for wrong, code, field in refused:
        answer = send(shop, operation.key.method, path, wrong, who)
        assert problem(answer, 400, code)
        assert field is None or str(answer.json["field"]).split(".")[0] == field, answer
    too_long = send(shop, operation.key.method, path, b'{"a":"' + b"x" * 2_100_000 + b'"}', who)
    assert problem(too_long, 413, "PAYLOAD_TOO_LARGE")


def request_of(operation: NativeOperation) -> tuple[str, dict[str, Any]]:
    """A path and a body that are of the form asked for, about things that are not there."""
    path = operation.key.path
    for one in operation.parameters.values():
        path = path.replace(f"{{{one.name}}}", str(uuid.uuid4()))
    required = [one for one in operation.parameters.values() if one.required]
    query = "&".join(f"{one.name}={_value(one)}" for one in required if one.source == "query")
    return f"{path}?{query}" if query else path, {one.name: _value(one) for one in required if one.source == "body"}


def _value(parameter: Parameter) -> Any:
    return [] if parameter.is_list else VALUES.get(parameter.type_name, "a")


def test_a_body_of_another_type_is_refused(shop: Environment) -> None:
    headers = {**shop.shopper, "Content-Type": "application/x-www-form-urlencoded"}
    answer = shop.store.request("/api/sessions", method="POST", body=b"email=a&password=b", headers=headers)
    assert problem(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


TAKEN_OVER = """
import json
def handler(event, context):
    given = json.loads(event["body"])
    return {"statusCode": 201, "headers": {"content-type": "application/json"},
            "body": json.dumps({"by": "acme", "currency": given["currency"],
                                "secrets": [n for n in event["headers"] if "secret" in n]})}
"""


def test_a_partner_takes_a_route_over_and_gives_it_back(store: RunningStore) -> None:
    environment = new_environment(store)
    acme = environment.partner("acme", "/api/carts")
    acme.route("carts", "POST /api/carts", acme.deploy("carts", TAKEN_OVER))

    def opened() -> Any:
        return send(environment, "POST", "/api/carts", {"currency": "EUR"}, environment.secrets).json

    theirs = {"by": "acme", "currency": "EUR", "secrets": []}
    until(lambda: opened() == theirs, what="the partner's answer")
    environment.operate("DELETE", "/grants", {"partner": "acme", "pattern": "/api/carts"})
    until(lambda: "cart" in opened(), what="our own answer")
