"""How long the answer to a plan may be kept, by the hints of the subgraphs that answer it (`@cacheControl`).

Each fetch is judged by the SDL of the subgraph that it asks, so that what an extension answers in the place of a
native field has the extension's hint. The answer is kept as long as the shortest of all that is fetched:

    a root field, a field that returns objects   its own hint, else the hint of its type, else 0
    any other field                              its own hint, else as long as what it is part of
    an entity that is asked for by key           the hint of its type; without one its fields count as root fields

What only some callers may see, and what customers are divided about, is not kept at all.
Source: https://www.apollographql.com/docs/apollo-server/performance/caching
"""

from collections.abc import Iterable
from typing import Any

from graphql import GraphQLSchema, OperationDefinitionNode, get_named_type, is_abstract_type, is_composite_type, parse
from graphql.language import FieldNode, InlineFragmentNode, SelectionSetNode

from kokoa.gateway.plan.model import Plan
from kokoa.gateway.supergraph import CacheHint, SubgraphView, Supergraph
from kokoa.graphql.result import CacheControl
from kokoa.graphql.scopes import requirement_of

_NO_HINT = CacheHint()
_ROOT = "Query"


def cache_control(plan: Plan, supergraph: Supergraph) -> CacheControl | None:
    """Of a plan for a query; None if its answer is not to be kept."""
    views = [supergraph.subgraphs[fetch.subgraph] for fetch in plan.fetches]
    if not views or not all(view.cache_hints for view in views):
        return None  # as nearly always: no hint, nothing is read
    overall = _Overall()
    for view, fetch in zip(views, plan.fetches, strict=True):
        _Judge(view, supergraph.full, overall).judge(fetch.document)
    return overall.result()


def is_private(plan: Plan, supergraph: Supergraph) -> bool:
    """Whether it asks for what a subgraph marks as one caller's (`scope: PRIVATE`)."""
    overall = _Overall()
    for fetch in plan.fetches:
        view = supergraph.subgraphs[fetch.subgraph]
        if view.cache_hints:
            _Judge(view, supergraph.full, overall).judge(fetch.document)
    return overall.private


class _Overall:
    """The strictest of all hints."""

    def __init__(self) -> None:
        self._max_age_s: int | None = None
        self.private = False

    def restrict(self, max_age_s: int | None, private: bool | None = None) -> None:
        if max_age_s is not None:
            self._max_age_s = max_age_s if self._max_age_s is None else min(self._max_age_s, max_age_s)
        self.private = self.private or bool(private)

    def result(self) -> CacheControl | None:
        return CacheControl(self._max_age_s, self.private) if self._max_age_s else None


class _Judge:
    """Judges what one subgraph is asked."""

    def __init__(self, view: SubgraphView, full: GraphQLSchema, overall: _Overall) -> None:
        self._view = view
        self._full = full
        self._overall = overall

    def judge(self, document: str) -> None:
        for operation in parse(document, no_location=True).definitions:
            assert isinstance(operation, OperationDefinitionNode), "the planner writes operations"
            self._selections(_ROOT, operation.selection_set, is_root=True)

    def _selections(self, type_name: str, selections: SelectionSetNode, *, is_root: bool) -> None:
        for node in selections.selections:
            if isinstance(node, InlineFragmentNode):
                on = node.type_condition.name.value if node.type_condition else type_name
                self._selections(on, node.selection_set, is_root=is_root)
            elif isinstance(node, FieldNode) and node.name.value == "_entities" and type_name == _ROOT:
                self._entities(node)
            elif isinstance(node, FieldNode) and node.name.value != "__typename":
                self._field(type_name, node, is_root=is_root)

    def _entities(self, node: FieldNode) -> None:
        assert node.selection_set is not None, "entities are objects"
        for one in node.selection_set.selections:
            assert isinstance(one, InlineFragmentNode), "entities are asked for by type"
            assert one.type_condition is not None, "entities are asked for by type"
            name = one.type_condition.name.value
            hint = self._view.cache_hints.get(name, _NO_HINT)
            self._overall.restrict(hint.max_age_s, hint.private)
            self._selections(name, one.selection_set, is_root=hint.max_age_s is None)

    def _field(self, type_name: str, node: FieldNode, *, is_root: bool) -> None:
        named: Any = self._view.schema.get_type(type_name)
        returned = get_named_type(named.fields[node.name.value].type)
        hints, coordinate = self._view.cache_hints, f"{type_name}.{node.name.value}"
        own = hints.get(coordinate, _NO_HINT)
        of_type = hints.get(returned.name, _NO_HINT) if is_composite_type(returned) else _NO_HINT
        max_age_s = of_type.max_age_s if own.max_age_s is None else own.max_age_s
        inherits = (own.inherits or of_type.inherits) and not is_root
        if max_age_s is None and (is_root or (is_composite_type(returned) and not inherits)):
            max_age_s = 0
        if self._is_divided(type_name, node.name.value) or self._is_restricted(type_name, node.name.value):
            max_age_s = 0
        self._overall.restrict(max_age_s, of_type.private if own.private is None else own.private)
        if node.selection_set is not None:
            self._selections(returned.name, node.selection_set, is_root=False)

    def _is_divided(self, type_name: str, field_name: str) -> bool:
        """Whether only some customers get this subgraph's answer."""
        join = self._view.joins.get((type_name, field_name))
        return join is not None and bool(join.override_label or join.overridden_label)

    def _is_restricted(self, type_name: str, field_name: str) -> bool:
        """Whether the graph demands anything of who asks for it."""
        return any(
            requirement_of(named, named.fields[field_name])
            for named in self._types(type_name)
            if field_name in named.fields
        )

    def _types(self, type_name: str) -> Iterable[Any]:
        """The type as the graph has it, and what may stand for it."""
        named = self._full.get_type(type_name)
        if named is None or not hasattr(named, "fields"):
            return ()
        return (named, *self._full.get_possible_types(named)) if is_abstract_type(named) else (named,)
