"""What a cart costs in the end, and that it is what is ordered: delivery, codes, taxes, and partners' own of each."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest

from contract.cart_shop import FREEZE, MERCHANT, SHOPPER, customer
from contract.order_shop import PAID, PLACE, OrderShop, OrderStage, open_order_stage
from contract.test_catalog_statements import counting
from contract.test_order_crashes import crash
from kokoa.messaging import EmbeddedNats
from kokoa.services.catalog.media.objects import MediaObjects

TOTALS = """currency goodsMinor discountMinor taxIncluded reverseCharge taxNote netMinor taxMinor grossMinor problem
  shipping { key name priceMinor discountMinor taxMinor } codes { code accepted reason discountMinor }
  lines { lineId discountMinor netMinor taxMinor grossMinor } rates { key name basisPoints amountMinor }"""
READ = f"""query($id: ID, $token: String) {{ cart(id: $id, cartToken: $token) {{
  version shippingMethod codes shippingOptions {{ key priceMinor minDays }} totals {{ {TOTALS} }} }} }}"""
ADDRESS = "mutation($input: SetCartAddressesInput!) { setCartAddresses(input: $input) { version } }"
METHOD = "mutation($input: SetCartShippingMethodInput!) { setCartShippingMethod(input: $input) { shippingMethod } }"
CODE = "mutation($input: CartCodeInput!) { addCartCode(input: $input) { codes version } }"
NO_CODE = "mutation($input: CartCodeInput!) { removeCartCode(input: $input) { codes version } }"
SETTINGS = 'mutation { putTaxSettings(input: {defaultCategory: "all", pricesIncludeTax: %s}) { version } }'
SET_UP = (
    'mutation { putTaxCategory(input: {key: "all", name: "All"}) { key } }',
    'mutation { putTaxZone(input: {key: "fi", name: "FI", places: [{country: "FI"}]}) { key } }',
    """mutation { putTaxRate(input: {key: "vat", zone: "fi", category: "all", name: "VAT", basisPoints: 2550}) {
      key } }""",
    'mutation { putShippingZone(input: {key: "fi", name: "FI", places: [{country: "FI"}]}) { key } }',
)
POST = """mutation($active: Boolean!) { putShippingMethod(input: {key: "post", name: "Post", active: $active,
  minDays: 1, maxDays: 3, rates: [{zone: "fi", currency: "EUR", bands: [{from: 0, priceMinor: 590}]}]}) { key } }"""
PROMOTION = "mutation($input: PutPromotionInput!) { putPromotion(input: $input) { used } }"
USED = "query($code: String!) { promotion(code: $code) { used } }"
ORDERED = """query($id: ID!) { order(id: $id) { goodsMinor discountMinor totalMinor netMinor taxMinor taxIncluded
  shipping { key priceMinor discountMinor taxMinor } codes { code discountMinor }
  taxRates { key name basisPoints amountMinor } lines { sku discountMinor taxMinor } } }"""
TAX_PARTNER = """
extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@override", "@shareable"])
type Query { taxes(input: TaxInput!): Taxes! @override(from: "taxes") }
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
"""
SHIPPING_PARTNER = """
extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@override", "@shareable"])
type Query { shippingOptions(input: ShippingOptionsInput!): [ShippingOption!]! @override(from: "shipping") }
input ShippingOptionsInput { destination: ShippingDestinationInput! currency: String! totalMinor: Int!
  weightGrams: Int itemCount: Int }
input ShippingDestinationInput { country: String! region: String postalCode: String }
type ShippingOption @shareable { key: String! name: String! description: String priceMinor: Int! currency: String!
  minDays: Int maxDays: Int taxCategory: String }
