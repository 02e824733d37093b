"""Field functions: a function answers a field for all objects of a level (docs/reference/field-functions.md).

The extension's SDL becomes a subgraph of the engine. Its *function fields* are those of the root types and of
entities, but for keys and what is `@external`: each is one invoke for a level. What a function returned is JSON in
the spelling of the SDL; the fields of other objects are read from it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import orjson
from graphql import GraphQLError, GraphQLField, GraphQLObjectType, GraphQLSchema

from kokoa.gateway.execute.clients import SubgraphUnavailable
from kokoa.gateway.extension import Extension
from kokoa.gateway.extensions.errors import (
    ExtensionAnswerInvalid,
    ExtensionBusy,
    ExtensionEventTooLarge,
    ExtensionFailed,
)
from kokoa.gateway.extensions.gate import Gate
from kokoa.gateway.extensions.invoking import EVENT_BYTES_MAX, FunctionInvoker
from kokoa.gateway.extensions.values import JUDGED, AnswerReporter, Reading, allow_null, checked, shown
from kokoa.gateway.supergraph import SubgraphView
from kokoa.graphql.errors import SchemaInvalid, UpstreamError
from kokoa.graphql.federation import EntitiesResolver, entities_of, federated_schema, service_resolver
from kokoa.graphql.resolvers import FieldResolver
from kokoa.graphql.schema import executable
from kokoa.graphql.sdl import read_subgraph
from kokoa.graphql.subgraph import Subgraph
from kokoa.kernel.call import Call
from kokoa.kernel.errors import DeadlineExceeded, Forbidden, NotFound, Throttled, Unavailable

ROOTS = ("Query", "Mutation")
MESSAGE_CHARACTERS_MAX = 1_000
_ERROR_KEYS = frozenset({"errorMessage", "errorType", "stackTrace", "trace", "requestId"})
_TIMEOUT_TYPE = "Sandbox.Timedout"


class FieldCaller:
    """Invokes an extension's function for its fields. environment: what the function is told of it; may be empty."""

    def __init__(self, extension: Extension, invoker: FunctionInvoker, gate: Gate, environment: str = "") -> None:
        self._extension = extension
        self._invoker = invoker
        self._gate = gate
        self._environment = environment

    async def ask(
        self,
        coordinate: str,
        arguments: Mapping[str, Any],
        parents: Sequence[Mapping[str, Any]],
        call: Call,
        *,
        patience_ms: int | None,
        again: bool,
    ) -> list[Any]:
        """One item for each parent: a value of JSON or an exception. Raises one error for all of them."""

        async def invoke(bounded: Call) -> bytes:
            return await invoke_function(
                self._invoker, self._extension, self._event(coordinate, arguments, parents, bounded), bounded
            )

        payload = await self._gate.run(invoke, call, patience_ms=patience_ms, again=again)
        return self._items(coordinate, payload, len(parents))

    def _event(
        self, coordinate: str, arguments: Mapping[str, Any], parents: Sequence[Mapping[str, Any]], call: Call
    ) -> bytes:
        caller: dict[str, Any] = {"kind": call.caller.kind}
        if call.caller.kind == "storefront":
            caller["customer"] = call.caller.subject or None
        context = {"correlationId": call.correlation_id, "caller": caller, "remainingMs": call.remaining_ms()}
        if self._environment:
            context["environment"] = self._environment
        event = orjson.dumps(
            {"field": coordinate, "arguments": dict(arguments), "parents": parents, "context": context}
        )
        if len(event) > EVENT_BYTES_MAX:
            raise ExtensionEventTooLarge(
                f"{coordinate} of {len(parents)} objects is an event of {len(event)} bytes; a function takes at most "
                f"{EVENT_BYTES_MAX}. Ask for fewer at once."
            )
        return event

    def _items(self, coordinate: str, payload: bytes, wanted: int) -> list[Any]:
        try:
            items = orjson.loads(payload)
        except orjson.JSONDecodeError:
            raise self._invalid(coordinate, "The answer is not JSON.") from None
        if not isinstance(items, list):
            raise self._invalid(coordinate, f"The answer must be a list, one item a parent; it is {shown(items)}.")
        if len(items) != wanted:
            raise self._invalid(coordinate, f"The answer has {len(items)} items for {wanted} parents.")
        return [_error_of(one) if _is_error(one) else one for one in items]

    def _invalid(self, coordinate: str, reason: str) -> ExtensionAnswerInvalid:
        return ExtensionAnswerInvalid(
            f"The extension {self._extension.name} gave an answer for {coordinate} that does not fit the graph.",
            detail=reason,
        )


def _is_error(item: Any) -> bool:
    return type(item) is dict and "errorMessage" in item and item.keys() <= _ERROR_KEYS


def _error_of(item: Mapping[str, Any]) -> UpstreamError:
    """The error that a function reports for one object."""
    message = str(item["errorMessage"])[:MESSAGE_CHARACTERS_MAX]
    extensions = {"code": "FIELD_FUNCTION_ERROR", "reason": message}
    if item.get("errorType"):
        extensions["errorType"] = str(item["errorType"])[:MESSAGE_CHARACTERS_MAX]
    return UpstreamError(message, extensions)


