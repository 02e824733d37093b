"""`python -m benchmarks.killed_import`: an import of the assortment while everything is killed again and again.

The importing command, web processes, worker, indexer, PostgreSQL and NATS get SIGKILL at random moments; the command
is started again with --resume until it ends by itself. Then what the store exports is compared with the file, and
search must have all of it.
"""

import asyncio
import csv
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Annotated

import uvloop
from cyclopts import App, Parameter
from rich.console import Console

from benchmarks.census import commands_below
from benchmarks.imports import Goods, assortment, make_tenant, until_indexed, write_goods
from benchmarks.running import ROOT, store_up
from benchmarks.stage import open_stage

_EARLIEST_S, _LATEST_S = 0.7, 3.0
_STARTS_MAX = 200
# What may die beside the importing command → what its command line holds.
_VICTIMS = {
    "web": "serve web",
    "worker": "serve worker",
    "indexer": "serve indexer",
    "postgres": "postgres -D",
    "nats": "nats-server",
}
_COLUMNS = ("name", "description", "category", "sku", "price", "currency")

app = App(name="killed_import")


@app.default
def killed_import(
    *,
    kills: Annotated[int, Parameter(help="How many, of all kinds together.")] = 20,
    seed: Annotated[int, Parameter(help="Decides what is killed when.")] = 1,
) -> None:
    """Import, kill, resume, compare. Status 1 when the store does not hold exactly the file."""
    console = Console(highlight=False)
    with store_up() as store, tempfile.TemporaryDirectory(prefix="kokoa-killed-") as folder:
        file = Path(folder) / "assortment.csv"
        goods = list(assortment())
        write_goods(file, goods)

        async def run() -> bool:
            async with open_stage(store, console.print) as stage:
                environment_id, variables = await make_tenant(stage, "killed")
                begun = time.perf_counter()
                killed = await asyncio.to_thread(_import, file, variables, store.process.pid, kills, Random(seed))
                console.print(f"killed {', '.join(killed)}; in after {time.perf_counter() - begun:.0f} s")
                begun = time.perf_counter()
                await until_indexed(stage, environment_id, len(goods))
                console.print(f"search has all {len(goods):,} after {time.perf_counter() - begun:.1f} s more")
                return await asyncio.to_thread(_same, file.with_name("export.csv"), variables, goods, console)

        same = uvloop.run(run())
    sys.exit(0 if same else 1)


def _import(file: Path, variables: Mapping[str, str], up_pid: int, kills: int, random: Random) -> list[str]:
    """What was killed until the import ended by itself."""
    killed: list[str] = []
    for number in range(_STARTS_MAX):
        words = ["import", "products", str(file), *(["--resume"] if number else [])]
        process = subprocess.Popen(
            [sys.executable, "-m", "kokoa.cli.main", *words],
            env=dict(variables),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None and len(killed) < kills:
            time.sleep(random.uniform(_EARLIEST_S, _LATEST_S))
            killed.append(_kill(random.choice([*_VICTIMS, "import"]), up_pid, process))
        if process.wait() == 0:
            return killed
    raise AssertionError(f"the import did not end in {_STARTS_MAX} starts")


def _kill(kind: str, up_pid: int, importing: "subprocess.Popen[bytes]") -> str:
    """What was killed: the import's own command where there is no such process just now."""
    found = (
        [] if kind == "import" else [pid for pid, words in commands_below(up_pid).items() if _VICTIMS[kind] in words]
    )
    if not found:
        importing.kill()
        return "import"
    os.kill(max(found), signal.SIGKILL)  # of the web processes not the one that keeps the others
    return kind


def _same(file: Path, variables: Mapping[str, str], goods: Goods, console: Console) -> bool:
    """Whether the store exports just these goods."""
    command = [sys.executable, "-m", "kokoa.cli.main", "export", "products", str(file)]
    subprocess.run(command, env=dict(variables), cwd=ROOT, check=True, capture_output=True)
    with file.open(newline="") as exported:
        rows = list(csv.DictReader(exported))
    found = {row["externalReference"]: tuple(row[column] for column in _COLUMNS) for row in rows}
    wanted = {one[0]: _cells(one) for one in goods}
    other = [reference for reference in wanted.keys() | found.keys() if wanted.get(reference) != found.get(reference)]
    console.print(f"{len(rows):,} rows exported, {len(goods):,} in the file, {len(other):,} differ")
    for reference in sorted(other)[:5]:
        console.print(f"{reference}: {wanted.get(reference)} in the file, {found.get(reference)} in the store")
    return not other and len(rows) == len(goods)


def _cells(one: Sequence[str | int]) -> tuple[str | int, ...]:
    cents = int(one[5])
    return (*one[1:5], f"{cents // 100}.{cents % 100:02}", "USD")


if __name__ == "__main__":
    app()
