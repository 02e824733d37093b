"""Planning: an operation and a supergraph → a plan. Pure.

collect the root fields  →  place every field (walk, placing)  →  improve the draft (passes)     one attempt
attempts that choose otherwise, the best of them  (search)  →  write it down  (documents)
how long its answer may be kept  (caching)
"""

from collections.abc import Mapping

import msgspec
from graphql import FragmentDefinitionNode, OperationDefinitionNode, OperationType

from kokoa.gateway.plan.asked import Asked
from kokoa.gateway.plan.bounds import FETCHES_MAX, NotPlannable, PlanTooComplex, Steps
from kokoa.gateway.plan.caching import cache_control, is_private
from kokoa.gateway.plan.choices import Choices
from kokoa.gateway.plan.claims import Claims
from kokoa.gateway.plan.costs import Costs
from kokoa.gateway.plan.crossings import Crossings
from kokoa.gateway.plan.documents import write_plan
from kokoa.gateway.plan.draft import Draft, DraftFetch
from kokoa.gateway.plan.graph import Graph
from kokoa.gateway.plan.model import Plan
from kokoa.gateway.plan.passes import PASSES
from kokoa.gateway.plan.placing import Placing
from kokoa.gateway.plan.position import Position
from kokoa.gateway.plan.search import best_draft
from kokoa.gateway.plan.walk import Walk
from kokoa.gateway.supergraph import Supergraph
from kokoa.graphql.collect import Assignment, Collector

__all__ = ["NotPlannable", "PlanTooComplex", "make_plan"]


def make_plan(
    supergraph: Supergraph,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    assignment: Assignment,
    hidden: frozenset[str] = frozenset(),
    labels: frozenset[str] = frozenset(),
) -> Plan:
    """Plan a valid operation.

    assignment: the values of the variables in its @skip and @include.  hidden: fields that are not to be fetched.
    labels: the labels of progressive overrides that are on.
    Raises PlanTooComplex when a bound on planning or on the number of fetches is reached, NotPlannable when a field
    cannot be had where the operation asks for it.
    """
    planning = _Planning(supergraph, operation, Collector(supergraph.schema, fragments, assignment), hidden, labels)
    draft = best_draft(planning.draft, planning.steps)
    if len(draft.fetches) > FETCHES_MAX:
        raise PlanTooComplex(
            f"The operation needs {len(draft.fetches)} requests to subgraphs; at most {FETCHES_MAX} are allowed."
        )
    plan = write_plan(draft, operation, planning.graph)
    if operation.operation is not OperationType.QUERY:
        return plan
    kept = None if planning.introspects() else cache_control(plan, supergraph)
    return msgspec.structs.replace(plan, cache_control=kept, private=is_private(plan, supergraph))


class _Planning:
    """Everything about one operation that does not depend on what is chosen."""

    def __init__(
        self,
        supergraph: Supergraph,
        operation: OperationDefinitionNode,
        collector: Collector,
        hidden: frozenset[str],
        labels: frozenset[str],
    ) -> None:
        root = supergraph.schema.get_root_type(operation.operation)
        assert root is not None, "validation refuses an operation whose root type is missing"
        self.root_type = root.name
        self.steps = Steps()
        self.graph = Graph(supergraph, labels)
        self._schema = supergraph.schema
        self._operation = operation
        self._collector = collector
        self._hidden = hidden
        self._crossings = Crossings(self.graph, supergraph.schema, collector, self.steps)

    def introspects(self) -> bool:
        """Whether the schema itself is asked for."""
        root = self._schema.get_root_type(self._operation.operation)
        assert root is not None, "validation refuses an operation whose root type is missing"
        asked = self._collector.collect(root, [self._operation.selection_set]).values()
        return any(nodes[0].name.value in {"__schema", "__type"} for nodes in asked)

    def draft(self, choices: Choices) -> Draft:
        """A whole draft, improved by the passes."""
        draft = Draft()
        is_query = self._operation.operation is OperationType.QUERY
        costs = Costs(self.graph, self.steps, enters_again=is_query)
        placing = Placing(costs, draft, choices)
        walk = Walk(self._schema, self._collector, placing, self._crossings, self._hidden)
        sets = [self._operation.selection_set]
        claims = Claims(self._schema, self._collector, [(self.root_type, sets)])
        fields = walk.wanted(self.root_type, sets).fields
        if is_query:
            if fields:
                walk.place(Position(None, "", "", "", self.root_type, claims), fields)
        else:
            self._one_after_another(draft, walk, fields, claims)
        for improve in PASSES:
            improve(draft)
        return draft

    def _one_after_another(self, draft: Draft, walk: Walk, fields: list[Asked], claims: Claims) -> None:
        """Root fields of a mutation: neighbours of one subgraph share a fetch, all else waits for its turn."""
        at: Position | None = None
        for asked in fields:
            before = list(draft.fetches)
            subgraphs = {source.name for source in self.graph.answering(self.root_type, asked.name)}
            if at is None or not subgraphs & set(at.hosts):
                at = Position(None, "", "", "", self.root_type, claims)
            walk.place(at, [asked])
            _wait_for(draft, before)


def _wait_for(draft: Draft, before: list[DraftFetch]) -> None:
    """Make the new root fetches wait for everything that was there before."""
    for fetch in draft.fetches:
        if fetch not in before and fetch.root is not None:
            fetch.after.update(before)