async def invoke_function(invoker: FunctionInvoker, extension: Extension, event: bytes, call: Call) -> bytes:
    """What the function returned.

    Raises ExtensionFailed, ExtensionBusy, ExtensionAnswerInvalid, DeadlineExceeded, SubgraphUnavailable and, where
    the store called itself too often, DepthExceeded.
    """
    name = extension.name
    try:
        answer = await invoker.invoke(call, extension.account_id, extension.function, event)
    except DeadlineExceeded:
        raise
    except Throttled as error:
        raise ExtensionBusy(f"The extension {name} has no room for another request. Try again shortly.") from error
    except Unavailable as error:
        detail = f"{error.code}: {error.message} {error.detail}"
        raise SubgraphUnavailable(f"The extension {name} cannot be reached.", detail=detail, passing=True) from error
    except (NotFound, Forbidden) as error:
        detail = f"{error.code}: {error.message}"
        raise ExtensionFailed(f"The extension {name} is not ready to answer.", detail=detail) from error
    if answer.function_error is not None:
        raise _failure_of(name, answer.payload)
    if len(answer.payload) > EVENT_BYTES_MAX:
        raise ExtensionAnswerInvalid(
            f"The extension {name} answered more than {EVENT_BYTES_MAX} bytes.",
            detail=f"{len(answer.payload)} bytes",
        )
    return answer.payload


def _failure_of(name: str, payload: bytes) -> ExtensionFailed | DeadlineExceeded:
    try:
        error = orjson.loads(payload)
    except orjson.JSONDecodeError:
        error = None
    error = error if isinstance(error, dict) else {}
    kind, message = str(error.get("errorType", "")), str(error.get("errorMessage", ""))
    if kind == _TIMEOUT_TYPE:
        return DeadlineExceeded(f"The extension {name} did not answer within its function's own timeout.")
    return ExtensionFailed(
        f"The extension {name} failed. Its function's log has the reason, under this correlation id.",
        detail=f"{kind}: {message}"[:MESSAGE_CHARACTERS_MAX],
    )


class _FunctionField:
    """The resolver of one function field."""

    def __init__(
        self,
        ask: Callable[..., Any],
        type_name: str,
        field_name: str,
        field: GraphQLField,
        known: frozenset[str],
        read: FieldResolver,
    ) -> None:
        self._ask = ask
        self._type_name = type_name
        self._field_name = field_name
        self._coordinate = f"{type_name}.{field_name}"
        self._returned = field.type
        self._may_be_there = not field.args
        self._known = known
        self._read = read

    async def __call__(self, parents: Sequence[Any], args: Mapping[str, Any], call: Call) -> list[Any]:
        if self._type_name in ROOTS:
            return self._check(await self._ask(self._coordinate, args, [{}], call))
        wanted = [
            index for index, parent in enumerate(parents) if not (self._may_be_there and self._field_name in parent)
        ]
        values: list[Any] = list(self._read(parents, args, call))  # type: ignore[arg-type]  # it never waits
        if wanted:
            asked = [self._as_told(parents[index]) for index in wanted]
            try:
                answered = self._check(await self._ask(self._coordinate, args, asked, call))
            except Exception as error:
                answered = [error] * len(wanted)
            for index, value in zip(wanted, answered, strict=True):
                values[index] = value
        return values

    def _check(self, values: Sequence[Any]) -> list[Any]:
        return checked(self._returned, self._coordinate, values)

    def _as_told(self, parent: Mapping[str, Any]) -> dict[str, Any]:
        """What the function learns of an object: its key, and what the field requires."""
        return {"__typename": self._type_name} | {name: parent[name] for name in parent if name in self._known}


def function_fields(view: SubgraphView) -> list[tuple[str, str]]:
    """(type, field) of every field that the function is asked for."""
    found = []
    for type_name, named in view.schema.type_map.items():
        if isinstance(named, GraphQLObjectType) and (type_name in ROOTS or type_name in view.keys):
            for field_name in named.fields:
                join = view.joins.get((type_name, field_name))
                if join is not None and not join.external and not join.is_key:
                    found.append((type_name, field_name))
    return found


def field_functions(view: SubgraphView, sdl: str, caller: FieldCaller, patience_ms: Mapping[str, int]) -> Subgraph:
    """A subgraph whose function fields the function answers. patience_ms: of fields that have less than the call.

    Raises SchemaInvalid.
    """
    try:
        document = read_subgraph(sdl)
        schema = federated_schema(document)
    except (GraphQLError, TypeError) as error:
        raise SchemaInvalid(f"The schema of {view.name} is not valid: {error}") from error
    if schema.subscription_type is not None:
        raise SchemaInvalid(
            f"{view.name}: functions answer no subscriptions. Leave {schema.subscription_type.name} out, or serve "
            "the subgraph at a URL."
        )
    functions = function_fields(view)
    allow_null(schema, (f"{type_name}.{field_name}" for type_name, field_name in functions))
    resolvers: dict[str, Any] = {
        "Query._service": service_resolver(sdl),
        "Query._entities": EntitiesResolver(dict.fromkeys(entities_of(document), _representations)),
    }
    table = Reading(schema, resolvers)
    resolvers.update(_resolvers(view, schema, table, caller, functions, patience_ms))
    return Subgraph(view.name, sdl, executable(schema, table), {}, JUDGED, partial(AnswerReporter, view.name))


def _resolvers(
    view: SubgraphView,
    schema: GraphQLSchema,
    table: Reading,
    caller: FieldCaller,
    functions: Sequence[tuple[str, str]],
    patience_ms: Mapping[str, int],
) -> Iterator[tuple[str, FieldResolver]]:
    asked = set(functions)
    for type_name, field_name in functions:
        holder = schema.type_map[type_name]
        assert isinstance(holder, GraphQLObjectType)
        coordinate = f"{type_name}.{field_name}"
        known = frozenset(name for name in holder.fields if (type_name, name) not in asked)
        ask = partial(caller.ask, patience_ms=patience_ms.get(coordinate), again=type_name != "Mutation")
        read = table.reader(type_name, field_name, field_name)
        yield coordinate, _FunctionField(ask, type_name, field_name, holder.fields[field_name], known, read)


def _representations(representations: Sequence[Any], _call: Call) -> list[Any]:
    """An entity is what the gateway says of it: its key, and what its fields require."""
    return list(representations)
