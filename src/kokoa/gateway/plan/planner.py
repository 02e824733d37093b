"""Planning: an operation and a supergraph → a plan. Pure.

collect the root fields  →  place every field (walk, placing)  →  improve the draft (passes)  →  write it down
"""

from collections.abc import Mapping

from graphql import FragmentDefinitionNode, OperationDefinitionNode, OperationType

from kokoa.gateway.plan.claims import Claims
from kokoa.gateway.plan.documents import write_plan
from kokoa.gateway.plan.draft import Draft, DraftFetch
from kokoa.gateway.plan.model import Plan
from kokoa.gateway.plan.passes import PASSES
from kokoa.gateway.plan.placing import Placing, PlanTooComplex
from kokoa.gateway.plan.position import Position
from kokoa.gateway.plan.walk import Asked, Walk
from kokoa.gateway.supergraph import Supergraph
from kokoa.graphql.collect import Assignment, Collector

FETCHES_MAX = 100


def make_plan(
    supergraph: Supergraph,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    assignment: Assignment,
    hidden: frozenset[str] = frozenset(),
) -> Plan:
    """Plan a valid operation.

    assignment: the values of the variables in its @skip and @include.  hidden: fields that are not to be fetched.
    Raises PlanTooComplex when a bound on planning or on the number of fetches is reached.
    """
    root = supergraph.schema.get_root_type(operation.operation)
    assert root is not None, "validation refuses an operation whose root type is missing"
    draft = Draft()
    placing = Placing(supergraph, draft, root.name)
    collector = Collector(supergraph.schema, fragments, assignment)
    walk = Walk(supergraph.schema, collector, placing, hidden)
    fields = walk.root_fields(root, [operation.selection_set])
    claims = Claims(supergraph.schema, collector, [(root.name, [operation.selection_set])])
    if operation.operation is OperationType.MUTATION:
        _one_after_another(draft, walk, root.name, fields, claims)
    else:
        walk.place(Position(None, "", "", "", root.name, claims), fields)
    for improve in PASSES:
        improve(draft)
    if len(draft.fetches) > FETCHES_MAX:
        raise PlanTooComplex(
            f"The operation needs {len(draft.fetches)} requests to subgraphs; at most {FETCHES_MAX} are allowed."
        )
    verbatim = len(draft.fetches) == 1 and draft.complete
    return write_plan(draft, operation, verbatim=verbatim)


def _one_after_another(draft: Draft, walk: Walk, root_name: str, fields: list[Asked], claims: Claims) -> None:
    """Root fields of a mutation: neighbours of one subgraph share a fetch, all else waits for what came before."""
    at: Position | None = None
    for asked in fields:
        before = list(draft.fetches)
        subgraphs = {view.name for view in walk.candidates(root_name, asked.name)}
        if at is None or not subgraphs & set(at.hosts):
            at = Position(None, "", "", "", root_name, claims)
        walk.place(at, [asked])
        _wait_for(draft, before)


def _wait_for(draft: Draft, before: list[DraftFetch]) -> None:
    """Make the new root fetches wait for everything that was there before."""
    for fetch in draft.fetches:
        if fetch not in before and fetch.root is not None:
            fetch.after.update(before)
