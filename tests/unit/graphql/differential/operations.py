"""Random documents that are valid for a schema: operations, fragments, variables and their values.

A response key always stands for the same field, arguments and type, wherever it is in the document: so all
selections of one key can be merged (GraphQL §5.3.2), and many are.
"""

import json
from random import Random
from typing import Any, NamedTuple

from differential.literals import Slot, const_literal, json_value, plain, written, wrong_value
from differential.schemas import FieldPlan, SchemaPlan
from differential.type_refs import is_list, is_non_null, item_of, named, nullable

DEPTH_MAX = 4
FRAGMENTS_MAX = 5
INTROSPECTION = (
    "__schema { queryType { name } mutationType { kind } }",
    "__schema { subscriptionType { name } __typename }",
    '__type(name: "T0") { name kind fields { name type { name kind ofType { name } } } }',
    '__type(name: "N0") { name possibleTypes { name } interfaces { name } }',
    '__type(name: "E0") { enumValues(includeDeprecated: true) { name isDeprecated } }',
    '__type(name: "I0") { inputFields { name defaultValue type { name } } }',
    '__type(name: "Pick") { isOneOf kind }',
    '__type(name: "Nowhere") { name }',
)


class Variable(NamedTuple):
    """ref: its declared type.  flag: decides @skip or @include, and is therefore never null."""

    ref: str
    default: str | None
    flag: bool

    def sdl(self, name: str) -> str:
        """Its definition."""
        return Slot(self.ref, self.default).sdl(f"${name}")


class Request(NamedTuple):
    """What a client sends."""

    text: str
    variables: dict[str, Any]
    operation_name: str | None


class _Part:
    """One operation or fragment while it is written: what it uses."""

    def __init__(self) -> None:
        self.variables: dict[str, None] = {}
        self.fragments: dict[str, None] = {}


