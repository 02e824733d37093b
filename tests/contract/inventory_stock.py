"""An environment's stock, asked by GraphQL as a server of its tenant would."""

from typing import Any

from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.ids import new_correlation_id, new_id
from kokoa.services.inventory.service import InventoryService

MANAGEMENT = frozenset({"storefront", "management"})
STOREFRONT = frozenset({"storefront"})

ITEM = "{ sku onHand reserved available tracked backorderLimit version }"
RESERVATION = "{ key state version lines { sku location open fulfilled released } }"
ADJUST = f"mutation($input: AdjustStockInput!) {{ adjustStock(input: $input) {ITEM} }}"
TRANSFER = f"mutation($input: TransferStockInput!) {{ transferStock(input: $input) {ITEM} }}"
POLICY = f"mutation($input: SetStockPolicyInput!) {{ setStockPolicy(input: $input) {ITEM} }}"
SET = """mutation($input: SetStockInput!) { setStock(input: $input) {
  changed unchanged failed rows { index sku status code message } } }"""
LOCATION = """mutation($input: CreateStockLocationInput!) { createStockLocation(input: $input) {
  id key name priority active version } }"""
RESERVE = f"mutation($input: ReserveStockInput!) {{ reserveStock(input: $input) {RESERVATION} }}"
ALLOCATE = f"mutation($key: String!) {{ allocateStock(key: $key) {RESERVATION} }}"
FULFIL = (
    f"mutation($key: String!, $lines: [StockLineInput!]) {{ fulfilStock(key: $key, lines: $lines) {RESERVATION} }}"
)
RELEASE = (
    f"mutation($key: String!, $lines: [StockLineInput!]) {{ releaseStock(key: $key, lines: $lines) {RESERVATION} }}"
)
FOUND = f"query($sku: String!) {{ stockItem(sku: $sku) {ITEM} }}"


class Stock:
    """One environment."""

    def __init__(self, service: InventoryService, environment_id: str = "") -> None:
        self.service = service
        self.environment_id = environment_id or new_id()

    async def ask(self, document: str, scopes: frozenset[str] = MANAGEMENT, **variables: Any) -> Any:
        """The result, whatever it is."""
        call = Call(
            self.environment_id, Caller("server", "", scopes), new_correlation_id(), deadline_ms=now_ms() + 60_000
        )
        return await self.service.subgraph.execute(document, variables, call)

    async def data(self, document: str, scopes: frozenset[str] = MANAGEMENT, **variables: Any) -> Any:
        """The first field's value; nothing may fail."""
        result = await self.ask(document, scopes, **variables)
        assert not result.errors, result.errors
        return next(iter(result.data.values()))

    async def code(self, document: str, scopes: frozenset[str] = MANAGEMENT, **variables: Any) -> str:
        """The code of the one error."""
        result = await self.ask(document, scopes, **variables)
        assert len(result.errors) == 1, (result.errors, result.data)
        return str(result.errors[0]["extensions"]["code"])

    async def put(self, sku: str, quantity: int, location: str = "default", **more: Any) -> Any:
        """So many more of an article."""
        given = {"sku": sku, "delta": quantity, "location": location, "reason": "RECEIVED", **more}
        return await self.data(ADJUST, input=given)

    async def reserve(self, key: str, hold: int | None = None, **quantities: int) -> Any:
        """So many of each article."""
        lines = [{"sku": sku, "quantity": quantity} for sku, quantity in quantities.items()]
        return await self.data(RESERVE, input={"key": key, "lines": lines, "holdSeconds": hold})

    async def numbers(self, sku: str) -> tuple[int, int]:
        """On hand and reserved."""
        found = await self.data(FOUND, sku=sku)
        return found["onHand"], found["reserved"]

    async def location(self, key: str, priority: int, **more: Any) -> Any:
        """A new one."""
        return await self.data(LOCATION, input={"key": key, "name": key.title(), "priority": priority, **more})
