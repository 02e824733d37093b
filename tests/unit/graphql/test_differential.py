"""The engine against graphql-core's executor: the same schema, operations, data and failures, the same response.

Operations and failures are generated. Values come from a hash of (seed, object, field), so both executors see the
same data, however often and in whatever order they ask.
"""

import asyncio
import logging
import re
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import pytest
import structlog
from graph_fakes import make_call
from graphql import GraphQLError, build_schema, execute_sync, parse, validate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kokoa.graphql import Limits, build_subgraph
from kokoa.kernel.errors import Invalid

SDL = """
type Query { a: A  aNN: A!  as: [A!]!  list: [A]  node: Node  nodes: [Node!]  any: Any  anys: [Any]!
             n(x: Int = 3, y: [Color!]): Int  grid: [[B!]]  s: String  echo(in: In): String }
type Mutation { set(x: Int): A  setNN(x: Int!): A!  inc: Int! }
interface Node { id: ID!  next: Node  name: String }
interface Named implements Node { id: ID! next: Node name: String }
type A implements Node { id: ID!  next: Node  name: String  b: B  bNN: B!  bs: [B!]  ints: [Int]
                         intsNN: [Int!]!  color: Color  n(x: Int = 3, y: [Color!]): Int }
type B implements Node & Named { id: ID!  next: Node  name: String  a: A  as: [A]!  f: Float
                                 t: Boolean!  c(by: Color = RED): Color! }
type C { id: ID!  name: String  any: Any  big: Int }
union Any = A | B | C
enum Color { RED GREEN BLUE }
input In { a: Int = 1  b: String!  c: In  d: [Int!] }
"""
SCHEMA = build_schema(SDL)
COMPOSITE = ("Query", "Mutation", "A", "B", "C", "Node", "Named", "Any")
MEMBERS = {"Node": ("A", "B"), "Named": ("B",), "Any": ("A", "B", "C")}
LIMITS = Limits(depth=40, aliases=5_000, directives=5_000, overlaps=10**6, errors=10**6)


class Boom(Invalid):
    """What a generated resolver fails with."""


class Thing:
    """An object of the generated data; it knows only its type and its identity."""

    def __init__(self, type_name: str, identity: str) -> None:
        self.type_name = type_name
        self.identity = identity


def dice(seed: int, *parts: object) -> int:
    return zlib.crc32(repr((seed, *parts)).encode())


class Data:
    """faults: how many of 100 values are wrong."""

    def __init__(self, seed: int, faults: int) -> None:
        self.seed = seed
        self.faults = faults

    def value(self, parent: Thing, field: str, args: dict[str, Any]) -> Any:
        identity = f"{parent.identity}.{field}"
        roll = dice(self.seed, identity, sorted(args.items(), key=str))
        if roll % 100 < self.faults:
            if roll % 3 == 0:
                raise Boom(f"boom at {identity[-20:]}")
            if roll % 3 == 1:
                return None
        return self._make(SCHEMA.type_map[parent.type_name].fields[field].type, identity, args)

    def _make(self, of: Any, identity: str, args: dict[str, Any]) -> Any:
        roll = dice(self.seed, identity, "made")
        if hasattr(of, "of_type") and str(of).endswith("!"):
            return self._make(of.of_type, identity, args)
        if roll % 100 < self.faults:
            leaf = not str(of).startswith("[") and of.name not in COMPOSITE
            return (None, Boom(f"item {identity[-20:]}"), *((10**12, object()) if leaf else ()))[
                roll % (4 if leaf else 2)
            ]
        if str(of).startswith("["):
            return [self._make(of.of_type, f"{identity}.{index}", args) for index in range(roll % 4)]
        name = of.name
        if name in MEMBERS:
            return Thing(MEMBERS[name][roll % len(MEMBERS[name])], identity)
        if name in COMPOSITE:
            return Thing(name, identity)
        shown = f"{identity[-8:]}{sorted(args.items(), key=str)}"
        return {
            "Int": roll % 1000, "Float": roll / 7, "String": shown, "ID": f"id{roll}", "Boolean": roll % 2 == 0,
            "Color": ("RED", "GREEN", "BLUE")[roll % 3],
        }[name]  # fmt: skip


