"""From an empty shop to parcels at the door, through public APIs only: by GraphQL and by REST, each in a store of one
web role and in one whose services have processes of their own. Every amount is checked to the cent.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from event_stream import events_of
from partners import Environment, new_environment
from running import RunningStore, roles_apart, until
from shop_apis import APIS, Api, like

ADDRESS = {"firstName": "Aino", "lastName": "Lehto", "line1": "Mannerheimintie 1", "postalCode": "00100"}
HELSINKI = {**ADDRESS, "city": "Helsinki", "country": "FI"}
RETURN_URL = "https://shop.example/thanks?from=bank"

# Two lamps at 89.90 and a book at 24.90, less 10 % a line, with a courier at 14.90; all prices include tax.
GOODS, DISCOUNT, COURIER = 20_470, 1_798 + 249, 1_490
TAX_OF_LAMPS, TAX_OF_BOOK, TAX_OF_COURIER = 3_288, 275, 303  # 25.5 % in 161.82 and 14.90, 14 % in 22.41
TAX = TAX_OF_LAMPS + TAX_OF_BOOK + TAX_OF_COURIER
TOTAL = GOODS - DISCOUNT + COURIER
# One lamp of all goods: 199.13 * 89.90 / 204.70, rounded down.
FIRST_PART = 8_745
# One of two lamps for which 161.82 was paid.
REFUND = 8_091


class Journey:
    """What is known on the way.  shopper: headers of whoever shops, who signs in meanwhile."""

    def __init__(self, environment: Environment, api: Api) -> None:
        self.environment = environment
        self.api = api
        self.merchant: Mapping[str, str] = environment.secrets
        self.shopper: Mapping[str, str] = environment.shopper
        self.email = f"{uuid.uuid4()}@example.com"
        self.lamp_id = ""
        self.cart: dict[str, Any] = {}
        self.cart_token = ""
        self.placement: dict[str, Any] = {}
        self.order: dict[str, Any] = {}

    def manage(self, what: str, /, **given: Any) -> Any:
        """Asked by the merchant."""
        return self.api.ask(what, self.merchant, **given)

    def shop(self, what: str, /, **given: Any) -> Any:
        """Asked by the shopper."""
        return self.api.ask(what, self.shopper, **given)

    def settled(self, who: Mapping[str, str], what: str, /, **given: Any) -> Any:
        """Asked again with the same key as long as it is being worked on: a machine may be slow."""

        def done() -> Any:
            answer = self.api.ask(what, who, **given)
            return answer if answer["state"] != "IN_PROGRESS" else None

        return until(done, what=what)

    def costs(self) -> Any:
        """The shopper's cart with totals and options, asked again while the graph is too slow to say."""

        def known() -> Any:
            cart = self.shop("cart", id=self.cart["id"])
            return cart if cart["totals"]["problem"] != "UNAVAILABLE" else None

        return until(known, what="what the cart costs")

    def stock(self, sku: str) -> tuple[int, int, int]:
        """On hand, reserved, available."""
        found = self.manage("stock", sku=sku)
        return found["onHand"], found["reserved"], found["available"]

    def payment(self) -> Any:
        """That of the placement."""
        (found,) = self.manage("payments", reference=self.placement["id"])["items"]
        return found

    def line(self, sku: str) -> str:
        """Of the order."""
        (found,) = [line["id"] for line in self.order["lines"] if line["sku"] == sku]
        return str(found)


def a_shop_is_set_up(on: Journey) -> None:
    lamp = {"sku": "LAMP-J", "priceMinor": 8_990, "currency": "EUR", "weightGrams": 900}
    on.lamp_id = on.manage("create_product", name="Journey lamp", variants=[lamp])["id"]
    book = {"sku": "BOOK-J", "priceMinor": 2_490, "currency": "EUR", "weightGrams": 400}
    on.manage("create_product", name="A book of lights", variants=[book])
    rows = [{"sku": "LAMP-J", "onHand": 5}, {"sku": "BOOK-J", "onHand": 3}]
    set_to = on.manage("set_stock", rows=rows)
    assert (set_to["changed"], set_to["failed"]) == (2, 0)
    on.manage("configure_provider", key="test", active=True)


