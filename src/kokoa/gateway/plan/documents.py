"""Writing a draft down: selection sets as GraphQL text, fetches as they will be sent."""

from collections.abc import Iterator, Mapping, Sequence

from graphql import OperationDefinitionNode, print_ast

from kokoa.gateway.plan.draft import Draft, DraftEntities, DraftFetch, Item, Node
from kokoa.gateway.plan.model import Entities, Fetch, Plan

_INDENT = "  "


def _lines(node: Node, depth: int) -> Iterator[str]:
    """The inside of a selection set; `__typename` where nothing else is asked."""
    indent = _INDENT * depth
    if not node.items and not any(True for member in node.members.values() for _ in _lines(member, 0)):
        yield f"{indent}__typename"
    for key, item in node.items.items():
        yield from _item_lines(key, item, indent, depth)
    for type_name, member in node.members.items():
        if member.items or member.members:
            yield f"{indent}... on {type_name} {{"
            yield from _lines(member, depth + 1)
            yield f"{indent}}}"


def _item_lines(key: str, item: Item, indent: str, depth: int) -> Iterator[str]:
    head = item.name + item.arguments if key == item.name else f"{key}: {item.name}{item.arguments}"
    if item.child is None:
        yield indent + head
        return
    yield f"{indent}{head} {{"
    yield from _lines(item.child, depth + 1)
    yield f"{indent}}}"


def _declarations(operation: OperationDefinitionNode, used: Sequence[str]) -> list[str]:
    return [
        f"${one.variable.name.value}: {print_ast(one.type)}"
        + (f" = {print_ast(one.default_value)}" if one.default_value else "")
        for one in operation.variable_definitions or ()
        if one.variable.name.value in used
    ]


def _entity_text(entities: Mapping[str, DraftEntities], variable: str) -> Iterator[str]:
    yield f"{_INDENT}_entities(representations: ${variable}) {{"
    for type_name, one in entities.items():
        yield f"{_INDENT * 2}... on {type_name} {{"
        yield from _lines(one.node, 3)
        yield f"{_INDENT * 2}}}"
    yield f"{_INDENT}}}"


def _write(fetch: DraftFetch, operation: OperationDefinitionNode, indexes: Mapping[DraftFetch, int]) -> Fetch:
    nodes = [fetch.root] if fetch.root is not None else [one.node for one in fetch.entities.values()]
    used = tuple(dict.fromkeys(name for node in nodes for name in node.variables()))
    declarations = _declarations(operation, used)
    taken = {one.variable.name.value for one in operation.variable_definitions or ()}
    variable = "representations" if "representations" not in taken else "_representations"
    if fetch.root is None:
        declarations.append(f"${variable}: [_Any!]!")
    kind = operation.operation.value if fetch.root is not None else "query"
    head = f"{kind}({', '.join(declarations)}) {{" if declarations else f"{kind} {{"
    body = _lines(fetch.root, 1) if fetch.root is not None else _entity_text(fetch.entities, variable)
    return Fetch(
        subgraph=fetch.subgraph,
        document="\n".join((head, *body, "}")),
        variables=used,
        after=tuple(sorted(indexes[one] for one in fetch.after)),
        path=fetch.path,
        entities=tuple(
            Entities(name, tuple(one.needs.values()), tuple(one.node.items), one.types)
            for name, one in fetch.entities.items()
        ),
        keys=tuple(fetch.root.items) if fetch.root is not None else (),
        representations=variable,
    )


def write_plan(draft: Draft, operation: OperationDefinitionNode, *, verbatim: bool) -> Plan:
    """The finished plan. The draft's fetches must be in order."""
    indexes = {fetch: index for index, fetch in enumerate(draft.fetches)}
    return Plan(tuple(_write(fetch, operation, indexes) for fetch in draft.fetches), verbatim)
