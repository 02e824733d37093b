"""Coercion of variables: what takes the short way gives exactly what graphql-core gives."""

from typing import Any

import pytest
from graphql import build_schema, get_variable_values, parse

from kokoa.graphql.errors import DocumentRefused
from kokoa.graphql.variables import ERRORS_MAX, Variables

SCHEMA = build_schema("""
scalar _Any
scalar Odd
input In { n: Int = 3 }
input Tree { name: String!, kind: E = B, in: [Tree!], odd: Odd, float: Float, id: ID, in1: In, ids: [ID!]! = ["x"] }
input One @oneOf { a: Int b: String }
enum E { A B }
type Query { a: Int }
""")
SCHEMA.type_map["Tree"].fields["in1"].out_name = "within"  # type: ignore[attr-defined]


def _odd(value: Any) -> Any:
    if type(value) is not int or value % 2 == 0:
        raise ValueError("not odd")
    return value + 1


SCHEMA.type_map["Odd"].coerce_input_value = _odd  # type: ignore[attr-defined]
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
    {"n": None},
    {"n": "1"},
    {},
    {"name": "root"},
    {"name": None},
    {"name": "root", "other": 1},
    {"name": "root", "kind": "A", "in": [{"name": "leaf", "in": []}, {"name": "leaf", "kind": "C"}]},
    {"name": "root", "in": {"name": "alone"}, "in1": {}},
    {
        "name": "root",
        "in": [{"name": "a", "in": [{"name": "b", "odd": 3, "float": 1.5, "id": "7", "in1": {"n": 4}}]}],
    },
    {"name": "root", "in": [None], "odd": 2},
    {"name": "root", "float": 1, "id": 7, "ids": ["a"]},
    {"name": "root", "kind": None, "odd": None, "float": True, "ids": None},
    {"a": 1},
    {"a": 1, "b": "2"},
    [[1, 2], [3]],
    {"v": float("nan")},
]
TYPES = [
    "Tree",
    "Tree!",
    "[Tree!]",
    "One",
    "One!",
    "Odd",
    "Odd!",
    "[[Int!]!]",
    "E!",
    "Int",
    "Int!",
    "Float",
    "Boolean!",
    "String",
    "ID!",
    "[Int!]",
    "E",
    "In",
    "_Any",
    "_Any!",
    "[_Any]",
    "[_Any!]!",
    "[[_Any!]]",
    "[Odd!]!",
]


def operation(text: str) -> Any:
    return parse(text).definitions[0]


@pytest.mark.parametrize("type_name", TYPES)
@pytest.mark.parametrize("default", ["", " = null", " = 1", " = A", ' = {name: "it"}'])
@pytest.mark.parametrize("given", [{}, *({"v": value} for value in VALUES)], ids=repr)
def test_the_short_way_changes_nothing(type_name: str, default: str, given: dict[str, Any]) -> None:
    if default == " = null" and type_name.endswith("!"):
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
        # As text, for the order of fields counts too, and NaN is not equal to itself.
        assert repr(found.coerced) == repr(wanted.coerced)
        assert {name: type(value) for name, value in found.coerced.items()} == {
            name: type(value) for name, value in wanted.coerced.items()
        }
        for name, source in wanted.sources.items():
            assert found.sources[name].value == source.value
            assert str(found.sources[name].signature.type) == str(source.signature.type)


def test_what_no_variable_names_is_left_out() -> None:
    variables = Variables(SCHEMA, operation("query ($v: Int) { a }"))
    assert variables.coerce({"v": 1, "other": 2}).coerced == {"v": 1}
