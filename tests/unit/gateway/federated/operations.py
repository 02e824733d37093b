"""Random operations for a graph, as trees that can be cut down and written as text."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from graphql import (
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    is_interface_type,
    is_object_type,
)

DEPTH_MAX = 5
SELECTIONS_MAX = 60


@dataclass
class Selection:
    """text: everything before the braces.  kind: field, inline, spread or typename.  on: of a fragment."""

    text: str
    kind: str
    on: str = ""
    children: list["Selection"] = field(default_factory=list)

    def write(self) -> str:
        if self.kind == "spread":
            return self.text
        return f"{self.text} {{ {' '.join(one.write() for one in self.children)} }}" if self.children else self.text

    def all(self) -> Iterator["Selection"]:
        yield self
        for one in self.children:
            yield from one.all()


@dataclass
class Operation:
    """kind: query or mutation.  fragments: name → its body as one inline fragment."""

    kind: str
    root: Selection
    fragments: dict[str, Selection]

    def text(self) -> str:
        body = self.root.write()
        used: dict[str, str] = {}
        texts = [body]
        while texts:
            text = texts.pop()
            for name, fragment in self.fragments.items():
                if f"...{name} " in f"{text} " and name not in used:
                    used[name] = (
                        f"fragment {name} on {fragment.on} {{ {' '.join(one.write() for one in fragment.children)} }}"
                    )
                    texts.append(used[name])
        whole = " ".join((body, *used.values()))
        declared = [one for one in ("$yes: Boolean!", "$by: Int") if one.split(":")[0] in whole]
        variables = f"({', '.join(declared)})" if declared else ""
        return " ".join((f"{self.kind} Q{variables} {body.strip()}", *used.values()))

    def selections(self) -> Iterator[Selection]:
        yield from self.root.all()
        for fragment in self.fragments.values():
            yield from fragment.all()


class _Maker:
    def __init__(self, schema: GraphQLSchema, chance: Random) -> None:
        self.schema = schema
        self.chance = chance
        self.left = SELECTIONS_MAX
        self.fragments: dict[str, Selection] = {}

    def make(self) -> Operation:
        kind = "mutation" if self.chance.random() < 0.12 else "query"
        root = Selection("", "field")
        root.children = self.several("Query" if kind == "query" else "Mutation", 0, min_count=2)
        return Operation(kind, root, self.fragments)

    def several(self, type_name: str, depth: int, *, min_count: int = 1) -> list[Selection]:
        count = self.chance.randint(min_count, 4)
        return [self.one(type_name, depth) for _ in range(count)]

    def one(self, type_name: str, depth: int) -> Selection:
        self.left -= 1
        named = self.schema.get_type(type_name)
        has_fields = is_object_type(named) or is_interface_type(named)
        roll = self.chance.random()
        deep = depth < DEPTH_MAX and self.left > 0
        if deep and (not has_fields or roll < (0.45 if is_abstract_type(named) else 0.15)):
            return self.fragment(type_name, depth)
        if not has_fields or roll > 0.94:
            alias = self.chance.choice(["", "", "kind: "])
            return Selection(f"{alias}__typename", "typename")
        return self.field(type_name, depth)

    def fragment(self, type_name: str, depth: int) -> Selection:
        chance = self.chance
        on = chance.choice(self.overlapping(type_name))
        children = self.several(on, depth + 1)
        if chance.random() < 0.3:
            name = f"F{len(self.fragments)}"
            self.fragments[name] = Selection("", "inline", on, children)
            return Selection(f"...{name}{self.condition()}", "spread", on)
        return Selection(f"... on {on}{self.condition()}", "inline", on, children)

    def overlapping(self, type_name: str) -> list[str]:
        """The composite types that an object of this type may be of too."""
        here = self.members(type_name)
        names = [
            name for name, one in self.schema.type_map.items() if is_composite_type(one) and not name.startswith("__")
        ]
        return [name for name in names if self.members(name) & here and name not in {"Query", "Mutation"}] or [
            type_name
        ]

    def members(self, type_name: str) -> set[str]:
        named = self.schema.get_type(type_name)
        if is_abstract_type(named):
            return {one.name for one in self.schema.get_possible_types(named)}
        return {type_name}

    def field(self, type_name: str, depth: int) -> Selection:
        chance = self.chance
        fields = self.schema.get_type(type_name).fields
        names = sorted(fields)
        if depth >= DEPTH_MAX or self.left <= 0:
            names = [name for name in names if not is_composite_type(get_named_type(fields[name].type))] or names
        name = chance.choice([*names, *(name for name in names if name.startswith("r"))])
        of = get_named_type(fields[name].type)
        shape = "".join(
            one if one.isalnum() else {"[": "L", "]": "", "!": "N"}[one] for one in str(fields[name].type)
        )
        arguments = ""
        if fields[name].args and chance.random() < 0.7:
            arguments = chance.choice(["(by: 1)", "(by: 2)", "(by: $by)"])
        # The alias says what decides the shape, so that no two selections of one key can conflict.
        alias = f"{name}{shape}{len(arguments)}{arguments[5:6].replace('$', 'v')}" if arguments else name
        if arguments or chance.random() < 0.25 or self.conflicts(name):
            alias = chance.choice(["", "id_", "x_"]) + (alias if arguments else f"{name}{shape}")
        head = f"{alias}: {name}" if alias != name else name
        made = Selection(f"{head}{arguments}{self.condition()}", "field")
        if is_composite_type(of):
            made.children = (
                self.several(of.name, depth + 1) if depth < DEPTH_MAX + 2 else [Selection("__typename", "typename")]
            )
        return made

    def conflicts(self, name: str) -> bool:
        """Whether some other type has a field of this name with another type."""
        found = {
            str(one.fields[name].type) for one in self.schema.type_map.values() if name in getattr(one, "fields", {})
        }
        return len(found) > 1

    def condition(self) -> str:
        roll = self.chance.random()
        return " @skip(if: $yes)" if roll < 0.05 else " @include(if: $yes)" if roll < 0.1 else ""


def make_operation(schema: GraphQLSchema, seed: int) -> Operation:
    """The operation of a seed."""
    return _Maker(schema, Random(seed)).make()
