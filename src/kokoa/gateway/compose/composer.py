"""Composing: subgraph definitions → a supergraph, or all the reasons why not."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha256

from graphql import GraphQLError, GraphQLSchema, validate_schema

from kokoa.gateway.compose.api import full_schema, public_schema
from kokoa.gateway.compose.errors import CompositionFailed, Problem
from kokoa.gateway.compose.merge import composed_directives, executable_directives, merge
from kokoa.gateway.compose.overrides import apply_overrides, override_labels
from kokoa.gateway.compose.read import read_document, read_view
from kokoa.gateway.compose.rules import MERGED_RULES, RULES, federation_definitions, satisfiability, subgraph_names
from kokoa.gateway.compose.subgraphs import Subgraphs
from kokoa.gateway.supergraph import SubgraphDefinition, SubgraphView, Supergraph

SUBGRAPHS_MAX = 200
READ_MAX = 128


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
    _stop_at(problems)
    views = apply_overrides(_read(definitions))
    subgraphs = Subgraphs(views)
    _stop_at([problem for rule in RULES for problem in rule(subgraphs)])
    types, executable = merge(subgraphs), executable_directives(subgraphs)
    composed = composed_directives(subgraphs)
    full = _valid(lambda: full_schema(types, executable, [one for _, one in composed.values()]))
    _stop_at([problem for rule in MERGED_RULES for problem in rule(subgraphs, full)])
    public = _valid(lambda: public_schema(full, types, executable))
    supergraph = Supergraph(
        schema=public,
        full=full,
        subgraphs={view.name: view for view in views},
        definitions=tuple(sorted(definitions, key=lambda one: one.name)),
        hash=content_hash(definitions),
        interface_object_fields=subgraphs.interface_object_fields(),
        override_labels=override_labels(views),
    )
    _stop_at(list(satisfiability.check(supergraph)))
    return supergraph


@lru_cache(maxsize=READ_MAX)
def read_one(definition: SubgraphDefinition) -> SubgraphView | tuple[Problem, ...]:
    """One subgraph as a view, or why it cannot be read. Kept, as most of a graph stays when one subgraph changes."""
    document = read_document(definition)
    if isinstance(document, Problem):
        return (document,)
    problems = tuple(federation_definitions.check(definition.name, document))
    view = read_view(definition.name, document)
    if isinstance(view, SubgraphView):
        return problems or view
    return (*problems, *view)


def _read(definitions: Sequence[SubgraphDefinition]) -> list[SubgraphView]:
    """Every subgraph as a view. Raises CompositionFailed with the problems of all that cannot be read."""
    read = [read_one(one) for one in definitions]
    _stop_at([problem for one in read if isinstance(one, tuple) for problem in one])
    return [one for one in read if isinstance(one, SubgraphView)]


def _valid(build: Callable[[], GraphQLSchema]) -> GraphQLSchema:
    """A merged schema. What GraphQL itself finds wrong with it is reported as INVALID_GRAPHQL."""
    try:
        schema = build()
        errors = [error.message for error in validate_schema(schema)]
    except (GraphQLError, TypeError) as error:
        errors = [str(error)]
    _stop_at([Problem("INVALID_GRAPHQL", f"The composed schema is not valid: {error}") for error in errors])
    return schema


def _stop_at(problems: Sequence[Problem]) -> None:
    if problems:
        raise CompositionFailed(problems)
