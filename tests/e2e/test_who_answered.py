"""A partner takes prices, taxes, delivery and discounts over: what is paid follows, and the order says whose answers.

Natively a lamp is 10.00, a code takes 10 % off, post is 5.90, and 25.5 % tax comes on top. The partner says 7.50,
1.00 off, post for 10.00, and 10 %.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from partners import Environment, Partner, new_environment
from running import RunningStore, until

FIELDS = ("Variant.price", "Query.taxes", "Query.shippingOptions", "Query.promotionDiscounts")
SDL = """
extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@override", "@shareable"])
type Variant @key(fields: "id") { id: ID!  price: Float! @override(from: "catalog") }
type Query {
  taxes(input: TaxInput!): Taxes! @override(from: "taxes")
  shippingOptions(input: ShippingOptionsInput!): [ShippingOption!]! @override(from: "shipping")
  promotionDiscounts(input: PromotionDiscountsInput!): PromotionDiscounts! @override(from: "promotions")
}
input TaxInput { destination: TaxDestinationInput! currency: String! lines: [TaxLineInput!]!
  shipping: TaxShippingInput vatNumber: String company: Boolean }
input TaxDestinationInput { country: String! region: String postalCode: String }
input TaxLineInput { key: String! amountMinor: Int! taxCategory: String sku: String }
input TaxShippingInput { amountMinor: Int! taxCategory: String }
type Taxes @shareable { zone: String currency: String! pricesIncludeTax: Boolean! reverseCharge: Boolean! note: String
  lines: [TaxedLine!]! shipping: TaxedShipping netMinor: Int! taxMinor: Int! grossMinor: Int! rates: [TaxAmount!]! }
type TaxedLine @shareable { key: String! taxCategory: String rates: [TaxAmount!]! netMinor: Int! taxMinor: Int!
  grossMinor: Int! reverseCharge: Boolean! }
type TaxedShipping @shareable { rates: [TaxAmount!]! netMinor: Int! taxMinor: Int! grossMinor: Int! }
type TaxAmount @shareable { key: String! name: String! basisPoints: Int! amountMinor: Int! }
input ShippingOptionsInput { destination: ShippingDestinationInput! currency: String! totalMinor: Int!
  weightGrams: Int itemCount: Int }
input ShippingDestinationInput { country: String! region: String postalCode: String }
type ShippingOption @shareable { key: String! name: String! description: String priceMinor: Int! currency: String!
  minDays: Int maxDays: Int taxCategory: String }
input PromotionDiscountsInput { codes: [String!]! currency: String! lines: [PromotionLineInput!]!
  shippingMinor: Int! = 0 customerId: ID customerGroups: [String!]! = [] }
input PromotionLineInput { key: String! sku: String amountMinor: Int! quantity: Int! = 1
  categoryPaths: [String!]! = [] }
type PromotionDiscounts @shareable { currency: String! codes: [PromotionCodeResult!]! lines: [PromotionLineDiscount!]!
  shippingDiscountMinor: Int! discountMinor: Int! totalDiscountMinor: Int! }
type PromotionCodeResult @shareable { code: String! accepted: Boolean! reason: PromotionRefusal name: String
  minimumMinor: Int discountMinor: Int! shippingDiscountMinor: Int! }
enum PromotionRefusal { UNKNOWN_CODE NOT_YET_VALID EXPIRED NOT_FOR_YOU USED_UP WRONG_CURRENCY MINIMUM_NOT_REACHED
  NOTHING_TO_DISCOUNT NOT_COMBINABLE }
type PromotionLineDiscount @shareable { key: String! discountMinor: Int! }
"""
HANDLER = """
import os

def taxed(amount):
    return {"rates": [], "netMinor": amount, "taxMinor": amount // 10, "grossMinor": amount + amount // 10,
            "reverseCharge": False}

