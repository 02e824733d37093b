"""`PYTHONPATH=tests/unit/gateway python -m federated`: as many generated cases as you like.

Prints which features occurred how often, or the first difference, shrunk. Exits with 1 for a difference.
"""

import logging
import secrets
import sys
from collections import Counter

import structlog
from cyclopts import App
from rich.console import Console
from rich.progress import track
from rich.table import Table

from federated.cases import Case
from federated.features import FEATURES

app = App(name="federated", help=__doc__)
console = Console(highlight=False)


@app.default
def run(*, cases: int = 1_000, seed: int | None = None) -> None:
    """Compare generated graphs, split over subgraphs, with monoliths.

    cases: how many.  seed: of the first case; the others follow.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    first = secrets.randbelow(10**9) if seed is None else seed
    console.print(f"--cases {cases} --seed {first}")
    counted: Counter[str] = Counter()
    for number in track(range(first, first + cases), console=console):
        case = Case(number)
        if case.difference():
            console.print(case.shrunk(), markup=False)
            sys.exit(1)
        counted.update(case.features)
    table = Table("feature", "% of cases")
    for name in FEATURES:
        table.add_row(name, f"{100 * counted[name] / cases:.1f}")
    console.print(table)
    console.print(f"{cases} cases without a difference")


app()
