"""What a case exercises, by looking at its graph, its operation and the plan that was made for it."""

from collections.abc import Iterator, Sequence

from federated.blueprint import OPAQUE, Blueprint
from federated.operations import Operation
from kokoa.gateway.plan import Plan

FEATURES = (
    "several subgraphs", "several fetches", "fetches one after another", "several keys", "nested key", "key chain",
    "requires", "requires nested", "requires with argument", "requires with fragment", "requires what requires",
    "provides", "provides on abstract", "shared field", "split value type", "shared root", "override",
    "override by label", "inaccessible field", "interface object", "opaque objects", "types found out", "interface",
    "union", "nested entities", "batched fetch", "arguments", "variables", "skip or include", "fragments",
    "named fragments", "typename", "aliases", "mutation", "failing values",
)  # fmt: skip


def features_of(plan: Blueprint, operation: Operation, plans: Sequence[Plan], faults: int) -> set[str]:
    """The names of the features."""
    return {
        *_of_graph(plan, plans),
        *_of_plans(plan, plans),
        *_of_operation(operation),
        *(["failing values"] if faults else []),
    }


def _asked(plans: Sequence[Plan]) -> str:
    return "\n".join(fetch.document for plan in plans for fetch in plan.fetches)


def _of_graph(plan: Blueprint, plans: Sequence[Plan]) -> Iterator[str]:
    """Features of fields that were fetched."""
    text = _asked(plans)
    words = set(text.replace("(", " ").replace("{", " ").replace(":", " ").split())
    if len(plan.subgraphs) > 1:
        yield "several subgraphs"
    if any(one.startswith("qW") or one == "w" for one in words) and len(set(plan.split)) > 1:
        yield "split value type"
    for entity in plan.entities.values():
        if f"... on {entity.name} " not in text and "l" not in text:
            continue
        for made in entity.fields.values():
            if made.name in words:
                yield from _of_field(plan, entity.name, made)
    if any(len(one.owners) > 1 and one.name in words for one in plan.roots.values()):
        yield "shared root"


def _of_field(plan: Blueprint, entity: str, made) -> Iterator[str]:
    fields = plan.entities[entity].fields
    if made.shared:
        yield "shared field"
    if made.overridden:
        yield "override by label" if made.label else "override"
    if made.inaccessible:
        yield "inaccessible field"
    if made.provides:
        yield "provides on abstract" if "... on" in next(iter(made.provides.values())) else "provides"
    if made.requires:
        yield "requires"
        if "{" in made.requires:
            yield "requires nested"
        if "(" in made.requires:
            yield "requires with argument"
        if "... on" in made.requires:
            yield "requires with fragment"
        if any(fields[name].requires for of, name in made.externals if of == entity):
            yield "requires what requires"


def _of_plans(plan: Blueprint, plans: Sequence[Plan]) -> Iterator[str]:
    for one in plans:
        if len(one.fetches) > 1:
            yield "several fetches"
        if one.depth() > 1:
            yield "fetches one after another"
        if one.depth() > 2:
            yield "key chain"
        for fetch in one.fetches:
            if len(fetch.groups) > 1 or any(len(group.paths) > 1 for group in fetch.groups):
                yield "batched fetch"
            if fetch.groups:
                yield "nested entities"
            for entities in (each for group in fetch.groups for each in group.entities):
                names = {need.name for need in entities.needs if need.is_key}
                yield "several keys" if names & {"sku"} else ""
                yield "nested key" if "tag" in names else ""
                yield "interface object" if fetch.subgraph == OPAQUE else ""
                yield "types found out" if entities.type_name == "Node" and fetch.subgraph != OPAQUE else ""
            if fetch.subgraph == OPAQUE and not fetch.groups:
                yield "opaque objects"


def _of_operation(operation: Operation) -> Iterator[str]:
    text = operation.text()
    if operation.kind == "mutation":
        yield "mutation"
    yield "arguments" if "(by:" in text else ""
    yield "variables" if "$by" in text else ""
    yield "skip or include" if "(if:" in text else ""
    yield "typename" if "__typename" in text else ""
    for one in operation.selections():
        yield "aliases" if one.kind == "field" and ":" in one.text.split("(")[0] else ""
        yield "fragments" if one.kind == "inline" else ""
        yield "named fragments" if one.kind == "spread" else ""
        yield "interface" if one.on == "Node" or "qNode" in one.text else ""
        yield "union" if one.on == "Some" or "qSome" in one.text else ""
