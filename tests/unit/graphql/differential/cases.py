"""Cases: a schema, data and a request; and where the two executors differ on one.

Building a schema costs more than executing a request, so a `World` is shared by a few cases.
"""

from functools import cached_property
from random import Random

from graphql import GraphQLSchema
from hypothesis import strategies as st

from differential.data import Data
from differential.executors import Answer, our_subgraph, ours, reference, reference_schema
from differential.operations import Request, make_request
from differential.schemas import make_schema
from kokoa.graphql import Subgraph

CASES_OF_A_WORLD = 4
FAULTS = (0, 20, 30, 40, 50, 60)


class World:
    """A schema and its data. faults: how many of 100 values are wrong."""

    def __init__(self, random: Random) -> None:
        self.faults = random.choice(FAULTS)
        self.seed = random.randrange(2**31)
        self.schema = make_schema(random)
        self.sdl = self.schema.sdl()

    @cached_property
    def reference(self) -> GraphQLSchema:
        """The schema as graphql-core sees it."""
        return reference_schema(self.sdl)

    def data(self) -> Data:
        """Fresh data, always the same."""
        return Data(self.schema, self.seed, self.faults)

    def build(self) -> tuple[Subgraph, Data]:
        """A subgraph of ours and the data that its resolvers read."""
        data = self.data()
        return our_subgraph(self.schema, self.sdl, data), data


class Case:
    """One request to a world."""

    def __init__(self, world: World, request: Request) -> None:
        self.world = world
        self.request = request
        self._served = world.data()

    @cached_property
    def expected(self) -> Answer:
        """graphql-core's answer. It validates nothing: a document that is not valid differs by our refusal."""
        return reference(self.world.reference, self._served, self.request)

    @property
    def seen(self) -> set[str]:
        """The kinds of failure that the data served."""
        assert self.expected is not None
        return self._served.seen

    def difference(self, subgraph: Subgraph, data: Data) -> str:
        """Where the answers differ, or nothing."""
        data.ticks = 0
        expected, found = self.expected, ours(subgraph, self.request)
        if expected == found:
            return ""
        return f"{self}\n\ngraphql-core:\n{_shown(expected)}\n\nours:\n{_shown(found)}"

    def __repr__(self) -> str:
        return (
            f"{self.world.sdl}\n\n{self.request.text}\n\nvariables: {self.request.variables!r}   operationName: "
            f"{self.request.operation_name!r}   faults: {self.world.faults} %   seed: {self.world.seed}"
        )


def _shown(answer: Answer) -> str:
    errors = "".join(f"\n  {message} | {where}" for message, where in answer.errors)
    return f"{answer.data.decode() or '(refused)'}{errors}"


def make_cases(random: Random) -> list[Case]:
    """The cases of one new world."""
    world = World(random)
    return [Case(world, make_request(random, world.schema)) for _ in range(CASES_OF_A_WORLD)]


def first_difference(cases: list[Case]) -> str:
    """The first difference among the cases of one world, or nothing."""
    subgraph, data = cases[0].world.build()
    return next(filter(None, (case.difference(subgraph, data) for case in cases)), "")


# Hypothesis decides every choice that the generators make, and can therefore shrink what it finds.
CASES: st.SearchStrategy[list[Case]] = st.randoms(use_true_random=False).map(make_cases)