def handler(event, context):
    field, given = event["field"], event["arguments"].get("input")
    if field in os.environ["FAILS"].split(","):
        raise RuntimeError("the ERP is away")
    if field == "Variant.price":
        return [7.5 for _ in event["parents"]]
    if field == "Query.shippingOptions":
        return [[{"key": "post", "name": "ERP post", "priceMinor": 1000, "currency": given["currency"]}]]
    if field == "Query.promotionDiscounts":
        lines = [{"key": one["key"], "discountMinor": 100} for one in given["lines"]]
        codes = [{"code": one, "accepted": True, "discountMinor": 100, "shippingDiscountMinor": 0}
                 for one in given["codes"]]
        return [{"currency": given["currency"], "codes": codes, "lines": lines, "shippingDiscountMinor": 0,
                 "discountMinor": 100, "totalDiscountMinor": 100}]
    lines = [{"key": one["key"], **taxed(one["amountMinor"])} for one in given["lines"]]
    delivery = taxed(given["shipping"]["amountMinor"]) if given.get("shipping") else None
    parts = [*lines, *([delivery] if delivery else [])]
    sums = {name: sum(one[name] for one in parts) for name in ("netMinor", "taxMinor", "grossMinor")}
    return [{"currency": given["currency"], "pricesIncludeTax": False, "reverseCharge": False, "rates": [],
             "lines": lines, "shipping": delivery, **sums}]
