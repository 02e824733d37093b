"""Writing a draft down: selection sets as GraphQL text, fetches as they will be sent."""

from collections.abc import Iterator, Mapping, Sequence

from graphql import OperationDefinitionNode, print_ast

from kokoa.gateway.plan.conflicts import Aliases
from kokoa.gateway.plan.draft import Draft, DraftFetch, DraftGroup, Item, Node
from kokoa.gateway.plan.graph import Graph
from kokoa.gateway.plan.model import Assumption, Entities, Fetch, Group, Plan

_INDENT = "  "


class _Writer:
    """Writes one fetch."""

    def __init__(self, fetch: DraftFetch, operation: OperationDefinitionNode, graph: Graph) -> None:
        self._fetch = fetch
        self._operation = operation
        self._graph = graph
        self._aliases = Aliases()
        self._used = tuple(dict.fromkeys(name for node in fetch.nodes() for name in node.variables()))

    def write(self, after: tuple[int, ...]) -> Fetch:
        fetch = self._fetch
        renames = self._aliases.settle([fetch.root], self._graph) if fetch.root is not None else ()
        groups = [self._group(index, one) for index, one in enumerate(fetch.groups)]
        declarations = [*self._declarations(), *(f"${one.variable}: [_Any!]!" for one in groups)]
        kind = self._operation.operation.value if fetch.root is not None else "query"
        head = f"{kind}({', '.join(declarations)}) {{" if declarations else f"{kind} {{"
        body = list(self._lines(fetch.root, 1)) if fetch.root is not None else []
        for one, draft in zip(groups, fetch.groups, strict=True):
            body += self._entity_lines(one, draft)
        return Fetch(
            subgraph=fetch.subgraph,
            document="\n".join((head, *body, "}")),
            variables=self._used,
            after=after,
            groups=tuple(groups),
            keys=tuple(fetch.root.items) if fetch.root is not None else (),
            renames=renames,
        )

    def _group(self, index: int, draft: DraftGroup) -> Group:
        suffix = f"_{index}" if len(self._fetch.groups) > 1 else ""
        taken = {one.variable.name.value for one in self._operation.variable_definitions or ()}
        variable = f"representations{suffix}"
        while variable in taken:
            variable = f"_{variable}"
        entities = tuple(
            Entities(one.node.source.owner, tuple(one.needs.values()), tuple(one.node.items), one.types)
            for one in draft.entities
        )
        renames = self._aliases.settle([one.node for one in draft.entities], self._graph)
        return Group(f"_entities{suffix}", variable, tuple(draft.paths), entities, renames)

    def _declarations(self) -> list[str]:
        return [
            f"${one.variable.name.value}: {print_ast(one.type)}"
            + (f" = {print_ast(one.default_value)}" if one.default_value else "")
            for one in self._operation.variable_definitions or ()
            if one.variable.name.value in self._used
        ]

    def _entity_lines(self, group: Group, draft: DraftGroup) -> Iterator[str]:
        alias = "" if group.alias == "_entities" else f"{group.alias}: "
        yield f"{_INDENT}{alias}_entities(representations: ${group.variable}) {{"
        for one in draft.entities:
            yield f"{_INDENT * 2}... on {one.node.source.owner} {{"
            yield from self._lines(one.node, 3)
            yield f"{_INDENT * 2}}}"
        yield f"{_INDENT}}}"

    def _lines(self, node: Node, depth: int) -> Iterator[str]:
        """The inside of a selection set; `__typename` where nothing else is asked."""
        indent = _INDENT * depth
        if not node.items and all(_is_empty(member) for member in node.members.values()):
            # What a source that does not know types says of them must not be taken for the object's own.
            yield f"{indent}_empty: __typename" if node.source.is_opaque else f"{indent}__typename"
        for key, item in node.items.items():
            yield from self._item_lines(self._aliases.of(item, key), item, depth)
        for member in node.members.values():
            if not _is_empty(member):
                yield f"{indent}... on {member.source.owner} {{"
                yield from self._lines(member, depth + 1)
                yield f"{indent}}}"

    def _item_lines(self, key: str, item: Item, depth: int) -> Iterator[str]:
        indent = _INDENT * depth
        head = item.name + item.arguments if key == item.name else f"{key}: {item.name}{item.arguments}"
        if item.child is None:
            yield indent + head
            return
        yield f"{indent}{head} {{"
        yield from self._lines(item.child, depth + 1)
        yield f"{indent}}}"


def _is_empty(node: Node) -> bool:
    return not node.items and all(_is_empty(member) for member in node.members.values())


def write_plan(draft: Draft, operation: OperationDefinitionNode, graph: Graph) -> Plan:
    """The finished plan. The draft's fetches must be in order."""
    indexes: Mapping[DraftFetch, int] = {fetch: index for index, fetch in enumerate(draft.fetches)}
    fetches: Sequence[Fetch] = [
        _Writer(fetch, operation, graph).write(tuple(sorted(indexes[one] for one in fetch.after)))
        for fetch in draft.fetches
    ]
    verbatim = len(fetches) == 1 and draft.complete and not fetches[0].renames
    return Plan(tuple(fetches), verbatim, tuple(Assumption(path, name) for path, name in draft.assumed))