class _Writer:
    def __init__(self, random: Random, schema: SchemaPlan) -> None:
        self._random = random
        self._schema = schema
        self._keys: dict[str, str] = {}
        self._written_arguments: dict[tuple[str, str], list[str]] = {}
        self._bodies: dict[str, tuple[str, str]] = {}
        self._parts: dict[str, _Part] = {}
        self._open: list[str] = []
        self.variables: dict[str, Variable] = {}

    def chance(self, percent: int) -> bool:
        return self._random.randrange(100) >= 100 - percent

    # Operations.

    def operation(self, kind: str, name: str) -> tuple[str, list[str]]:
        """The operation's text and the variables that it uses, in fragments too."""
        part = self._begin(f"operation {name}")
        body = self._selection_set(kind.capitalize(), 0)
        self._open.pop()
        used = list(self._used(part, {}))
        declared = ", ".join(self.variables[one].sdl(one) for one in used)
        if not name and not declared and kind == "query" and self.chance(50):
            return body, used
        return f"{kind} {name}{f'({declared})' if declared else ''} {body}", used

    def fragments(self) -> list[str]:
        """The definitions of all fragments that were spread."""
        return [f"fragment {name} on {on} {body}" for name, (on, body) in self._bodies.items()]

    def _used(self, part: _Part, seen: dict[str, None]) -> dict[str, None]:
        found = dict(part.variables)
        for name in part.fragments:
            if name not in seen:
                seen[name] = None
                found.update(self._used(self._parts[name], seen))
        return found

    def _begin(self, name: str) -> _Part:
        self._parts[name] = _Part()
        self._open.append(name)
        return self._parts[name]

    # Selections.

    def _selection_set(self, on: str, depth: int) -> str:
        least, more = ((3, 4), (2, 3), (1, 3), (1, 3), (1, 2))[min(depth, 4)]
        count = least + self._random.randrange(more)
        parts = [self._selection(on, depth) for _ in range(count)]
        if self.chance(12):
            parts.append(parts[0])
        return f"{{ {' '.join(parts)} }}"

    def _selection(self, on: str, depth: int) -> str:
        roll = self._random.randrange(20)
        if roll >= 18 and depth < DEPTH_MAX:
            return self._spread(on, depth)
        if roll >= 15 and depth < DEPTH_MAX:
            return self._inline(on, depth)
        fields = self._schema.fields.get(on, {})
        if roll == 14 or not fields:
            return self._keyed("__typename", "", "String!") + self._condition()
        if on == "Query" and roll == 13:
            return self._introspection()
        name = self._random.choice(list(fields))
        if depth >= DEPTH_MAX and self._schema.is_composite(fields[name].ref):
            return self._keyed("__typename", "", "String!")
        return self._field(on, name, fields[name], depth)

    def _field(self, on: str, name: str, plan: FieldPlan, depth: int) -> str:
        head = self._keyed(name, self._arguments(on, name, plan), plan.ref) + self._condition()
        if not self._schema.is_composite(plan.ref):
            return head
        return f"{head} {self._selection_set(named(plan.ref), depth + 1)}"

    def _keyed(self, name: str, arguments: str, ref: str) -> str:
        """`alias: name(arguments)`, with an alias that no other field has."""
        meaning = f"{name}{arguments}:{ref}"
        alias = f"{self._random.choice('abc')}{name.strip('_').capitalize()}" if self.chance(20) else name
        while self._keys.setdefault(alias, meaning) != meaning:
            alias += "2"
        return f"{'' if alias == name else alias + ': '}{name}{arguments}"

    def _introspection(self) -> str:
        chosen = self._random.choice(INTROSPECTION)
        if chosen.startswith("__schema"):
            return chosen.replace("__schema", "__schema" + self._condition())
        if self.chance(30):
            variable = self._variable("String!", flag=False, const=chosen.split('"')[1])
            chosen = chosen.replace(f'"{chosen.split(chr(34))[1]}"', variable)
        head, brace, rest = chosen.partition(" {")
        return self._keyed("__type", head.removeprefix("__type"), "__Type") + self._condition() + brace + rest

    def _inline(self, on: str, depth: int) -> str:
        if self.chance(25):
            return f"...{self._condition()} {self._selection_set(on, depth + 1)}"
        target = self._random.choice(self._schema.overlapping(on))
        return f"... on {target}{self._condition()} {self._selection_set(target, depth + 1)}"

    def _spread(self, on: str, depth: int) -> str:
        overlapping = self._schema.overlapping(on)
        known = [name for name, (target, _) in self._bodies.items() if target in overlapping]
        if known and self.chance(65):
            name = self._random.choice(known)
        elif len(self._parts) < FRAGMENTS_MAX + 3:
            name = self._new_fragment(self._random.choice(overlapping), depth)
        else:
            return self._inline(on, depth)
        self._parts[self._open[-1]].fragments[name] = None
        return f"...{name}{self._condition()}"

    def _new_fragment(self, on: str, depth: int) -> str:
        name = f"F{len(self._parts)}"
        self._begin(name)
        # Only what is complete is spread, so no fragment spreads itself.
        body = self._selection_set(on, max(depth + 1, 2))
        self._open.pop()
        self._bodies[name] = (on, body)
        return name

    def _condition(self) -> str:
        written_ones = ""
        for directive in ("skip", "include"):
            if self.chance(7):
                value = self._flag() if self.chance(50) else self._random.choice(("true", "false"))
                written_ones += f" @{directive}(if: {value})"
        return written_ones

    def _flag(self) -> str:
        return self._variable("Boolean!", flag=True, has_default=False)

    # Arguments.

    def _arguments(self, on: str, name: str, plan: FieldPlan) -> str:
        before = self._written_arguments.setdefault((on, name), [])
        if before and self.chance(40):
            arguments = self._random.choice(before)
            self._use_again(arguments)
            return arguments
        inside = [
            f"{argument}: {self._value(slot, slot.default is not None)}"
            for argument, slot in plan.arguments.items()
            if slot.required or self.chance(65)
        ]
        if len(inside) > 1 and self.chance(30):
            inside.reverse()
        arguments = f"({', '.join(inside)})" if inside else ""
        before.append(arguments)
        return arguments

    def _use_again(self, arguments: str) -> None:
        used = self._parts[self._open[-1]].variables
        for word in arguments.replace("$", " $").replace(",", " ").split():
            if word.startswith("$"):
                used[word[1:].rstrip(")]}")] = None

    def _value(self, slot: Slot, has_default: bool, one_of: bool = False) -> str:
        """A literal, a variable, or a literal with variables in it."""
        ref = slot.ref + "!" if one_of else slot.ref
        if self.chance(35):
            return self._variable(ref, flag=False, has_default=has_default, strict=one_of)
        types = self._schema.inputs
        if not self.chance(40):
            return written(types, ref, json_value(self._random, types, ref))
        name = nullable(ref)
        if is_list(ref):
            items = [self._value(Slot(item_of(ref), None), False) for _ in range(self._random.randrange(3))]
            return f"[{', '.join(items)}]"
        if name in types.objects:
            return self._object(name)
        if name == "Free":
            return f"{{ a: {self._variable('Int', flag=False)}, b: [{plain(1)}] }}"
        return written(types, ref, json_value(self._random, types, ref))

    def _object(self, name: str) -> str:
        given = self._schema.inputs.objects[name]
        if given.one_of:
            chosen = self._random.choice(list(given.fields))
            return f"{{{chosen}: {self._value(given.fields[chosen], False, one_of=True)}}}"
        inside = [
            f"{field}: {self._value(slot, slot.default is not None)}"
            for field, slot in given.fields.items()
            if slot.required or self.chance(30)
        ]
        return f"{{{', '.join(inside)}}}"

    def _variable(
        self, ref: str, *, flag: bool, has_default: bool = False, strict: bool = False, const: str = ""
    ) -> str:
        """A variable that may stand where this type is expected (GraphQL §5.8.5): one that is there, or a new one.

        strict: of exactly this type, as in a @oneOf object (GraphQL §5.6.5).
        """
        fitting = [
            name
            for name, one in self.variables.items()
            if one.flag is flag and one.ref in (ref, nullable(ref) + "!") and not const
        ]
        if fitting and self.chance(50):
            name = self._random.choice(fitting)
        else:
            name = f"v{len(self.variables)}"
            self.variables[name] = (
                Variable(ref, None, flag) if strict else self._declared(ref, flag, has_default, const)
            )
        self._parts[self._open[-1]].variables[name] = None
        return f"${name}"

    def _declared(self, ref: str, flag: bool, has_default: bool, const: str) -> Variable:
        if const:
            return Variable(ref, plain(const), flag)
        roll = self._random.randrange(4)
        if roll == 0 or (roll == 1 and is_non_null(ref) and has_default and not flag):
            return Variable(nullable(ref) if roll else ref, None, flag)
        default = const_literal(self._random, self._schema.inputs, nullable(ref) + "!")
        if roll == 1:
            return Variable(nullable(ref), default, flag)
        return Variable(ref if roll == 2 else nullable(ref) + "!", default if self.chance(60) else None, flag)


