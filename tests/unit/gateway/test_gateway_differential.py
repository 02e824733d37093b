"""The gateway against a monolith: one schema, its fields dealt out at random over subgraphs, the same answers.

Entities know only their id; every value is a hash of (seed, type, id, field), so that any subgraph can answer any
field and so can the monolith. Ids are few, so that the same entity turns up in many places.
"""

import asyncio
import logging
import random
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
import pytest
import structlog
from graphql import GraphQLSchema, build_schema, execute_sync, parse, validate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kokoa.gateway.app import Gateway
from kokoa.gateway.compose import compose
from kokoa.gateway.execute import InProcessClient
from kokoa.gateway.supergraph import SubgraphDefinition
from kokoa.graphql import Limits, build_subgraph
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import Invalid

LINK = (
    'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable", '
    '"@external", "@requires", "@provides", "@override"])\n'
)
FIELDS: Mapping[str, Mapping[str, str]] = {
    "Query": {"a": "A", "b": "B!", "bs": "[B!]!", "any": "[Any]", "node": "Node", "v": "V", "n(x: Int = 3)": "Int"},
    "A": {
        "name": "String",
        "n(x: Int = 3)": "Int!",
        "b": "B",
        "bs": "[B!]",
        "v": "V",
        "any": "Any",
        "need": "String",
    },
    "B": {
        "name": "String!",
        "node": "Node",
        "a": "A!",
        "as": "[A]",
        "color": "Color",
        "vs": "[V!]!",
        "need": "String",
    },
    "C": {"name": "String", "any": "[Any!]!", "b": "B", "need": "String!"},
    "V": {"x": "Int", "y": "String!", "inner": "V"},
}
ENTITIES = ("A", "B", "C")
MEMBERS = {"Node": ("A", "B"), "Any": ("A", "B", "C")}
COMPOSITE = {*FIELDS, *MEMBERS}
REQUIRED = {"A": "name", "B": "name", "C": "name"}
SHARED_SDL = "interface Node { id: ID! }\nunion Any = A | B | C\nenum Color { RED GREEN }\n"
LIMITS = Limits(depth=40, aliases=5_000, directives=5_000, overlaps=10**6, errors=10**6)
IDS = 5


class Boom(Invalid):
    """What a generated resolver fails with."""


class Thing:
    """An object: an entity has an id, a value object the path to it."""

    def __init__(self, type_name: str, identity: str, given: Mapping[str, Any] | None = None) -> None:
        self.type_name = type_name
        self.id = identity
        self.given = given or {}


def dice(*parts: object) -> int:
    return zlib.crc32(repr(parts).encode())


