"""The two public APIs of a store behind one seam, so that one text of a journey is walked over both.

What is asked has a name and arguments; `ASKS` says how each API is asked for it.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote, urlencode

from partners import Environment, problem
from running import Answer, until

BUSY = "ORDER_BUSY"
# Arguments that REST takes in headers.
HEADERS = {"version": "If-Match", "idempotencyKey": "Idempotency-Key", "cartToken": "X-Cart-Token"}
PLACEMENT = """id state actionUrl refusal { code field } order { id number state version totalMinor netMinor taxMinor
  goodsMinor discountMinor email shipping { key priceMinor taxMinor } codes { code discountMinor }
  taxRates { key basisPoints amountMinor } lines { id sku quantity discountMinor taxMinor fulfilledQuantity } }"""
CART = "id version itemCount subtotalMinor email codes shippingMethod lines { id sku quantity totalMinor problem }"
TOTALS = """shippingOptions { key priceMinor } totals { goodsMinor discountMinor netMinor taxMinor grossMinor problem
  shipping { key priceMinor taxMinor } codes { code accepted discountMinor }
  rates { key basisPoints amountMinor } }"""
FULFILLMENT = "id state capturedMinor trackingNumber refusal { code } lines { lineId quantity }"


class Ask(NamedTuple):
    """rest: method and path; what is not in the path is in the query of a GET, else in the body."""

    graphql: str
    rest: str


ASKS: Mapping[str, Ask] = {
    # What a merchant sets up.
    "create_product": Ask(
        """mutation($name: String!, $category: String, $variants: [VariantInput!]!) {
        createProduct(input: {name: $name, category: $category, variants: $variants}) { id slug } }""",
        "POST /api/products",
    ),
    "set_stock": Ask(
        "mutation($rows: [StockRowInput!]!) { setStock(input: {rows: $rows}) { changed failed } }", "POST /api/stock"
    ),
    "stock": Ask(
        "query($sku: String!) { stockItem(sku: $sku) { onHand reserved available } }", "GET /api/stock/{sku}"
    ),
    "put_tax_category": Ask(
        "mutation($key: String!, $name: String!) { putTaxCategory(input: {key: $key, name: $name}) { key } }",
        "PUT /api/tax-categories/{key}",
    ),
    "put_tax_zone": Ask(
        """mutation($key: String!, $name: String!, $places: [TaxPlaceInput!]!) {
        putTaxZone(input: {key: $key, name: $name, places: $places}) { key } }""",
        "PUT /api/tax-zones/{key}",
    ),
    "put_tax_rate": Ask(
        """mutation($key: String!, $zone: String!, $category: String!, $name: String!, $basisPoints: Int!) {
        putTaxRate(input: {key: $key, zone: $zone, category: $category, name: $name, basisPoints: $basisPoints}) {
        key } }""",
        "PUT /api/tax-rates/{key}",
    ),
    "put_tax_settings": Ask(
        """mutation($defaultCategory: String) {
        putTaxSettings(input: {defaultCategory: $defaultCategory}) { version } }""",
        "PUT /api/tax-settings",
    ),
    "set_tax_categories": Ask(
        "mutation($rows: [SkuTaxCategoryInput!]!) { setTaxCategories(rows: $rows) { changed } }",
        "POST /api/sku-tax-categories",
    ),
    "put_shipping_zone": Ask(
        """mutation($key: String!, $name: String!, $places: [ShippingPlaceInput!]!) {
        putShippingZone(input: {key: $key, name: $name, places: $places}) { key } }""",
        "PUT /api/shipping-zones/{key}",
    ),
    "put_shipping_method": Ask(
        """mutation($key: String!, $name: String!, $taxCategory: String, $rates: [ShippingRateInput!]!) {
        putShippingMethod(input: {key: $key, name: $name, taxCategory: $taxCategory, rates: $rates}) { key } }""",
        "PUT /api/shipping-methods/{key}",
    ),
    "put_promotion": Ask(
        """mutation($code: String!, $name: String!, $kind: PromotionKind!, $basisPoints: Int, $usesMax: Int) {
        putPromotion(input: {code: $code, name: $name, kind: $kind, basisPoints: $basisPoints, usesMax: $usesMax}) {
        used } }""",
        "PUT /api/promotions/{code}",
    ),
    "configure_provider": Ask(
        """mutation($key: String!, $active: Boolean) {
        configurePaymentProvider(input: {key: $key, active: $active}) { provider { active } } }""",
        "PATCH /api/payment-providers/{key}",
    ),
    # What a shopper does.
    "products": Ask("query($limit: Int!) { products(limit: $limit) { id name } }", "GET /api/products"),
    "search": Ask("query($q: String!) { search(q: $q) { total items { name } } }", "GET /api/search"),
    "product": Ask("query($id: ID!) { product(id: $id) { name variants { id sku } } }", "GET /api/products/{id}"),
    "variants": Ask(
        "query($skus: [String!]!) { variants(skus: $skus) { sku priceMinor availability { inStock quantity } } }",
        "GET /api/variants",
    ),
    "create_cart": Ask(
        f"""mutation($currency: String!) {{
        createCart(input: {{currency: $currency}}) {{ cartToken cart {{ {CART} }} }} }}""",
        "POST /api/carts",
    ),
    "cart": Ask(
        f"query($id: ID!, $cartToken: String) {{ cart(id: $id, cartToken: $cartToken) {{ {CART} {TOTALS} }} }}",
        "GET /api/carts/{id}",
    ),
    "add_lines": Ask(
        f"""mutation($id: ID!, $cartToken: String, $lines: [AddCartLineInput!]!, $idempotencyKey: String) {{
        addCartLines(input: {{id: $id, cartToken: $cartToken, lines: $lines, idempotencyKey: $idempotencyKey}}) {{
        {CART} }} }}""",
        "POST /api/carts/{id}/lines",
    ),
    "change_line": Ask(
        f"""mutation($id: ID!, $cartToken: String, $lineId: ID!, $quantity: Int!, $version: Int) {{
        changeCartLines(input: {{id: $id, cartToken: $cartToken, version: $version,
        lines: [{{id: $lineId, quantity: $quantity}}]}}) {{ {CART} }} }}""",
        "PATCH /api/carts/{id}/lines/{lineId}",
    ),
    "merge_carts": Ask(
        f"mutation($cartToken: String!) {{ mergeCarts(token: $cartToken) {{ {CART} }} }}",
        "POST /api/carts/current/merges",
    ),
    "add_code": Ask(
        f"mutation($id: ID!, $code: String!) {{ addCartCode(input: {{id: $id, code: $code}}) {{ {CART} }} }}",
        "POST /api/carts/{id}/codes",
    ),
    "remove_code": Ask(
        f"mutation($id: ID!, $code: String!) {{ removeCartCode(input: {{id: $id, code: $code}}) {{ {CART} }} }}",
        "DELETE /api/carts/{id}/codes/{code}",
    ),
    "set_email": Ask(
        f"mutation($id: ID!, $email: String) {{ setCartEmail(input: {{id: $id, email: $email}}) {{ {CART} }} }}",
        "PUT /api/carts/{id}/email",
    ),
    "set_addresses": Ask(
        f"""mutation($id: ID!, $shippingAddress: CartAddressInput) {{
        setCartAddresses(input: {{id: $id, shippingAddress: $shippingAddress}}) {{ {CART} }} }}""",
        "PATCH /api/carts/{id}/addresses",
    ),
    "set_shipping_method": Ask(
        f"mutation($id: ID!, $key: String) {{ setCartShippingMethod(input: {{id: $id, key: $key}}) {{ {CART} }} }}",
        "PUT /api/carts/{id}/shipping-method",
    ),
    "register": Ask(
        """mutation($email: String!, $password: String!) {
        registerCustomer(input: {email: $email, password: $password}) {
        customer { id email } tokens { accessToken refreshToken } } }""",
        "POST /api/customers",
    ),
    "sign_in": Ask(
        """mutation($email: String!, $password: String!) { signIn(email: $email, password: $password) {
        tokens { accessToken } } }""",
        "POST /api/sessions",
    ),
    "me": Ask("{ me { id email version addresses { city } } }", "GET /api/me"),
    "add_address": Ask(
        """mutation($line1: String!, $city: String!, $country: String!, $postalCode: String) { addAddress(
        input: {line1: $line1, city: $city, country: $country, postalCode: $postalCode}) { id city country } }""",
        "POST /api/me/addresses",
    ),
    "place_order": Ask(
        f"""mutation($cartId: ID, $cartToken: String, $paymentProvider: String!, $paymentMethod: String,
        $returnUrl: String, $expectedTotalMinor: Int, $idempotencyKey: String!) {{ placeOrder(input: {{
        cartId: $cartId, cartToken: $cartToken, paymentProvider: $paymentProvider, paymentMethod: $paymentMethod,
        returnUrl: $returnUrl, expectedTotalMinor: $expectedTotalMinor, idempotencyKey: $idempotencyKey}}) {{
        {PLACEMENT} }} }}""",
        "POST /api/placements",
    ),
    "continue_placement": Ask(
        f"mutation($id: ID!) {{ continuePlacement(id: $id) {{ {PLACEMENT} }} }}",
        "POST /api/placements/{id}/continuations",
    ),
    "my_orders": Ask("{ myOrders { id number state } }", "GET /api/me/orders"),
    "order": Ask(
        """query($id: ID!) { order(id: $id) { id number state version totalMinor
        lines { id sku quantity fulfilledQuantity } fulfillments { id state } } }""",
        "GET /api/orders/{id}",
    ),
    # What the merchant does then.
    "payments": Ask(
        """query($reference: String) { payments(reference: $reference) { items { id actionUrl authorizationStatus
        chargeStatus amountMinor amounts { authorized charged capturable refunded } } } }""",
        "GET /api/payments",
    ),
    "settle_test_payment": Ask(
        """mutation($id: ID!, $key: String!, $approve: Boolean!) {
        settleTestPayment(input: {id: $id, key: $key, approve: $approve}) { authorizationStatus } }""",
        "POST /api/payments/{id}/test-settlements",
    ),
    "create_fulfillment": Ask(
        f"""mutation($orderId: ID!, $version: Int, $lines: [FulfillmentLineInput!]!, $idempotencyKey: String!) {{
        createFulfillment(input: {{orderId: $orderId, version: $version, lines: $lines,
        idempotencyKey: $idempotencyKey}}) {{ {FULFILLMENT} }} }}""",
        "POST /api/orders/{orderId}/fulfillments",
    ),
    "ship_fulfillment": Ask(
        f"""mutation($id: ID!, $trackingNumber: String) {{
        shipFulfillment(id: $id, trackingNumber: $trackingNumber) {{ {FULFILLMENT} }} }}""",
        "POST /api/fulfillments/{id}/shipments",
    ),
    "deliver_fulfillment": Ask(
        f"mutation($id: ID!) {{ deliverFulfillment(id: $id) {{ {FULFILLMENT} }} }}",
        "POST /api/fulfillments/{id}/deliveries",
    ),
    "request_return": Ask(
        """mutation($orderId: ID!, $lines: [ReturnLineInput!]!, $idempotencyKey: String!) { requestReturn(
        input: {orderId: $orderId, lines: $lines, idempotencyKey: $idempotencyKey}) { id state version } }""",
        "POST /api/orders/{orderId}/returns",
    ),
    "receive_return": Ask(
        """mutation($id: ID!, $version: Int, $lines: [ReceivedLineInput!]!, $idempotencyKey: String!) { receiveReturn(
        input: {id: $id, version: $version, lines: $lines, idempotencyKey: $idempotencyKey}) {
        state return { state } } }""",
        "POST /api/returns/{id}/receptions",
    ),
    "refund_return": Ask(
        """mutation($returnId: ID!, $idempotencyKey: String!) { refundReturn(
        input: {returnId: $returnId, idempotencyKey: $idempotencyKey}) { state amountMinor refusal { code } } }""",
        "POST /api/returns/{returnId}/refunds",
    ),
}


def like(found: Any, expected: Any) -> Any:
    """What was found, less the members that are not expected: an API may tell more."""
    if isinstance(found, dict) and isinstance(expected, dict):
        return {name: like(found.get(name), value) for name, value in expected.items()}
    if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        return [like(one, other) for one, other in zip(found, expected, strict=True)]
    return found


class Api(Protocol):
    """who: the headers of whoever asks. A busy order is asked again, as the refusal says."""

    def ask(self, what: str, who: Mapping[str, str], /, **given: Any) -> Any:
        """The answer, which must be one."""

    def refusal(self, what: str, who: Mapping[str, str], /, **given: Any) -> str:
        """The code of the refusal, which must come."""


class GraphqlApi:
    """`/graphql`."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def ask(self, what: str, who: Mapping[str, str], /, **given: Any) -> Any:
        answer = until(lambda: self._unless_busy(what, who, given), what=what)
        assert "errors" not in answer, (what, answer)
        (value,) = answer["data"].values()
        return value

    def refusal(self, what: str, who: Mapping[str, str], /, **given: Any) -> str:
        answer = self._send(what, who, given)
        assert "errors" in answer, (what, answer)
        return str(answer["errors"][0]["extensions"]["code"])

    def _unless_busy(self, what: str, who: Mapping[str, str], given: Mapping[str, Any]) -> Any:
        answer = self._send(what, who, given)
        return None if any(one["extensions"]["code"] == BUSY for one in answer.get("errors", ())) else answer

    def _send(self, what: str, who: Mapping[str, str], given: Mapping[str, Any]) -> Any:
        body = json.dumps({"query": ASKS[what].graphql, "variables": given}).encode()
        headers = {**who, "Content-Type": "application/json"}
        return self._environment.store.request("/graphql", method="POST", body=body, headers=headers).json


