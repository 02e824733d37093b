"""What others answered, under the eyes of the engine: it reads keys of JSON and believes nothing.

The engine checks values against a schema whose *answered* fields may all be null, so that one that failed fails
alone and does not take the object that it belongs to with it. Whether null is allowed there is judged afterwards.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from graphql import (
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    is_composite_type,
    is_list_type,
    is_non_null_type,
)

from kokoa.graphql.errors import ErrorEntry, NullNotAllowed, PathKey, Reporter, ResolverContractBroken
from kokoa.graphql.federation import ENTITY, entity_typename
from kokoa.graphql.limits import BEHIND_GATEWAY
from kokoa.graphql.resolvers import Entity, FieldResolver, default_typename
from kokoa.kernel.call import Call
from kokoa.kernel.errors import KokoaError

INVALID = "EXTENSION_ANSWER_INVALID"
SHOWN_MAX = 200
# Errors are judged one by one, so none of them may be left out.
JUDGED = msgspec.structs.replace(BEHIND_GATEWAY, errors=1_000_000)

_Check = Callable[[Any], Any]


def _unchanged(value: Any) -> Any:
    return value


def _check_of(of: GraphQLOutputType, coordinate: str) -> _Check:
    """Puts an error in the place of everything that should be an object and is none; leaves have codecs."""
    inner: Any = of.of_type if is_non_null_type(of) else of
    if is_list_type(inner):
        item = _check_of(inner.of_type, coordinate)
        if item is _unchanged:
            return _unchanged
        return lambda value: [item(one) for one in value] if type(value) is list else value
    if not is_composite_type(inner):
        return _unchanged

    def check(value: Any) -> Any:
        if value is None or isinstance(value, dict | Exception | Entity):
            return value
        return ResolverContractBroken(f"{coordinate} is {inner.name}, an object; {shown(value)} is none.")

    return check


def shown(value: Any) -> str:
    """A value in a message, not longer than it may be."""
    text = repr(value)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"


class Reading:
    """Every field without a resolver of its own is a key of the object.

    by_response_key: the objects have the keys of the response, else those of the schema.
    """

    def __init__(
        self, schema: GraphQLSchema, resolvers: Mapping[str, FieldResolver], *, by_response_key: bool = False
    ) -> None:
        self._schema = schema
        self._resolvers = resolvers
        self._by_response_key = by_response_key

    def field(self, type_name: str, field_name: str, response_key: str) -> FieldResolver:
        coordinate = f"{type_name}.{field_name}"
        registered = self._resolvers.get(coordinate)
        return registered or self.reader(type_name, field_name, response_key)

    def reader(self, type_name: str, field_name: str, response_key: str) -> FieldResolver:
        """Reads the key of the field."""
        holder = self._schema.type_map[type_name]
        assert isinstance(holder, GraphQLObjectType | GraphQLInterfaceType)
        check = _check_of(holder.fields[field_name].type, f"{type_name}.{field_name}")
        key = response_key if self._by_response_key else field_name

        def read(parents: Sequence[Any], _args: Mapping[str, Any], _call: Call) -> list[Any]:
            values = [parent.get(key) for parent in parents]
            return values if check is _unchanged else [check(value) for value in values]

        return read

    def typename(self, abstract: str) -> FieldResolver:
        return entity_typename if abstract == ENTITY else default_typename(abstract)

    def wants_arguments(self) -> bool:
        return not self._by_response_key


def checked(of: GraphQLOutputType, coordinate: str, values: Sequence[Any]) -> list[Any]:
    """What a function answered for a field, with an error where an object should be and is none."""
    check = _check_of(of, coordinate)
    return list(values) if check is _unchanged else [check(value) for value in values]


def allow_null(schema: GraphQLSchema, coordinates: Iterable[str]) -> None:
    """Let these fields be null, whatever the SDL says. The schema must be nobody else's."""
    for coordinate in coordinates:
        type_name, _, field_name = coordinate.partition(".")
        holder = schema.type_map.get(type_name)
        if isinstance(holder, GraphQLObjectType) and field_name in holder.fields:
            field = holder.fields[field_name]
            if is_non_null_type(field.type):
                field.type = field.type.of_type


class AnswerReporter(Reporter):
    """Failures in what an extension answered are its own, not bugs of ours.

    `reason` in `extensions` is for the extension's account; who sends the response on takes it out for others.
    """

    def __init__(self, name: str, correlation_id: str) -> None:
        super().__init__(correlation_id)
        self._name = name

    def entry(
        self,
        error: BaseException,
        *,
        path: Sequence[PathKey] | None,
        locations: Sequence[dict[str, int]],
        coordinate: str,
    ) -> ErrorEntry:
        entry = super().entry(error, path=path, locations=locations, coordinate=coordinate)
        if isinstance(error, KokoaError) and error.detail:
            entry["extensions"]["reason"] = error.detail
        return entry

    def _bug(self, error: BaseException, coordinate: str) -> ErrorEntry:
        if not isinstance(error, NullNotAllowed | ResolverContractBroken):
            return super()._bug(error, coordinate)
        message = f"The extension {self._name} gave an answer for {coordinate} that does not fit the graph."
        return {"message": message, "extensions": {"code": INVALID, "reason": str(error)}}
