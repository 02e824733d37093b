"""The second pass, only when something failed: error paths and null propagation (GraphQL §6.4.4).

The first pass leaves a `Failure` where a value should be. This pass walks the response in the order of the
document, turns each into an entry of `errors`, and lets nulls climb to the nearest field that may be null. What
comes after a null in the same object is not looked at, exactly as if it had never been resolved.
"""

from collections.abc import Mapping
from typing import Any

from graphql import GraphQLError

from kokoa.graphql.errors import BadUserInput, ErrorEntry, PathKey, Reporter, UpstreamError
from kokoa.graphql.program import Field, Selection, Shape


class Failure:
    """Stands in the response where a value could not be had."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


_CLIMBS = object()  # the value is null and may not be: its holder becomes null


class Settlement:
    """concrete: id of a response object → its selection, for objects of abstract types."""

    __slots__ = ("_concrete", "_errors_max", "_reporter", "errors")

    def __init__(self, concrete: Mapping[int, Selection], reporter: Reporter, errors_max: int) -> None:
        self._concrete = concrete
        self._reporter = reporter
        self._errors_max = errors_max
        self.errors: list[ErrorEntry] = []

    def settle(self, selection: Selection, out: dict[str, Any]) -> bool:
        """Settle a whole response in place; False if null reached the root."""
        return self._selection(selection, out, [])

    def settle_field(self, field: Field, out: dict[str, Any]) -> bool:
        """Settle one root field in place; False if null reached the root."""
        return self._field(field, out, [])

    def _selection(self, selection: Selection, out: dict[str, Any], path: list[PathKey]) -> bool:
        return all(self._field(field, out, path) for field in selection.fields)

    def _field(self, field: Field, out: dict[str, Any], path: list[PathKey]) -> bool:
        path.append(field.key)
        kept = self._value(field, field.shape, out[field.key], path)
        path.pop()
        if kept is _CLIMBS:
            return False
        out[field.key] = kept
        return True

    def _value(self, field: Field, shape: Shape, value: Any, path: list[PathKey]) -> Any:
        if type(value) is Failure:
            self._report(field, value.error, path)
            return None if shape.nullable else _CLIMBS
        if value is None or shape.leaf is not None:
            return value
        if shape.item is not None:
            whole = self._items(field, shape.item, value, path)
        else:
            assert shape.children is not None
            selection = shape.children.static or self._concrete[id(value)]
            whole = self._selection(selection, value, path)
        if whole:
            return value
        return None if shape.nullable else _CLIMBS

    def _items(self, field: Field, item: Shape, values: list[Any], path: list[PathKey]) -> bool:
        for index, value in enumerate(values):
            path.append(index)
            kept = self._value(field, item, value, path)
            path.pop()
            if kept is _CLIMBS:
                return False
            if kept is not value:
                values[index] = kept
        return True

    def _report(self, field: Field, error: Exception, path: list[PathKey]) -> None:
        if isinstance(error, UpstreamError) and error.reported:
            return
        if len(self.errors) < self._errors_max:
            locations = _argument_locations(error) or field.locations
            self.errors.append(
                self._reporter.entry(error, path=path, locations=locations, coordinate=field.coordinate)
            )


def _argument_locations(error: Exception) -> list[dict[str, int]] | None:
    """Where the argument stands that was refused, if that is what the error is about."""
    cause = error.__cause__
    if not isinstance(error, BadUserInput) or not isinstance(cause, GraphQLError):
        return None
    return [{"line": at.line, "column": at.column} for at in cause.locations or ()]
