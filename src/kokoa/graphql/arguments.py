"""What a field's arguments are in one execution, without reading its syntax each time."""

from collections.abc import Callable, Mapping
from typing import Any

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLField,
    Undefined,
    VariableNode,
    get_argument_values,
    is_non_null_type,
)
from graphql.execution.values import VariableValues

from kokoa.graphql.collect import variables_in

ArgumentReader = Callable[[VariableValues], Mapping[str, Any]]
"""The coerced arguments, by the names that resolvers know them by. Raises GraphQLError."""


def argument_reader(definition: GraphQLField, node: FieldNode) -> ArgumentReader:
    """What graphql-core finds each time: a variable's value is coerced already, and validation saw that it fits.

    Where it is not so plain, graphql-core is asked as ever, with its errors and its defaults.
    """

    def ask(variables: VariableValues) -> Mapping[str, Any]:
        return get_argument_values(definition, node, variables)

    given = {one.name.value: one.value for one in node.arguments or ()}
    rest, names, taken = {}, [], []
    for name, argument in definition.args.items():
        value, out_name = given.get(name), argument.out_name or name
        names.append(out_name)
        if isinstance(value, VariableNode):
            taken.append((out_name, value.name.value, is_non_null_type(argument.type)))
        elif value is not None and any(True for _ in variables_in(value)):
            return ask
        else:
            rest[name] = argument
    try:
        constant = get_argument_values(GraphQLField(definition.type, args=rest), node)
    except GraphQLError:
        return ask
    of_variables = {out_name for out_name, _, _ in taken}
    template = {name: constant.get(name) for name in names if name in of_variables or name in constant}

    def read(variables: VariableValues) -> Mapping[str, Any]:
        found, coerced = template.copy(), variables.coerced
        for out_name, variable, is_needed in taken:
            value = coerced.get(variable, Undefined)
            if value is Undefined or (value is None and is_needed):
                return ask(variables)
            found[out_name] = value
        return found

    return read