class RestApi:
    """`/api`."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def ask(self, what: str, who: Mapping[str, str], /, **given: Any) -> Any:
        answer = until(lambda: self._unless_busy(what, who, given), what=what)
        assert answer.status in {200, 201}, (what, answer)
        return answer.json

    def refusal(self, what: str, who: Mapping[str, str], /, **given: Any) -> str:
        answer = self._send(what, who, given)
        assert answer.status >= 400, (what, answer)
        problem(answer, answer.status, answer.json["code"])
        return str(answer.json["code"])

    def _unless_busy(self, what: str, who: Mapping[str, str], given: Mapping[str, Any]) -> Answer | None:
        answer = self._send(what, who, given)
        return None if answer.status >= 400 and answer.json["code"] == BUSY else answer

    def _send(self, what: str, who: Mapping[str, str], given: Mapping[str, Any]) -> Answer:
        method, path = ASKS[what].rest.split(" ")
        in_path = set(re.findall(r"{(\w+)}", path))
        path = re.sub(r"{(\w+)}", lambda found: quote(given[found[1]], safe=""), path)
        headers = dict(who)
        for argument, header in HEADERS.items():
            if argument in given:
                headers[header] = f'"{given[argument]}"' if argument == "version" else given[argument]
        rest = {one: value for one, value in given.items() if one not in in_path and one not in HEADERS}
        if method in {"GET", "DELETE"}:
            query = urlencode(rest, doseq=True)
            return self._environment.store.request(f"{path}?{query}", method=method, headers=headers)
        body = json.dumps(rest).encode()
        headers["Content-Type"] = "application/json"
        return self._environment.store.request(path, method=method, body=body, headers=headers)


APIS: Mapping[str, type[GraphqlApi] | type[RestApi]] = {"graphql": GraphqlApi, "rest": RestApi}
