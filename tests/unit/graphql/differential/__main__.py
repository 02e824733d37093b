"""`PYTHONPATH=tests/unit/graphql python -m differential`: as many generated cases as you like.

Prints which features occurred how often, or the first difference, as found and shrunk. Exits with 1 for a difference.
"""

import logging
import secrets
import sys
from collections import Counter
from typing import Annotated

import structlog
from cyclopts import App, Parameter
from hypothesis import HealthCheck, given, settings
from hypothesis import seed as seeded
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from differential.cases import CASES, CASES_OF_A_WORLD, Case, first_difference
from differential.features import count_features, shares_percent

app = App(name="differential", help=__doc__)
console = Console(highlight=False)


class _Session:
    """Runs cases and counts what they exercise. seen: cases so far, those of shrinking left out."""

    def __init__(self, cases_max: int) -> None:
        self.counted: Counter[str] = Counter()
        self.seen = 0
        self._cases_max = cases_max
        self._found = False

    def run(self, seed: int, progress: Progress) -> None:
        """Raises AssertionError for a difference."""
        task = progress.add_task("cases", total=self._cases_max)

        @seeded(seed)
        @settings(
            max_examples=self._cases_max // CASES_OF_A_WORLD,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(CASES)
        def compare(cases: list[Case]) -> None:
            difference = first_difference(cases)
            if difference and not self._found:
                self._found = True
                console.print(
                    f"The answers differ, after {self.seen} cases that did not:\n\n{difference}", markup=False
                )
                console.print("\nShrinking this, for five minutes at most; Ctrl-C ends it.")
            if not self._found:
                self.seen += len(cases)
                self.counted.update(count_features(cases))
                progress.update(task, completed=self.seen)
            assert not difference, difference

        compare()


def _table(session: _Session) -> Table:
    table = Table("feature", "% of cases", title=f"{session.seen} cases")
    table.columns[1].justify = "right"
    for name, percent in shares_percent(session.counted, session.seen).items():
        table.add_row(name, f"{percent:.1f}")
    return table


@app.default
def differential(
    cases: Annotated[int, Parameter(help="How many; a few share a schema.")] = 20_000,
    seed: Annotated[int | None, Parameter(help="The same seed gives the same cases.")] = None,
) -> None:
    """Compare the engine with graphql-core's executor on generated cases.

    Example: PYTHONPATH=tests/unit/graphql python -m differential --cases 2000 --seed 7
    """
    if cases < CASES_OF_A_WORLD:
        sys.exit(f"--cases is {cases}; it must be at least {CASES_OF_A_WORLD}, which share a schema.")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    seed = secrets.randbelow(2**31) if seed is None else seed
    console.print(f"seed {seed}")
    session = _Session(cases)
    columns = (*Progress.get_default_columns()[:-1], MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=Console(stderr=True)) as progress:
            session.run(seed, progress)
    except AssertionError as found:
        console.print(f"\nThe smallest case that was found:\n\n{found}", markup=False)
        sys.exit(1)
    console.print(_table(session))


if __name__ == "__main__":
    app()
