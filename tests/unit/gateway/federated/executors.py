"""The same operation, answered by a monolith and by a gateway over subgraphs.

Both run on graphql-core's executor. The subgraphs are strict: asked for what is not theirs (a field that is only
mentioned, lost to an override, or required but not sent) they raise `Refused`, and remember it.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    build_ast_schema,
    build_schema,
    execute_sync,
    parse,
    validate,
)
from graphql.language import TypeDefinitionNode

from federated.blueprint import OPAQUE, Blueprint, Field
from federated.sdl import mentions, monolith_sdl, subgraph_sdls
from federated.world import Thing, World, dice, identity_of
from kokoa.gateway.app import Graph
from kokoa.gateway.compose import compose
from kokoa.gateway.fieldset import FieldSet, parse_field_set
from kokoa.gateway.plan import Plan
from kokoa.gateway.rollout import labels_on
from kokoa.gateway.supergraph import SubgraphDefinition, Supergraph
from kokoa.graphql.limits import Limits
from kokoa.graphql.result import ExecutionResult
from kokoa.graphql.sdl import read_subgraph
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms

LIMITS = Limits(depth=60, aliases=5_000, directives=5_000, overlaps=10**6, errors=10**6, cost=10**12)


class Refused(AssertionError):
    """A subgraph was asked for what it must not be asked for."""


class Resolving:
    """The values of a graph's fields."""

    def __init__(self, plan: Blueprint, world: World) -> None:
        self.plan = plan
        self.world = world
        self.counted = 0
        self.refused: list[str] = []

    def field(self, type_name: str, name: str) -> Field | None:
        plan = self.plan
        if type_name in {"Query", "Mutation"}:
            return (plan.roots if type_name == "Query" else plan.mutations)[name]
        entity = plan.entities.get(type_name)
        return entity.fields.get(name) if entity else None

    def value(self, type_name: str, identity: str, name: str, args: Mapping[str, Any]) -> Any:
        """The value of a field that requires nothing."""
        if name == "id":
            return identity
        if name in {"sku", "code"}:
            return f"sku{identity}" if name == "sku" else identity
        if name == "tag":
            return Thing("Tag", f"tag{identity}")
        made = self.field(type_name, name)
        if type_name == "Mutation" and made is not None and made.of == "Int":
            self.counted += 1
            return self.counted
        if type_name in {"V", "W"}:
            of = {"x": "Int", "y": "String", "common": "Int", "wa": "Int", "wb": "String"}.get(name)
            of, members = (of, []) if of else (list(self.plan.entities)[-1], [list(self.plan.entities)[-1]])
        elif name == "extra":
            type_name, of, members = "Node", "String", []
        else:
            assert made is not None
            of = made.type
            members = self.plan.members(made.of) if made.of[0] in "TVWN" or made.of == "Some" else []
        place = f"{type_name}.{identity}.{name}.{sorted((key, one) for key, one in args.items() if one is not None)}"
        return self.world.make(of, members, place, may_fail=made is None or not made.required)

    def required(self, type_name: str, identity: str, parts: FieldSet) -> dict[str, Any]:
        """What a field set selects from an object, read from the world."""
        found: dict[str, Any] = {}
        for part in parts:
            if part.on:
                if type_name in self.plan.members(part.on):
                    found |= self.required(type_name, identity, part.children)
            else:
                found[part.name] = self._selected(
                    self.anything(type_name, identity, part.name, arguments(part)), part.children
                )
        return found

    def _selected(self, value: Any, parts: FieldSet) -> Any:
        if isinstance(value, list):
            return [self._selected(one, parts) for one in value]
        if isinstance(value, Thing):
            return self.required(value.type_name, value.identity, parts)
        return None if isinstance(value, Exception) else value

    def anything(self, type_name: str, identity: str, name: str, args: Mapping[str, Any]) -> Any:
        """The value of any field."""
        requires = self.requires(type_name, name)
        if requires:
            return text_of(self.required(type_name, identity, parse_field_set(requires)))
        return self.value(type_name, identity, name, args)

    def requires(self, type_name: str, name: str) -> str:
        if name == "rx":
            return "name"
        made = self.field(type_name, name)
        return made.requires if made is not None else ""


def text_of(selected: Mapping[str, Any]) -> str:
    return json.dumps(selected, sort_keys=True)


def arguments(part: Any) -> dict[str, Any]:
    """The arguments of a field in a field set."""
    return {"by": int(part.arguments.strip("()").split(":")[1])} if part.arguments else {}


