"""A partner may answer for taxes, delivery and promotion codes instead: all types of the answers are shareable."""

import pytest
from graphql import parse, print_ast
from graphql.language import (
    DefinitionNode,
    FieldDefinitionNode,
    InputValueDefinitionNode,
    NamedTypeNode,
    ObjectTypeDefinitionNode,
    TypeNode,
)

from kokoa.gateway.compose import compose
from kokoa.gateway.supergraph import SubgraphDefinition
from kokoa.roles.platform import SCHEMAS, SERVICES

LINK = """extend schema
  @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@cost", "@listSize", "@override", "@shareable"])
"""


def sdl_of(service: str) -> str:
    return SCHEMAS[service].with_name("schema.graphql").read_text()


def named(type_: TypeNode) -> str:
    while not isinstance(type_, NamedTypeNode):
        type_ = type_.type  # type: ignore[attr-defined]  # only lists and non-nulls are left
    return type_.name.value


def takeover(service: str, field: str) -> str:
    """What a partner publishes: the field, and every type that it takes and gives, as the store has them."""
    types: dict[str, DefinitionNode] = {
        one.name.value: one
        for one in parse(sdl_of(service)).definitions
        if hasattr(one, "name") and one.name is not None
    }
    query = types["Query"]
    assert isinstance(query, ObjectTypeDefinitionNode)
    taken = next(one for one in query.fields if one.name.value == field)
    found: dict[str, DefinitionNode] = {}
    waiting: list[FieldDefinitionNode | InputValueDefinitionNode] = [taken, *taken.arguments]
    while waiting:
        one = waiting.pop()
        name = named(one.type)
        if name in types and name not in found:
            found[name] = types[name]
            waiting += getattr(types[name], "fields", ())
    head = f'type Query {{ {print_ast(taken)} @override(from: "{service}") }}'
    return "\n".join([LINK, head, *map(print_ast, found.values())])


@pytest.mark.parametrize(
    ("service", "field"),
    [
        ("taxes", "taxes"),
        ("taxes", "taxCategories"),
        ("shipping", "shippingOptions"),
        ("promotions", "promotionDiscounts"),
    ],
)
def test_a_partner_may_answer_it_instead(service: str, field: str) -> None:
    core = [SubgraphDefinition(name, sdl_of(name)) for name in SERVICES]
    compose([*core, SubgraphDefinition("acme", takeover(service, field))])
