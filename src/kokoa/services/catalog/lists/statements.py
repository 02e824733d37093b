"""Conditions → one SQL statement and its parameters. All SQL is in the `.sql` files. Pure.

How many different statements there are is bounded by what a filter may hold; PostgreSQL's connections keep the last
hundred of them prepared. Bounds stand in the text: of a parameter the planner would think as it likes.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from kokoa.postgres import load_queries
from kokoa.services.catalog.lists.model import TOTAL_MAX, AllOf, AnyOf, Condition, Filter, Not, Sort
from kokoa.services.catalog.lists.ways import (
    BOUNDS,
    LOOK_UPS,
    NAMES,
    SURELY_FEW,
    SURELY_FEW_MAX,
    Bounds,
    Source,
    Ways,
    looks_up,
    sources_of,
    ways_of,
)

queries = load_queries(Path(__file__).with_name("queries.sql"))
_parts = load_queries(Path(__file__).with_name("ways.sql"))
_conditions = dict(load_queries(Path(__file__).with_name("conditions.sql")))
# Each way stops at one of these, whatever the page: up to where offset and limit go.
_ENDS = (101, 1_101, 10_101)

Statement = tuple[str, list[Any]]
Form = Literal["", "_of_one", "_of_all"]


class _Parameters:
    """Collects values, those of a condition once; `$1` is the environment."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._known: dict[int, list[str]] = {}

    def add(self, value: Any) -> str:
        self.values.append(value)
        return f"${len(self.values) + 1}"

    def of(self, condition: Condition) -> list[str]:
        if id(condition) not in self._known:
            self._known[id(condition)] = [self.add(value) for value in condition.values]
        return self._known[id(condition)]


def list_statement(
    wanted: Filter, sort: Sort, *, backwards: bool, limit: int, offset: int, bounds: Bounds = BOUNDS
) -> Statement:
    """A page.  backwards: from the end of the list, in reversed order."""
    return _Page(wanted, sort, sort.descending != backwards, limit, offset, bounds).statement()


def count_statement(wanted: Filter, bounds: Bounds = BOUNDS) -> Statement:
    """How many there are, at most TOTAL_MAX."""
    parameters = _Parameters()
    conditions = _sql(wanted, parameters)
    limit = f"{parameters.add(TOTAL_MAX)}::integer"
    sources = sources_of((wanted,))
    if not sources or sources[0].rank != NAMES:
        return queries.counted.format(conditions=conditions, limit=limit), parameters.values
    text = queries.counted_by_few.format(
        ids=_ids(sources[0], parameters),
        few=bounds.gathered,
        conditions=conditions,
        conditions_of_one=_sql(wanted, parameters, form="_of_one"),
        limit=limit,
    )
    return text, parameters.values


def subtree_statement(
    paths: Sequence[str],
    *,
    limit: int,
    offset: int,
    published_only: bool,
    channel: str | None,
    bounds: Bounds = BOUNDS,
) -> Statement:
    """A page by name for each of some categories, by their paths, with all below it. Each row ends with the path."""
    parameters = _Parameters()
    parameters.values += [paths, limit, offset, [f"{path}/" for path in paths], [f"{path}0" for path in paths]]
    published = [Condition("published")] if published_only else []
    sold = [] if channel is None else [Condition("channel", (channel,))]
    text = queries.subtree_pages.format(
        columns=_conditions["columns"],
        merged=bounds.merged,
        keyed=bounds.keyed,
        begin=_conditions["begin_name"],
        published=_sql(AllOf(tuple(published)), parameters),
        conditions=_sql(AllOf((*published, *sold)), parameters, form="_of_one"),
    )
    return text, parameters.values