def taxes_delivery_and_a_code_are_set_up(on: Journey) -> None:
    for key, points in {"standard": 2_550, "books": 1_400}.items():
        on.manage("put_tax_category", key=key, name=key)
        if key == "standard":
            on.manage("put_tax_zone", key="fi", name="Finland", places=[{"country": "FI"}])
        on.manage("put_tax_rate", key=f"fi-{key}", zone="fi", category=key, name="ALV", basisPoints=points)
    on.manage("put_tax_settings", defaultCategory="standard")
    on.manage("set_tax_categories", rows=[{"sku": "BOOK-J", "taxCategory": "books"}])
    on.manage("put_shipping_zone", key="fi", name="Finland", places=[{"country": "FI"}])
    for key, price in {"post": 590, "courier": COURIER}.items():
        rates = [{"zone": "fi", "currency": "EUR", "bands": [{"priceMinor": price}]}]
        on.manage("put_shipping_method", key=key, name=key, taxCategory="standard", rates=rates)
    on.manage("put_promotion", code="TENOFF", name="Ten", kind="PERCENT", basisPoints=1_000, usesMax=1)


def goods_are_browsed_and_found(on: Journey) -> None:
    assert {one["name"] for one in on.shop("products", limit=10)} == {"Journey lamp", "A book of lights"}
    assert [one["sku"] for one in on.shop("product", id=on.lamp_id)["variants"]] == ["LAMP-J"]
    found = until(lambda: on.shop("search", q="journey lamp")["items"], what="the search index")
    assert [one["name"] for one in found] == ["Journey lamp"]
    (shown,) = on.shop("variants", skus=["LAMP-J"])
    assert (shown["priceMinor"], shown["availability"]["quantity"]) == (8_990, 5)


def a_cart_is_filled_by_nobody_in_particular(on: Journey) -> None:
    made = on.shop("create_cart", currency="EUR")
    cart_id, on.cart_token = made["cart"]["id"], made["cartToken"]
    lines = [{"sku": "LAMP-J", "quantity": 1}, {"sku": "BOOK-J", "quantity": 1}]
    asked = {"id": cart_id, "cartToken": on.cart_token, "lines": lines, "idempotencyKey": "once"}
    for _ in range(2):
        on.cart = on.shop("add_lines", **asked)
    assert (on.cart["itemCount"], on.cart["subtotalMinor"]) == (2, 8_990 + 2_490)
    line = {"id": cart_id, "cartToken": on.cart_token, "lineId": on.cart["lines"][0]["id"]}
    stale = on.cart["version"]
    on.cart = on.shop("change_line", quantity=2, version=stale, **line)
    assert on.api.refusal("change_line", on.shopper, quantity=3, version=stale, **line) == "CART_CHANGED"
    assert on.api.refusal("change_line", on.shopper, quantity=99, **line) == "NOT_ENOUGH_FOR_CART"
    assert on.shop("cart", id=cart_id, cartToken=on.cart_token)["subtotalMinor"] == GOODS


def the_shopper_registers_and_has_the_cart(on: Journey) -> None:
    known = {"email": on.email, "password": "correct horse battery"}
    assert on.shop("register", **known)["customer"]["email"] == on.email
    token = on.shop("sign_in", **known)["tokens"]["accessToken"]
    on.shopper = {**on.environment.shopper, "Authorization": f"Bearer {token}"}
    on.shop("add_address", **{name: HELSINKI[name] for name in ("line1", "city", "country", "postalCode")})
    me = on.shop("me")
    assert (me["email"], [one["city"] for one in me["addresses"]]) == (on.email, ["Helsinki"])
    assert on.shop("merge_carts", cartToken=on.cart_token)["id"] == on.cart["id"]
    nobody = on.environment.shopper
    gone = on.api.refusal("add_lines", nobody, id=on.cart["id"], cartToken=on.cart_token, lines=[{"sku": "LAMP-J"}])
    assert gone == "CART_NOT_FOUND"


def code_address_and_delivery_make_the_total(on: Journey) -> None:
    cart = {"id": on.cart["id"]}
    on.shop("add_code", code="tenoff", **cart)
    on.shop("set_email", email=on.email, **cart)
    assert on.costs()["totals"]["problem"] == "NO_SHIPPING_ADDRESS"
    on.shop("set_addresses", shippingAddress=HELSINKI, **cart)
    offered = until(lambda: on.costs()["shippingOptions"], what="ways of delivery")
    assert {one["key"]: one["priceMinor"] for one in offered} == {"post": 590, "courier": COURIER}
    on.shop("set_shipping_method", key="courier", **cart)
    expected = {
        "goodsMinor": GOODS,
        "discountMinor": DISCOUNT,
        "netMinor": TOTAL - TAX,
        "taxMinor": TAX,
        "grossMinor": TOTAL,
        "problem": None,
        "shipping": {"key": "courier", "priceMinor": COURIER, "taxMinor": TAX_OF_COURIER},
        "codes": [{"code": "TENOFF", "accepted": True, "discountMinor": DISCOUNT}],
        "rates": [
            {"key": "fi-books", "basisPoints": 1_400, "amountMinor": TAX_OF_BOOK},
            {"key": "fi-standard", "basisPoints": 2_550, "amountMinor": TAX_OF_LAMPS + TAX_OF_COURIER},
        ],
    }
    totals = on.costs()["totals"]
    assert like(totals, expected) == expected


