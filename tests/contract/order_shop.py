"""Orders as a shopper places them: all services that take part, joined by a gateway."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from contract.cart_shop import CARTS, CATALOG, INVENTORY, MERCHANT, SHOPPER, CartShop, CartStage
from contract.catalog_shop import open_database
from kokoa.kernel.call import Caller
from kokoa.messaging import Bus
from kokoa.messaging.feed import Feed
from kokoa.postgres import Database
from kokoa.postgres.vault import Vault
from kokoa.services.catalog.media.objects import MediaObjects
from kokoa.services.catalog.service import CatalogService
from kokoa.services.inventory.service import InventoryService
from kokoa.services.orders.service import FOLDER as ORDERS
from kokoa.services.orders.service import OrdersService
from kokoa.services.payments.service import FOLDER as PAYMENTS
from kokoa.services.payments.service import PaymentsService
from kokoa.services.promotions.service import FOLDER as PROMOTIONS
from kokoa.services.promotions.service import PromotionsService
from kokoa.services.shipping.service import FOLDER as SHIPPING
from kokoa.services.shipping.service import ShippingService
from kokoa.services.taxes.service import FOLDER as TAXES
from kokoa.services.taxes.service import TaxesService

ORDER = """id number state cartId customerId email currency totalMinor placedAt note
  lines { sku name quantity unitPriceMinor totalMinor priceSource variant { id } }"""
PLACEMENT = f"id state actionUrl refusal {{ code message field }} order {{ {ORDER} }}"
PLACE = f"mutation($input: PlaceOrderInput!) {{ placeOrder(input: $input) {{ {PLACEMENT} }} }}"
CONTINUE = f"mutation($id: ID!, $token: String) {{ continuePlacement(id: $id, cartToken: $token) {{ {PLACEMENT} }} }}"
FOUND = f"query($id: ID, $number: String) {{ order(id: $id, number: $number) {{ {ORDER} }} }}"
PAID = """query($id: ID!) { order(id: $id) { payment { id authorizationStatus amountMinor reference
  amounts { authorized cancelled authorizePending } } } }"""
PAYMENTS_OF = """query($reference: String!) { payments(reference: $reference) { items { id
  amounts { authorized authorizePending cancelled capturable } } } }"""
RESERVATION = "query($key: String!) { stockReservation(key: $key) { state lines { open } } }"
SETTLE = "mutation($input: SettleTestPaymentInput!) { settleTestPayment(input: $input) { id } }"
CONFIGURE = """mutation { configurePaymentProvider(input: {key: "test", active: true}) { webhookSecret } }"""
STOCK_OF = "query($skus: [String!]!) { variants(skus: $skus) { sku availability { quantity } } }"


class OrderStage(CartStage):
    """All that an order takes, and the gateway that joins them."""

    def __init__(
        self, catalog: CatalogService, inventory: InventoryService, databases: Mapping[str, Database]
    ) -> None:
        super().__init__(catalog, inventory, databases["carts"])
        self.databases = databases
        self.payments = PaymentsService(databases["payments"], Vault(bytes(32)), call_timeout_ms=1_000)
        self.orders = OrdersService(databases["orders"], self.graph, gather_s=0)
        self._services |= {
            "payments": self.payments,
            "orders": self.orders,
            "promotions": PromotionsService(databases["promotions"]),
            "shipping": ShippingService(databases["shipping"]),
            "taxes": TaxesService(databases["taxes"]),
        }
        self._sdl |= {
            folder.name: folder.joinpath("schema.graphql").read_text()
            for folder in (PAYMENTS, ORDERS, PROMOTIONS, SHIPPING, TAXES)
        }
        self.join()


@asynccontextmanager
async def open_order_stage(postgres: str, nats_url: str, objects: MediaObjects) -> AsyncIterator[OrderStage]:
    """Each service in a database of its own."""
    async with AsyncExitStack() as stack:
        databases = {
            folder.name: await stack.enter_async_context(open_database(postgres, folder.name, folder / "migrations"))
            for folder in (CATALOG, INVENTORY, CARTS, PAYMENTS, ORDERS, PROMOTIONS, SHIPPING, TAXES)
        }
        bus = await Bus.connect(nats_url, name="test-orders")
        stack.push_async_callback(bus.close)
        catalog = CatalogService(databases["catalog"], Feed(bus, "catalog"), objects)
        yield OrderStage(catalog, InventoryService(databases["inventory"]), databases)


class OrderShop(CartShop):
    """One environment."""

    stage: OrderStage

    async def open(self) -> None:
        """The test provider may be used."""
        await self.data(CONFIGURE, MERCHANT)

    async def full_cart(self, who: Caller = SHOPPER, **quantities: int) -> Any:
        """A new one, with so many of each SKU."""
        cart = await self.cart(who)
        await self.add(cart, who, **quantities)
        return cart

    def order_of(self, cart: Mapping[str, Any], key: str = "", method: str | None = "ok", **more: Any) -> Any:
        """What is asked to order a cart."""
        named = {"cartToken": cart["token"]} if cart.get("token") else {"cartId": cart["id"]}
        key = key or f"key of {cart['id']}"
        return {**named, "paymentProvider": "test", "paymentMethod": method, "idempotencyKey": key, **more}

    async def place(self, cart: Mapping[str, Any], who: Caller = SHOPPER, **more: Any) -> Any:
        """The placement."""
        return await self.data(PLACE, who, input=self.order_of(cart, **more))

    async def available(self, sku: str) -> int:
        """How many are there and free."""
        return int((await self.data(STOCK_OF, SHOPPER, skus=[sku]))[0]["availability"]["quantity"])

    async def order_events(self) -> list[str]:
        """Types of all events of orders."""
        statement = "SELECT event_type FROM outbox WHERE environment_id = $1 ORDER BY id"
        rows = await self.stage.databases["orders"].fetch(self.environment_id, statement)
        return [row["event_type"] for row in rows]

    async def orders(self) -> list[Any]:
        """All, the newest first."""
        return list(await self.data(f"{{ orders(limit: 100) {{ {ORDER} }} }}", MERCHANT))

    async def held(self, key: str) -> int:
        """How many articles are reserved for a placement."""
        found = await self.data(RESERVATION, MERCHANT, key=key)
        return 0 if found is None else sum(line["open"] for line in found["lines"])

    async def capturable(self, key: str) -> int:
        """Money that is promised for a placement, and money that may be still."""
        found = await self.data(PAYMENTS_OF, MERCHANT, reference=key)
        return sum(one["amounts"]["capturable"] + one["amounts"]["authorizePending"] for one in found["items"])

    async def settle(self, placement: Mapping[str, Any], *, approve: bool) -> None:
        """As the customer would, where they were sent."""
        found = await self.data(PAYMENTS_OF, MERCHANT, reference=placement["id"])
        given = {"id": found["items"][0]["id"], "key": "authorize", "approve": approve}
        await self.data(SETTLE, MERCHANT, input=given)

    async def sweep(self) -> None:
        """All that is left half-way is overdue, and gone on with once, as far as it goes."""
        statement = """UPDATE placements SET due_at = now() - interval '1 s'
                        WHERE environment_id = $1 AND due_at IS NOT NULL"""
        await self.stage.databases["orders"].execute(self.environment_id, statement)
        while await self.stage.orders.actions.sweep():
            pass

    async def older(self, minutes: int) -> None:
        """As if placements had begun so long before."""
        statement = "UPDATE placements SET started_at = started_at - $2 * interval '1 min' WHERE environment_id = $1"
        await self.stage.databases["orders"].execute(self.environment_id, statement, minutes)
