"""`python -m benchmarks [NAME …]`: starts a store of its own, measures, prints a table of ratios."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Literal, get_args

import orjson
import uvloop
from cyclopts import App, Parameter
from rich.console import Console

from benchmarks.buying import measure_add_to_cart, measure_orders
from benchmarks.functions import measure_cold_start, measure_invoke, measure_invoke_rate, measure_override
from benchmarks.gateway import measure_gateway
from benchmarks.imports import measure_imports
from benchmarks.reads import LISTING, PAGE, SEARCH, measure_reads
from benchmarks.report import Measurement, table_of
from benchmarks.running import RunningStore, store_up
from benchmarks.stage import Tell, open_stage

Name = Literal[
    "listing",
    "page",
    "search",
    "gateway",
    "invoke",
    "invoke-rate",
    "cold-start",
    "override",
    "imports",
    "cart",
    "orders",
]

_READS = {"listing": LISTING, "page": PAGE, "search": SEARCH}
_OTHERS = {
    "gateway": measure_gateway,
    "invoke": measure_invoke,
    "invoke-rate": measure_invoke_rate,
    "cold-start": measure_cold_start,
    "override": measure_override,
    "imports": measure_imports,
    "cart": measure_add_to_cart,
    "orders": measure_orders,
}

app = App(name="benchmarks", help="Kokoa's speed against floors that are measured in the same run.")


@app.default
def bench(
    *names: Annotated[Name, Parameter(help="Which to run; all when none is named.")],
    rounds: Annotated[int, Parameter(help="How often subject and floor are measured in turn.")] = 5,
    json: Annotated[bool, Parameter(help="Print everything as JSON instead of a table.")] = False,
) -> None:
    """Start a store in a temporary folder, measure it, and remove it again. Ctrl-C ends it cleanly.

    Examples:
      python -m benchmarks
      python -m benchmarks listing search --rounds 9
      python -m benchmarks invoke --json
    """
    progress = Console(stderr=True, highlight=False)
    busy = os.getloadavg()[0]
    with progress.status("starting a store") as status, store_up() as store:
        measurements = uvloop.run(_measure(store, names or get_args(Name), max(1, rounds), status.update))
    if json:
        document = [one.as_json() for one in measurements]
        sys.stdout.buffer.write(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    else:
        caption = (
            f"{os.cpu_count()} processors, {busy:.1f} busy with other work before: that slows latencies, not ratios."
        )
        Console(highlight=False).print(table_of(measurements, caption))


async def _measure(store: RunningStore, names: Sequence[str], rounds: int, tell: Tell) -> list[Measurement]:
    async with open_stage(store, tell) as stage:
        reads = [_READS[name] for name in names if name in _READS]
        measurements = await measure_reads(stage, reads, rounds, tell) if reads else []
        return measurements + [await _OTHERS[name](stage, rounds, tell) for name in names if name in _OTHERS]


if __name__ == "__main__":
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
