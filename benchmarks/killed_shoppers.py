"""Shoppers who order while everything is killed: what they ask, how they try again, and what they were told."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import aiohttp
import msgspec

from benchmarks.buying import ADD, ADDRESS, CREATE
from benchmarks.running import RunningStore

CODE = "FEWUSES"
SCARCE = ("scarce-0", "scarce-1", "scarce-2")
PLENTY = ("plenty-0", "plenty-1", "plenty-2", "plenty-3")
# How often each is taken.
_METHODS: Mapping[str, int] = {
    "ok": 6,
    "ok;capture=lost-answer;void=lost-answer": 2,
    "lost-answer": 2,
    "delayed": 2,
    "delayed;capture=delayed;void=delayed": 1,
    "declined": 1,
    "timeout": 1,
    "redirect": 2,
}
_FINAL = ("PLACED", "REFUSED")
_REQUEST_S = 20.0
# A request, and a whole checkout, that takes longer counts as hanging.
_PATIENCE_S = 120.0
_PAUSE_S = (0.05, 0.4)
_AGAIN = frozenset({429, 502, 503, 504})
_BUSY = "ORDER_BUSY"

_HOME = {"firstName": "Aino", "lastName": "Koski", "line1": "Rantatie 1", "city": "Turku", "country": "FI"}
_TOTALS = "id totals { grossMinor problem codes { accepted } }"
_DELIVERY = f"""mutation Delivery($input: SetCartShippingMethodInput!) {{
  setCartShippingMethod(input: $input) {{ {_TOTALS} }} }}"""
_ADD_CODE = f"mutation Code($input: CartCodeInput!) {{ addCartCode(input: $input) {{ {_TOTALS} }} }}"
_REMOVE_CODE = f"mutation NoCode($input: CartCodeInput!) {{ removeCartCode(input: $input) {{ {_TOTALS} }} }}"
_PLACEMENT = "id state actionUrl refusal { code message field } order { id number totalMinor }"
_PLACE = f"mutation Place($input: PlaceOrderInput!) {{ placeOrder(input: $input) {{ {_PLACEMENT} }} }}"
_CONTINUE = f"""mutation Continue($id: ID!, $token: String) {{
  continuePlacement(id: $id, cartToken: $token) {{ {_PLACEMENT} }} }}"""
_PAYMENT_OF = "query Paid($reference: String!) { payments(reference: $reference) { items { id } } }"
_SETTLE = "mutation Settle($input: SettleTestPaymentInput!) { settleTestPayment(input: $input) { id } }"
_CANCEL = "mutation Cancel($input: CancelOrderInput!) { cancelOrder(input: $input) { state } }"
_LINES = "query Lines($id: ID!) { order(id: $id) { lines { id quantity } } }"
_FULFIL = "mutation Leave($input: CreateFulfillmentInput!) { createFulfillment(input: $input) { state } }"


class Refused(Exception):
    """The store said no, and will say so again."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Written(msgspec.Struct):
    """What a shopper has in writing of one placement: the last answer.  wanted_minor: what they saw before."""

    cart_id: str
    placement_id: str
    wanted_minor: int
    refused: str | None
    number: str | None
    total_minor: int | None


class Notes(msgspec.Struct):
    """What all of them were told.  became: order → what the merchant made of it.  wrong: what nobody may be told."""

    placements: dict[str, Written] = {}
    became: dict[str, str] = {}
    told: Counter[str] = msgspec.field(default_factory=Counter)
    wrong: Counter[str] = msgspec.field(default_factory=Counter)
    served: int = 0
    slowest_s: float = 0.0


