"""A seed is a case: a graph, its split, its data and an operation; both sides answer it, and what differs counts."""

import asyncio
import copy
from functools import lru_cache

import orjson
from graphql import GraphQLSchema, parse, validate

from federated.blueprint import Blueprint, make_blueprint
from federated.executors import Refused, Split, make_call, monolith_schema, run_gateway, run_monolith, split
from federated.features import features_of
from federated.operations import Operation, make_operation
from federated.sdl import subgraph_sdls
from federated.world import World, dice

CASES_OF_A_GRAPH = 10


@lru_cache(maxsize=64)
def graph_of(seed: int) -> tuple[Blueprint, Split, GraphQLSchema]:
    """The graph of a seed: as it is dealt out, composed, and as one schema."""
    plan = make_blueprint(seed)
    return plan, split(plan), monolith_schema(plan)


class Case:
    """One case. features: what it exercised, known once it has run."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.graph_seed = seed // CASES_OF_A_GRAPH
        self.plan, self.split, self.schema = graph_of(self.graph_seed)
        self.operation = make_operation(self.schema, dice("operation", seed))
        self.faults = (0, 0, 10, 30)[dice("faults", seed) % 4]
        self.variables = {"yes": bool(dice("yes", seed) % 2), "by": dice("by", seed) % 3}
        self.features: set[str] = set()

    def difference(self, operation: Operation | None = None) -> str:
        """What differs; empty if nothing does."""
        operation = operation or self.operation
        text = operation.text()
        if validate(self.schema, parse(text)):
            return ""
        variables = {name: one for name, one in self.variables.items() if f"${name}" in text}
        world = World(self.seed, self.faults, list(self.plan.entities))
        expected, failed = run_monolith(self.plan, world, self.schema, text, variables)
        try:
            call = make_call(self.seed)
            result, made = asyncio.run(run_gateway(self.split, self.plan, world, call, text, variables))
        except Refused as error:
            return str(error)
        self.features = features_of(self.plan, operation, [made] if made else [], self.faults) - {""}
        shown = str(made)
        if result.refused or orjson.dumps(result.data) != orjson.dumps(expected):
            got = None if result.refused else result.data
            return f"data differs:\n{got}\n{expected}\n{list(result.errors)[:3]}\n{shown}"
        ours = [tuple(one.get("path", ())) for one in result.errors]
        # An error of what was asked for too many objects, because nobody knew their types yet, is reported as well.
        unseen = {one for one in ours if one not in failed and not _is_seen(result.data, one)}
        if set(ours) - set(failed) - unseen or (failed and not ours):
            return f"errors differ:\n{list(result.errors)[:5]}\n{failed[:5]}\n{shown}"
        return ""

    def shrunk(self) -> str:
        """The smallest operation found that differs, with everything that is needed to look into it."""
        operation, found, index, idle = self.operation, self.difference(), 0, 0
        while idle <= sum(1 for _ in operation.selections()):
            other = _without(operation, index)
            difference = self.difference(other) if other is not None else ""
            if difference:
                operation, found, idle = other or operation, difference, 0
            else:
                index, idle = (index + 1) % sum(1 for _ in operation.selections()), idle + 1
        sdls = "\n".join(f"--- {name}\n{sdl}" for name, sdl in subgraph_sdls(self.plan).items())
        return f"seed {self.seed}, {self.variables}\n{operation.text()}\n{found}\n{sdls}"


def _is_seen(data: object, path: tuple[str | int, ...]) -> bool:
    """Whether the response has something, null included, at a path."""
    for key in path:
        if (isinstance(data, dict) and key in data) or (
            isinstance(data, list) and isinstance(key, int) and key < len(data)
        ):
            data = data[key]
        else:
            return data is None
    return True


def _without(operation: Operation, index: int) -> Operation | None:
    """The operation without one of its selections; None if that would leave something empty."""
    other = copy.deepcopy(operation)
    target = list(other.selections())[index]
    for holder in other.selections():
        if any(one is target for one in holder.children):
            holder.children = [one for one in holder.children if one is not target]
            return other if holder.children else None
    return None
