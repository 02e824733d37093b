"""`python -m benchmarks [NAME …]`: starts a store of its own, measures, prints a table of ratios."""

import asyncio
import sys
from typing import Annotated

import orjson
import uvloop
from cyclopts import App, Parameter
from rich.console import Console

from benchmarks.reads import LISTING, PAGE, SEARCH, measure_reads
from benchmarks.report import Measurement, table_of
from benchmarks.running import store_up
from benchmarks.stage import Stage, Tell, open_stage

app = App(name="benchmarks", help="Kokoa's speed against floors that are measured in the same run.")
READS = {"listing": LISTING, "page": PAGE, "search": SEARCH}


@app.default
def bench(
    *names: Annotated[str, Parameter(help="Which to run.")],
    rounds: int = 5,
    json: bool = False,
) -> None:
    console = Console(stderr=True, highlight=False)
    with store_up() as store:
        measurements = uvloop.run(_measure(store, names or tuple(READS), rounds, lambda line: console.print(line)))
    if json:
        sys.stdout.buffer.write(orjson.dumps([one.as_json() for one in measurements], option=orjson.OPT_INDENT_2))
    else:
        Console(highlight=False).print(table_of(measurements))


async def _measure(store, names, rounds, tell) -> list[Measurement]:
    async with open_stage(store, tell) as stage:
        return await measure_reads(stage, [READS[n] for n in names if n in READS], rounds, tell)


if __name__ == "__main__":
    app()