def _values(random: Random, schema: SchemaPlan, used: dict[str, Variable], wrong: bool) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, one in used.items():
        if not one.flag and not is_non_null(one.ref) and random.randrange(6) == 5:
            given[name] = None
            continue
        ref = nullable(one.ref) + "!" if one.flag else one.ref
        if (is_non_null(one.ref) and one.default is None) or random.randrange(3):
            given[name] = json_value(random, schema.inputs, ref)
    if wrong and used:
        chosen = random.choice(list(used))
        if is_non_null(used[chosen].ref) and random.randrange(4) == 3:
            given.pop(chosen, None)
        else:
            given[chosen] = wrong_value(random, schema.inputs, used[chosen].ref)
    if random.randrange(8) == 7:
        given["unknown"] = 1
    # A round trip, as over HTTP: nothing is shared with the plan.
    copied: dict[str, Any] = json.loads(json.dumps(given))
    return copied


def make_request(random: Random, schema: SchemaPlan) -> Request:
    """A request whose document is valid; its variables or its operation name may be wrong."""
    writer = _Writer(random, schema)
    count = random.choice((1, 1, 1, 1, 1, 1, 2, 3))
    names = [f"Op{index}" for index in range(count)] if count > 1 or random.randrange(2) else [""]
    written_ones = [(*writer.operation(random.choice(("query", "query", "mutation")), name), name) for name in names]
    definitions = [text for text, _, _ in written_ones] + writer.fragments()
    if random.randrange(3) == 2:
        definitions.reverse()
    _, used, name = random.choice(written_ones)
    # With several operations a name is needed; a name that is wrong or missing is a request error.
    missing = random.randrange(12) == 11
    asked = name if count > 1 or random.randrange(2) else None
    if missing:
        asked = None if count > 1 and random.randrange(2) else "Nowhere"
    variables = _values(random, schema, {one: writer.variables[one] for one in used}, random.randrange(8) == 7)
    return Request("\n".join(definitions), variables, asked or None)
