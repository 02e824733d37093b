"""Composing: subgraph definitions → a supergraph, or all the reasons why not."""

from collections.abc import Sequence
from hashlib import sha256

from graphql import GraphQLError, GraphQLSchema, validate_schema

from kokoa.gateway.compose.errors import CompositionFailed, Problem
from kokoa.gateway.compose.merge import merge
from kokoa.gateway.compose.overrides import apply_overrides
from kokoa.gateway.compose.read import read_view
from kokoa.gateway.compose.rules import RULES, satisfiability, subgraph_names
from kokoa.gateway.supergraph import SubgraphDefinition, SubgraphView, Supergraph

SUBGRAPHS_MAX = 200


def content_hash(definitions: Sequence[SubgraphDefinition]) -> str:
    """Equal for equal subgraphs, whatever their order."""
    digest = sha256()
    for one in sorted(definitions, key=lambda each: each.name):
        for text in (one.name, one.url, one.sdl):
            digest.update(f"{len(text)}:{text}".encode())
    return digest.hexdigest()


def compose(definitions: Sequence[SubgraphDefinition]) -> Supergraph:
    """One graph out of many. Raises CompositionFailed, which holds every problem that could be found."""
    problems = list(subgraph_names.check(definitions))
    if not 1 <= len(definitions) <= SUBGRAPHS_MAX:
        message = f"A graph has 1 to {SUBGRAPHS_MAX} subgraphs, not {len(definitions)}."
        problems.append(Problem("NO_QUERIES" if not definitions else "TOO_MANY_SUBGRAPHS", message))
    read = [read_view(one) for one in definitions] if not problems else []
    problems += [one for one in read if isinstance(one, Problem)]
    _stop_at(problems)
    views = apply_overrides([one for one in read if isinstance(one, SubgraphView)])
    problems = [problem for rule in RULES for problem in rule(views)]
    _stop_at(problems)
    schema = _merged(views)
    ordered = tuple(sorted(definitions, key=lambda one: one.name))
    supergraph = Supergraph(schema, {view.name: view for view in views}, ordered, content_hash(definitions))
    _stop_at(list(satisfiability.check(supergraph)))
    return supergraph


def _merged(views: Sequence[SubgraphView]) -> GraphQLSchema:
    """The API schema. What GraphQL itself finds wrong with it is reported as INVALID_GRAPHQL."""
    try:
        schema = merge(views)
    except (GraphQLError, TypeError) as error:
        raise CompositionFailed([Problem("INVALID_GRAPHQL", f"The composed schema is not valid: {error}")]) from None
    _stop_at(
        [
            Problem("INVALID_GRAPHQL", f"The composed schema is not valid: {error.message}")
            for error in validate_schema(schema)
        ]
    )
    return schema


def _stop_at(problems: Sequence[Problem]) -> None:
    if problems:
        raise CompositionFailed(problems)
