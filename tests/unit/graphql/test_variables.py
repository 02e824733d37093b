"""Coercion of variables: what takes the short way gives exactly what graphql-core gives."""

from typing import Any

import pytest
from graphql import build_schema, get_variable_values, parse

from kokoa.graphql.errors import DocumentRefused
from kokoa.graphql.variables import ERRORS_MAX, Variables

SCHEMA = build_schema("scalar _Any input In { n: Int = 3 } enum E { A } type Query { a: Int }")
VALUES: list[Any] = [
    None,
    True,
    0,
    2**31 - 1,
    -(2**31) + 1,
    -(2**31),
    2**31,
    1.0,
    1.5,
    "",
    "7",
    "A",
    [1],
    [None],
    {"n": 1},
]
TYPES = ["Int", "Int!", "Float", "Boolean!", "String", "ID!", "[Int!]", "E", "In", "[_Any!]!", "[_Any]", "_Any"]


def operation(text: str) -> Any:
    return parse(text).definitions[0]


@pytest.mark.parametrize("type_name", TYPES)
@pytest.mark.parametrize("default", ["", " = null"])
@pytest.mark.parametrize("given", [{}, *({"v": value} for value in VALUES)], ids=repr)
def test_the_short_way_changes_nothing(type_name: str, default: str, given: dict[str, Any]) -> None:
    if default and type_name.endswith("!"):
        default = ""
    definition = operation(f"query ($v: {type_name}{default}) {{ a }}")
    wanted = get_variable_values(SCHEMA, definition.variable_definitions, given, ERRORS_MAX)
    variables = Variables(SCHEMA, definition)
    if isinstance(wanted, list):
        with pytest.raises(DocumentRefused) as refused:
            variables.coerce(given)
        assert [entry["message"] for entry in refused.value.entries] == [error.message for error in wanted]
    else:
        found = variables.coerce(given)
        assert found.coerced == wanted.coerced
        assert {name: type(value) for name, value in found.coerced.items()} == {
            name: type(value) for name, value in wanted.coerced.items()
        }
        for name, source in wanted.sources.items():
            assert found.sources[name].value == source.value
            assert str(found.sources[name].signature.type) == str(source.signature.type)


def test_what_no_variable_names_is_left_out() -> None:
    variables = Variables(SCHEMA, operation("query ($v: Int) { a }"))
    assert variables.coerce({"v": 1, "other": 2}).coerced == {"v": 1}