"""


@pytest.fixture(scope="module")
async def stage(postgres: str, nats_server: EmbeddedNats, media_objects: MediaObjects) -> AsyncIterator[OrderStage]:
    async with open_order_stage(postgres, nats_server.url, media_objects) as stage:
        yield stage


@pytest.fixture
async def shop(stage: OrderStage) -> AsyncIterator[OrderShop]:
    """Finland has 25.5 % tax on top of prices, and post for 5.90; lamps are at 10 euros."""
    shop = OrderShop(stage)
    await shop.open()
    await shop.product("lamp", price=1_000)
    for document in SET_UP:
        await shop.data(document, MERCHANT)
    await shop.data(SETTINGS % "false", MERCHANT)
    await shop.data(POST, MERCHANT, active=True)
    yield shop
    stage.join()


async def address(shop: OrderShop, cart: Mapping[str, Any], country: str = "FI", who: Any = SHOPPER) -> None:
    given = {"firstName": "A", "lastName": "B", "line1": "Street 1", "city": "Town", "country": country}
    await shop.data(ADDRESS, who, input={"cartToken": cart.get("token"), "shippingAddress": given})


async def promotion(shop: OrderShop, code: str = "TENTH", **more: Any) -> None:
    given = {"code": code, "name": code, "kind": "PERCENT", "basisPoints": 1_000, "stackable": True, **more}
    if given["kind"] != "PERCENT":
        del given["basisPoints"]
    await shop.data(PROMOTION, MERCHANT, input=given)


async def used(shop: OrderShop, code: str = "TENTH") -> int:
    return int((await shop.data(USED, MERCHANT, code=code))["used"])


async def read(shop: OrderShop, cart: Mapping[str, Any], who: Any = SHOPPER) -> Any:
    return await shop.data(READ, who, id=None, token=cart.get("token"))


async def full(shop: OrderShop, *codes: str, method: str | None = "post", quantity: int = 3) -> Any:
    """A cart with an address, a delivery and codes."""
    cart = await shop.full_cart(lamp=quantity)
    await address(shop, cart)
    await shop.data(METHOD, input={"cartToken": cart["token"], "key": method})
    for code in codes:
        await shop.data(CODE, input={"cartToken": cart["token"], "code": code})
    return cart


async def test_a_cart_costs_its_goods_less_codes_with_delivery_and_taxes(shop: OrderShop) -> None:
    await promotion(shop)
    cart = await full(shop, " tenth", "nonsense")
    found = await read(shop, cart)
    assert (found["codes"], found["shippingMethod"]) == (["TENTH", "NONSENSE"], "post")
    assert found["shippingOptions"] == [{"key": "post", "priceMinor": 590, "minDays": 1}]
    totals = found["totals"]
    assert (totals["goodsMinor"], totals["discountMinor"], totals["problem"]) == (3_000, 300, None)
    # 27.00 and 5.90, at 25.5 % each, rounded half up: 6.89 and 1.50.
    assert totals["shipping"] == {
        "key": "post",
        "name": "Post",
        "priceMinor": 590,
        "discountMinor": 0,
        "taxMinor": 150,
    }
    line = totals["lines"][0]
    assert (line["discountMinor"], line["netMinor"], line["taxMinor"], line["grossMinor"]) == (300, 2_700, 689, 3_389)
    assert (totals["taxIncluded"], totals["netMinor"], totals["taxMinor"]) == (False, 3_290, 839)
    assert totals["grossMinor"] == 3_290 + 839
    assert totals["rates"] == [{"key": "vat", "name": "VAT", "basisPoints": 2_550, "amountMinor": 839}]
    assert totals["codes"] == [
        {"code": "TENTH", "accepted": True, "reason": None, "discountMinor": 300},
        {"code": "NONSENSE", "accepted": False, "reason": "UNKNOWN_CODE", "discountMinor": 0},
    ]


async def test_prices_that_include_tax_are_what_is_paid(shop: OrderShop) -> None:
    await shop.data(SETTINGS % "true", MERCHANT)
    totals = (await read(shop, await full(shop)))["totals"]
    assert (totals["taxIncluded"], totals["grossMinor"]) == (True, 3_590)
    assert totals["netMinor"] + totals["taxMinor"] == 3_590


async def test_a_code_takes_delivery_off_and_one_of_a_category_its_goods(shop: OrderShop) -> None:
    await promotion(shop, "FREE", kind="FREE_SHIPPING")
    await promotion(shop, "OTHERS", categoryPaths=["chairs"])
    totals = (await read(shop, await full(shop, "FREE", "OTHERS")))["totals"]
    assert (totals["shipping"]["discountMinor"], totals["shipping"]["taxMinor"]) == (590, 0)
    assert [one["reason"] for one in totals["codes"]] == [None, "NOTHING_TO_DISCOUNT"]
    assert (totals["discountMinor"], totals["netMinor"]) == (0, 3_000)
    create = 'mutation { createCategory(input: {name: "Chairs"}) { path } }'
    path = (await shop.data(create, MERCHANT))["path"]
    assert path == "chairs"
    await shop.product("seat", price=500, category=path)
    cart = await full(shop, "OTHERS")
    await shop.add(cart, seat=2)
    assert [one["discountMinor"] for one in (await read(shop, cart))["totals"]["lines"]] == [0, 100]


async def test_what_is_missing_is_said(shop: OrderShop) -> None:
    await promotion(shop)
    cart = await shop.full_cart(lamp=1)
    await shop.data(CODE, input={"cartToken": cart["token"], "code": "tenth"})
    found = await read(shop, cart)
    totals = found["totals"]
    assert (found["shippingOptions"], totals["problem"]) == ([], "NO_SHIPPING_ADDRESS")
    assert (totals["shipping"], totals["taxMinor"], totals["grossMinor"]) == (None, None, 900)
    await address(shop, cart)
    totals = (await read(shop, cart))["totals"]
    assert (totals["problem"], totals["shipping"], totals["taxMinor"]) == ("NO_SHIPPING_METHOD", None, 230)
    await shop.data(METHOD, input={"cartToken": cart["token"], "key": "rocket"})
    assert (await read(shop, cart))["totals"]["problem"] == "SHIPPING_NOT_OFFERED"
    empty = await shop.cart()
    totals = (await read(shop, empty))["totals"]
    assert (totals["grossMinor"], totals["lines"]) == (0, [])
    listed = await shop.data("{ carts(limit: 2) { totals { grossMinor } shippingOptions { key } } }", MERCHANT)
    assert {str(one) for one in listed} == {"{'totals': None, 'shippingOptions': None}"}


async def test_only_who_asks_for_totals_waits_for_them(shop: OrderShop, monkeypatch: pytest.MonkeyPatch) -> None:
    cart = await full(shop)
    with counting(monkeypatch) as sent:
        await shop.read(cart)
    assert not [one for one in sent if "tax" in one or "promotion" in one or "FROM methods" in one], sent
    assert len(sent) == 3, sent


async def test_ten_codes_each_once_under_the_rules_of_other_changes(shop: OrderShop) -> None:
    cart = await shop.full_cart(lamp=1)
    named = {"cartToken": cart["token"]}
    for n in range(10):
        after = await shop.data(CODE, input={**named, "code": f"code{n}"})
    again = await shop.data(CODE, input={**named, "code": "CODE3"})
    assert again == after == {"codes": [f"CODE{n}" for n in range(10)], "version": 12}
    assert await shop.refusal(CODE, input={**named, "code": "eleven"}) == ("INVALID_CART", "code")
    for bad in ("", "  ", "x" * 65, "a\0b", "a\nb"):
        assert await shop.refusal(CODE, input={**named, "code": bad}) == ("INVALID_CART", "code")
    for bad in ("", "a\0b", "x" * 201):
        assert await shop.refusal(METHOD, input={**named, "key": bad}) == ("INVALID_CART", "key")
    assert await shop.code(CODE, input={**named, "code": "x", "version": 3}) == "CART_CHANGED"
    left = await shop.data(NO_CODE, input={**named, "code": "code3"})
    assert "CODE3" not in left["codes"]
    assert await shop.code(CODE, customer(), input={"id": cart["id"], "code": "x"}) == "CART_NOT_FOUND"
    await shop.data(FREEZE, MERCHANT, id=cart["id"], key="k")
    for document, more in ((CODE, {"code": "x"}), (NO_CODE, {"code": "code1"}), (METHOD, {"key": "post"})):
        assert await shop.code(document, input={**named, **more}) == "CART_FROZEN"


async def test_what_was_seen_is_ordered_and_paid(shop: OrderShop) -> None:
    await promotion(shop)
    cart = await full(shop, "tenth")
    refused = await shop.place(cart, key="old", expectedTotalMinor=3_000)
    assert refused["refusal"]["code"] == "TOTAL_CHANGED"
    assert await used(shop) == 0
    order = (await shop.place(cart, expectedTotalMinor=4_129))["order"]
    kept = await shop.data(ORDERED, MERCHANT, id=order["id"])
    assert kept == {
        "goodsMinor": 3_000,
        "discountMinor": 300,
        "totalMinor": 4_129,
        "netMinor": 3_290,
        "taxMinor": 839,
        "taxIncluded": False,
        "shipping": {"key": "post", "priceMinor": 590, "discountMinor": 0, "taxMinor": 150},
        "codes": [{"code": "TENTH", "discountMinor": 300}],
        "taxRates": [{"key": "vat", "name": "VAT", "basisPoints": 2_550, "amountMinor": 839}],
        "lines": [{"sku": "lamp", "discountMinor": 300, "taxMinor": 689}],
    }
    assert (await shop.data(PAID, MERCHANT, id=order["id"]))["payment"]["amountMinor"] == 4_129
    assert await used(shop) == 1


async def test_what_is_offered_and_accepted_no_more_is_refused_with_its_field(shop: OrderShop) -> None:
    await promotion(shop)
    cart = await full(shop, "tenth")
    await promotion(shop, active=False)
    refusal = (await shop.place(cart, key="1"))["refusal"]
    assert (refusal["code"], refusal["field"]) == ("CODE_NOT_ACCEPTED", "cart.codes.0")
    await shop.data(NO_CODE, input={"cartToken": cart["token"], "code": "tenth"})
    await shop.data(POST, MERCHANT, active=False)
    refusal = (await shop.place(cart, key="2"))["refusal"]
    assert (refusal["code"], refusal["field"]) == ("SHIPPING_NOT_OFFERED", "cart.shippingMethod")
    await shop.data(POST, MERCHANT, active=True)
    await shop.data(METHOD, input={"cartToken": cart["token"], "key": None})
    refusal = (await shop.place(cart, key="3"))["refusal"]
    assert (refusal["code"], refusal["field"]) == ("NO_SHIPPING_METHOD", "cart.shippingMethod")
    # Where nothing is offered, and nothing taxed, it is ordered as it is.
    await address(shop, cart, "SE")
    order = (await shop.place(cart, key="4"))["order"]
    assert order["totalMinor"] == 3_000


async def test_a_refused_payment_gives_codes_back(shop: OrderShop) -> None:
    await promotion(shop, usesMax=1)
    cart = await full(shop, "tenth")
    assert (await shop.place(cart, key="1", method="declined"))["refusal"]["code"] == "PAYMENT_DECLINED"
    assert await used(shop) == 0
    assert (await shop.place(cart, key="2"))["state"] == "PLACED"
    assert await used(shop) == 1


async def test_sixty_shoppers_use_a_code_twenty_times(shop: OrderShop) -> None:
    await promotion(shop, usesMax=20)
    carts = []
    for _ in range(6):
        carts += await asyncio.gather(*(_with_code(shop) for _ in range(10)))
    answers = await asyncio.gather(*(shop.place(cart) for cart in carts))
    for _ in range(50):
        if not any(one["state"] == "IN_PROGRESS" for one in answers):
            break
        await shop.sweep()
        answers = [await shop.place(cart) for cart in carts]
    assert [one["state"] for one in answers].count("PLACED") == 20
    refusals = {(one["refusal"]["code"], one["refusal"]["field"]) for one in answers if one["state"] == "REFUSED"}
    assert refusals <= {("PROMOTION_USED_UP", "cart.codes.0"), ("CODE_NOT_ACCEPTED", "cart.codes.0")}
    assert await used(shop) == 20
    assert {one["totalMinor"] for one in await shop.orders()} == {900}


async def _with_code(shop: OrderShop) -> Any:
    cart = await shop.full_cart(lamp=1)
    await shop.data(CODE, input={"cartToken": cart["token"], "code": "tenth"})
    return cart


@pytest.mark.parametrize("step", ["order.codes_redeemed", "refusal.codes_released"])
async def test_a_code_is_used_once_or_not_at_all_whatever_dies(
    shop: OrderShop, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await promotion(shop)
    cart = await full(shop, "tenth")
    method = "ok" if step.startswith("order.") else "declined"
    await crash(shop, cart, step, monkeypatch, method=method)
    await shop.sweep()
    placed = await shop.place(cart, method=method)
    assert (placed["state"], await used(shop)) == (("PLACED", 1) if method == "ok" else ("REFUSED", 0))
    assert len(await shop.orders()) == (1 if method == "ok" else 0)


def a_tenth(_: Sequence[Any], args: Mapping[str, Any], _call: Any) -> list[Any]:
    """A partner's taxes: a tenth of everything."""
    given = args["input"]

    def taxed(amount: int) -> dict[str, Any]:
        tax = amount // 10
        return {"net_minor": amount, "tax_minor": tax, "gross_minor": amount + tax, "rates": []}

    lines = [{"key": one["key"], "reverse_charge": False, **taxed(one["amount_minor"])} for one in given["lines"]]
    shipping = given.get("shipping") and taxed(given["shipping"]["amount_minor"])
    return [
        {
            "zone": "partner",
            "currency": given["currency"],
            "prices_include_tax": False,
            "reverse_charge": False,
            "lines": lines,
            "shipping": shipping,
            "net_minor": 0,
            "tax_minor": 0,
            "gross_minor": 0,
            "rates": [],
        }
    ]