class _Page:
    """One page, and what its ways have in common.

    The ways are named in ways.sql: *gathered* of few, *marked* of many, *walked* of most, *remaining*.
    """

    def __init__(self, wanted: Filter, sort: Sort, descending: bool, limit: int, offset: int, bounds: Bounds) -> None:
        self._sort = sort
        self._ways: Ways = ways_of(wanted, sort)
        self._second = self._ways.sources[1] if len(self._ways.sources) > 1 else None
        self._bounds = bounds
        self._parameters = _Parameters()
        self._limit = f"{self._parameters.add(limit)}::integer"
        self._offset = f"{self._parameters.add(offset)}::integer"
        self._last = max(limit + offset - 1, 0)
        self._deep = limit + offset > _ENDS[0]
        self._begin = f"({_conditions[f'begin_{sort.field.lower()}']})"
        order = f"order_{sort.field.lower()}"
        if sort.field == "PRICE" and any(one.name == "currency" for one in self._ways.range):
            order = "order_price_of_one_currency"
        direction = " DESC" if descending else ""
        self._gaps: dict[str, Any] = {
            "order": _conditions[order].format("", direction),
            "page_order": _conditions[order].format("by_", direction),
            "keys": _conditions[f"keys_{sort.field.lower()}"].format("products."),
            "columns": _conditions["columns"],
            "bound": next(end for end in _ENDS if end >= limit + offset),
        }

    def statement(self) -> Statement:
        """The statement: put together from the ways that this list may take."""
        ways, first = self._ways, next(iter(self._ways.sources), None)
        if first is None and ways.looks_up and not self._deep:
            walked, short = self._walked("true", self._bounds.walked), self._short("true", self._bounds.walked)
            return self._page([walked, short, self._remaining(_parts.is_short)], "remaining", short=True)
        if first is None:
            text = self._fill(
                queries.walked_through if ways.rest else queries.listed,
                conditions=_sql(AllOf(ways.rest), self._parameters, form="_of_all"),
                limit=self._limit,
                offset=self._offset,
            )
            return text, self._parameters.values
        if first.rank == SURELY_FEW:
            return self._page([self._few("few", first), self._gathered({"few": "true"}, SURELY_FEW_MAX)], "gathered")
        if first.rank == NAMES and not self._deep:
            return self._names_walked_first(first)
        if ways.looks_up and not self._deep:
            return self._walked_for_a_while(first)
        return self._looked_up_first(first)

    def _looked_up_first(self, first: Source) -> Statement:
        """Gathered, or marked, or walked to the end."""
        # A deep page looks at all that is before it.
        bound = self._bounds.marked_after if self._ways.looks_up else self._bounds.marked_plain
        steps = [*self._choice(first, bound), self._marked(_parts.is_marked), self._walked(_taken("WALK"))]
        return self._page(steps, "gathered", "marked", "walked")

    def _walked_for_a_while(self, first: Source) -> Statement:
        """Gathered, or marked, or walked for a while, and if that has not filled the page: marked, or walked on."""
        is_short = _parts.is_short
        more = _parts.more_than.format(few="few", bound=self._bounds.marked_after)
        steps = [
            *self._choice(first, self._bounds.marked),
            self._walked(_taken("WALK"), self._bounds.walked),
            self._short(_taken("WALK"), self._bounds.walked),
            self._marked(f"({_parts.is_marked} OR {is_short} AND NOT {more})"),
            self._remaining(f"{is_short} AND {more}"),
        ]
        return self._page(steps, "gathered", "marked", "remaining", short=True)

    def _names_walked_first(self, first: Source) -> Statement:
        """Walked for a while, which costs no more than looking a part of a name up; then as others."""
        part = next((one for one in first.says if isinstance(one, Condition)), None)
        if self._sort.field == "NAME" and part is not None:
            most = self._bounds.walked_names
            walked = self._fill(
                _parts.way_named,
                part=_conditions["name_contains_in_order"].format(*self._parameters.of(part)),
                most=most,
                conditions=self._all(one for one in self._ways.rest if one is not part),
            )
        else:
            most = self._bounds.walked
            walked = self._walked("true", most)
        done = _parts.way_case.format(test=f"NOT {_parts.is_short}", taken="DONE")
        steps = [
            walked,
            self._short("true", most),
            *self._choice(first, self._bounds.marked, done),
            self._marked(_parts.is_marked),
            self._remaining(_taken("WALK")),
        ]
        return self._page(steps, "gathered", "marked", "remaining", short=True)

    def _choice(self, first: Source, marked: int, *cases: str) -> list[str]:
        """The sources, which of the ways is taken, and what is gathered."""
        asked = [("few", self._bounds.gathered, "FEW"), ("few", marked, "MARK")]
        if self._second:
            asked.insert(1, ("second", self._bounds.gathered, "SECOND"))
            asked.append(("second", self._bounds.marked_plain, "MARK SECOND"))
        of_each = [
            _parts.way_case.format(test=f"NOT {_parts.more_than.format(few=few, bound=bound)}", taken=taken)
            for few, bound, taken in asked
        ]
        guards = {"few": _taken("FEW"), **({"second": _taken("SECOND")} if self._second else {})}
        return [
            self._few("few", first),
            *([self._few("second", self._second)] if self._second else []),
            _parts.way_choice.format(cases=" ".join([*cases, *of_each])),
            self._gathered(guards, self._bounds.gathered),
        ]

    def _few(self, name: str, source: Source) -> str:
        most = max(self._bounds.gathered, self._bounds.marked, self._bounds.marked_after, SURELY_FEW_MAX) + 1
        return _parts.way_few.format(name=name, ids=_ids(source, self._parameters), most=most)

    def _gathered(self, guards: dict[str, str], most: int) -> str:
        """guards: when the ids of `few`, of `second` are those that are gathered.  most: so many are in them then."""
        nearest = (_parts.nearest.format(few=few, guard=guard, most=most) for few, guard in guards.items())
        look_ups = [part for part in self._ways.rest if looks_up(part)]
        plain = [part for part in self._ways.rest if not looks_up(part)]
        return self._fill(
            _parts.way_gathered,
            nearest=" UNION ".join(nearest),
            conditions=self._all([*self._ways.range, *plain]),
            look_ups=self._all(look_ups, told=list(guards.values())),
        )

    def _marked(self, guard: str) -> str:
        """Beside `few`, unless `second` is chosen."""
        second = _taken("MARK SECOND")
        guards = {"few": f"NOT {second}", **({"second": second} if self._second else {})}
        marks = (_parts.marks.format(few=few, guard=when) for few, when in guards.items())
        return self._fill(
            _parts.way_marked,
            guard=guard,
            marks=" UNION ALL ".join(marks),
            conditions=self._all(self._ways.rest, told=list(guards.values())),
        )

    def _walked(self, guard: str, most: int | str = "ALL") -> str:
        return self._fill(_parts.way_walked, guard=guard, most=most, conditions=self._all(self._ways.rest))

    def _short(self, guard: str, most: int) -> str:
        last = f"{self._parameters.add(self._last)}::integer"
        return self._fill(_parts.way_short, guard=guard, last=last, most=most)

    def _remaining(self, guard: str) -> str:
        conditions = _sql(AllOf(self._ways.rest), self._parameters, form="_of_all")
        return self._fill(_parts.way_remaining, guard=guard, conditions=conditions)

    def _page(self, steps: list[str], *found: str, short: bool = False) -> Statement:
        pages = [_parts.found.format(way=name) for name in found]
        if short:
            pages.append(self._fill(_parts.found_unless_short))
        text = self._fill(
            _parts.page,
            ways=",\n".join(steps),
            found=" UNION ALL ".join(pages),
            limit=self._limit,
            offset=self._offset,
        )
        return text, self._parameters.values

    def _fill(self, text: str, **gaps: Any) -> str:
        return text.format(**self._gaps, **gaps, range=f"{self._begin} AND {self._all(self._ways.range)}")

    def _all(self, parts: Iterable[Filter], *, told: Sequence[str] = ()) -> str:
        """All of the parts hold.  told: of each source, when it has told of its parts already."""
        says = [(source.says, when) for source, when in zip(self._ways.sources, told, strict=False)]
        tests = []
        for part in parts:
            test = _sql(part, self._parameters, form="_of_one")
            known = [when for said, when in says if part in said]
            tests.append(f"({' OR '.join([*known, test])})")
        return " AND ".join(tests) or "true"