def run_monolith(plan: Blueprint, world: World, schema: GraphQLSchema, text: str, variables: dict[str, Any]) -> Any:
    """(data, paths of errors)"""
    resolving = Resolving(plan, world)

    def resolve(source: Any, info: Any, **args: Any) -> Any:
        identity = source.identity if isinstance(source, Thing) else ""
        found = resolving.anything(info.parent_type.name, identity, info.field_name, args)
        if isinstance(found, Exception):
            raise found
        return found

    result = execute_sync(
        schema, parse(text), variable_values=variables, field_resolver=resolve,
        type_resolver=lambda value, _info, _type: value.type_name,
    )  # fmt: skip
    return result.data, [tuple(one.path or ()) for one in result.errors or ()]


def monolith_schema(plan: Blueprint) -> GraphQLSchema:
    return build_schema(monolith_sdl(plan))


class StrictSubgraph:
    """One subgraph. labels: the labels of overrides that are on.  shared: counts mutations for all subgraphs."""

    trusted = False
    punctual = False

    def __init__(self, name: str, schema: GraphQLSchema, resolving: Resolving, labels: frozenset[str]) -> None:
        self.name = name
        self.schema = schema
        self._resolving = resolving
        self._labels = labels
        self._mentioned = set(mentions(resolving.plan, name)) | ({("Node", "name")} if name == OPAQUE else set())

    async def execute(
        self, document: str, variables: Mapping[str, Any], call: Call, operation_name: str | None
    ) -> ExecutionResult:
        for _ in range(dice(document) % 4):
            await asyncio.sleep(0)  # others that may run now go first, or not
        parsed = parse(document)
        errors = validate(self.schema, parsed)
        if errors:
            self._resolving.refused.append(f"{self.name} does not accept {document}: {errors[0].message}")
        result = execute_sync(
            self.schema, parsed, variable_values=dict(variables), field_resolver=self._resolve,
            type_resolver=lambda value, _info, _type: value.type_name,
        )  # fmt: skip
        for one in result.errors or ():
            if isinstance(one.original_error, Refused):
                self._resolving.refused.append(str(one.original_error))
        return ExecutionResult(result.data, [_entry(one) for one in result.errors or ()])

    def stream(
        self, document: str, variables: Mapping[str, Any], call: Call, operation_name: str | None
    ) -> AsyncGenerator[ExecutionResult, None]:
        raise Refused("no subscriptions here")

    def _resolve(self, source: Any, info: Any, **args: Any) -> Any:
        if info.field_name == "_entities":
            return [self._find(one) for one in args["representations"]]
        type_name = info.parent_type.name
        thing = source if isinstance(source, Thing) else Thing(type_name, "")
        found = self._value(thing, type_name, info.field_name, args)
        if isinstance(found, Exception):
            raise found
        return self._granting(found, thing, type_name, info.field_name)

    def _find(self, representation: Mapping[str, Any]) -> Thing:
        identity = identity_of(representation)
        named = representation["__typename"]
        real = self._resolving.world.type_of(identity)
        if self.name == OPAQUE:
            return Thing("Node", identity, representation)
        if named not in ("Node", real):
            raise Refused(f"{self.name} was asked for {named} {identity}, which is a {real}")
        self._check_key(real, named, representation)
        return Thing(real, identity, representation)

    def _check_key(self, real: str, named: str, representation: Mapping[str, Any]) -> None:
        """The interface is found by its id in one subgraph, an entity by the keys that its subgraph knows."""
        plan = self._resolving.plan
        known = plan.entities[real].keys.get(self.name, [])
        if named == "Node":
            known = ["id"] if self.name == plan.home and plan.home_has_key else []
        if not any(one.split()[0] in representation for one in known):
            raise Refused(f"{self.name} does not find {named} by {dict(representation)}")

    def _value(self, thing: Thing, type_name: str, name: str, args: Mapping[str, Any]) -> Any:
        promised = any(part.name == name for part in self._granted_to(thing))
        if (type_name, name) in self._mentioned and not promised:
            raise Refused(f"{self.name} was asked for {type_name}.{name}, which it only mentions")
        made = self._resolving.field(type_name, name)
        if made is not None and made.overridden and not promised:
            self._check_override(made, type_name)
        requires = self._resolving.requires(type_name, name)
        if requires and not promised:
            return text_of(self._sent(thing.given, parse_field_set(requires), f"{self.name} {type_name}.{name}"))
        found = self._resolving.value(type_name, thing.identity, name, args)
        if self.name == OPAQUE:
            return _opaque(found)
        return found

    def _check_override(self, made: Field, type_name: str) -> None:
        taken = not made.label or made.label in self._labels
        if (self.name == made.owners[0]) != taken and self.name in (made.owners[0], made.overridden):
            raise Refused(f"{self.name} was asked for {type_name}.{made.name}, which another answers now")

    def _sent(self, given: Any, parts: FieldSet, what: str) -> Any:
        """What a representation carries of a requirement."""
        if isinstance(given, list):
            return [self._sent(one, parts, what) for one in given]
        if not isinstance(given, Mapping):
            return None
        found: dict[str, Any] = {}
        for part in parts:
            if part.on:
                if given.get("__typename") == part.on:
                    found |= self._sent(given, part.children, what)
            elif part.name not in given:
                raise Refused(f"{what} requires {part.name}, which was not sent: {given}")
            else:
                found[part.name] = (
                    self._sent(given[part.name], part.children, what) if part.children else given[part.name]
                )
        return found

    def _granted_to(self, thing: Thing) -> FieldSet:
        found: FieldSet = ()
        for part in thing.granted:
            if not part.on:
                found += (part,)
            elif thing.type_name in self._resolving.plan.members(part.on):
                found += part.children
        return found

    def _granting(self, found: Any, thing: Thing, type_name: str, name: str) -> Any:
        """Hand on what is promised below a field."""
        made = self._resolving.field(type_name, name)
        text = made.provides.get(self.name, "") if made is not None else ""
        granted = parse_field_set(text) if text else ()
        for part in self._granted_to(thing):
            if part.name == name:
                granted += part.children
        for one in found if isinstance(found, list) else [found]:
            if isinstance(one, Thing):
                one.granted = granted
        return found


