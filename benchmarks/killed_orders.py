"""`python -m benchmarks.killed_orders`: everything is killed again and again while shoppers order.

Web processes, the worker, PostgreSQL, NATS and now and then `kokoa up` itself get SIGKILL at random moments. Shoppers
try again with the same keys, as real clients do, and write down what they were told. In the end nothing may be half
done, and orders, payments, goods, codes, carts and events must be what they were told.
"""

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Annotated, Any

import uvloop
from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.census import commands_below
from benchmarks.killed_books import Books, Finding, shown
from benchmarks.killed_shoppers import CODE, PLENTY, SCARCE, Client, Notes, Shoppers, new_session
from benchmarks.running import RunningStore, store_up
from kokoa.postgres import Database, service_dsn
from kokoa.postgres.vault import Vault
from kokoa.roles.platform import require_servers, schema_password
from kokoa.roles.settings import load_settings, master_key
from kokoa.services.tenants.service import TenantsService

_EARLIEST_S, _LATEST_S = 0.2, 2.0
# So many answers come between two kills, so that there is something to be killed.
_SERVED_BETWEEN = 60
_SERVED_WITHIN_S = 90.0
_GONE_WITHIN_S = 60.0
_ENDED_WITHIN_S = 150.0
_POLL_S = 0.02
# Where nobody sees a bar move.
_TELL_EACH = 10
# What may die → what its command line holds, and how often it is chosen.
_VICTIMS = {
    "web": ("serve web", 8),
    "worker": ("serve worker", 6),
    "postgres": ("postgres -D", 3),
    "nats": ("nats-server", 2),
    "up": ("", 1),
}
_SET_UP = (
    'mutation { putShippingZone(input: {key: "fi", name: "Finland", places: [{country: "FI"}]}) { key } }',
    """mutation { putShippingMethod(input: {key: "post", name: "Post",
      rates: [{zone: "fi", currency: "EUR", bands: [{priceMinor: 590}]}]}) { key } }""",
    'mutation { putTaxCategory(input: {key: "goods", name: "Goods"}) { key } }',
    """mutation { putTaxZone(input: {key: "fi", name: "Finland", pricesIncludeTax: true,
      places: [{country: "FI"}]}) { key } }""",
    """mutation { putTaxRate(input: {key: "vat", name: "VAT", zone: "fi", category: "goods",
      basisPoints: 2550}) { key } }""",
    'mutation { putTaxSettings(input: {defaultCategory: "goods"}) { version } }',
    'mutation { configurePaymentProvider(input: {key: "test", active: true}) { provider { key } } }',
)
_PUT_CODE = "mutation Put($input: PutPromotionInput!) { putPromotion(input: $input) { code } }"
_PRODUCT = "mutation Make($input: CreateProductInput!) { createProduct(input: $input) { id } }"
_POLICY = "mutation Count($input: SetStockPolicyInput!) { setStockPolicy(input: $input) { sku } }"
_COUNTED = "mutation Stock($input: SetStockInput!) { setStock(input: $input) { failed } }"
_PLENTY_OF = 1_000_000

app = App(name="killed_orders")


@app.default
def killed_orders(
    *,
    kills: Annotated[int, Parameter(help="How many, of all kinds together.")] = 100,
    seed: Annotated[int, Parameter(help="Decides what is killed when.")] = 1,
    shoppers: Annotated[int, Parameter(help="How many are in the middle of a checkout at any time.")] = 50,
    scarce: Annotated[int, Parameter(help="How many there are of each of the few.")] = 80,
) -> None:
    """Order, kill, compare. Status 1 when anything differs."""
    console = Console(highlight=False)
    with store_up() as store:
        findings = uvloop.run(_Run(store, Random(seed), console, shoppers).run(kills, scarce))
    table = Table("compared", "number", "", box=None)
    for finding in findings:
        verdict = f"[red]{len(finding.wrong)} differ: {shown(finding.wrong)}[/red]" if finding.wrong else "all agree"
        table.add_row(finding.what, f"{finding.compared:,}", verdict)
    console.print(table)
    sys.exit(1 if any(finding.wrong for finding in findings) else 0)


