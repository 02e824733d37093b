"""Random schemas: every kind of type, wrapped in every way, as SDL and as a plan that is easy to walk.

Types have fixed names (T0, N0, U0, …); their number, members, interfaces, fields, arguments and defaults are random.
"""

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

from differential.literals import Input, InputTypes, Slot, const_literal
from differential.type_refs import is_non_null, named

WRAPPERS = ("{}", "{}", "{}!", "{}!", "[{}]", "[{}!]", "[{}]!", "[{}!]!", "[[{}]]", "[[{}!]!]!", "[[{}]!]")
INPUT_WRAPPERS = ("{}", "{}", "{}", "{}!", "[{}]", "[{}!]", "[{}!]!", "[[{}]]")
LEAVES = (
    "Int",
    "Int",
    "Float",
    "Float",
    "String",
    "ID",
    "Boolean",
    "E0",
    "E1",
    "Even",
    "Free",
    "Int",
    "String",
    "E0",
)
INPUT_LEAVES = ("Int", "String", "Boolean", "ID", "Int", "String", "E0", "E1", "Float", "Even", "Free")
ENUM_VALUES = ("RED", "GREEN", "BLUE", "XL", "PRE_ORDER")
# camelCase as GraphQL writes it → the name that Python code sees
ARGUMENT_NAMES = {"pageSize": "page_size", "kind": "kind", "sortBy": "sort_by", "givenID": "given_id"}
INPUT_NAMES = {"maxPrice": "max_price", "text": "text", "deepOne": "deep_one", "ids": "ids", "isNew": "is_new"}
FIELD_NAMES = {
    "sku": "sku", "unitPrice": "unit_price", "parentNode": "parent_node", "isOpen": "is_open", "retryAfterMs":
    "retry_after_ms", "tags": "tags", "imageURL": "image_url", "rows": "rows",
}  # fmt: skip
INTERFACE_FIELD_NAMES = (
    {"name": "name", "nextNode": "next_node", "states": "states"},
    {"colorCode": "color_code", "peers": "peers"},
    {"weightKg": "weight_kg", "grid": "grid", "owner": "owner"},
)
SNAKE_CASE = {**ARGUMENT_NAMES, **INPUT_NAMES, **FIELD_NAMES}
for _names in INTERFACE_FIELD_NAMES:
    SNAKE_CASE.update(_names)
TICKS = "ticks"  # how many root fields of the mutation have run when it is read


class FieldPlan(NamedTuple):
    """ref: the type as text.  arguments: name → slot."""

    ref: str
    arguments: dict[str, Slot]

    def sdl(self, name: str) -> str:
        """The field's definition."""
        inside = ", ".join(slot.sdl(argument) for argument, slot in self.arguments.items())
        return f"{name}{f'({inside})' if inside else ''}: {self.ref}"


class SchemaPlan(NamedTuple):
    """fields: of objects and interfaces.  members: abstract type → its object types."""

    inputs: InputTypes
    fields: dict[str, dict[str, FieldPlan]]
    interfaces: dict[str, tuple[str, ...]]
    members: dict[str, tuple[str, ...]]
    objects: tuple[str, ...]

    def is_composite(self, ref: str) -> bool:
        """Whether a selection set is needed."""
        return named(ref) in self.fields or named(ref) in self.members

    def possible(self, name: str) -> tuple[str, ...]:
        """The object types that a value of this composite type may have."""
        return self.members.get(name, (name,))

    def overlapping(self, name: str) -> list[str]:
        """The composite types that a fragment may name where this one is expected."""
        here = set(self.possible(name))
        return [one for one in (*self.fields, *self.members) if here & set(self.possible(one))]

    def sdl(self) -> str:
        """The schema as text."""
        return "\n".join(self._definitions())

    def _definitions(self) -> Iterator[str]:
        yield "scalar Even\nscalar Free"
        for name, values in self.inputs.enums.items():
            yield f"enum {name} {{ {' '.join(values)} }}"
        for name, given in self.inputs.objects.items():
            inside = " ".join(slot.sdl(field) for field, slot in given.fields.items())
            yield f"input {name}{' @oneOf' if given.one_of else ''} {{ {inside} }}"
        for name, fields in self.fields.items():
            above = self.interfaces.get(name, ())
            inside = "\n  ".join(plan.sdl(field) for field, plan in fields.items())
            kind = "interface" if name in self.members else "type"
            yield f"{kind} {name}{' implements ' + ' & '.join(above) if above else ''} {{\n  {inside}\n}}"
        for name, members in self.members.items():
            if name not in self.fields:
                yield f"union {name} = {' | '.join(members)}"


