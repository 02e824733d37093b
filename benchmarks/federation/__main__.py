"""`python -m benchmarks.federation`: Kokoa's gateway, Hive Gateway and a floor on the public benchmark, in turns."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Annotated, Any

import msgspec
import orjson
import uvloop
from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from benchmarks.federation.contest import FLOOR, HIVE, KOKOA, Contest, Round, contest_up
from benchmarks.federation.hive import install_hive
from benchmarks.federation.shop import make_supergraph, plan_of

FETCHES_MAX = 7
ADDED_MS_MAX = 0.3
TIMES_HIVE_MIN = 1.0
TIMES_FLOOR_MIN = 0.4

Rounds = Mapping[str, Sequence[Round]]

app = App(name="benchmarks.federation", help="The public benchmark of federated gateways.")


class Ratio(msgspec.Struct, frozen=True):
    """The median over the rounds of Kokoa's requests a second by another's, and of the other's processor time by
    Kokoa's."""

    per_second: float
    cpu: float


def _line(unit: str, digits: int, read: Callable[[Round], float]) -> Callable[[Sequence[Round]], str]:
    return lambda rounds: f"{median(map(read, rounds)):,.{digits}f}{unit}"


_LINES = (
    ("requests/s", _line("", 0, lambda one: one.per_second)),
    ("p50", _line(" ms", 1, lambda one: one.p50_ms)),
    ("p99", _line(" ms", 1, lambda one: one.p99_ms)),
    ("processor time of an answer", _line(" ms", 2, lambda one: one.cpu_ms)),
    ("one fetch takes longer than alone by", _line(" ms", 2, lambda one: one.added_ms)),
    ("fetches of an answer under load", _line("", 1, lambda one: one.fetches)),
)


@app.default
def bench(
    *,
    rounds: Annotated[int, Parameter(help="How often each is measured, in turn.")] = 5,
    seconds: Annotated[float, Parameter(help="How long a turn lasts.")] = 4.0,
    connections: Annotated[int, Parameter(help="How many requests are always waiting.")] = 50,
    warm_up: Annotated[float, Parameter(help="How long each is driven before it is measured.")] = 10.0,
    hive: Annotated[bool, Parameter(help="Measure Hive Gateway too; needs npm.")] = True,
    shares: Annotated[bool, Parameter(help="Let both execute equal requests at the same time once.")] = False,
    json: Annotated[bool, Parameter(help="Print everything as JSON instead of a table.")] = False,
) -> None:
    """Start all of them, see that their answers are equal, measure them in turns, and stop them again."""
    progress = Console(stderr=True, highlight=False)
    fetches = len(plan_of(make_supergraph("http://127.0.0.1")).fetches)
    with progress.status("starting") as status:
        node = f"Node {install_hive()}." if hive else ""
        names = [KOKOA, HIVE, FLOOR] if hive else [KOKOA, FLOOR]
        with contest_up(names, shares=shares) as contest:
            answer_bytes = contest.agree()
            alone = {one.name: contest.fetches_alone(one) for one in contest.contestants}
            found = uvloop.run(_measure(contest, max(1, rounds), connections, seconds, warm_up, status.update))
            contest.agree()
    facts = {"plan_fetches": fetches, "answer_bytes": answer_bytes, "fetches_alone": alone, "node": node}
    if json:
        sys.stdout.buffer.write(orjson.dumps({**facts, **_as_json(found)}, option=orjson.OPT_INDENT_2) + b"\n")
    else:
        _show(found, facts)
    if fetches > FETCHES_MAX:
        sys.exit(f"The plan has {fetches} fetches; at most {FETCHES_MAX} are needed.")


async def _measure(
    contest: Contest, rounds: int, connections: int, seconds: float, warm_up: float, tell: Callable[[str], None]
) -> dict[str, list[Round]]:
    found: dict[str, list[Round]] = {one.name: [] for one in contest.contestants}
    for one in contest.contestants:
        tell(f"warming up {one.name}")
        await contest.turn(one, connections=connections, seconds=warm_up)
    for number in range(rounds):
        for one in contest.contestants:
            tell(f"round {number + 1} of {rounds}: {one.name}")
            found[one.name].append(await contest.turn(one, connections=connections, seconds=seconds))
    return found


def ratio_of(found: Rounds, other: str) -> Ratio:
    """Each round is judged by its own: what else the machine does hits both alike."""
    pairs = list(zip(found[KOKOA], found[other], strict=True))
    return Ratio(
        per_second=median(mine.per_second / theirs.per_second for mine, theirs in pairs),
        cpu=median(theirs.cpu_ms / mine.cpu_ms for mine, theirs in pairs),
    )


def added_to_floor(found: Rounds) -> float:
    """By how many ms one fetch through Kokoa takes longer than the same fetch through a server that does no more."""
    return median(mine.added_ms - bare.added_ms for mine, bare in zip(found[KOKOA], found[FLOOR], strict=True))


def _as_json(found: Rounds) -> dict[str, Any]:
    ratios = {other: msgspec.to_builtins(ratio_of(found, other)) for other in found if other != KOKOA}
    return {"rounds": msgspec.to_builtins(found), "kokoa_by": ratios, "added_to_floor_ms": added_to_floor(found)}


def _show(found: Rounds, facts: Mapping[str, Any]) -> None:
    table = Table(
        title=f"One query, {facts['answer_bytes']:,} bytes, equal answers (medians of rounds)", title_justify="left"
    )
    table.add_column("")
    for name in found:
        table.add_column(name, justify="right")
    for heading, shown in _LINES:
        table.add_row(heading, *(shown(rounds) for rounds in found.values()))
    table.add_row("fetches of one query alone", *(str(facts["fetches_alone"][name]) for name in found))
    console = Console(highlight=False)
    console.print(table)
    console.print(f"Kokoa's plan has {facts['plan_fetches']} fetches. {os.cpu_count()} processors. {facts['node']}")
    for other, aim in ((HIVE, TIMES_HIVE_MIN), (FLOOR, TIMES_FLOOR_MIN)):
        if other in found:
            ratio = ratio_of(found, other)
            met = "met" if ratio.per_second >= aim else "missed"
            console.print(
                f"Kokoa answers {ratio.per_second:.2f} × as many requests a second as {other}"
                f" (aim {aim:g} ×: {met}) and needs {1 / ratio.cpu:.2f} × its processor time."
            )
    through = {name: median(one.added_ms for one in found[name]) for name in (KOKOA, FLOOR)}
    added = added_to_floor(found)
    met = "met" if added <= ADDED_MS_MAX else "missed"
    console.print(
        f"One fetch through Kokoa takes {through[KOKOA]:.2f} ms longer than without any server between. A server that"
        f" only passes the fetch on takes {through[FLOOR]:.2f} ms, so the gateway adds {added:.2f} ms"
        f" (aim {ADDED_MS_MAX:g} ms: {met})."
    )


if __name__ == "__main__":
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