def reference(data: Data, text: str, variables: dict[str, Any]) -> dict[str, Any]:
    result = execute_sync(
        SCHEMA,
        parse(text),
        root_value=None,
        variable_values=variables,
        field_resolver=lambda source, info, **args: data.value(
            source or Thing(info.parent_type.name, "root"), info.field_name, args
        ),
        type_resolver=lambda value, _info, _type: value.type_name if isinstance(value, Thing) else None,
    )
    return {"data": result.data, "errors": [plain_error(error) for error in result.errors or ()]}


def plain_error(error: GraphQLError) -> tuple[str, str]:
    shown = isinstance(error.original_error, Boom) or error.message.startswith("Cannot return null")
    formatted = error.formatted
    return error.message if shown else "INTERNAL", f"{formatted.get('path')} {formatted.get('locations')}"


def ours_plain(entry: dict[str, Any]) -> tuple[str, str]:
    shown = entry["extensions"]["code"] == "BOOM" or entry["message"].startswith("Cannot return null")
    return entry["message"] if shown else "INTERNAL", f"{entry.get('path')} {entry.get('locations')}"


class Engine:
    """One subgraph for all cases; every field has a resolver, and some wait, decided by the seed of the case."""

    def __init__(self) -> None:
        self.data = Data(0, 0)
        resolvers: dict[str, Any] = {
            f"{name}.{field}": self._resolver(name, field)
            for name in ("Query", "Mutation", "A", "B", "C")
            for field in SCHEMA.type_map[name].fields
        }
        for name in MEMBERS:
            resolvers[f"{name}.__typename"] = lambda objects, _args, _call: [
                one.type_name if isinstance(one, Thing) else Boom("no type") for one in objects
            ]
        self.subgraph = build_subgraph(name="t", sdl=SDL, resolvers=resolvers, limits=LIMITS)

    def _resolver(self, type_name: str, field: str) -> Any:
        def at_once(parents: Sequence[Any], args: Any) -> list[Any]:
            values = []
            for parent in parents:
                try:
                    values.append(self.data.value(parent or Thing(type_name, "root"), field, dict(args)))
                except Boom as error:
                    values.append(error)
            return values

        async def later(parents: Sequence[Any], args: Any) -> list[Any]:
            await asyncio.sleep(0)
            return at_once(parents, args)

        def resolve(parents: Sequence[Any], args: Any, _call: Any) -> Any:
            waits = dice(self.data.seed, type_name, field, "async") % 3 == 0
            return later(parents, args) if waits else at_once(parents, args)

        return resolve

    def response(self, data: Data, text: str, variables: dict[str, Any]) -> dict[str, Any]:
        self.data = data
        result = asyncio.run(self.subgraph.execute(text, variables, make_call(deadline_in_ms=3_600_000)))
        return {
            "data": None if result.refused else result.data,
            "errors": [ours_plain(one) for one in result.errors],
        }


ENGINE = Engine()


@st.composite
def condition(draw: st.DrawFn) -> str:
    return draw(
        st.sampled_from(
            ["", "", "", "", " @skip(if: true)", " @include(if: $yes)", " @skip(if: $no)", " @include(if: $no)"]
        )
    )


@st.composite
def arguments(draw: st.DrawFn, type_name: str, field: str) -> str:
    wanted = SCHEMA.type_map[type_name].fields[field].args
    choices = {
        "x": ["x: 1", "x: $int", "x: $other"],
        "y": ["", "y: RED", "y: [RED, GREEN]", "y: $colors"],
        "by": ["", "by: BLUE", "by: $color"],
        "in": [
            "",
            'in: {b: "x"}',
            'in: {b: $text, c: {b: "y", a: $int}, d: 4}',
            "in: $in",
            'in: {b: "x", d: [1, $five]}',
        ],
    }
    if (type_name, field) == ("Mutation", "setNN"):
        return draw(st.sampled_from(["(x: 1)", "(x: $five)"]))
    picked = [draw(st.sampled_from(choices[name])) for name in wanted]
    inside = ", ".join(one for one in picked if one)
    return f"({inside})" if inside else ""


@st.composite
def selection_set(draw: st.DrawFn, type_name: str, depth: int) -> str:
    parts = [draw(selection(type_name, depth)) for _ in range(draw(st.integers(1, 4 if depth < 2 else 3)))]
    return "{ " + " ".join(parts) + " }"