class _Maker:
    def __init__(self, random: Random) -> None:
        self._random = random
        self._inputs = InputTypes({}, {})
        self._objects = tuple(f"T{index}" for index in range(2 + random.randrange(3)))
        self._abstract: dict[str, tuple[str, ...]] = {}

    def chance(self, percent: int) -> bool:
        return self._random.randrange(100) >= 100 - percent

    def make(self) -> SchemaPlan:
        random = self._random
        for name in ("E0", "E1"):
            self._inputs.enums[name] = ENUM_VALUES[: 2 + random.randrange(4)]
        self._input_objects()
        above = self._hierarchy()
        interfaces = [name for name in above if name.startswith("N")]
        for name in interfaces:
            self._abstract[name] = tuple(one for one in self._objects if name in above[one])
        for index in range(1 + random.randrange(2)):
            members = [one for one in self._objects if self.chance(60)]
            self._abstract[f"U{index}"] = tuple(members or self._objects[:1])
        fields: dict[str, dict[str, FieldPlan]] = {}
        for index, name in enumerate(interfaces):
            fields[name] = self._inherited(above[name], fields) | self._fields(INTERFACE_FIELD_NAMES[index], 1)
        for name in self._objects:
            mine = self._inherited(above[name], fields)
            fields[name] = mine | self._fields(FIELD_NAMES, 2) | {TICKS: FieldPlan("Int!", {})}
        for name in ("Query", "Mutation"):
            fields[name] = self._fields(FIELD_NAMES, 4, composite=70)
        return SchemaPlan(self._inputs, fields, above, self._abstract, self._objects)

    def _hierarchy(self) -> dict[str, tuple[str, ...]]:
        """Interfaces and objects → the interfaces that each implements, with those above them."""
        above: dict[str, tuple[str, ...]] = {"N0": ()}
        above["N1"] = ("N0",) if self.chance(70) else ()
        if self.chance(50):
            above["N2"] = self._closed([one for one in ("N1",) if self.chance(50)], above)
        interfaces = list(above)
        for index, name in enumerate(self._objects):
            chosen = [
                one for place, one in enumerate(interfaces) if place % len(self._objects) == index or self.chance(40)
            ]
            above[name] = self._closed(chosen, above)
        return above

    def _closed(self, chosen: Sequence[str], above: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(two for one in chosen for two in (one, *above[one])))

    def _inherited(self, above: Sequence[str], fields: dict[str, dict[str, FieldPlan]]) -> dict[str, FieldPlan]:
        # The lowest interface first: what it narrowed holds for those that implement it.
        found: dict[str, FieldPlan] = {}
        for name in sorted(above, reverse=True):
            for field, plan in fields[name].items():
                found.setdefault(field, plan)
        return {field: self._narrowed(plan) for field, plan in found.items()}

    def _narrowed(self, plan: FieldPlan) -> FieldPlan:
        """The same field, perhaps of a narrower type, as an implementation may have it (GraphQL §3.6, covariance)."""
        ref = plan.ref
        members = self._abstract.get(named(ref))
        if members and self.chance(25):
            ref = ref.replace(named(ref), self._random.choice(members))
        if not is_non_null(ref) and self.chance(20):
            ref += "!"
        return FieldPlan(ref, plan.arguments)

    def _fields(self, names: dict[str, str], least: int, composite: int = 45) -> dict[str, FieldPlan]:
        count = least + self._random.randrange(len(names) - least + 1)
        found = {}
        for name in list(names)[:count]:
            found[name] = FieldPlan(self._output(composite), self._arguments() if self.chance(35) else {})
        return found

    def _output(self, composite: int) -> str:
        random = self._random
        if self.chance(composite):
            inner = random.choice((*self._objects, *self._abstract, *self._abstract))
        else:
            inner = random.choice(LEAVES)
        return random.choice(WRAPPERS).format(inner)

    def _arguments(self) -> dict[str, Slot]:
        names = list(ARGUMENT_NAMES)
        first = self._random.randrange(len(names))
        return {name: self._slot(tuple(self._inputs.objects)) for name in names[first : first + 2]}

    def _slot(self, objects: tuple[str, ...]) -> Slot:
        inner = self._random.choice(objects) if objects and self.chance(40) else self._random.choice(INPUT_LEAVES)
        ref = self._random.choice(INPUT_WRAPPERS).format(inner)
        return Slot(ref, const_literal(self._random, self._inputs, ref) if self.chance(35) else None)

    def _input_objects(self) -> None:
        # Each mentions only those before it, so that no default and no required field runs in a circle.
        for index in range(2):
            known = tuple(self._inputs.objects)
            fields = {name: self._slot(known) for name in INPUT_NAMES if self.chance(60)}
            fields.setdefault("ids", Slot("[ID!]", None))
            self._inputs.objects[f"I{index}"] = Input(fields, one_of=False)
        self._inputs.objects["I1"].fields.setdefault("deepOne", Slot("I1", None))
        choices = {"text": Slot("String", None), "ids": Slot("[Int!]", None), "deepOne": Slot("I0", None)}
        self._inputs.objects["Pick"] = Input(choices, one_of=True)


def make_schema(random: Random) -> SchemaPlan:
    """A schema that is valid."""
    return _Maker(random).make()
