"""OpenAPI 3.1 of the native routes, derived from their operations and the types of the supergraph. Pure.

Input objects of the graph are schemas of their own, by their names; answers are written out where they stand.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLOutputType,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionSetNode,
    get_named_type,
    is_composite_type,
    is_required_input_field,
    parse,
    parse_type,
    type_from_ast,
    value_from_ast_untyped,
    visit,
)
from graphql.language import Visitor

from kokoa.edge.native.operations import NO_CONTENT, NativeOperation, Parameter

Json = dict[str, Any]

_SCALARS: Mapping[str, Json] = {
    "Int": {"type": "integer", "format": "int32"},
    "Float": {"type": "number"},
    "Boolean": {"type": "boolean"},
    "String": {"type": "string"},
    "ID": {"type": "string"},
}
_VERSION: Json = {"type": "string", "pattern": '^"[0-9]{1,9}"$', "description": "the version, in quotes"}
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
    inputs: dict[str, Json] = {}
    for operation in operations:
        paths.setdefault(operation.key.path, {})[operation.key.method.lower()] = _operation(operation, schema, inputs)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Store API", "version": version},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {"Problem": _PROBLEM, **inputs},
            "securitySchemes": {
                "tenant": {"type": "apiKey", "in": "header", "name": "X-Tenant-ID"},
                "customer": {"type": "http", "scheme": "bearer"},
            },
        },
        "security": [{}, {"tenant": []}, {"tenant": [], "customer": []}],
    }


def _operation(operation: NativeOperation, schema: GraphQLSchema, inputs: dict[str, Json]) -> Json:
    problem = {"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    own = operation.parameters.values()
    described: Json = {
        "operationId": operation.name,
        "parameters": [_parameter(one, schema) for one in own if one.source != "body"],
        "responses": {
            str(operation.status): _answered(operation, schema),
            "default": {"description": "A problem", **problem},
        },
    }
    in_body = [one for one in own if one.source == "body"]
    if in_body:
        described["requestBody"] = _body(in_body, schema, inputs)
    if operation.summary:
        described["summary"] = operation.summary
    return described


def _answered(operation: NativeOperation, schema: GraphQLSchema) -> Json:
    if operation.status == NO_CONTENT:
        return {"description": "Done"}
    answer: Json = {"content": {"application/json": {"schema": _answer_schema(operation, schema)}}}
    if operation.location:
        answer["headers"] = {"Location": {"schema": {"type": "string"}, "description": operation.location}}
    return {"description": "OK", **answer}


def _parameter(parameter: Parameter, schema: GraphQLSchema) -> Json:
    value = _leaf(parameter.type_name, schema)
    if parameter.source == "header":
        value = _VERSION if parameter.name == "version" else {"type": "string"}
    if parameter.is_list:
        value = {"type": "array", "items": value}
    if parameter.default is not None:
        value = {**value, "default": parameter.default}
    return {
        "name": parameter.shown,
        "in": parameter.source,
        "required": parameter.required or parameter.source == "path",
        "schema": value,
    }


def _body(parameters: Iterable[Parameter], schema: GraphQLSchema, inputs: dict[str, Json]) -> Json:
    properties: dict[str, Json] = {}
    for one in parameters:
        properties[one.name] = _input(type_from_ast(schema, parse_type(one.type_text)), schema, inputs)
        if one.default is not None:
            properties[one.name] = {**properties[one.name], "default": one.default}
    required = [one.name for one in parameters if one.required]
    return {
        "required": bool(required),
        "content": {"application/json": {"schema": _closed(properties, required)}},
    }


def _input(of: Any, schema: GraphQLSchema, inputs: dict[str, Json]) -> Json:
    """inputs: gets the schemas of the objects that are met.  of: None for a type that this schema does not have."""
    match of:
        case GraphQLNonNull():
            return _without_null(_input(of.of_type, schema, inputs))
        case GraphQLList():
            return _or_null({"type": "array", "items": _input(of.of_type, schema, inputs)})
        case GraphQLInputObjectType():
            if of.name not in inputs:
                inputs[of.name] = {}  # an object may be met in itself
                inputs[of.name] = _input_object(of, schema, inputs)
            return _or_null({"$ref": f"#/components/schemas/{of.name}"})
        case None:
            return {}
        case _:
            return _or_null(_leaf(of.name, schema))


def _input_object(of: GraphQLInputObjectType, schema: GraphQLSchema, inputs: dict[str, Json]) -> Json:
    properties: dict[str, Json] = {}
    for name, field in of.fields.items():
        value = _input(field.type, schema, inputs)
        if field.description:
            value = {**value, "description": field.description}
        if field.default is not None and field.default.literal is not None:
            value = {**value, "default": value_from_ast_untyped(field.default.literal)}
        properties[name] = value
    return _closed(properties, [name for name, field in of.fields.items() if is_required_input_field(field)])


def _closed(properties: Mapping[str, Json], required: list[str]) -> Json:
    closed: Json = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**closed, "required": required} if required else closed


def _answer_schema(operation: NativeOperation, schema: GraphQLSchema) -> Json:
    document = parse(operation.document)
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    root_type = schema.query_type if operation.key.method == "GET" else schema.mutation_type
    if root_type is None:
        return {}
    definition = visit(document.definitions[0], _Inlining(fragments))
    answer = _object(definition.selection_set, root_type.fields, schema)["properties"].get(operation.root, {})
    return _without_null(answer)


class _Inlining(Visitor):
    """Fragments in the places where they are asked for."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        super().__init__()
        self._fragments = fragments

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: object) -> InlineFragmentNode:
        fragment = self._fragments[node.name.value]
        return InlineFragmentNode(selection_set=fragment.selection_set, directives=())


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