class _Run:
    """One store, its shoppers, and who kills."""

    def __init__(self, store: RunningStore, random: Random, console: Console, shoppers: int) -> None:
        self._store = store
        self._random = random
        self._console = console
        self._number = shoppers
        self._notes = Notes()
        self._killed: Counter[str] = Counter()

    async def run(self, kills: int, scarce: int) -> list[Finding]:
        """What was compared."""
        async with new_session() as session:
            client = Client(session, self._store, self._notes, self._random)
            stocked = await self._open(client, scarce)
            environment_id = await _environment_id(self._store)
            begun = time.monotonic()
            books = Books(self._store, environment_id, client, stocked)
            took, left = await self._kill_and_shop(client, kills, books)
            await books.come_to_rest()
            self._summarise(begun, took)
            half_done = Finding("half done after a minute", 1, [f"{what}: {count}" for what, count in left.items()])
            return [half_done, *books.compare(await books.read(), self._notes)]

    async def _open(self, client: Client, scarce: int) -> dict[str, int]:
        """Goods, delivery, taxes, a code of which there are few; how many of each article there are."""
        for document in _SET_UP:
            await client.ask(document, server=True)
        few: dict[str, Any] = {"code": CODE, "name": "Few", "kind": "PERCENT", "basisPoints": 1000, "usesMax": scarce}
        await client.ask(_PUT_CODE, server=True, input=few)
        stocked = {**dict.fromkeys(PLENTY, _PLENTY_OF), **dict.fromkeys(SCARCE, scarce)}
        for number, sku in enumerate(stocked):
            variant = {"sku": sku, "priceMinor": 1990 + 111 * number, "currency": "EUR", "weightGrams": 100}
            await client.ask(_PRODUCT, server=True, input={"name": sku, "variants": [variant]})
            await client.ask(_POLICY, server=True, input={"sku": sku, "backorderLimit": 0})
        rows = [{"sku": sku, "onHand": quantity} for sku, quantity in stocked.items()]
        assert not (await client.ask(_COUNTED, server=True, input={"rows": rows}))["failed"]
        return stocked

    async def _kill_and_shop(self, client: Client, kills: int, books: Books) -> tuple[float, Mapping[str, int]]:
        """How long after the last kill nothing was half done, and what was still after a minute."""
        shoppers = Shoppers(client, self._notes, self._random, "killed")
        tasks = [asyncio.create_task(shoppers.shop()) for _ in range(self._number)]
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console) as progress:
            bar = progress.add_task("kills", total=kills)
            for number in range(1, kills + 1):
                await self._until_served(progress, bar)
                await asyncio.sleep(self._random.uniform(_EARLIEST_S, _LATEST_S))
                await asyncio.to_thread(self._kill)
                progress.advance(bar)
                if number % _TELL_EACH == 0 and not self._console.is_terminal:
                    self._console.print(f"{number} killed, {self._notes.told['ordered']:,} orders")
        shoppers.stopping = True
        settling = asyncio.create_task(books.settle(time.monotonic()))
        _, hanging = await asyncio.wait(tasks, timeout=_ENDED_WITHIN_S)
        for task in hanging:
            task.cancel()
            self._notes.wrong["a checkout did not end"] += 1
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in set(tasks) - hanging:
            task.result()
        return await settling

    async def _until_served(self, progress: Progress, bar: TaskID) -> None:
        before, ends = self._notes.served, time.monotonic() + _SERVED_WITHIN_S
        while self._notes.served < before + _SERVED_BETWEEN:
            assert time.monotonic() < ends, f"no service any more after {dict(self._killed)}"
            await asyncio.sleep(_POLL_S)
        progress.update(bar, description=f"{self._notes.told['ordered']:,} orders")

    def _kill(self) -> None:
        kind = self._random.choices([*_VICTIMS], [often for _, often in _VICTIMS.values()])[0]
        if kind == "up":
            self._kill_all()
        else:
            words = _VICTIMS[kind][0]
            found = sorted(pid for pid, line in commands_below(self._store.process.pid).items() if words in line)
            if not found:
                return self._kill()  # it is being started again
            # Of the web processes not the one that keeps the others.
            os.kill(self._random.choice(found[1:] or found) if kind == "web" else found[0], signal.SIGKILL)
        self._killed[kind] += 1
        return None

    def _kill_all(self) -> None:
        """And start it again."""
        process = self._store.process
        below = {pid for pid in commands_below(process.pid) if pid != process.pid}
        process.kill()
        process.wait()
        ends = time.monotonic() + _GONE_WITHIN_S
        while any(_lives(pid) for pid in below):
            assert time.monotonic() < ends, "what `kokoa up` started outlives it"
            time.sleep(_POLL_S)
        self._store.start_again()

    def _summarise(self, begun: float, took: float) -> None:
        killed = ", ".join(f"{number} × {kind}" for kind, number in self._killed.most_common())
        told = ", ".join(f"{number:,} × {what}" for what, number in self._notes.told.most_common())
        self._console.print(f"killed {killed} in {time.monotonic() - begun:.0f} s")
        self._console.print(f"what was under way at the last kill had ended {took:.0f} s later")
        self._console.print(
            f"{self._notes.served:,} answers, the slowest after {self._notes.slowest_s:.1f} s: {told}"
        )


def _lives(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


async def _environment_id(store: RunningStore) -> str:
    """Of the demo tenant's prod environment."""
    settings = load_settings({"KOKOA_STATE_DIR": str(store.state_dir)})
    vault = Vault(master_key(settings))
    dsn = service_dsn(require_servers(settings)[0], "tenants", schema_password(vault, "tenants"))
    database = await Database.connect(dsn, service="tenants", pool_size=1)
    try:
        found = await TenantsService(database, vault).store.by_alias("demo", "prod")
        assert found is not None, "`kokoa up` makes it"
        return found.id
    finally:
        await database.close()


if __name__ == "__main__":
    app()