class Data:
    """faults: how many of 100 nullable values are null or fail."""

    def __init__(self, seed: int, faults: int) -> None:
        self.seed = seed
        self.faults = faults

    def value(self, type_name: str, identity: str, field: str, args: Mapping[str, Any]) -> Any:
        if field == "id":
            return identity
        if field == "need":
            return f"need of {self._or_none(type_name, identity, REQUIRED[type_name])}"
        of = API.type_map[type_name].fields[field].type
        return self._make(of, f"{type_name}.{identity}.{field}.{sorted(args.items())}")

    def _or_none(self, type_name: str, identity: str, field: str) -> Any:
        found = self.value(type_name, identity, field, {})
        return None if isinstance(found, Exception) else found

    def _make(self, of: Any, identity: str) -> Any:
        roll = dice(self.seed, identity)
        if str(of).endswith("!"):
            return self._make(of.of_type, identity + "!")
        if not identity.endswith("!") and roll % 100 < self.faults:
            return Boom("boom") if roll % 2 else None
        if str(of).startswith("["):
            return [self._make(of.of_type, f"{identity}.{index}") for index in range(roll % 4)]
        name = of.name
        if name in COMPOSITE:
            concrete = MEMBERS[name][roll % len(MEMBERS[name])] if name in MEMBERS else name
            return Thing(concrete, identity if concrete == "V" else str(roll // 7 % IDS))
        return {"Int": roll % 1000, "String": f"s{roll}", "Color": "RED" if roll % 2 else "GREEN"}[name]


def monolith_sdl() -> str:
    parts = [SHARED_SDL]
    for name, fields in FIELDS.items():
        own = {**({"id": "ID!"} if name in ENTITIES else {}), **fields}
        implements = " implements Node" if name in MEMBERS["Node"] else ""
        parts.append(f"type {name}{implements} {{ {' '.join(f'{field}: {of}' for field, of in own.items())} }}")
    return "\n".join(parts)


API: GraphQLSchema = build_schema(monolith_sdl())


def deal(seed: int, count: int) -> list[str]:
    """The SDL of `count` subgraphs, with every field of the monolith somewhere."""
    chance = random.Random(seed)
    names = [f"s{index}" for index in range(count)]
    lines: dict[str, dict[str, list[str]]] = {name: {one: [] for one in FIELDS} for name in names}
    external: set[tuple[str, str, str]] = set()
    owners: dict[tuple[str, str], list[str]] = {}
    for type_name, fields in FIELDS.items():
        for field, of in fields.items():
            if type_name == "V":
                holders, mark = names, " @shareable"
            else:
                holders = chance.sample(names, min(count, chance.choice([1, 1, 1, 2])))
                mark = " @shareable" if len(holders) > 1 else ""
            if type_name != "V" and len(holders) == 2 and chance.random() < 0.4:
                mark = ""
                lines[holders[0]][type_name].append(f'{field}: {of} @override(from: "{holders[1]}")')
                lines[holders[1]][type_name].append(f"{field}: {of}")
                owners[type_name, field.split("(")[0]] = [holders[0], holders[1]]
                continue
            owners[type_name, field.split("(")[0]] = holders
            for holder in holders:
                extra = ""
                if field == "need":
                    if holder in owners[type_name, "name"]:
                        extra = ""
                    else:
                        extra = ' @requires(fields: "name")'
                        external.add((holder, type_name, "name"))
                elif of.strip("[]!") in ENTITIES and chance.random() < 0.3:
                    below = of.strip("[]!")
                    lines[holder][type_name].append(f"{field}: {of}{mark} #provide {below}")
                    continue
                lines[holder][type_name].append(f"{field}: {of}{mark}{extra}")
    return [_write(name, lines[name], external, owners) for name in names]


def _write(
    name: str,
    lines: Mapping[str, Sequence[str]],
    external: set[tuple[str, str, str]],
    owners: Mapping[tuple[str, str], Sequence[str]],
) -> str:
    provided = {line.rsplit(" ", 1)[1] for own in lines.values() for line in own if "#provide" in line}
    provided = {below for below in provided if name not in owners[below, "name"]}
    parts = [LINK, SHARED_SDL]
    for type_name, own in lines.items():
        body = []
        for line in own:
            head, _, below = line.partition(" #provide ")
            body.append(f'{head} @provides(fields: "name")' if below in provided else head)
        if type_name in ENTITIES:
            body.insert(0, "id: ID!")
            if (name, type_name, "name") in external or type_name in provided:
                body.append(f"name: {FIELDS[type_name]['name']} @external")
        if not body:
            continue
        key = ' @key(fields: "id")' if type_name in ENTITIES else ""
        implements = " implements Node" if type_name in MEMBERS["Node"] else ""
        parts.append(f"type {type_name}{implements}{key} {{ {' '.join(body)} }}")
    return "\n".join(parts)


def subgraph_client(name: str, sdl: str, data: Data) -> InProcessClient:
    def field(type_name: str, field_name: str) -> Any:
        async def resolve(parents: Sequence[Any], args: Mapping[str, Any], _call: Any) -> list[Any]:
            found = []
            for parent in parents:
                if parent is not None and field_name == "need" and '"name"' in sdl and "name" in parent.given:
                    found.append(f"need of {parent.given['name']}")
                else:
                    found.append(data.value(type_name, parent.id if parent else "", field_name, args))
            return found

        return resolve

    def reference(type_name: str) -> Any:
        return lambda representations, _call: [Thing(type_name, one["id"], one) for one in representations]

    resolvers: dict[str, Any] = {one: reference(one) for one in ENTITIES}
    built = build_schema_types(sdl)
    resolvers |= {f"{one}.{each}": field(one, each) for one, fields in built.items() for each in fields}
    for abstract in MEMBERS:
        resolvers[f"{abstract}.__typename"] = lambda values, _args, _call: [value.type_name for value in values]
    return InProcessClient(build_subgraph(name=name, sdl=sdl, resolvers=resolvers, limits=LIMITS))


def build_schema_types(sdl: str) -> dict[str, list[str]]:
    return {
        node.name.value: [field.name.value for field in node.fields]
        for node in parse(sdl).definitions
        if node.kind == "object_type_definition"
    }


def make_gateway(seed: int, count: int, data: Data) -> tuple[Gateway, list[str]]:
    sdls = deal(seed, count)
    definitions = [SubgraphDefinition(f"s{index}", sdl) for index, sdl in enumerate(sdls)]
    clients = {one.name: subgraph_client(one.name, one.sdl, data) for one in definitions}
    return Gateway(compose(definitions), clients, LIMITS), sdls


def expected_data(data: Data, text: str, variables: dict[str, Any]) -> Any:
    def resolve(source: Any, info: Any, **args: Any) -> Any:
        return data.value(info.parent_type.name, source.id if source else "", info.field_name, args)

    result = execute_sync(
        API, parse(text), variable_values=variables, field_resolver=resolve,
        type_resolver=lambda value, _info, _type: value.type_name,
    )  # fmt: skip
    return result.data, bool(result.errors)


@st.composite
def selection_set(draw: st.DrawFn, type_name: str, depth: int) -> str:
    return "{ " + " ".join(draw(selection(type_name, depth)) for _ in range(draw(st.integers(1, 4)))) + " }"


@st.composite
def selection(draw: st.DrawFn, type_name: str, depth: int) -> str:
    condition = draw(st.sampled_from(["", "", "", "", " @skip(if: $yes)", " @include(if: $yes)"]))
    possible = set(MEMBERS.get(type_name, (type_name,)))
    kind = draw(st.sampled_from(["field", "field", "field", "field", "inline", "typename"]))
    fields = getattr(API.type_map[type_name], "fields", {})
    if (kind == "inline" or not fields) and depth < 6:
        on = draw(st.sampled_from([one for one in sorted(COMPOSITE) if set(MEMBERS.get(one, (one,))) & possible]))
        return f"... on {on}{condition} {draw(selection_set(on, depth + 1))}"
    if kind == "typename" or not fields:
        return "__typename"
    name = draw(st.sampled_from(sorted(fields)))
    below = fields[name].type
    while hasattr(below, "of_type"):
        below = below.of_type
    alias = draw(st.sampled_from(["", "", "", f"{name}_{below}: ", f"id_{below}: "]))
    arguments = ""
    if fields[name].args:
        arguments = draw(st.sampled_from(["(x: 1)", "(x: $x)"]))
        alias = f"{name}{len(arguments)}: "
    if below.name in COMPOSITE:
        return (
            f"{alias}{name}{arguments}{condition} {draw(selection_set(below.name, depth + 1))}" if depth < 5 else ""
        )
    return f"{alias}{name}{arguments}{condition}"


@st.composite
def case(draw: st.DrawFn) -> tuple[str, dict[str, Any], int, int, int]:
    text = f"query ($yes: Boolean!, $x: Int) {draw(selection_set('Query', 0))}"
    if "$x" not in text.split(")", 1)[1]:
        text = text.replace(", $x: Int", "")
    if "$yes" not in text.split(")", 1)[1]:
        text = text.replace("$yes: Boolean!, ", "").replace("($yes: Boolean!)", "")
    variables = {"yes": draw(st.booleans()), "x": draw(st.integers(0, 3))}
    return (
        text, variables, draw(st.integers(0, 2**20)), draw(st.integers(1, 5)), draw(st.sampled_from([0, 0, 10, 30])),
    )  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    """The generated failures would fill the log."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.mark.timeout(600)
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(case())
def test_the_same_answers_as_a_monolith(generated: tuple[str, dict[str, Any], int, int, int]) -> None:
    text, variables, seed, count, faults = generated
    if validate(API, parse(text)):
        return
    data = Data(seed, faults)
    gateway, sdls = make_gateway(seed, count, data)
    call = Call("e", Caller("server"), "0" * 32, now_ms() + 3_600_000)
    result = asyncio.run(gateway.execute(text, variables, call))
    expected, failed = expected_data(data, text, variables)
    context = "\n---\n".join((text, repr(variables), repr(result.errors[:3]), *sdls))
    assert orjson.dumps(None if result.refused else result.data) == orjson.dumps(expected), context
    assert bool(result.errors) == failed, context