@st.composite
def selection(draw: st.DrawFn, type_name: str, depth: int) -> str:
    kind = draw(st.sampled_from(["field", "field", "field", "field", "typename", "inline", "spread", "bare"]))
    possible = MEMBERS.get(type_name, (type_name,))
    if kind == "inline" and depth < 4:
        overlapping = [name for name in COMPOSITE if set(MEMBERS.get(name, (name,))) & set(possible)]
        on = draw(st.sampled_from(overlapping))
        return f"... on {on}{draw(condition())} {draw(selection_set(on, depth + 1))}"
    if kind == "bare" and depth < 4:
        return f"...{draw(condition())} {draw(selection_set(type_name, depth + 1))}"
    if kind == "spread":
        on = draw(
            st.sampled_from([name for name in FRAGMENTS if set(MEMBERS.get(name, (name,))) & set(possible)] or [""])
        )
        if on:
            return f"...F{on}{draw(condition())}"
    fields = getattr(SCHEMA.type_map[type_name], "fields", {})
    if kind == "typename" or not fields:
        return draw(st.sampled_from(["__typename", "kind: __typename"]))
    name = draw(st.sampled_from(sorted(fields)))
    below = fields[name].type
    while hasattr(below, "of_type"):
        below = below.of_type
    given_arguments = draw(arguments(type_name, name))
    alias = draw(st.sampled_from(["", "", "", f"{name}2: ", f"x{below}: ".replace("[", "").replace("]", "")]))
    if given_arguments:  # the same key with other arguments would be a conflict
        alias = f"{name}{dice(0, given_arguments) % 1000}: "
    head = f"{alias}{name}{given_arguments}{draw(condition())}"
    if below.name not in COMPOSITE:
        return head
    return f"{head} {draw(selection_set(below.name, depth + 1))}" if depth < 4 else "__typename"


FRAGMENTS = {
    "A": "{ id name b { t } n(x: $five) }",
    "Node": "{ name ... on B { f a { id } } }",
    "Any": "{ ... on C { big } }",
}
VARIABLES = (
    "($yes: Boolean! = true, $no: Boolean = false, $int: Int, $other: Int = 7, $five: Int! = 5, $colors: [Color!], "
    '$color: Color! = GREEN, $text: String! = "t", $in: In)'
)


@st.composite
def case(draw: st.DrawFn) -> tuple[str, dict[str, Any], int, int]:
    kind = draw(st.sampled_from(["query", "query", "query", "mutation"]))
    body = draw(selection_set("Query" if kind == "query" else "Mutation", 0))
    fragments = " ".join(f"fragment F{name} on {name} {inside}" for name, inside in FRAGMENTS.items())
    variables: dict[str, Any] = {}
    if draw(st.booleans()):
        variables = draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "yes": st.booleans(),
                    "no": st.booleans(),
                    "int": st.none() | st.integers(-5, 5),
                    "five": st.just(6),
                    "colors": st.none() | st.lists(st.sampled_from(["RED", "BLUE"])),
                    "in": st.sampled_from([None, {"b": "v"}, {"b": "v", "c": {"b": "w", "d": 1}}]),
                },
            )
        )
    text = f"{kind} Q{VARIABLES} {body} {fragments}"
    return text, variables, draw(st.integers(0, 2**31)), draw(st.sampled_from([0, 5, 15, 30, 50]))


def without_unused(text: str) -> str:
    """The text without fragments and variables that nothing uses, so that validation lets it pass."""
    for name, inside in FRAGMENTS.items():
        if not re.search(rf"\.\.\.F{name}\b", text):
            text = text.replace(f" fragment F{name} on {name} {inside}", "")
    head, _, rest = text.partition(")")
    kept = [one for one in head.split("(", 1)[1].split(", ") if f"${one.split(':')[0][1:]}" in _words(rest)]
    return f"{head.split('(', 1)[0]}{'(' + ', '.join(kept) + ')' if kept else ''}{rest}"


def _words(text: str) -> set[str]:
    for mark in "(){}[]:,":
        text = text.replace(mark, " ")
    return set(text.split())


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    """The generated bugs would fill the log."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.mark.timeout(600)
@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(case())
def test_same_response_as_graphql_core(generated: tuple[str, dict[str, Any], int, int]) -> None:
    text, variables, seed, faults = generated
    text = without_unused(text)
    if validate(SCHEMA, parse(text)):
        return
    data = Data(seed, faults)
    expected = reference(data, text, variables)
    found = ENGINE.response(data, text, variables)
    assert orjson.dumps(found["data"]) == orjson.dumps(expected["data"])
    assert found["errors"] == expected["errors"]
