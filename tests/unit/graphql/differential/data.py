"""What resolvers answer: a hash of (seed, object, field, arguments), so that both executors see the same data.

Both executors also get the same *raw* values: objects with attributes, dicts, other mappings, lists, tuples,
lazy lists, exceptions among the values, values of the wrong kind. `seen` collects which kinds of failure were served.
"""

import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any, NamedTuple

from differential.schemas import SNAKE_CASE, TICKS, FieldPlan, SchemaPlan
from differential.type_refs import is_list, is_non_null, item_of, named, nullable
from kokoa.kernel.errors import Invalid, NotFound

ROOTS = ("Query", "Mutation")
IDENTITY = "_identity"


class Boom(Invalid):
    """What a generated resolver fails with."""


class Gone(NotFound):
    """Another public failure."""


class Even(NamedTuple):
    """The Python side of the scalar `Even`."""

    half: int


class Thing:
    """An object with attributes. A subclass has the name of its type, which is how the engine finds it."""

    def __init__(self, data: "Data", type_name: str, identity: str) -> None:
        self.origin = (type_name, identity)
        self._read = data.attribute

    def __getattr__(self, name: str) -> Any:
        return self._read(*self.origin, name)


class View(Mapping[str, Any]):
    """A mapping that is no dict."""

    def __init__(self, data: "Data", type_name: str, identity: str, typename: dict[str, str]) -> None:
        self.origin = (type_name, identity)
        self._data = data
        self._typename = typename

    def __getitem__(self, key: str) -> Any:
        if key in self._typename:
            return self._typename[key]
        return self._data.entry(*self.origin, key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 1


class Again:
    """A lazy list that can be read more than once, as an object's attribute must."""

    def __init__(self, values: list[Any]) -> None:
        self._values = values

    def __iter__(self) -> Iterator[Any]:
        yield from self._values


def serialize_even(value: Any) -> Any:
    """Fails in every way that a scalar written in haste fails."""
    if value == "nothing":
        return None
    return value.half * 2 if value.half >= 0 else {}["negative"]


def parse_even(value: Any) -> Even:
    """Raises ValueError for what is not an even number."""
    if type(value) is not int or value % 2:
        raise ValueError(f"{value!r} is not an even number")
    return Even(value // 2)


class Traits(NamedTuple):
    """How the resolver of one field behaves, for all objects.

    mode: default (nobody registered one), each, or a way in which the whole call fails.  waits: how often it waits.
    """

    mode: str
    waits: int


class Data:
    """faults: how many of 100 values are wrong. ticks: root fields of the mutation that have run."""

    def __init__(self, schema: SchemaPlan, seed: int, faults: int) -> None:
        self.schema = schema
        self.seed = seed
        self.faults = faults
        self.ticks = 0
        self.seen: set[str] = set()
        self._traits: dict[tuple[str, str], Traits] = {}
        self._classes: dict[str, type[Thing]] = {}

    def dice(self, *parts: object) -> int:
        """A number that depends on the seed and these parts only."""
        return zlib.crc32(repr((self.seed, *parts)).encode())

    # Fields.

    def traits(self, type_name: str, field: str) -> Traits:
        """How a field is resolved."""
        known = self._traits.get((type_name, field))
        if known is None:
            known = self._traits[type_name, field] = self._drawn(type_name, field)
        return known

    def _drawn(self, type_name: str, field: str) -> Traits:
        roll = self.dice(type_name, field, "traits")
        plan = self.schema.fields[type_name][field]
        if field == TICKS or not self.faults or roll % 100 >= 6:
            free = type_name not in ROOTS and field != TICKS and not plan.arguments
            mode = "default" if free and roll % 2 else "each"
        else:
            mode = ("raises", "raises", "breaks", "long", "long", "text")[roll % 6]
        return Traits(mode, (0, 0, 0, 1, 1, 2, 3)[roll // 100 % 7])

    def value(self, origin: tuple[str, str], field: str, arguments: str) -> Any:
        """What a field of one object is. origin: its type and identity.  arguments: as text."""
        type_name, identity = origin
        if field == TICKS:
            return self.ticks
        mode = self.traits(type_name, field).mode
        here = f"{identity}.{field}{arguments}"
        if mode == "default":
            if self.dice(here, "absent") % 80 < self.faults:
                self.seen.add("absent attribute or key")
                return AttributeError(field) if self._style(identity) == "thing" else None
            self.seen.add("default resolver")
        elif mode != "each":
            return self.whole_failure(type_name, field)
        return self._make(self.schema.fields[type_name][field].ref, here, at_root=type_name in ROOTS)

    def whole_failure(self, type_name: str, field: str) -> Exception:
        """Why all objects of a level fail in this field."""
        self.seen.add("whole call fails")
        if self.traits(type_name, field).mode == "raises":
            return Boom(f"all of {type_name}.{field}")
        return RuntimeError(f"{type_name}.{field} is broken")

    # Values.

    def _make(self, ref: str, here: str, at_root: bool = False) -> Any:
        roll = self.dice(here)
        # What fails at the root hides everything below it.
        if roll % 100 < (self.faults // 2 if at_root else self.faults):
            return self._fault(ref, here, roll // 100)
        if roll // 100 % 10 == 0 and not is_non_null(ref):
            return None
        if is_list(ref):
            return self._list(item_of(ref), here, roll // 100)
        name = nullable(ref)
        if self.schema.is_composite(name):
            return self._object(name, here)
        return self._leaf(name, here, roll // 100)

    def _fault(self, ref: str, here: str, roll: int) -> Any:
        where = " in a list" if here.endswith("]") else ""
        kind = roll % 14
        if kind in (0, 1, 2):
            self.seen.add(f"exception{where}")
            return Boom(f"boom at {here[-20:]}") if kind else Gone(f"gone {here[-9:]}")
        if kind in (3, 4, 5, 6) or (kind == 13 and is_non_null(ref)):
            self.seen.add(f"null for non-null{where}" if is_non_null(ref) else "null")
            return None
        if kind in (7, 8):
            self.seen.add(f"bug{where}")
            return RuntimeError("bug")
        if is_list(ref):
            self.seen.add("no list")
            return ("text", 5, {"a": 1}, object())[roll // 14 % 4]
        name = named(ref)
        if not self.schema.is_composite(name):
            self.seen.add("wrong leaf")
            wrong = _ENUM_WRONG if name in self.schema.inputs.enums else _LEAF_WRONG[name]
            return wrong[roll // 14 % len(wrong)]
        return self._object(name, here, astray=name in self.schema.members)

    def _list(self, item: str, here: str, roll: int) -> Any:
        # Deep lists are short, or a response would have a million objects.
        count = (0, 1, 2, 2, 3)[roll % 5] if here.count("[") < 3 else roll % 2
        values = [self._make(item, f"{here}[{index}]") for index in range(count)]
        kind = roll // 5 % 12
        return (tuple(values), Again(values), deque(values))[kind] if kind < 3 else values

    def _leaf(self, name: str, here: str, roll: int) -> Any:
        enum = self.schema.inputs.enums.get(name)
        if enum:
            value = enum[roll % len(enum)]
            return Enum("Choice", {value: value})[value] if roll % 11 == 0 else value
        number = roll % 1000
        if roll % 9 == 0:
            self.seen.add("leaf that is converted")
            return _LEAF_ODD.get(name, lambda number: number)(number)
        return _LEAF[name](number, here)

    # Objects.

    def _object(self, expected: str, here: str, astray: bool = False) -> Any:
        members = self.schema.possible(expected)
        name = members[self.dice(here, "type") % len(members)]
        style = self._style(here)
        claimed = self._claimed(expected, here) if astray else name
        if style == "thing":
            return self._class(claimed or "Nobody")(self, name, here)
        typename = {} if claimed is None else {"__typename": claimed}
        if style == "view":
            return View(self, name, here, typename)
        return {IDENTITY: (name, here), **typename, **self._entries(name, here)}

    def _claimed(self, expected: str, here: str) -> str | None:
        """A type name that the abstract type does not have."""
        self.seen.add("abstract type astray")
        strangers = [name for name in self.schema.objects if name not in self.schema.members[expected]]
        return ("Ghost", None, expected, *strangers)[self.dice(here, "claimed") % (3 + len(strangers))]

    def _class(self, name: str) -> type[Thing]:
        return self._classes.setdefault(name, type(name, (Thing,), {}))

    def _style(self, here: str) -> str:
        roll = self.dice(here, "style") % 10
        if roll < 3:
            return "view"
        # A dict holds its values from the start: too deep, and cyclic types would never end.
        return "dict" if roll < 6 and here.count(".") < 3 else "thing"

    def _defaults(self, type_name: str) -> Iterator[tuple[str, FieldPlan]]:
        for field, plan in self.schema.fields[type_name].items():
            if self.traits(type_name, field).mode == "default":
                yield field, plan

    def attribute(self, type_name: str, identity: str, name: str) -> Any:
        """An attribute, for default resolvers. Raises AttributeError."""
        for field, _ in self._defaults(type_name):
            if SNAKE_CASE[field] == name:
                found = self.value((type_name, identity), field, "")
                if isinstance(found, AttributeError):
                    raise found
                return found
        raise AttributeError(name)

    def entry(self, type_name: str, identity: str, key: str) -> Any:
        """An entry of a mapping, for default resolvers. Raises KeyError."""
        for field, _ in self._defaults(type_name):
            spelled = field if self.dice(identity, field, "spelling") % 2 else SNAKE_CASE[field]
            if spelled == key and self.dice(f"{identity}.{field}", "absent") % 80 >= self.faults:
                return self.value((type_name, identity), field, "")
        raise KeyError(key)

    def _entries(self, type_name: str, identity: str) -> dict[str, Any]:
        found = {}
        for field, _ in self._defaults(type_name):
            for key in dict.fromkeys((field, SNAKE_CASE[field])):
                try:
                    found[key] = self.entry(type_name, identity, key)
                except KeyError:
                    continue
        return found

    # Abstract types.

    def has_typename_resolver(self, abstract: str) -> bool:
        """Whether somebody registered `Abstract.__typename`."""
        return self.dice(abstract, "typename") % 2 == 0

    def typename(self, abstract: str, value: Any) -> Any:
        """The type that an object claims to have, or an exception."""
        if self.has_typename_resolver(abstract):
            roll = self.dice(abstract, "typename fails")
            if self.faults and roll % 12 == 0:
                self.seen.add("whole call fails")
                return Boom(f"no type of {abstract}")
            if self.dice(*origin_of(value), "untyped") % 100 < self.faults // 2:
                self.seen.add("abstract type astray")
                return Boom("no type")
        if isinstance(value, Mapping):
            return value.get("__typename")
        return type(value).__name__


def origin_of(value: Any) -> tuple[str, str]:
    """Type and identity of an object of the generated data."""
    found: tuple[str, str] = value[IDENTITY] if isinstance(value, dict) else value.origin
    return found


_LEAF: dict[str, Callable[[int, str], Any]] = {
    "Int": lambda number, _here: number,
    "Float": lambda number, _here: number / 7,
    "String": lambda _number, here: here[-40:],
    "ID": lambda number, _here: f"id{number}",
    "Boolean": lambda number, _here: number % 2 == 0,
    "Even": lambda number, _here: Even(number),
    "Free": lambda number, _here: (number, "free", {"x": [number]}, [None, number / 3], False)[number % 5],
}
_LEAF_ODD: dict[str, Callable[[int], Any]] = {
    "Int": lambda number: (True, str(number), float(number))[number % 3],
    "Float": lambda number: (number, False, f"{number}.5")[number % 3],
    "String": lambda number: (number, number / 2, True)[number % 3],
    "ID": lambda number: (number, float(number))[number % 2],
    "Boolean": lambda number: (number, number / 2)[number % 2],
    "Even": lambda number: Even(-number),
}
_ENUM_WRONG: tuple[Any, ...] = ("PURPLE", 3, ["RED"], "red")
_LEAF_WRONG: dict[str, tuple[Any, ...]] = {
    "Int": (2**31, -(2**31) - 1, 10**12, 1.5, "x", {}),
    "Float": (float("nan"), float("inf"), "x", []),
    "String": ({}, [], object()),
    "ID": (1.5, {}, [1]),
    "Boolean": ("yes", [], {}),
    "Even": ("nothing", 3, Even(-1), None),
    "Free": (None, RuntimeError("free"), Boom("free")),
}
