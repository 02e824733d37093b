"""A store with something of everything, each of whose texts bears a mark, for the walk over the whole schema.

What its storefront may show bears `open…`, everything else `secret…`. Keys, ids, SKUs and e-mail addresses bear none:
they are what a stranger sends, and errors name what was sent.
"""

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from partners import Environment, Partner
from PIL import Image

PASSWORD = "correct horse battery 7"
ADDRESS = {"firstName": "?", "lastName": "?", "line1": "?", "city": "?", "country": "FI", "postalCode": "00100"}
FUNCTION = """
import json, os
def handler(event, context):
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    return {name: os.environ[name] for name in names}
"""


class Store:
    """One environment.  known: values by kind, `Product` → its ids; the first are what nobody else may know of."""

    def __init__(self, environment: Environment, tag: str) -> None:
        self.environment = environment
        self.tag = tag
        self.open, self.secret = f"open{tag}", f"secret{tag}"
        self.known: dict[str, list[Any]] = {}
        self.access: dict[str, str] = {}
        self.partner: Partner | None = None

    def learn(self, kind: str, *values: Any) -> Any:
        """The first of them."""
        self.known.setdefault(kind, []).extend(values)
        return values[0]

    def manage(self, field: str, selection: str = "id", **arguments: Any) -> Any:
        """One root field, with the tenant's secrets; nothing may fail."""
        return self._done(self.environment.secrets, field, selection, arguments)

    def shop(self, field: str, selection: str = "id", *, by: str = "", **arguments: Any) -> Any:
        """The same as a shopper, or as a customer who is signed in."""
        bearer = {"Authorization": f"Bearer {self.access[by]}"} if by else {}
        return self._done({**self.environment.shopper, **bearer}, field, selection, arguments)

    def _done(self, headers: Mapping[str, str], field: str, selection: str, arguments: Mapping[str, Any]) -> Any:
        given = f"({literals(arguments)})" if arguments else ""
        selected = f" {{ {selection} }}" if selection else ""
        kind = (
            "query"
            if field in ("product", "cart", "productChanges", "stockChanges", "customerChanges")
            else "mutation"
        )
        body = json.dumps({"query": f"{kind} {{ {field}{given}{selected} }}"}).encode()
        sent = {**headers, "Content-Type": "application/json"}
        answer = self.environment.store.request("/graphql", method="POST", body=body, headers=sent).json
        assert "errors" not in answer, (field, answer)
        return answer["data"][field]

    def fill(self) -> "Store":
        """Everything."""
        self._catalogue()
        self._pictures()
        self._stock()
        self._rates()
        self._customers()
        self._carts()
        self._orders()
        self._erp()
        self._payments()
        self._functions()
        return self

    def _catalogue(self) -> None:
        tag = self.tag
        self.learn(
            "Category",
            self.manage("createCategory", input={"name": f"{self.open} kinds", "slug": f"kinds{tag}"})["id"],
        )
        self.learn(
            "Category", self.manage("createCategory", input={"name": f"{self.open} more", "slug": f"more{tag}"})["id"]
        )
        self.learn("CategoryPath", f"kinds{tag}", f"more{tag}")
        kind = {"key": f"type{tag}", "name": f"{self.open} type", "attributes": []}
        self.learn("ProductType", self.manage("createProductType", input=kind)["id"])
        self.learn("ProductTypeKey", f"type{tag}")
        channel = {"key": f"channel{tag}", "name": f"{self.open} channel", "currency": "EUR"}
        self.learn("Channel", self.manage("createChannel", input=channel)["id"])
        self.learn("ChannelKey", f"channel{tag}")
        self.manage("setLocales", "code", input={"default": "en", "locales": [{"code": "de"}]})
        self.manage(
            "defineCustomField",
            "key",
            input={"on": "$PRODUCT", "key": "walked", "type": "$STRING", "description": self.secret},
        )
        self.learn("FieldKey", "walked")
        draft = self._product("draft", self.secret, "DRAFT")
        lamp = self._product("lamp", self.open, "PUBLISHED")
        self.manage("translateProduct", id=draft, version=1, locale="de", input={"name": f"Lampe {self.secret}"})
        self.manage("setProductSeo", id=draft, version=2, input={"title": self.secret})
        self.manage("relateProducts", id=draft, version=3, kind="$RELATED", productIds=[lamp])
        self.manage("schedulePublication", id=draft, version=4, publishAt="2030-01-01T00:00:00Z")
        staged = {"id": lamp, "version": 1, "description": f"staged {self.secret}"}
        self.manage("stageProductChanges", input=staged)
        self.manage("relateProducts", id=lamp, version=2, kind="$RELATED", productIds=[draft])
        prices = [{"channel": f"channel{tag}", "currency": "EUR", "priceMinor": 900}]
        self.manage(
            "setVariantPrices",
            input={"id": lamp, "version": 3, "variants": [{"sku": f"LAMP-{tag}", "prices": prices}]},
        )
        self.manage("addSearchSynonyms", "word", word=f"word{tag}", meanings=[f"{self.secret} lamp"])
        self.manage("boostSearch", "factor", productId=lamp, factor=2.5)

    def _product(self, name: str, mark: str, status: str) -> str:
        made = self.manage(
            "createProduct",
            "id variants { id }",
            input={
                "name": f"Lamp {mark}",
                "slug": f"{name}{self.tag}",
                "description": f"a lamp {mark}",
                "category": f"kinds{self.tag}",
                "externalReference": f"{name}-{self.tag}",
                "productType": f"type{self.tag}",
                "status": f"${status}",
                "variants": [
                    {
                        "sku": f"{name.upper()}-{self.tag}",
                        "name": mark,
                        "priceMinor": 1_000,
                        "currency": "EUR",
                        "weightGrams": 100,
                        "externalReference": f"variant-{name}-{self.tag}",
                    }
                ],
            },
        )
        self.learn("Slug", f"{name}{self.tag}")
        self.learn("Sku", f"{name.upper()}-{self.tag}")
        self.learn("ProductReference", f"{name}-{self.tag}")
        self.learn("VariantReference", f"variant-{name}-{self.tag}")
        self.learn("Variant", made["variants"][0]["id"])
        return str(self.learn("Product", made["id"]))

    def _pictures(self) -> None:
        out = BytesIO()
        Image.new("RGB", (80, 60), (200, len(self.tag) * 9, sum(self.tag.encode()) % 255)).save(out, "PNG")
        for product, mark in zip(self.known["Product"], (self.secret, self.open), strict=True):
            answer = self.environment.store.request(
                f"/api/products/{product}/media?alt={mark}",
                method="POST",
                body=out.getvalue(),
                headers={**self.environment.secrets, "Content-Type": "image/png"},
            )
            assert answer.status == 201, answer
            self.learn("Media", answer.json["id"])
            self.learn("File", answer.json["url"])

    def _stock(self) -> None:
        for key in (f"north{self.tag}", f"south{self.tag}"):
            made = self.manage("createStockLocation", input={"key": key, "name": self.secret})
            self.learn("StockLocation", made["id"])
            self.learn("LocationKey", key)
        for sku in self.known["Sku"]:
            given = {
                "sku": sku,
                "location": f"north{self.tag}",
                "delta": 50,
                "reason": "$RECEIVED",
                "note": self.secret,
            }
            self.manage("adjustStock", "sku", input=given)
        key = self.learn("Reservation", f"reservation-{self.tag}")
        lines = [{"sku": self.known["Sku"][0], "quantity": 2}]
        self.manage("reserveStock", "key", input={"key": key, "lines": lines})

    def _rates(self) -> None:
        tag, places = self.tag, [{"country": "FI"}]
        rate = {
            "key": f"rate{tag}",
            "zone": f"zone{tag}",
            "category": f"all{tag}",
            "name": self.open,
            "basisPoints": 2_550,
        }
        bands = [{"zone": f"zone{tag}", "currency": "EUR", "bands": [{"priceMinor": 590}]}]
        self.manage("putTaxCategory", "key", input={"key": f"all{tag}", "name": self.secret})
        self.manage("putTaxZone", "key", input={"key": f"zone{tag}", "name": self.secret, "places": places})
        self.manage("putTaxRate", "key", input=rate)
        self.manage("putTaxSettings", "version", input={"defaultCategory": f"all{tag}"})
        self.manage("putShippingZone", "key", input={"key": f"zone{tag}", "name": self.secret, "places": places})
        self.manage("putShippingMethod", "key", input={"key": f"post{tag}", "name": self.open, "rates": bands})
        code = {"code": f"CODE-{tag.upper()}", "name": self.open, "kind": "$PERCENT", "basisPoints": 1_000}
        self.manage("putPromotion", "code", input=code)
        redemption = {"code": f"CODE-{tag.upper()}", "key": f"redemption-{tag}"}
        self.manage("redeemPromotion", "key", input=redemption)
        self.learn("TaxCategory", f"all{tag}")
        self.learn("Zone", f"zone{tag}")
        self.learn("TaxRate", f"rate{tag}")
        self.learn("Method", f"post{tag}")
        self.learn("Code", f"CODE-{tag.upper()}")
        self.learn("Redemption", f"redemption-{tag}")

    def _customers(self) -> None:
        group = self.learn("GroupKey", f"group{self.tag}")
        self.manage("putCustomerGroup", "key", key=group, name=self.secret)
        for name, mark in (("ann", self.secret), ("bob", "bob")):
            given = {
                "email": f"{name}@{self.tag}.example.com",
                "password": PASSWORD,
                "firstName": mark,
                "lastName": mark,
            }
            made = self.shop("registerCustomer", "customer { id } tokens { accessToken refreshToken }", input=given)
            self.access[name] = made["tokens"]["accessToken"]
            if name == "bob":
                break
            self.learn("Email", given["email"])
            self.learn("Password", PASSWORD)
            self.learn("Customer", made["customer"]["id"])
            self.learn("RefreshToken", made["tokens"]["refreshToken"])
        address = {
            **ADDRESS,
            "firstName": self.secret,
            "lastName": self.secret,
            "line1": self.secret,
            "city": self.secret,
        }
        self.learn("Address", self.shop("addAddress", by="ann", input=address)["id"])
        customer = self.known["Customer"][0]
        self.manage("setCustomerGroups", customerId=customer, keys=[group])
        update = {"id": customer, "version": 3, "externalReference": f"customer-{self.tag}"}
        self.manage("updateCustomer", input=update)
        self.learn("CustomerReference", f"customer-{self.tag}")
        company = {"name": self.secret, "vatNumber": "FI12345678", "externalReference": f"company-{self.tag}"}
        self.learn("Company", self.manage("createCompany", input=company)["id"])
        company_id = self.known["Company"][0]
        self.manage("setCompanyRole", companyId=company_id, email=self.known["Email"][0], role="$ADMIN")

    def _cart(self, by: str = "") -> dict[str, Any]:
        """Lamps for somebody in Finland, by post."""
        made = self.shop("createCart", "cart { id } cartToken", by=by, input={"currency": "EUR"})
        key = {"cartToken": made["cartToken"]} if made["cartToken"] else {"id": made["cart"]["id"]}
        lines = [{"sku": self.known["Sku"][1], "quantity": 3}]
        self.shop("addCartLines", by=by, input={**key, "lines": lines})
        where = {
            **ADDRESS,
            "firstName": self.secret,
            "lastName": self.secret,
            "line1": self.secret,
            "city": self.secret,
        }
        self.shop("setCartAddresses", by=by, input={**key, "shippingAddress": where, "billingAddress": where})
        self.shop("setCartShippingMethod", by=by, input={**key, "key": self.known["Method"][0]})
        self.shop("setCartNote", by=by, input={**key, "note": self.secret})
        self.shop("addCartCode", by=by, input={**key, "code": self.known["Code"][0]})
        read = self.shop("cart", "id lines { id }", by=by, **key)
        return {"id": read["id"], "line": read["lines"][0]["id"], "token": made["cartToken"], **key}

    def _carts(self) -> None:
        """An anonymous cart, then one of ann's, which is ordered; the cart after that is hers too."""
        anonymous = self._cart()
        self.learn("Cart", anonymous["id"])
        self.learn("CartToken", anonymous["token"])
        self.learn("CartLine", anonymous["line"])
        custom = {"id": anonymous["id"], "name": self.secret, "unitPriceMinor": 5}
        self.manage("addCustomCartLine", input=custom)

    def _order(self, by: str = "") -> tuple[dict[str, Any], Any]:
        cart = self._cart(by)
        key = {"cartToken": cart["token"]} if cart["token"] else {"cartId": cart["id"]}
        given = {**key, "paymentProvider": "manual", "idempotencyKey": f"order-{by}-{self.tag}"}
        placed = self.shop(
            "placeOrder", "state order { id number totalMinor payment { id } lines { id } }", by=by, input=given
        )
        assert placed["state"] == "PLACED", placed
        return cart, placed["order"]

    def _orders(self) -> None:
        for by in ("ann", ""):
            cart, order = self._order(by)
            self.learn("OrderedCart", cart["id"])
            self.learn("Order", order["id"])
            self.learn("OrderNumber", order["number"])
            self.learn("Payment", order["payment"]["id"])
            self.learn("OrderLine", order["lines"][0]["id"])
            self.learn("OrderCartToken", cart["token"] or self.known["CartToken"][0])
            self._sent(order)
        hers = self._cart("ann")
        self.learn("Cart", hers["id"])
        self.learn("CartLine", hers["line"])

    def _sent(self, order: Any) -> None:
        """One piece of it is sent and paid, and is to come back."""
        key, line = f"part-{order['number']}-{self.tag}", {"lineId": order["lines"][0]["id"], "quantity": 1}
        part = {"orderId": order["id"], "lines": [line], "trackingNumber": self.secret, "idempotencyKey": key}
        self.learn("Fulfillment", self.manage("createFulfillment", input=part)["id"])
        paid = {"id": order["payment"]["id"], "amountMinor": order["totalMinor"], "idempotencyKey": key}
        self.manage("recordPayment", input=paid)
        back = {"orderId": order["id"], "lines": [line], "note": self.secret, "idempotencyKey": key}
        self.learn("Return", self.manage("requestReturn", input=back)["id"])

    def _erp(self) -> None:
        """What its statuses mean."""
        rules = [{"status": self.tag, "displayStatus": self.secret}]
        self.manage("setOrderStatusMapping", "version", input={"version": 0, "rules": rules})

    def _payments(self) -> None:
        self.manage("configurePaymentProvider", "webhookSecret", input={"key": "test", "active": True})
        given = {"reference": f"reference-{self.tag}", "amountMinor": 500, "currency": "EUR", "provider": "test"}
        waiting = self.manage("createPayment", input=given)["id"]
        asked = {
            "id": waiting,
            "method": "redirect",
            "returnUrl": "https://example.com/",
            "idempotencyKey": "authorize",
        }
        self.manage("authorizePayment", input=asked)
        self.learn("WaitingPayment", waiting)
        self.learn("Reference", given["reference"])
        for feed in ("productChanges", "stockChanges", "customerChanges"):
            self.learn(f"{feed}.since", self.manage(feed, "cursor", limit=1)["cursor"])

    def _functions(self) -> None:
        self.partner = self.environment.partner("acme", "/api/*")
        settings = {"Description": self.secret, "Environment": {"Variables": {"MARK": self.secret}}}
        arn = self.partner.deploy(f"function-{self.tag}", FUNCTION, **settings)
        self.learn("Function", arn, f"function-{self.tag}")
        api = self.partner.route(f"function-{self.tag}", f"GET /api/{self.tag}", arn)
        self.learn("Api", api["ApiId"])


def literals(arguments: Mapping[str, Any]) -> str:
    """As GraphQL has them.  `$DRAFT`: an enum's value."""
    return ", ".join(f"{name}: {literal(value)}" for name, value in arguments.items())


def literal(value: Any) -> str:
    """One value."""
    if isinstance(value, dict):
        return "{" + literals(value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, str) and value.startswith("$"):
        return value[1:]
    return json.dumps(value)