def _taken(way: str) -> str:
    return _parts.taken.format(taken=way)


def _ids(source: Source, parameters: _Parameters) -> str:
    """Products of any of the alternatives."""
    return " UNION ALL ".join(_ids_of(conditions, parameters) for conditions in source.alternatives)


def _ids_of(conditions: tuple[Condition, ...], parameters: _Parameters) -> str:
    own = f"{conditions[0].name}_ids"
    if own in _conditions:
        return _conditions[own].format(*parameters.of(conditions[0]))
    return _conditions["products_ids"].format(_sql(AllOf(conditions), parameters))


def _sql(wanted: Filter, parameters: _Parameters, *, form: Form = "") -> str:
    """form: how it looks into other tables: by key, at all that is in them, or as the planner likes."""
    match wanted:
        case Condition():
            return f"({_condition(wanted, parameters, form)})"
        case AllOf():
            return f"({' AND '.join(_sql(part, parameters, form=form) for part in wanted.parts) or 'true'})"
        case AnyOf():
            return f"({' OR '.join(_sql(part, parameters, form=form) for part in wanted.parts)})"
        case Not():
            return f"({_sql(wanted.part, parameters, form=form)} IS NOT TRUE)"


def _condition(wanted: Condition, parameters: _Parameters, form: Form) -> str:
    gaps = parameters.of(wanted)
    ids = _conditions.get(f"{wanted.name}_ids")
    if form == "_of_all" and wanted.name in LOOK_UPS and ids is not None:
        return _conditions["of_all"].format(ids.format(*gaps))
    name = f"{wanted.name}{form}" if wanted.name in LOOK_UPS else wanted.name
    return _conditions[name].format(*gaps)
