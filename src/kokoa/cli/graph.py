"""`kokoa graph`: subgraphs and what becomes of them, without a running store; publishing is in publishing.py."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from graphql import FragmentDefinitionNode, GraphQLSyntaxError, OperationDefinitionNode, parse, validate
from rich.console import Console

from kokoa.cli.publishing import check, list_subgraphs, publish, rollback, versions, withdraw
from kokoa.gateway.compose import CompositionFailed, print_supergraph
from kokoa.gateway.compose import compose as compose_subgraphs
from kokoa.gateway.plan import NotPlannable, make_plan
from kokoa.gateway.supergraph import SubgraphDefinition, Supergraph
from kokoa.kernel.errors import Invalid

FILE_BYTES_MAX = 4 * 1024 * 1024
TOKENS_MAX = 20_000

graph = App(
    name="graph",
    help_format="plaintext",
    help="Compose subgraphs and explain plans, on this machine alone; publish subgraphs in a store (partner).",
)
for _command in (publish, check, withdraw, rollback, versions):
    graph.command(_command)
graph.command(list_subgraphs, name="list")


class SubgraphUnreadable(Invalid):
    """A subgraph's file is not there, not text, or too large."""


@graph.command
def compose(
    *files: Annotated[str, Parameter(help="A subgraph's SDL: a file, named as in catalog.graphql, or NAME=FILE.")],
    url: Annotated[
        list[str] | None, Parameter(help="Where a subgraph is served: NAME=URL. Once for each.", negative="")
    ] = None,
) -> None:
    """Compose subgraphs; print the supergraph SDL, or everything that is wrong, with exit status 1.

    The SDL is the standard one (join, link): Apollo Router and Hive Router read it too.

    For example: kokoa graph compose catalog.graphql reviews.graphql > supergraph.graphql

    For example: kokoa graph compose shop=a.graphql --url shop=https://shop.example/graphql
    """
    if not files:
        raise Invalid("Name at least one file with a subgraph's SDL: kokoa graph compose catalog.graphql")
    urls = dict(
        _pair(one, "--url takes NAME=URL, for example shop=https://shop.example/graphql") for one in url or ()
    )
    definitions = [_definition(one, urls) for one in files]
    unknown = sorted(urls.keys() - {one.name for one in definitions})
    if unknown:
        known = ", ".join(one.name for one in definitions)
        raise Invalid(f"--url names {', '.join(unknown)}, but the subgraphs are {known}.")
    print(print_supergraph(_composed(definitions)), end="")


@graph.command
def explain(
    query: Annotated[str, Parameter(help="The operation, as GraphQL.")],
    *files: Annotated[str, Parameter(help="A subgraph's SDL: a file, named as in catalog.graphql, or NAME=FILE.")],
    on: Annotated[
        list[str] | None,
        Parameter(
            help="A variable of @skip or @include that is true, or a label of an override that is on.", negative=""
        ),
    ] = None,
) -> None:
    """Print the plan of an operation: which subgraph is asked what, and what each request waits for.

    For example: kokoa graph explain '{ products { name rating } }' catalog.graphql reviews.graphql
    """
    if not files:
        raise Invalid("Name the files with the subgraphs' SDL: kokoa graph explain '{ products { name } }' *.graphql")
    supergraph = _composed([_definition(one, {}) for one in files])
    operation, fragments = _read_operation(query, supergraph)
    chosen = frozenset(on or ())
    names = {one.variable.name.value for one in operation.variable_definitions or ()}
    unknown = sorted(chosen - names - set(supergraph.override_labels))
    if unknown:
        raise Invalid(
            f"--on names {', '.join(unknown)}, which is no variable of the operation and no override's label."
        )
    conditions = {name: name in chosen for name in names}
    try:
        print(make_plan(supergraph, operation, fragments, conditions, labels=chosen - names))
    except NotPlannable as error:
        raise Invalid(f"The operation cannot be planned: {error}") from None


def _composed(definitions: Sequence[SubgraphDefinition]) -> Supergraph:
    """The supergraph; or every problem, and the end with status 1."""
    try:
        return compose_subgraphs(definitions)
    except CompositionFailed as failed:
        console = Console(stderr=True, highlight=False)
        for problem in failed.problems:
            console.print(f"[bold red]{problem.code}[/] ", end="")
            console.print(problem.message, soft_wrap=True, markup=False)
        sys.exit(1)


def _read_operation(
    text: str, supergraph: Supergraph
) -> tuple[OperationDefinitionNode, dict[str, FragmentDefinitionNode]]:
    """The one operation of a document, and its fragments."""
    try:
        document = parse(text, max_tokens=TOKENS_MAX)
    except GraphQLSyntaxError as error:
        raise Invalid(f"The operation cannot be read: {error.message}") from None
    errors = validate(supergraph.schema, document)
    if errors:
        raise Invalid(f"The operation does not fit the graph: {errors[0].message}")
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    if len(operations) != 1:
        raise Invalid(f"Give one operation; the text has {len(operations)}.")
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    return operations[0], fragments


def _pair(text: str, remedy: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not (name and found and value):
        raise Invalid(f"{text!r} cannot be read: {remedy}.")
    return name, value


def _definition(text: str, urls: dict[str, str]) -> SubgraphDefinition:
    name, given, place = text.partition("=")
    path = Path(place if given else text)
    name = name if given else path.name.partition(".")[0]
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
        sdl = content.decode()
    except OSError as error:
        raise SubgraphUnreadable(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SubgraphUnreadable(f"{path} is not text in UTF-8.") from None
    if len(content) > FILE_BYTES_MAX:
        raise SubgraphUnreadable(f"{path} has more than {FILE_BYTES_MAX // 1024 // 1024} MiB. Is it an SDL?")
    return SubgraphDefinition(name, sdl, urls.get(name, ""))
