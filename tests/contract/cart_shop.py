"""Carts as a shopper has them: through a gateway, with a catalogue and an inventory behind it."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec

from contract.catalog_shop import open_database
from kokoa.gateway.app import Gateway
from kokoa.gateway.compose import compose
from kokoa.gateway.execute.clients import InProcessClient
from kokoa.gateway.supergraph import SubgraphDefinition
from kokoa.graphql import ExecutionResult, build_subgraph
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.ids import new_correlation_id, new_id
from kokoa.messaging import Bus
from kokoa.messaging.feed import Feed
from kokoa.postgres import Database
from kokoa.roles.graph import GraphToCome, LocalGraph
from kokoa.services.carts.service import FOLDER as CARTS
from kokoa.services.carts.service import CartsService
from kokoa.services.catalog.media.objects import MediaObjects
from kokoa.services.catalog.service import FOLDER as CATALOG
from kokoa.services.catalog.service import CatalogService
from kokoa.services.inventory.service import FOLDER as INVENTORY
from kokoa.services.inventory.service import InventoryService

SHOPPER = Caller("storefront", "", frozenset({"storefront"}))
MERCHANT = Caller("server", "", frozenset({"storefront", "management"}))

LINE = "id sku name variantName quantity unitPriceMinor totalMinor priceSource problem variant { id }"
CART = f"""id state version currency customerId email note itemCount subtotalMinor pricesAsOf frozenUntil orderId
  mergedInto lines {{ {LINE} priceChanged {{ beforeMinor afterMinor }} }}"""
CREATE = f"mutation($input: CreateCartInput!) {{ createCart(input: $input) {{ cart {{ {CART} }} cartToken }} }}"
READ = f"query($id: ID, $token: String) {{ cart(id: $id, cartToken: $token) {{ {CART} }} }}"
ADD = f"mutation($input: AddCartLinesInput!) {{ addCartLines(input: $input) {{ {CART} }} }}"
CUSTOM = f"mutation($input: AddCustomCartLineInput!) {{ addCustomCartLine(input: $input) {{ {CART} }} }}"
CHANGE = f"mutation($input: ChangeCartLinesInput!) {{ changeCartLines(input: $input) {{ {CART} }} }}"
REMOVE = f"mutation($input: RemoveCartLinesInput!) {{ removeCartLines(input: $input) {{ {CART} }} }}"
EMAIL = f"mutation($input: SetCartEmailInput!) {{ setCartEmail(input: $input) {{ {CART} }} }}"
NOTE = f"mutation($input: SetCartNoteInput!) {{ setCartNote(input: $input) {{ {CART} }} }}"
MERGE = f"mutation($token: String!) {{ mergeCarts(token: $token) {{ {CART} }} }}"
FREEZE = f"""mutation($id: ID!, $key: String!, $seconds: Int! = 300, $version: Int) {{
  freezeCart(id: $id, key: $key, seconds: $seconds, version: $version) {{ {CART} }} }}"""
RELEASE = f"mutation($id: ID!, $key: String!) {{ releaseCart(id: $id, key: $key) {{ {CART} }} }}"
ORDERED = f"""mutation($id: ID!, $key: String!, $order: String!) {{
  markCartOrdered(id: $id, key: $key, orderId: $order) {{ {CART} }} }}"""

PRODUCT = """mutation($input: CreateProductInput!) {
  createProduct(input: $input) { id version variants { id sku } } }"""
POLICY = "mutation($input: SetStockPolicyInput!) { setStockPolicy(input: $input) { sku } }"
STOCK = """mutation($sku: String!, $n: Int!) {
  adjustStock(input: {sku: $sku, delta: $n, reason: RECEIVED}) { sku } }"""

SENT = "SELECT event_type, payload FROM outbox WHERE environment_id = $1 ORDER BY id"

# What a partner of the store may publish.
OVERRIDE = """
extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@override", "@shareable"])
type Query { partner: Int }
type Variant @key(fields: "id") { id: ID! FIELDS }
type VariantPrice @shareable { channel: String currency: String! priceMinor: Int! price: Float! }
"""


class CartStage:
    """Three services and the gateway that joins them."""

    def __init__(self, catalog: CatalogService, inventory: InventoryService, database: Database) -> None:
        self.database = database
        self.graph = GraphToCome()
        self.carts = CartsService(database, self.graph, read_within_ms=30_000)  # a busy machine takes its time
        self._services = {"catalog": catalog, "inventory": inventory, "carts": self.carts}
        self._sdl = {
            "catalog": CATALOG.joinpath("schema.graphql").read_text(),
            "inventory": INVENTORY.joinpath("schema.graphql").read_text(),
            "carts": CARTS.joinpath("schema.graphql").read_text(),
        }
        self.join()

    def join(
        self, taken: Mapping[str, Any] | None = None, partner: tuple[str, Mapping[str, Any]] | None = None
    ) -> None:
        """The graph anew.  taken: fields of Variant that a partner has taken over, such as `price: Float!`, and what
        they say of each variant, or who says it.  partner: SDL and resolvers of a subgraph that does more than that.
        """
        sdl = dict(self._sdl)
        clients = {name: InProcessClient(service.subgraph) for name, service in self._services.items()}
        if taken:
            fields = " ".join(f'{field} @override(from: "catalog")' for field in taken)
            sdl["partner"] = OVERRIDE.replace("FIELDS", fields)
            resolvers: dict[str, Any] = {"Variant": lambda given, _: given}
            resolvers |= {f"Variant.{re.split('[:(]', field)[0]}": _always(value) for field, value in taken.items()}
            pricing = build_subgraph(name="partner", sdl=sdl["partner"], resolvers=resolvers)
            clients["partner"] = InProcessClient(pricing)
        if partner is not None:
            sdl["partner"] = partner[0]
            other = build_subgraph(name="partner", sdl=partner[0], resolvers=dict(partner[1]))
            clients["partner"] = InProcessClient(other)
        supergraph = compose([SubgraphDefinition(name, text) for name, text in sdl.items()])
        self.graph.graph = LocalGraph(Gateway(supergraph, clients))


def _always(value: Any) -> Any:
    def resolve(parents: Sequence[Any], _args: Mapping[str, Any], _call: Call) -> list[Any]:
        return [value(parent) if callable(value) else value for parent in parents]

    return resolve


@asynccontextmanager
async def open_stage(postgres: str, nats_url: str, objects: MediaObjects) -> AsyncIterator[CartStage]:
    """Each service in a database of its own."""
    async with AsyncExitStack() as stack:
        databases = {
            folder.name: await stack.enter_async_context(open_database(postgres, folder.name, folder / "migrations"))
            for folder in (CATALOG, INVENTORY, CARTS)
        }
        bus = await Bus.connect(nats_url, name="test-carts")
        stack.push_async_callback(bus.close)
        catalog = CatalogService(databases["catalog"], Feed(bus, "catalog"), objects)
        yield CartStage(catalog, InventoryService(databases["inventory"]), databases["carts"])


def customer(customer_id: str = "") -> Caller:
    """Somebody who is signed in."""
    return Caller("storefront", customer_id or new_id(), frozenset({"storefront"}))


class CartShop:
    """One environment."""

    def __init__(self, stage: CartStage) -> None:
        self.stage = stage
        self.environment_id = new_id()

    def call(self, who: Caller = SHOPPER) -> Call:
        return Call(self.environment_id, who, new_correlation_id(), now_ms() + 60_000)

    async def ask(self, document: str, who: Caller = SHOPPER, **variables: Any) -> ExecutionResult:
        """The result, whatever it is."""
        assert self.stage.graph.graph is not None
        return await self.stage.graph.graph.execute(document, variables, self.call(who))

    async def data(self, document: str, who: Caller = SHOPPER, **variables: Any) -> Any:
        """The first field's value; nothing may fail."""
        result = await self.ask(document, who, **variables)
        assert not result.errors, result.errors
        assert result.data
        return next(iter(result.data.values()))

    async def code(self, document: str, who: Caller = SHOPPER, **variables: Any) -> str:
        """The code of the one error."""
        return (await self.refusal(document, who, **variables))[0]

    async def refusal(self, document: str, who: Caller = SHOPPER, **variables: Any) -> tuple[str, str]:
        """The code of the one error, and the field that it names."""
        result = await self.ask(document, who, **variables)
        assert len(result.errors) == 1, (result.errors, result.data)
        extensions = result.errors[0]["extensions"]
        return str(extensions["code"]), str(extensions.get("field", ""))

    async def product(self, *skus: str, price: int = 1_000, **more: Any) -> Any:
        """One with these variants, each a unit dearer than the one before; its name is that of the first."""
        variants = [
            {"sku": sku, "name": sku.title(), "priceMinor": price + n, "currency": "EUR", "weightGrams": 100}
            for n, sku in enumerate(skus)
        ]
        return await self.data(PRODUCT, MERCHANT, input={"name": skus[0], "variants": variants, **more})

    async def stock(self, sku: str, quantity: int) -> None:
        """So many more of an article, which is counted from now on."""
        await self.data(POLICY, MERCHANT, input={"sku": sku, "backorderLimit": 0})
        await self.data(STOCK, MERCHANT, sku=sku, n=quantity)

    async def cart(self, who: Caller = SHOPPER, currency: str = "EUR", **more: Any) -> Any:
        """A new one, with its token as `token`."""
        made = await self.data(CREATE, who, input={"currency": currency, **more})
        return {**made["cart"], "token": made["cartToken"]}

    async def add(self, cart: Mapping[str, Any], who: Caller = SHOPPER, **quantities: int) -> Any:
        """So many of each SKU."""
        lines = [{"sku": sku, "quantity": quantity} for sku, quantity in quantities.items()]
        return await self.data(ADD, who, input={"cartToken": cart.get("token"), "lines": lines})

    async def read(self, cart: Mapping[str, Any], who: Caller = SHOPPER) -> Any:
        """As it is now; None for what this caller may not see."""
        return await self.data(READ, who, id=cart["id"], token=cart.get("token"))

    async def sent(self) -> list[tuple[str, Any]]:
        """Type and data of every event of carts, in order."""
        rows = await self.stage.database.fetch(self.environment_id, SENT)
        return [(row["event_type"], msgspec.json.decode(row["payload"])["data"]) for row in rows]

    async def later(self, cart: Mapping[str, Any], **columns: str) -> None:
        """As if time had passed.  columns: SQL of a moment."""
        assignments = ", ".join(f"{name} = {moment}" for name, moment in columns.items())
        await self.stage.database.execute(
            self.environment_id, f"UPDATE carts SET {assignments} WHERE environment_id = $1 AND id = $2", cart["id"]
        )


def quantities(cart: Mapping[str, Any]) -> dict[str, int]:
    """Of each SKU."""
    return {line["sku"]: line["quantity"] for line in cart["lines"]}