class Client:
    """Asks until there is an answer, as whoever has idempotency keys may."""

    def __init__(self, session: aiohttp.ClientSession, store: RunningStore, notes: Notes, random: Random) -> None:
        own = store.variables
        self._session = session
        self._url = f"{store.url}/graphql"
        self._shopper = {"X-Tenant-ID": own["KOKOA_TENANT_ID"], "X-Environment": "prod"}
        self._server = {
            "X-Tenant-ID": own["KOKOA_TENANT_ID"],
            "X-Tenant-Secret": own["KOKOA_TENANT_SECRET"],
            "X-GraphQL-Secret": own["KOKOA_GRAPHQL_SECRET"],
        }
        self._notes = notes
        self._random = random

    async def ask(self, document: str, *, server: bool = False, **variables: Any) -> Any:
        """The first field's value. Raises Refused, TimeoutError."""
        begun = time.monotonic()
        while time.monotonic() - begun < _PATIENCE_S:
            try:
                found = await self._once(document, variables, self._server if server else self._shopper)
            except (aiohttp.ClientError, OSError, TimeoutError):
                self._notes.told["the connection ended"] += 1
            else:
                if found is not None:
                    self._notes.served += 1
                    self._notes.slowest_s = max(self._notes.slowest_s, time.monotonic() - begun)
                    return found
                self._notes.told["try again"] += 1
            await asyncio.sleep(self._random.uniform(*_PAUSE_S))
        raise TimeoutError(f"no answer within {_PATIENCE_S:.0f} s: {document.split('(')[0]}")

    async def _once(self, document: str, variables: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        """None for an answer that says: again. Raises Refused, and what a lost connection raises."""
        body = {"query": document, "variables": variables}
        async with self._session.post(self._url, json=body, headers=headers) as response:
            if response.status in _AGAIN:
                return None
            text = await response.read()
            if response.status != 200:
                raise Refused(str(response.status), text[:200].decode("utf-8", "replace"))
        answer = msgspec.json.decode(text)
        for error in answer.get("errors", ()):
            code = str(error["extensions"]["code"])
            if code.endswith("UNAVAILABLE") or code == "DEADLINE_EXCEEDED":
                return None
            raise Refused(code, str(error["message"]))
        return next(iter(answer["data"].values()))


class Shoppers:
    """So many at a time, one checkout after the other, until `stop`."""

    def __init__(self, client: Client, notes: Notes, random: Random, run: str) -> None:
        self._client = client
        self._notes = notes
        self._random = random
        self._run = run
        self._numbers = itertools.count(1)
        self.stopping = False

    async def shop(self) -> None:
        """Never raises but for a bug here: what is wrong is noted."""
        while not self.stopping:
            try:
                await self._checkout()
            except Refused as refused:
                self._notes.wrong[str(refused)[:160]] += 1
            except TimeoutError as hung:
                self._notes.wrong[str(hung)] += 1

    async def _checkout(self) -> None:
        key = f"{self._run}-{next(self._numbers)}"
        made = await self._client.ask(CREATE)
        cart_id, token = made["cart"]["id"], made["cartToken"]
        if not await self._fill(token, key):
            return
        await self._client.ask(ADDRESS, input={"cartToken": token, "shippingAddress": _HOME})
        totals = await self._totals(_DELIVERY, {"cartToken": token, "key": "post"})
        if self._random.random() < 0.5:
            totals = await self._try_code(token)
        given = {"cartToken": token, "paymentProvider": "test", "expectedTotalMinor": totals["grossMinor"]}
        method = self._random.choices([*_METHODS], [*_METHODS.values()])[0]
        placed = await self._place(cart_id, given, method, self._keys(key))
        if placed["state"] == "REFUSED" and self._random.random() < 0.6:
            # Another attempt with the same cart, as whoever was declined makes it.
            placed = await self._place(cart_id, given, "ok", [f"{key}-again"])
        if placed["order"] is not None:
            await self._afterwards(placed["order"]["id"], key)

    def _keys(self, key: str) -> list[str]:
        """Most order once; some click twice, and some in two windows."""
        chance = self._random.random()
        return [key, key] if chance < 0.15 else [key, f"{key}-other"] if chance < 0.25 else [key]

    async def _fill(self, token: str, key: str) -> bool:
        """False when what they came for is gone."""
        for part, skus in enumerate((PLENTY, SCARCE) if self._random.random() < 0.6 else (PLENTY,)):
            lines = [{"sku": self._random.choice(skus), "quantity": self._random.randint(1, 3)}]
            given = {"cartToken": token, "lines": lines, "idempotencyKey": f"{key}-{part}"}
            try:
                await self._client.ask(ADD, input=given)
            except Refused as refused:
                if refused.code != "NOT_ENOUGH_FOR_CART":
                    raise
                self._notes.told["sold out"] += 1
                return self._random.random() < 0.3
        return True

    async def _try_code(self, token: str) -> Any:
        """Totals with the code, or without it when it is not accepted."""
        given = {"cartToken": token, "code": CODE}
        totals = await self._totals(_ADD_CODE, given)
        if all(code["accepted"] for code in totals["codes"]):
            return totals
        return await self._totals(_REMOVE_CODE, given)

    async def _totals(self, document: str, given: Mapping[str, Any]) -> Any:
        """What it costs, once the store can say; the change is done once, however often it is asked for."""
        ends = time.monotonic() + _PATIENCE_S
        while time.monotonic() < ends:
            totals = (await self._client.ask(document, input=given))["totals"]
            if totals["problem"] is None:
                return totals
            self._notes.told["the total is not known"] += 1
            await asyncio.sleep(self._random.uniform(*_PAUSE_S))
        raise TimeoutError(f"a total is not known after {_PATIENCE_S:.0f} s")

    async def _place(self, cart_id: str, given: Mapping[str, Any], method: str, keys: Sequence[str]) -> Any:
        """The placement that became an order, else the last one."""
        tasks = [asyncio.create_task(self._placed(cart_id, given, method, key)) for key in keys]
        done = [task.result() for task in (await asyncio.wait(tasks))[0]]
        return next((one for one in done if one["order"] is not None), done[-1])

    async def _placed(self, cart_id: str, given: Mapping[str, Any], method: str, key: str) -> Any:
        """A placement that is ended, in writing."""
        wanted = {**given, "paymentMethod": method, "returnUrl": "https://shop.example", "idempotencyKey": key}
        ends, random = time.monotonic() + _PATIENCE_S, self._random
        placement = await self._client.ask(_PLACE, input=wanted)
        while placement["state"] not in _FINAL:
            if time.monotonic() > ends:
                raise TimeoutError(f"a placement is {placement['state']} after {_PATIENCE_S:.0f} s")
            if placement["state"] == "ACTION_REQUIRED":
                await self._pay(placement["id"], approve=random.random() < 0.7)
            await asyncio.sleep(random.uniform(*_PAUSE_S))
            if random.random() < 0.5:
                placement = await self._client.ask(_PLACE, input=wanted)
            else:
                placement = await self._client.ask(_CONTINUE, id=placement["id"], token=given["cartToken"])
        self._note(cart_id, given["expectedTotalMinor"], placement)
        return placement

    async def _pay(self, placement_id: str, *, approve: bool) -> None:
        """Or not, where they were sent."""
        (payment,) = (await self._client.ask(_PAYMENT_OF, server=True, reference=placement_id))["items"]
        given = {"id": payment["id"], "key": "authorize", "approve": approve}
        try:
            await self._client.ask(_SETTLE, server=True, input=given)
        except Refused as refused:
            if refused.code != "TEST_PAYMENT_NOT_FOUND":  # it is decided already
                raise

    def _note(self, cart_id: str, wanted_minor: int, placement: Mapping[str, Any]) -> None:
        order, refusal = placement["order"], placement["refusal"]
        written = Written(
            cart_id=cart_id,
            placement_id=placement["id"],
            wanted_minor=wanted_minor,
            refused=refusal["code"] if refusal else None,
            number=order["number"] if order else None,
            total_minor=order["totalMinor"] if order else None,
        )
        before = self._notes.placements.setdefault(written.placement_id, written)
        if before != written:
            self._notes.wrong["a placement that had ended is another one now"] += 1
        self._notes.told[written.refused or "ordered"] += before is written

    async def _afterwards(self, order_id: str, key: str) -> None:
        """The merchant sends a tenth of all orders, and gives up another."""
        chance = self._random.random()
        if chance < 0.1:
            given: dict[str, Any] = {"id": order_id, "idempotencyKey": f"{key}-cancel"}
            self._notes.became[order_id] = await self._until_done(_CANCEL, given)
        elif chance < 0.2:
            lines = (await self._client.ask(_LINES, server=True, id=order_id))["lines"]
            leaving = [{"lineId": line["id"], "quantity": line["quantity"]} for line in lines]
            given = {"orderId": order_id, "lines": leaving, "idempotencyKey": f"{key}-leave"}
            self._notes.became[order_id] = await self._until_done(_FULFIL, given)

    async def _until_done(self, document: str, given: Mapping[str, Any]) -> str:
        ends = time.monotonic() + _PATIENCE_S
        while time.monotonic() < ends:
            try:
                state = (await self._client.ask(document, server=True, input=given))["state"]
            except Refused as refused:
                if refused.code != _BUSY:
                    raise
            else:
                if state != "IN_PROGRESS":
                    return str(state)
            await asyncio.sleep(self._random.uniform(*_PAUSE_S))
        raise TimeoutError(f"a change of an order was not done within {_PATIENCE_S:.0f} s")


def new_session() -> aiohttp.ClientSession:
    """Kept connections, as many as are needed."""
    connector = aiohttp.TCPConnector(limit=0)
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=_REQUEST_S))