"""
TABLES = """mutation {
  putTaxCategory(input: {key: "all", name: "All"}) { key }
  putTaxZone(input: {key: "fi", name: "FI", places: [{country: "FI"}]}) { key }
  putTaxRate(input: {key: "vat", zone: "fi", category: "all", name: "VAT", basisPoints: 2550}) { key }
  putTaxSettings(input: {defaultCategory: "all", pricesIncludeTax: false}) { version }
  putShippingZone(input: {key: "fi", name: "FI", places: [{country: "FI"}]}) { key }
  putShippingMethod(input: {key: "post", name: "Post",
    rates: [{zone: "fi", currency: "EUR", bands: [{priceMinor: 590}]}]}) { key }
  putPromotion(input: {code: "TENTH", name: "A tenth", kind: PERCENT, basisPoints: 1000}) { code }
  createProduct(input: {name: "Lamp", status: PUBLISHED,
    variants: [{sku: "LAMP", name: "Lamp", priceMinor: 1000, currency: "EUR"}]}) { id }
}"""
SOURCE = "{ subgraph fallback }"
CART = f"""query($id: ID!) {{ cart(id: $id) {{ pricesAsOf lines {{ id unitPriceMinor priceAnsweredBy {SOURCE} }}
  totals {{ goodsMinor discountMinor grossMinor problem
    taxSource {SOURCE} shippingSource {SOURCE} discountSource {SOURCE} }} }} }}"""
ORDER = f"""query($id: ID!) {{ order(id: $id) {{ totalMinor goodsMinor discountMinor taxMinor
  taxSource {SOURCE} discountSource {SOURCE} shipping {{ priceMinor source {SOURCE} }}
  lines {{ unitPriceMinor priceAnsweredBy {SOURCE} }} payment {{ amountMinor }} }} }}"""
ERP = {"subgraph": "erp", "fallback": False}


class Shop:
    """A store with a partner who answers for everything that money depends on."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment

    def hand_over_to(self, partner: Partner, folder: Path) -> None:
        """From now on the partner's function is asked."""
        self.partner, environment = partner, self.environment
        partner.deploy("erp", HANDLER, Environment={"Variables": {"FAILS": ""}}, Timeout=20)
        partner.lambda_.get_waiter("function_active_v2").wait(FunctionName="erp")
        (folder / "erp.graphql").write_text(SDL)
        keys = f"AWS_ACCESS_KEY_ID={partner.key_id} AWS_SECRET_ACCESS_KEY={partner.secret}"
        url = environment.store.url
        environment.store.run(
            f"{keys} AWS_ENDPOINT_URL={url} kokoa graph publish erp {folder}/erp.graphql --fields erp"
        )
        for field in FIELDS:
            self.policy(field, "--deadline 10s")

    def policy(self, field: str, *words: str) -> None:
        self.environment.store.run(
            f"kokoa overrides set {field} {' '.join(words)} --tenant {self.environment.tenant}"
        )

    def fail(self, *fields: str) -> None:
        """Of these fields the function says nothing from now on."""
        lambda_ = self.partner.lambda_
        lambda_.update_function_configuration(
            FunctionName="erp", Environment={"Variables": {"FAILS": ",".join(fields)}}
        )
        lambda_.get_waiter("function_updated_v2").wait(FunctionName="erp")

    def manage(self, query: str, **variables: Any) -> Any:
        """The first field's value."""
        answer = self.environment.graphql(query, **variables).json
        assert "errors" not in answer, answer
        return next(iter(answer["data"].values()))

    def shopper(self, query: str, **given: Any) -> Any:
        """What a shopper is answered for an input."""
        headers = {**self.environment.shopper, "Content-Type": "application/json"}
        body = json.dumps({"query": query, "variables": {"input": given}}).encode()
        return self.environment.store.request("/graphql", method="POST", body=body, headers=headers).json

    def cart(self) -> dict[str, str]:
        """Two lamps with a code, to be sent by post. Each request is right by itself, whatever the partner says."""
        made = self.shopper(
            "mutation($input: CreateCartInput!) { createCart(input: $input) { cart { id } cartToken } }",
            currency="EUR",
        )["data"]["createCart"]
        token = made["cartToken"]
        address = {"firstName": "A", "lastName": "B", "line1": "Street 1", "city": "Town", "country": "FI"}
        for name, kind, given in (
            ("addCartLines", "AddCartLinesInput", {"lines": [{"sku": "LAMP", "quantity": 2}]}),
            ("setCartAddresses", "SetCartAddressesInput", {"shippingAddress": address}),
            ("setCartShippingMethod", "SetCartShippingMethodInput", {"key": "post"}),
            ("addCartCode", "CartCodeInput", {"code": "TENTH"}),
        ):
            done = self.shopper(
                f"mutation($input: {kind}!) {{ {name}(input: $input) {{ id }} }}", cartToken=token, **given
            )
            assert "errors" not in done, done
        return {"id": made["cart"]["id"], "token": token}

    def shown(self, cart: dict[str, str], gross_minor: int) -> Any:
        """The cart as management sees it, once it costs so much."""

        def costs() -> Any:
            found = self.manage(CART, id=cart["id"])
            return found if found["totals"]["grossMinor"] == gross_minor and not found["totals"]["problem"] else None

        return until(costs, within_s=90, what=f"a total of {gross_minor}")

    def place(self, cart: dict[str, str], key: str = "1", expected: int | None = None) -> Any:
        placed = self.shopper(
            "mutation($input: PlaceOrderInput!) { placeOrder(input: $input) { id state refusal { code } } }",
            cartToken=cart["token"],
            paymentProvider="manual",
            idempotencyKey=f"{cart['id']}-{key}",
            expectedTotalMinor=expected,
        )
        assert "errors" not in placed, placed
        return placed["data"]["placeOrder"]

    def ordered(self, cart: dict[str, str], total_minor: int) -> Any:
        """The order that is made of the cart; what is paid is what it costs."""
        placed = until(
            lambda: (now := self.place(cart, expected=total_minor))["state"] != "IN_PROGRESS" and now,
            within_s=120,
            what="the end of the placement",
        )
        assert placed["state"] == "PLACED", placed
        order = self.manage(ORDER, id=placed["id"])
        assert (order["totalMinor"], order["payment"]["amountMinor"]) == (total_minor, total_minor)
        return order