def the_order_is_placed_and_waits_for_the_bank(on: Journey) -> None:
    asked = {
        "cartId": on.cart["id"],
        "paymentProvider": "test",
        "paymentMethod": "redirect",
        "returnUrl": RETURN_URL,
        "expectedTotalMinor": TOTAL,
        "idempotencyKey": "the order",
    }
    on.placement = on.settled(on.shopper, "place_order", **asked)
    assert (on.placement["state"], on.placement["order"]) == ("ACTION_REQUIRED", None), on.placement
    assert on.placement["actionUrl"].startswith(f"{RETURN_URL}&testPayment=test_")
    assert on.shop("place_order", **asked)["id"] == on.placement["id"]
    assert on.api.refusal("place_order", on.shopper, **{**asked, "paymentMethod": "ok"}) == "IDEMPOTENCY_KEY_REUSED"
    frozen = on.api.refusal("set_email", on.shopper, id=on.cart["id"], email=on.email)
    assert frozen == "CART_FROZEN"
    assert (on.stock("LAMP-J"), on.stock("BOOK-J")) == ((5, 2, 3), (3, 1, 2))


def the_customer_pays_where_they_were_sent(on: Journey) -> None:
    """The test bank's page is the action URL; what is done there `settleTestPayment` does."""
    payment = on.payment()
    assert (payment["actionUrl"], payment["amountMinor"]) == (on.placement["actionUrl"], TOTAL)
    assert payment["authorizationStatus"] == "NONE"
    on.manage("settle_test_payment", id=payment["id"], key="authorize", approve=True)

    def placed() -> Any:
        on.placement = on.shop("continue_placement", id=on.placement["id"])
        return on.placement["state"] == "PLACED"

    until(placed, what="the order")
    assert (on.payment()["authorizationStatus"], on.payment()["amounts"]["authorized"]) == ("FULL", TOTAL)


def the_order_is_what_the_cart_said(on: Journey) -> None:
    on.order = on.placement["order"]
    expected = {"totalMinor": TOTAL, "netMinor": TOTAL - TAX, "taxMinor": TAX, "goodsMinor": GOODS}
    assert like(on.order, expected) == expected
    assert (on.order["state"], on.order["number"], on.order["email"]) == ("CONFIRMED", "10001", on.email)
    lines = {one["sku"]: (one["quantity"], one["discountMinor"], one["taxMinor"]) for one in on.order["lines"]}
    assert lines == {"LAMP-J": (2, 1_798, TAX_OF_LAMPS), "BOOK-J": (1, 249, TAX_OF_BOOK)}
    assert on.order["codes"] == [{"code": "TENOFF", "discountMinor": DISCOUNT}]
    assert [one["number"] for one in on.shop("my_orders")] == ["10001"]
    assert on.shop("order", id=on.order["id"])["totalMinor"] == TOTAL


def one_lamp_leaves(on: Journey) -> None:
    on.order = on.manage("order", id=on.order["id"])
    asked = {
        "orderId": on.order["id"],
        "version": on.order["version"],
        "lines": [{"lineId": on.line("LAMP-J"), "quantity": 1}],
        "idempotencyKey": "first parcel",
    }
    parcel = on.settled(on.merchant, "create_fulfillment", **asked)
    assert (parcel["state"], parcel["capturedMinor"]) == ("PENDING", FIRST_PART), parcel
    assert on.manage("create_fulfillment", **asked)["id"] == parcel["id"]
    assert on.api.refusal("ship_fulfillment", on.shopper, id=parcel["id"]) == "FORBIDDEN"
    assert on.manage("ship_fulfillment", id=parcel["id"], trackingNumber="P-1")["trackingNumber"] == "P-1"
    assert on.manage("deliver_fulfillment", id=parcel["id"])["state"] == "DELIVERED"
    assert on.shop("order", id=on.order["id"])["state"] == "PARTIALLY_FULFILLED"
    assert on.payment()["amounts"]["charged"] == FIRST_PART
    assert (on.stock("LAMP-J"), on.stock("BOOK-J")) == ((4, 1, 3), (3, 1, 2))


