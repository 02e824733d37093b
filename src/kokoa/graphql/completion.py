"""The first pass's other half: what resolvers return → what the response shows (GraphQL §6.4.3).

A whole column (one field of all objects of a level) is completed at once. Columns of the shapes that occur all the
time take a straight loop; anything irregular (a null among objects, an exception, nested lists, abstract types)
takes the general walk. Objects that need a deeper level are handed to `enter`, a level at a time.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

from kokoa.graphql.errors import NullNotAllowed, ResolverContractBroken
from kokoa.graphql.nulls import Failure
from kokoa.graphql.program import Children, Field, Selection, Shape
from kokoa.graphql.resolvers import Entity
from kokoa.kernel.call import Call

_NONE = type(None)

Enter = Callable[[Selection, Sequence[Any], Sequence[dict[str, Any]]], None]


def _irregular(values: Sequence[Any]) -> bool:
    """Whether a null or an exception is among the values."""
    types = set(map(type, values))
    return _NONE in types or any(issubclass(one, Exception) for one in types)


class Completion:
    """Completes the columns of one execution.

    failed: whether a Failure was left anywhere.  concrete: the selection of each object of an abstract type.
    """

    __slots__ = ("_call", "_enter", "_levels", "failed")

    def __init__(self, call: Call, enter: Enter) -> None:
        self._call = call
        self._enter = enter
        self._levels: list[tuple[Selection, Sequence[dict[str, Any]]]] = []
        self.failed = False

    def concrete(self) -> Mapping[int, Selection]:
        """id of a response object of an abstract type → its selection."""
        return {id(out): selection for selection, outs in self._levels for out in outs}

    def column(self, field: Field, outs: Sequence[dict[str, Any]], values: Sequence[Any]) -> None:
        """Complete one field of all objects of a level into their response objects."""
        shape = field.shape
        if shape.leaf is not None:
            if shape.leaf.takes(values, nullable=shape.nullable):
                key = field.key
                for out, value in zip(outs, values, strict=True):
                    out[key] = value
                return
        elif shape.children is not None:
            if len(values) == 1 and self._one(field.key, shape, outs[0], values[0]):
                return
            if shape.children.static is not None and self._objects(field.key, shape.children.static, outs, values):
                return
        elif shape.item is not None and self._lists(field.key, shape.item, outs, values):
            return
        self._general(field, outs, values)

    def _one(self, key: str, shape: Shape, out: dict[str, Any], value: Any) -> bool:
        """A column of one object, or of a null that may be."""
        if value is None:
            out[key] = None
            return shape.nullable
        selection = None if shape.children is None else shape.children.static
        if selection is None or isinstance(value, Exception):
            return False
        out[key] = made = selection.template.copy()
        self._enter(selection, (value,), (made,))
        return True

    def _objects(self, key: str, selection: Selection, outs: Sequence[dict[str, Any]], values: Sequence[Any]) -> bool:
        if _irregular(values):
            return False
        copy = selection.template.copy
        made = [copy() for _ in values]
        for out, one in zip(outs, made, strict=True):
            out[key] = one
        self._enter(selection, values, made)
        return True

    def _lists(self, key: str, item: Shape, outs: Sequence[dict[str, Any]], values: Sequence[Any]) -> bool:
        if not all(type(value) is list or type(value) is tuple for value in values):
            return False
        flat = list(chain.from_iterable(values))
        if item.leaf is not None:
            if not item.leaf.takes(flat, nullable=item.nullable):
                return False
            for out, value in zip(outs, values, strict=True):
                out[key] = value
            return True
        if item.children is None or item.children.static is None or _irregular(flat):
            return False
        selection = item.children.static
        copy = selection.template.copy
        made: list[dict[str, Any]] = []
        for out, value in zip(outs, values, strict=True):
            mine = [copy() for _ in value]
            out[key] = mine
            made += mine
        if made:
            self._enter(selection, flat, made)
        return True

    # The general walk: one value at a time, objects put aside until all are known.

    def _general(self, field: Field, outs: Sequence[dict[str, Any]], values: Sequence[Any]) -> None:
        objects: list[tuple[Any, Any, Any]] = []
        shape = field.shape
        while shape.item is not None:
            shape = shape.item
        for out, value in zip(outs, values, strict=True):
            self._put(field, field.shape, value, out, field.key, objects)
        if objects and shape.children is not None:
            if shape.children.static is not None:
                self._open(shape.children.static, objects)
            else:
                self._regroup(shape.children, objects)

    def _put(self, field: Field, shape: Shape, value: Any, holder: Any, slot: Any, objects: list[Any]) -> None:
        if isinstance(value, Exception):
            holder[slot] = self._failure(value)
        elif value is None:
            holder[slot] = None if shape.nullable else self._failure(_null_in(field))
        elif shape.item is not None:
            holder[slot] = self._items(field, shape.item, value, objects)
        elif shape.leaf is not None:
            holder[slot] = self._leaf(field, shape, value)
        else:
            objects.append((value, holder, slot))

    def _items(self, field: Field, item: Shape, value: Any, objects: list[Any]) -> Any:
        if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__iter__"):
            return self._failure(
                ResolverContractBroken(f"{field.coordinate} is a list, but a {type(value).__name__} was returned.")
            )
        try:
            values = list(value)
        except Exception as error:  # a generator is the resolver's own code
            return self._failure(error)
        items: list[Any] = [None] * len(values)
        for index, one in enumerate(values):
            self._put(field, item, one, items, index, objects)
        return items

    def _leaf(self, field: Field, shape: Shape, value: Any) -> Any:
        assert shape.leaf is not None
        try:
            completed = shape.leaf.convert(value)
        except Exception as error:  # a scalar may be the subgraph's own code
            return self._failure(
                ResolverContractBroken(f"{field.coordinate} is {shape.type_name}, which {value!r} is not: {error!r}")
            )
        if completed is None:
            return self._failure(
                ResolverContractBroken(f"{field.coordinate}: the scalar {shape.type_name} made null of {value!r}.")
            )
        return completed

    def _open(self, selection: Selection, objects: Sequence[tuple[Any, Any, Any]]) -> Sequence[dict[str, Any]]:
        copy = selection.template.copy
        made = []
        for _, holder, slot in objects:
            out = copy()
            holder[slot] = out
            made.append(out)
        self._enter(selection, [value for value, _, _ in objects], made)
        return made

    def _regroup(self, children: Children, objects: Sequence[tuple[Any, Any, Any]]) -> None:
        groups: dict[str, list[tuple[Any, Any, Any]]] = {}
        for name, (value, holder, slot) in zip(self._names(children, objects), objects, strict=True):
            if isinstance(name, Exception):
                holder[slot] = self._failure(name)
            elif isinstance(name, str) and children.of_type(name) is not None:
                bare = value.value if type(value) is Entity else value
                groups.setdefault(name, []).append((bare, holder, slot))
            else:
                holder[slot] = self._failure(
                    ResolverContractBroken(f"{name!r} is not a type of {children.abstract}: {type(value).__name__}")
                )
        for name, members in groups.items():
            selection = children.of_type(name)
            assert selection is not None
            self._levels.append((selection, self._open(selection, members)))

    def _names(self, children: Children, objects: Sequence[tuple[Any, Any, Any]]) -> Sequence[Any]:
        assert children.typename is not None
        try:
            names = children.typename([value for value, _, _ in objects], {}, self._call)
        except Exception as error:
            return [error] * len(objects)
        if not isinstance(names, list | tuple) or len(names) != len(objects):
            broken = ResolverContractBroken(
                f"{children.abstract}.__typename must return a list with one type name for each object, at once."
            )
            return [broken] * len(objects)
        return names

    def _failure(self, error: Exception) -> Failure:
        self.failed = True
        return Failure(error)


def _null_in(field: Field) -> NullNotAllowed:
    return NullNotAllowed(f"Cannot return null for non-nullable field {field.coordinate}.")