def _opaque(found: Any) -> Any:
    if isinstance(found, list):
        return [_opaque(one) for one in found]
    return Thing("Node", found.identity) if isinstance(found, Thing) else found


def _entry(error: GraphQLError) -> dict[str, Any]:
    return {"message": error.message, "path": list(error.path or ())}


def federated_schema(sdl: str) -> GraphQLSchema:
    """A subgraph's schema with `_entities`."""
    document = read_subgraph(sdl).ast
    keyed = [
        node.name.value
        for node in document.definitions
        if node.kind == "object_type_definition" and any(one.name.value == "key" for one in node.directives or ())
    ]
    types = {one.name.value for one in document.definitions if isinstance(one, TypeDefinitionNode)}
    text = f"{'extend ' if 'Query' in types else ''}type Query {{ _service: String "
    text += (
        f"_entities(representations: [_Any!]!): [_Entity]! }} union _Entity = {' | '.join(keyed)}" if keyed else "}"
    )
    added = parse(f"scalar _Any {text}").definitions
    return build_ast_schema(DocumentNode(definitions=(*document.definitions, *added)))


class Split(NamedTuple):
    """A graph in parts. schemas: of each subgraph."""

    supergraph: Supergraph
    schemas: Mapping[str, GraphQLSchema]


def split(plan: Blueprint) -> Split:
    """Deal a graph out and compose it."""
    sdls = subgraph_sdls(plan)
    supergraph = compose([SubgraphDefinition(name, sdl) for name, sdl in sdls.items()])
    return Split(supergraph, {name: federated_schema(sdl) for name, sdl in sdls.items()})


class WatchedGraph(Graph):
    """A graph that remembers its plan."""

    made: Plan | None = None

    def plan(self, *args: Any) -> Plan:
        self.made = super().plan(*args)
        return self.made


def make_call(seed: int) -> Call:
    """A call without effects of its deadline. seed: decides which labels of overrides are on."""
    return Call("e", Caller("server"), f"{seed:032x}", now_ms() + 3_600_000)


async def run_gateway(
    parts: Split, plan: Blueprint, world: World, call: Call, text: str, variables: dict[str, Any]
) -> tuple[ExecutionResult, Plan | None]:
    """The result and the plan that was made. Raises Refused if a subgraph refused anything."""
    resolving = Resolving(plan, world)
    labels = labels_on(parts.supergraph.override_labels, call)
    clients = {name: StrictSubgraph(name, schema, resolving, labels) for name, schema in parts.schemas.items()}
    graph = WatchedGraph(parts.supergraph, clients, LIMITS)
    result = await graph.execute(text, variables, call, None, read_only=False)
    if resolving.refused:
        raise Refused(f"{resolving.refused[0]}; {graph.made}")
    return result, graph.made