@pytest.fixture(scope="module")
def shop(store: RunningStore, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    environment = new_environment(store)
    assert "errors" not in (made := environment.graphql(TABLES).json), made
    shop = Shop(environment)
    shop.hand_over_to(environment.partner("acme", *FIELDS), tmp_path_factory.mktemp("erp"))
    return shop


def sources(found: Any) -> set[tuple[str, bool]]:
    """All that stand anywhere in an answer."""
    if isinstance(found, list):
        return set().union(*map(sources, found))
    if not isinstance(found, dict):
        return set()
    if found.keys() == {"subgraph", "fallback"}:
        return {(found["subgraph"], found["fallback"])}
    return set().union(*map(sources, found.values()))


def test_what_a_partner_answers_is_what_is_paid_and_the_order_says_so(shop: Shop) -> None:
    shop.fail()
    cart = shop.cart()
    # 2 x 7.50 - 1.00 + 10 %, and 10.00 + 10 % for the post
    found = shop.shown(cart, 2_640)
    assert sources(found) == {("erp", False)}
    order = shop.ordered(cart, 2_640)
    assert order == {
        "totalMinor": 2_640,
        "goodsMinor": 1_500,
        "discountMinor": 100,
        "taxMinor": 240,
        "taxSource": ERP,
        "discountSource": ERP,
        "shipping": {"priceMinor": 1_000, "source": ERP},
        "lines": [{"unitPriceMinor": 750, "priceAnsweredBy": ERP}],
        "payment": {"amountMinor": 2_640},
    }


def test_where_it_fails_the_store_answers_and_the_order_says_which_answer_that_was(shop: Shop) -> None:
    cart = shop.cart()
    shop.fail("Query.taxes")
    # As before, with 25.5 %.
    found = shop.shown(cart, 3_012)
    order = shop.ordered(cart, 3_012)
    for one in (found["totals"], order):
        assert one["taxSource"] == {"subgraph": "taxes", "fallback": True}
        assert one["discountSource"] == ERP
    assert (order["shipping"]["source"], order["lines"][0]["priceAnsweredBy"]) == (ERP, ERP)
    cart = shop.cart()
    shop.fail(*FIELDS)
    # 20.00 - 10 % + 25.5 %, and 5.90 + 25.5 %
    found = shop.shown(cart, 2_999)
    own = {(name, True) for name in ("catalog", "taxes", "shipping", "promotions")}
    assert sources(found) == own
    assert sources(shop.ordered(cart, 2_999)) == own


@pytest.mark.parametrize("field", ["Query.taxes", "Variant.price"])
def test_where_the_store_may_not_answer_instead_nothing_is_ordered_until_the_partner_does(
    shop: Shop, field: str
) -> None:
    shop.fail()
    cart = shop.cart()
    shop.shown(cart, 2_640)
    shop.policy(field, "--no-fallback")
    shop.fail(field)

    def unknown() -> bool:
        found = shop.manage(CART, id=cart["id"])
        if field == "Variant.price":
            return found["pricesAsOf"] is not None
        return found["totals"]["problem"] == "UNAVAILABLE" and found["totals"]["taxSource"] is None

    until(lambda: all(unknown() for _ in range(4)), within_s=60, what="the policy in every process")
    waiting = shop.place(cart, expected=2_640)
    assert (waiting["state"], waiting["refusal"]) == ("IN_PROGRESS", None)
    assert shop.manage("query($id: ID!) { order(id: $id) { id } }", id=waiting["id"]) is None
    assert shop.manage("query($id: String!) { payments(reference: $id) { items { id } } }", id=waiting["id"]) == {
        "items": []
    }
    shop.fail()
    order = shop.ordered(cart, 2_640)
    assert sources(order) == {("erp", False)}
    shop.policy(field, "--fallback")


def test_a_store_without_partners_says_that_it_answered_itself_and_shoppers_are_not_told(store: RunningStore) -> None:
    environment = new_environment(store)
    assert "errors" not in environment.graphql(TABLES).json
    shop = Shop(environment)
    cart = shop.cart()
    own = {(name, False) for name in ("catalog", "taxes", "shipping", "promotions")}
    assert sources(shop.shown(cart, 2_999)) == own
    assert sources(shop.ordered(cart, 2_999)) == own
    headers = {**environment.shopper, "Content-Type": "application/json"}
    for asked in ("totals { taxSource { subgraph } }", "lines { priceAnsweredBy { subgraph } }"):
        query = f'{{ cart(cartToken: "{cart["token"]}") {{ id {asked} }} }}'
        body = json.dumps({"query": query}).encode()
        answer = environment.store.request("/graphql", method="POST", body=body, headers=headers).json
        assert "catalog" not in json.dumps(answer.get("data"))
        assert answer["errors"], answer
