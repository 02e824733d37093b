"""OpenAPI 3.1 of the native routes, derived from their operations and the types of the supergraph. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLOutputType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_composite_type,
    parse,
)

from kokoa.edge.native.operations import NativeOperation, Parameter

Json = dict[str, Any]

_SCALARS: Mapping[str, Json] = {
    "Int": {"type": "integer", "format": "int32"},
    "Float": {"type": "number"},
    "Boolean": {"type": "boolean"},
    "String": {"type": "string"},
    "ID": {"type": "string"},
}
_PROBLEM: Json = {
    "type": "object",
    "required": ["type", "title", "status", "code", "correlation_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "stable, for programs"},
        "correlation_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "field": {"type": "string", "description": "what is wrong in the request"},
    },
}


def openapi_of(
    operations: Iterable[NativeOperation], schema: GraphQLSchema, *, version: str, others: Mapping[str, Json]
) -> Json:
    """The document.  schema: the supergraph's, as a storefront sees it.  others: paths that are no operations'."""
    paths: dict[str, Json] = {path: dict(methods) for path, methods in others.items()}
    for operation in operations:
        paths.setdefault(operation.key.path, {})[operation.key.method.lower()] = _operation(operation, schema)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Store API", "version": version},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {"Problem": _PROBLEM},
            "securitySchemes": {
                "tenant": {"type": "apiKey", "in": "header", "name": "X-Tenant-ID"},
            },
        },
        "security": [{}, {"tenant": []}],
    }


def _operation(operation: NativeOperation, schema: GraphQLSchema) -> Json:
    problem = {"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    answer = {"content": {"application/json": {"schema": _answer_schema(operation, schema)}}}
    described: Json = {
        "operationId": operation.name,
        "parameters": [_parameter(parameter, schema) for parameter in operation.parameters.values()],
        "responses": {
            "200": {"description": "OK", **answer},
            "default": {"description": "A problem", **problem},
        },
    }
    if operation.summary:
        described["summary"] = operation.summary
    return described


def _parameter(parameter: Parameter, schema: GraphQLSchema) -> Json:
    value = _leaf(parameter.type_name, schema)
    if parameter.is_list:
        value = {"type": "array", "items": value}
    if parameter.default is not None:
        value = {**value, "default": parameter.default}
    return {
        "name": parameter.name,
        "in": "path" if parameter.in_path else "query",
        "required": parameter.required or parameter.in_path,
        "schema": value,
    }


def _answer_schema(operation: NativeOperation, schema: GraphQLSchema) -> Json:
    definition = parse(operation.document).definitions[0]
    if not isinstance(definition, OperationDefinitionNode) or schema.query_type is None:
        return {}
    answer = _object(definition.selection_set, schema.query_type.fields, schema)["properties"].get(operation.root, {})
    return _without_null(answer)


def _object(selections: SelectionSetNode, fields: Mapping[str, GraphQLField], schema: GraphQLSchema) -> Json:
    properties: dict[str, Json] = {}
    required: list[str] = []
    for selection in selections.selections:
        match selection:
            case FieldNode():
                name = (selection.alias or selection.name).value
                field = fields.get(selection.name.value)
                properties[name] = _value(field.type, selection, schema) if field else {"type": "string"}
                required.append(name)
            case InlineFragmentNode():
                inner_fields = fields
                if selection.type_condition:
                    inner_fields = getattr(schema.type_map.get(selection.type_condition.name.value), "fields", {})
                inner = _object(selection.selection_set, inner_fields, schema)
                properties.update(inner["properties"])
                required.extend(inner["required"] if not selection.type_condition else ())
            case FragmentSpreadNode():
                # One operation a file: there is no fragment to spread.
                continue
    return {"type": "object", "properties": properties, "required": required}


def _value(of: GraphQLOutputType, node: FieldNode, schema: GraphQLSchema) -> Json:
    if isinstance(of, GraphQLNonNull):
        return _without_null(_value(of.of_type, node, schema))
    if isinstance(of, GraphQLList):
        return _or_null({"type": "array", "items": _value(of.of_type, node, schema)})
    if is_composite_type(of) and node.selection_set is not None:
        return _or_null(_object(node.selection_set, getattr(of, "fields", {}), schema))
    return _or_null(_leaf(get_named_type(of).name, schema))


def _leaf(type_name: str, schema: GraphQLSchema) -> Json:
    named = schema.type_map.get(type_name)
    if isinstance(named, GraphQLEnumType):
        return {"type": "string", "enum": list(named.values)}
    return _SCALARS.get(type_name, {"description": named.description or type_name} if named else {})


def _or_null(value: Json) -> Json:
    return {"anyOf": [value, {"type": "null"}]}


def _without_null(value: Json) -> Json:
    options = value.get("anyOf")
    return options[0] if options and options[-1] == {"type": "null"} else value
