"""What a partner leaves out is filled in, and the labels of overrides are the platform's."""

import pytest
from graphql import parse

from kokoa.gateway.compose import CompositionFailed, compose
from kokoa.gateway.extending.completing import completed, native_keys, with_labels
from kokoa.gateway.supergraph import SubgraphDefinition
from kokoa.kernel.overrides import OverridePolicy
from unit.gateway.gateway_fakes import CATALOG, FEDERATION, composed

SHOP = composed(catalog=CATALOG)
KEYS = native_keys(SHOP)


def with_shop(sdl: str) -> tuple[str, ...]:
    """Composed beside the shop; the labels of its overrides."""
    definitions = [SubgraphDefinition("catalog", FEDERATION + CATALOG), SubgraphDefinition("acme", sdl)]
    return compose(definitions).override_labels


def test_a_few_lines_are_a_subgraph() -> None:
    sdl = completed("extend type Product { rating: Float }", "fields", KEYS)
    with_shop(sdl)
    assert sdl.splitlines()[0].endswith("extend type Product { rating: Float }"), "lines stay the partner's own"
    assert 'extend type Product @key(fields: "id") { id: ID! }' in sdl


@pytest.mark.parametrize(
    ("sdl", "adds_key"),
    [
        ("extend type Product { id: ID! rating: Float }", True),
        ('type Product @key(fields: "id") { id: ID! rating: Float }', False),
        ("type Query { acme: AcmeThing } type AcmeThing { id: ID! }", False),
        ('extend schema @link(url: "https://specs.apollo.dev/federation/v2.3") type Product { rating: Float }', True),
        (
            'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: [{name: "@key", as: "@k"}])'
            ' type Product @k(fields: "id") { id: ID! rating: Float }',
            False,
        ),
        ("type Product { rating: Float }\nextend type Product { stars: Int }  # the end", True),
    ],
)
def test_keys_are_added_where_a_function_of_fields_names_none(sdl: str, adds_key: bool) -> None:
    whole = completed(sdl, "fields", KEYS)
    with_shop(whole)
    assert ('(fields: "id")' in whole.removeprefix(sdl).rpartition(sdl)[2]) == adds_key


def test_a_server_of_its_own_says_its_keys_itself() -> None:
    sdl = completed("extend type Product { rating: Float }", "url", KEYS)
    with pytest.raises(CompositionFailed) as failed:
        with_shop(sdl)
    assert {one.code for one in failed.value.problems} == {"SATISFIABILITY_ERROR"}
    linked = FEDERATION + 'type Product @key(fields: "id") { id: ID! rating: Float }'
    assert completed(linked, "url", KEYS) == linked


def test_what_cannot_be_read_stays_as_it_is() -> None:
    for wrong in (
        "type Product {",
        'extend schema @link(url: "https://specs.apollo.dev/federation/v9.9") type A {b: Int}',
    ):
        assert completed(wrong, "fields", KEYS) == wrong


def test_directives_are_imported_as_they_are_used() -> None:
    sdl = completed(
        'type Variant @key(fields: "id") { id: ID! weight: Int @external heavy: Boolean @requires(fields: "weight") '
        'sku: String! @override(from: "catalog") } directive @mine on FIELD_DEFINITION',
        "url",
        KEYS,
    )
    with_shop(sdl)


OVERRIDE = 'type Product @key(fields: "id") { id: ID! name: String! @override(from: "catalog") rating: Int }'


@pytest.mark.parametrize("version", ["v2.0", "v2.9", ""])
@pytest.mark.parametrize("name", ["@override", "@taken"])
def test_a_share_is_a_label(version: str, name: str) -> None:
    link = (
        f'extend schema @link(url: "https://specs.apollo.dev/federation/{version}", import: ["@key", '
        f'{{name: "@override", as: "{name}"}}])\n'
    )
    if not version and name != "@override":
        return
    sdl = completed((link if version else "") + OVERRIDE.replace("@override", name), "url", KEYS)
    assert with_shop(with_labels(sdl, {"Product.name": OverridePolicy(percent=12.5)})) == ("percent(12.5)",)
    assert with_shop(with_labels(sdl, {"Product.name": OverridePolicy(percent=0.0)})) == ("percent(0)",)
    parse(with_labels(sdl, {"Product.name": OverridePolicy(percent=10.0)}))
    for policies in ({}, {"Product.name": OverridePolicy()}, {"Variant.sku": OverridePolicy(percent=5)}):
        assert with_labels(sdl, policies) == sdl
