"""Conditions → one SQL statement and its parameters. All SQL is in queries.sql and conditions.sql. Pure.

How many different statements there are is bounded by what a filter may hold; PostgreSQL's connections keep the last
hundred of them prepared.
"""

from pathlib import Path
from typing import Any

from kokoa.postgres import load_queries
from kokoa.services.catalog.lists.model import TOTAL_MAX, AllOf, AnyOf, Condition, Filter, Not, Sort

queries = load_queries(Path(__file__).with_name("queries.sql"))
_conditions = dict(load_queries(Path(__file__).with_name("conditions.sql")))

Statement = tuple[str, list[Any]]


class _Parameters:
    """Collects values; `$1` is the environment."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def add(self, value: Any) -> str:
        self.values.append(value)
        return f"${len(self.values) + 1}"


def list_statement(wanted: Filter, sort: Sort, *, backwards: bool, limit: int, offset: int) -> Statement:
    """A page.  backwards: from the end of the list, in reversed order."""
    parameters = _Parameters()
    conditions = _sql(wanted, parameters)
    order = f"order_{sort.field.lower()}{'_backwards' if sort.descending != backwards else ''}"
    text = queries.listed.format(
        conditions=conditions,
        order=_conditions[order],
        limit=f"{parameters.add(limit)}::integer",
        offset=f"{parameters.add(offset)}::integer",
    )
    return text, parameters.values


def count_statement(wanted: Filter) -> Statement:
    """How many there are, at most TOTAL_MAX."""
    parameters = _Parameters()
    conditions = _sql(wanted, parameters)
    return queries.counted.format(
        conditions=conditions, limit=f"{parameters.add(TOTAL_MAX)}::integer"
    ), parameters.values


def exists_statement(wanted: Filter) -> Statement:
    """Whether there is any."""
    parameters = _Parameters()
    return queries.inhabited.format(conditions=_sql(wanted, parameters)), parameters.values


def _sql(wanted: Filter, parameters: _Parameters) -> str:
    match wanted:
        case Condition():
            gaps = [parameters.add(value) for value in wanted.values]
            return f"({_conditions[wanted.name].format(*gaps)})"
        case AllOf():
            return f"({' AND '.join(_sql(part, parameters) for part in wanted.parts) or 'true'})"
        case AnyOf():
            return f"({' OR '.join(_sql(part, parameters) for part in wanted.parts)})"
        case Not():
            return f"({_sql(wanted.part, parameters)} IS NOT TRUE)"
