"""Bugs as they could be made: each a small change of the planner's or the executor's behaviour, by a patch.

Every one must be noticed. `BUGS`: name → what to patch: (object, attribute, what to put there given what is there).
"""

from collections.abc import Callable
from typing import Any

import msgspec

from kokoa.gateway.execute import executor, gathering
from kokoa.gateway.plan import planner
from kokoa.gateway.plan.claims import Claims
from kokoa.gateway.plan.costs import Costs
from kokoa.gateway.plan.draft import Node
from kokoa.gateway.plan.graph import Graph
from kokoa.gateway.plan.passes import batch, merge_siblings
from kokoa.gateway.plan.placing import Placing
from kokoa.gateway.plan.position import Position
from kokoa.gateway.plan.walk import Walk

Patch = tuple[Any, str, Callable[[Any], Any]]


def _without_dependencies(passes: Any) -> Any:
    def forget(draft: Any) -> None:
        for fetch in draft.fetches:
            fetch.after = set()

    return (*passes, forget)


def _without_assumptions(real: Any) -> Any:
    return lambda *args: msgspec.structs.replace(real(*args), assumed=())


def _without_arguments(real: Any) -> Any:
    def parts_for(*args: Any) -> Any:
        for part in real(*args):
            yield msgspec.structs.replace(part, arguments="")

    return parts_for


def _conditions_swapped(real: Any) -> Any:
    def collector(schema: Any, fragments: Any, assignment: Any) -> Any:
        return real(schema, fragments, {name: not value for name, value in assignment.items()})

    return collector


def _first_group_only(real: Any) -> Any:
    return lambda one, found: real(one, found) if one.group.alias in ("_entities", "_entities_0") else None


def _typeless(real: Any) -> Any:
    def pick(value: Any, children: Any) -> Any:
        picked = real(value, children)
        if isinstance(picked, dict):
            picked.pop("__typename", None)
        return picked

    return pick


def _labels_ignored(_: Any) -> Any:
    return lambda self, join: join.resolvable and not join.override_label


def _shallow(_: Any) -> Any:
    return lambda target, brought: target.update(brought)


def _provided_everywhere(_: Any) -> Any:
    return lambda self, source, name: source.join(name) is not None


def _always_opened(_: Any) -> Any:
    return lambda self, at, source, name, banned=frozenset(): self.open(at, source, banned)


def _always_possible(_: Any) -> Any:
    return lambda self, at, source, name, banned=frozenset(): 1


def _unmarked(_: Any) -> Any:
    return lambda self, at, node: None


BUGS: dict[str, Patch] = {
    "requirements are not sent": (Placing, "node_for_field", _always_opened),
    "labels of overrides are ignored": (Graph, "is_on", _labels_ignored),
    "overrides are ignored": (Graph, "is_on", lambda _: lambda self, join: not join.external),
    "external fields are asked for": (Graph, "answers", _provided_everywhere),
    "response keys collide": (Claims, "key_for", lambda _: lambda self, name, arguments, type_text: name),
    "entities of all types are asked about": (Position, "types", lambda _: lambda self: ()),
    "unlike selections are merged": (merge_siblings, "_is_compatible", lambda _: lambda mine, entities: True),
    "unlike groups are merged": (batch, "_same", lambda _: lambda one, other: True),
    "variables are not passed on": (Node, "variables", lambda _: lambda self: iter(())),
    "fetches do not wait": (planner, "PASSES", _without_dependencies),
    "types are not waited for": (Position, "bringers", lambda _: lambda self: iter(())),
    "types are not found out": (Walk, "_find_types", lambda _: lambda self, *args: None),
    "types are not asked for": (Placing, "mark_type", _unmarked),
    "a type is not assumed": (planner, "write_plan", _without_assumptions),
    "mutations do not wait": (planner, "_wait_for", lambda _: lambda draft, before: None),
    "conditions are swapped": (planner, "Collector", _conditions_swapped),
    "arguments of requirements are lost": (Graph, "parts_for", _without_arguments),
    "only the first group is read": (executor, "_merge_batch", _first_group_only),
    "merging is shallow": (executor, "merge_into", _shallow),
    "nested types are not sent": (gathering, "_pick", _typeless),
    "everything seems possible": (Costs, "field_cost", _always_possible),
}  # fmt: skip
