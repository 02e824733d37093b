"""A field's arguments: what takes the short way gives exactly what graphql-core gives."""

from typing import Any

import pytest
from graphql import FieldNode, GraphQLError, OperationDefinitionNode, build_schema, get_argument_values, parse
from graphql.execution.values import VariableValues, get_variable_values
from hypothesis import given
from hypothesis import strategies as st

from kokoa.graphql import arguments
from kokoa.graphql.arguments import argument_reader

SCHEMA = build_schema("""
input In { n: Int = 3, s: String }
type Query {
  field(needed: Int!, wanted: Int! = 4, maybe: Int, usual: Int = 5, many: [Int!], in: In, in1: In = {n: 7}): Int
}
""")
assert SCHEMA.query_type is not None
FIELD = SCHEMA.query_type.fields["field"]
FIELD.args["in1"].out_name = "within"
INT, LIST, OBJECT = (
    ("1", "null", "$i", "$j", "$k"),
    ("[1, 2]", "[$k]", "null", "$l"),
    ("{n: 1}", "{n: $i}", "null", "$o"),
)
GIVEN = {
    "needed": ("1", "$j", "$k"),
    "wanted": ("1", "$i", "$j", "$k"),
    "maybe": INT,
    "usual": INT,
    "many": LIST,
    "in": OBJECT,
    "in1": OBJECT,
}
DECLARED = "($i: Int, $j: Int = 8, $k: Int!, $l: [Int!], $o: In)"
VALUES: dict[str, tuple[Any, ...]] = {
    "i": (1, None),
    "j": (2, None),
    "k": (3,),
    "l": ([4], [], None),
    "o": ({"n": 5}, {"s": "x"}, {}, None),
}


def some_of(choices: dict[str, tuple[Any, ...]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in choices.items()})


def outcome(read: Any, *given: Any) -> Any:
    try:
        found = read(*given)
        return list(found.items())
    except GraphQLError as error:
        return error.message


def field_of(written: dict[str, str]) -> tuple[FieldNode, OperationDefinitionNode]:
    shown = ", ".join(f"{name}: {value}" for name, value in written.items())
    operation = parse(f"query {DECLARED} {{ field{f'({shown})' if shown else ''} }}").definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    node = operation.selection_set.selections[0]
    assert isinstance(node, FieldNode)
    return node, operation


@given(some_of(GIVEN), some_of(VALUES))
def test_arguments_are_graphql_cores(written: dict[str, str], values: dict[str, Any]) -> None:
    node, operation = field_of(written)
    variables = get_variable_values(SCHEMA, operation.variable_definitions or (), {"k": 3, **values})
    assert isinstance(variables, VariableValues)
    read = argument_reader(FIELD, node)
    for _ in range(2):
        assert outcome(read, variables) == outcome(get_argument_values, FIELD, node, variables)


def test_whoever_changes_what_they_got_changes_it_for_themselves() -> None:
    node, operation = field_of({"needed": "$k", "in": "{n: 1}"})
    variables = get_variable_values(SCHEMA, operation.variable_definitions or (), {"k": 3})
    assert isinstance(variables, VariableValues)
    read = argument_reader(FIELD, node)
    dict_of: Any = read(variables)
    dict_of["needed"] = 9
    assert read(variables)["needed"] == 3


def test_variables_are_taken_without_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    node, operation = field_of({"needed": "$k", "many": "$l", "in": "{n: 1}"})
    variables = get_variable_values(SCHEMA, operation.variable_definitions or (), {"k": 3, "l": [4]})
    assert isinstance(variables, VariableValues)
    read = argument_reader(FIELD, node)
    expected = get_argument_values(FIELD, node, variables)

    def asked(*_: object) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr(arguments, "get_argument_values", asked)
    assert read(variables) == expected
