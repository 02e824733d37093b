"""The table of a run: a line for each suite and the totals."""

from collections.abc import Sequence

import msgspec


class Row(msgspec.Struct, frozen=True):
    """note: why a suite could not be run."""

    suite: str
    passed: int
    cases: int
    fetches: int = 0
    depth: int = 0
    composing_s: float = 0.0
    planning_s: float = 0.0
    note: str = ""


def print_table(rows: Sequence[Row]) -> None:
    print(f"\n{'suite':40} {'passed':>9} {'fetches':>8} {'depth':>6} {'compose ms':>11} {'plan ms':>8}")
    for row in rows:
        print(_line(row))
    total = Row(
        "TOTAL",
        sum(row.passed for row in rows),
        sum(row.cases for row in rows),
        sum(row.fetches for row in rows),
        sum(row.depth for row in rows),
        sum(row.composing_s for row in rows),
        sum(row.planning_s for row in rows),
    )
    print(_line(total))


def _line(row: Row) -> str:
    score = f"{row.passed}/{row.cases}"
    return (
        f"{row.suite:40} {score:>9} {row.fetches:8} {row.depth:6} {row.composing_s * 1000:11.1f} "
        f"{row.planning_s * 1000:8.1f} {row.note}"
    )
