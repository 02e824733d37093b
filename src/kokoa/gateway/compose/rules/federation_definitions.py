"""DIRECTIVE_DEFINITION_INVALID, TYPE_DEFINITION_INVALID: what an SDL spells out of federation is true.

They may say less: fewer locations, arguments left out that have a default, String instead of a field set.
"""

from collections.abc import Iterator

from graphql import (
    DirectiveDefinitionNode,
    EnumTypeDefinitionNode,
    InputValueDefinitionNode,
    NonNullTypeNode,
    parse,
    print_ast,
)
from graphql.language import TypeDefinitionNode, TypeNode

from kokoa.gateway.compose.errors import Problem
from kokoa.graphql.links import DIRECTIVES, SCALARS, Links
from kokoa.graphql.sdl import SubgraphDocument

_KINDS = {"link__Purpose": "enum", "_Entity": "union", "_Service": "type"}


def check(name: str, document: SubgraphDocument) -> Iterator[Problem]:
    for one in document.spelled_out:
        if isinstance(one, DirectiveDefinitionNode) and one.name.value in document.links.directives:
            for wrong in _wrong_with_directive(one, document.links):
                message = f"[{name}] The definition of @{one.name.value} {wrong}. Remove the definition, or mend it."
                yield Problem("DIRECTIVE_DEFINITION_INVALID", message, (name,))
        elif isinstance(one, TypeDefinitionNode):
            yield from _check_type(name, one)


def _check_type(name: str, node: TypeDefinitionNode) -> Iterator[Problem]:
    wanted = _KINDS.get(node.name.value, "scalar")
    found = node.kind.removesuffix("_type_definition").replace("object", "type")
    if found != wanted:
        message = f"[{name}] {node.name.value} is federation's own {wanted}, not {found}. Remove or rename the type."
        yield Problem("TYPE_DEFINITION_INVALID", message, (name,))
    elif isinstance(node, EnumTypeDefinitionNode):
        values = {one.name.value for one in node.values or ()}
        if values != {"SECURITY", "EXECUTION"}:
            message = f"[{name}] {node.name.value} has the values SECURITY and EXECUTION. Remove the definition."
            yield Problem("TYPE_DEFINITION_INVALID", message, (name,))


def standard_definition(known: str) -> DirectiveDefinitionNode:
    """The definition of one of federation's directives, under its own name."""
    scalars = {one: one for one in SCALARS}
    (node,) = parse(f"directive @{known}{DIRECTIVES[known].format(**scalars)}", no_location=True).definitions
    assert isinstance(node, DirectiveDefinitionNode)
    return node


def _wrong_with_directive(node: DirectiveDefinitionNode, links: Links) -> Iterator[str]:
    standard = standard_definition(links.directives[node.name.value])
    expected = {one.name.value: one for one in standard.arguments or ()}
    found = {one.name.value: one for one in node.arguments or ()}
    for name in found:
        if name not in expected:
            yield f"has an argument {name}, which it does not take"
        elif not _fits(found[name], expected[name], links):
            yield f"gives {name} the type {print_ast(found[name].type)} instead of {print_ast(expected[name].type)}"
    for name, argument in expected.items():
        if name not in found and isinstance(argument.type, NonNullTypeNode) and argument.default_value is None:
            yield f"lacks the argument {name}"
    strange = {one.value for one in node.locations} - {one.value for one in standard.locations}
    if strange:
        yield f"allows it on {', '.join(sorted(strange))}, where it has no meaning"
    if node.repeatable and not standard.repeatable:
        yield "makes it repeatable, which it is not"


def _fits(found: InputValueDefinitionNode, expected: InputValueDefinitionNode, links: Links) -> bool:
    given, wanted = _plain(found.type, links), _plain(expected.type, links)
    return given in (wanted, wanted.rstrip("!")) or given.replace("!", "") == wanted.replace("!", "")


def _plain(node: TypeNode, links: Links) -> str:
    """A type as text, with federation's scalars as what they carry: text."""
    text = print_ast(node)
    for scalar in (*links.scalars, *SCALARS):
        text = text.replace(scalar, "String")
    return text.replace("_String", "String").replace("federation__String", "String")
