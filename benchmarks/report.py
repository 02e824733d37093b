"""What a benchmark found: its rounds, its figure, its target, and the table of all of them. Pure."""

from collections.abc import Iterable
from statistics import median
from typing import Any, Literal

import msgspec
from rich.table import Table

Kind = Literal["ratio", "difference", "value", "rate"]


class Target(msgspec.Struct, frozen=True):
    """What must hold of a figure.

    ratio: subject / floor is at least the bound.  difference: subject - floor is at most the bound.
    value: the subject is at most the bound, and the floor is only shown beside it.  rate: it is at least the bound.
    """

    kind: Kind
    bound: float

    def describe(self, unit: str) -> str:
        match self.kind:
            case "ratio":
                return f"≥ {self.bound:g} × floor"
            case "difference":
                return f"floor + ≤ {self.bound:g} {unit}"
            case "value":
                return f"≤ {self.bound:g} {unit}"
            case "rate":
                return f"≥ {self.bound:g} {unit}"


class Measurement(msgspec.Struct, frozen=True):
    """One benchmark's rounds. subject, floor: one number for each round, measured next to each other.

    floor_name: what the floor is.  notes: more numbers worth a look.
    """

    name: str
    unit: str
    subject: list[float]
    floor: list[float]
    floor_name: str
    target: Target
    notes: dict[str, str] = {}

    @property
    def figure(self) -> float:
        """The median over the rounds, each round's subject judged by its own floor: what else the machine does
        hits both halves of a round alike."""
        pairs = zip(self.subject, self.floor, strict=True)
        match self.target.kind:
            case "ratio":
                return median(subject / floor for subject, floor in pairs)
            case "difference":
                return median(subject - floor for subject, floor in pairs)
            case "value" | "rate":
                return median(self.subject)

    @property
    def met(self) -> bool:
        """Whether the target holds."""
        if self.target.kind in ("ratio", "rate"):
            return self.figure >= self.target.bound
        return self.figure <= self.target.bound

    def as_json(self) -> dict[str, Any]:
        """Everything, for machines."""
        return {
            **msgspec.to_builtins(self),
            "subject_median": median(self.subject),
            "floor_median": median(self.floor),
            "figure": self.figure,
            "met": self.met,
        }


def table_of(measurements: Iterable[Measurement], caption: str = "") -> Table:
    """All measurements for people to read."""
    table = Table(title="Kokoa against its floors (medians of rounds)", title_justify="left", caption=caption)
    for heading in ("benchmark", "Kokoa", "floor", "figure", "target", "met"):
        table.add_column(heading, justify="left" if heading in ("benchmark", "target") else "right")
    for one in measurements:
        notes = "".join(f"\n[dim]  {name}: {value}[/]" for name, value in one.notes.items())
        table.add_row(
            f"{one.name}\n[dim]  floor: {one.floor_name}[/]{notes}",
            shown(median(one.subject), one.unit),
            shown(median(one.floor), one.unit),
            _figure(one),
            one.target.describe(one.unit),
            "[green]yes[/]" if one.met else "[red]no[/]",
        )
    return table


def _figure(one: Measurement) -> str:
    match one.target.kind:
        case "ratio":
            return f"{one.figure:.2f} ×"
        case "difference":
            return f"{one.figure:+.2f} {one.unit}"
        case "value" | "rate":
            return shown(one.figure, one.unit)


def shown(value: float, unit: str) -> str:
    """A number with as many digits as it deserves."""
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.2f} {unit}"


def percentile(values: list[float], share: float) -> float:
    """The smallest value that `share` (0 to 1) of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, -int(-share * len(ordered) // 1) - 1))]