def the_rest_leaves(on: Journey) -> None:
    lines = [{"lineId": on.line(sku), "quantity": 1} for sku in ("LAMP-J", "BOOK-J")]
    asked = {"orderId": on.order["id"], "lines": lines, "idempotencyKey": "second parcel"}
    parcel = on.settled(on.merchant, "create_fulfillment", **asked)
    assert (parcel["state"], parcel["capturedMinor"]) == ("PENDING", TOTAL - FIRST_PART), parcel
    on.order = on.shop("order", id=on.order["id"])
    assert (on.order["state"], len(on.order["fulfillments"])) == ("FULFILLED", 2)
    payment = on.payment()
    assert (payment["chargeStatus"], payment["amounts"]["charged"]) == ("FULL", TOTAL)
    assert (on.stock("LAMP-J"), on.stock("BOOK-J")) == ((3, 0, 3), (2, 0, 2))


def one_lamp_comes_back_and_its_money(on: Journey) -> None:
    lines = [{"lineId": on.line("LAMP-J"), "quantity": 1, "reason": "too bright"}]
    back = on.shop("request_return", orderId=on.order["id"], lines=lines, idempotencyKey="return")
    received = [{"lineId": on.line("LAMP-J"), "quantity": 1, "condition": "BACK_IN_STOCK"}]
    asked = {"id": back["id"], "version": back["version"], "lines": received, "idempotencyKey": "parcel back"}
    assert on.api.refusal("receive_return", on.shopper, **asked) == "FORBIDDEN"
    reception = on.settled(on.merchant, "receive_return", **asked)
    assert (reception["state"], reception["return"]["state"]) == ("RECEIVED", "RECEIVED"), reception
    for _ in range(2):
        refund = on.settled(on.merchant, "refund_return", returnId=back["id"], idempotencyKey="money back")
        assert (refund["state"], refund["amountMinor"]) == ("REFUNDED", REFUND), refund
    assert on.shop("order", id=on.order["id"])["state"] == "PARTIALLY_RETURNED"
    assert (on.payment()["amounts"]["charged"], on.payment()["amounts"]["refunded"]) == (TOTAL, REFUND)
    assert (on.stock("LAMP-J"), on.stock("BOOK-J")) == ((4, 0, 4), (2, 0, 2))


def everybody_has_heard_of_it(on: Journey) -> None:
    """What happened is in the stream, once, for whoever listens."""
    expected = {
        "OrderPlaced": 1,
        "FulfillmentCreated": 2,
        "FulfillmentShipped": 1,
        "FulfillmentDelivered": 1,
        "OrderFulfilled": 1,
        "ReturnRequested": 1,
        "ReturnReceived": 1,
        "OrderRefunded": 1,
    }

    def heard() -> Any:
        types = [event["type"] for event in events_of(on.environment.store.state_dir) if _is_about(event, on.order)]
        return {name: types.count(name) for name in expected} == expected

    until(heard, what="the events")


def _is_about(event: Mapping[str, Any], order: Mapping[str, Any]) -> bool:
    return bool(event["data"].get("order_id") == order["id"])


JOURNEY: Sequence[Callable[[Journey], None]] = (
    a_shop_is_set_up,
    taxes_delivery_and_a_code_are_set_up,
    goods_are_browsed_and_found,
    a_cart_is_filled_by_nobody_in_particular,
    the_shopper_registers_and_has_the_cart,
    code_address_and_delivery_make_the_total,
    the_order_is_placed_and_waits_for_the_bank,
    the_customer_pays_where_they_were_sent,
    the_order_is_what_the_cart_said,
    one_lamp_leaves,
    the_rest_leaves,
    one_lamp_comes_back_and_its_money,
    everybody_has_heard_of_it,
)


def walk(store: RunningStore, api: str) -> None:
    environment = new_environment(store)
    journey = Journey(environment, APIS[api](environment))
    for step in JOURNEY:
        step(journey)


@pytest.fixture(scope="module")
def store_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    """Each service in a process of its own."""
    with roles_apart(Path(tmp_path_factory.mktemp("apart")) / "state") as running:
        yield running


@pytest.mark.parametrize("api", APIS)
def test_in_one_process(store: RunningStore, api: str) -> None:
    walk(store, api)


@pytest.mark.parametrize("api", APIS)
def test_each_service_in_a_process_of_its_own(store_apart: RunningStore, api: str) -> None:
    walk(store_apart, api)