def by_drone(price_minor: int) -> Any:
    def resolve(_: Sequence[Any], args: Mapping[str, Any], _call: Any) -> list[Any]:
        return [
            [{"key": "drone", "name": "Drone", "price_minor": price_minor, "currency": args["input"]["currency"]}]
        ]

    return resolve


async def test_a_partners_taxes_are_the_carts_and_the_orders(shop: OrderShop) -> None:
    cart = await full(shop)
    shop.stage.join(partner=(TAX_PARTNER, {"Query.taxes": a_tenth}))
    totals = (await read(shop, cart))["totals"]
    assert (totals["taxMinor"], totals["grossMinor"]) == (300 + 59, 3_949)
    assert (await shop.place(cart, expectedTotalMinor=3_949))["order"]["totalMinor"] == 3_949


async def test_a_partners_delivery_is_the_carts_and_the_orders(shop: OrderShop) -> None:
    cart = await full(shop, method="drone")
    shop.stage.join(partner=(SHIPPING_PARTNER, {"Query.shippingOptions": by_drone(1_000)}))
    found = await read(shop, cart)
    assert [one["key"] for one in found["shippingOptions"]] == ["drone"]
    assert found["totals"]["netMinor"] == 4_000
    order = (await shop.place(cart))["order"]
    assert (await shop.data(ORDERED, MERCHANT, id=order["id"]))["shipping"]["key"] == "drone"


async def test_a_partner_who_answers_nonsense_makes_no_cart_cheaper(shop: OrderShop) -> None:
    cart = await full(shop, method="drone")
    shop.stage.join(partner=(SHIPPING_PARTNER, {"Query.shippingOptions": by_drone(-3_000)}))
    found = await read(shop, cart)
    assert (found["shippingOptions"], found["totals"]["problem"]) == (None, "UNAVAILABLE")
    assert found["totals"]["grossMinor"] == 3_000
    waiting = await shop.data(PLACE, input=shop.order_of(cart))
    assert waiting["state"] == "IN_PROGRESS"
    shop.stage.join(partner=(SHIPPING_PARTNER, {"Query.shippingOptions": by_drone(0)}))
    await shop.sweep()
    assert (await shop.place(cart))["order"]["totalMinor"] == 3_765
