"""Graphs of environments as values: the core services, catalog with a schema of its own, and published subgraphs."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from kokoa.gateway.compose import CompositionFailed, compose
from kokoa.gateway.extending.completing import completed, native_keys, with_labels
from kokoa.gateway.extension import Extension
from kokoa.gateway.supergraph import SubgraphDefinition, Supergraph
from kokoa.graphql.lane import Lane
from kokoa.graphql.lru import Lru
from kokoa.kernel.overrides import OverridePolicy
from kokoa.roles.seams import PublishedSubgraph

Result = TypeVar("Result")

CATALOG = "catalog"
KEPT_MAX = 64

Policies = Mapping[str, OverridePolicy]
"""By field, as in `Product.price`."""


class Extended(NamedTuple):
    """A composed graph, with the extensions in it as they were composed."""

    supergraph: Supergraph
    extensions: tuple[Extension, ...] = ()


class Compositions:
    """Graphs of the common services, with a catalog of another schema and with subgraphs of partners.

    common: with the common catalog and without anything of partners.
    """

    def __init__(self, common: Supergraph) -> None:
        self._common = common
        self._others = [one for one in common.definitions if one.name != CATALOG]
        self._kept: Lru[tuple[SubgraphDefinition, ...], Supergraph] = Lru(KEPT_MAX)
        self._lane = Lane()

    @property
    def common_sdl(self) -> str:
        """Of catalog, in environments without custom fields; empty where there is no catalog."""
        return next((one.sdl for one in self._common.definitions if one.name == CATALOG), "")

    def aside(self) -> "Compositions":
        """The same graphs by another lane, for work that must not hold up those who serve."""
        other = Compositions(self._common)
        other._kept = self._kept
        return other

    async def of(self, environment_id: str, sdl: str) -> Supergraph:
        """With this schema of catalog. Raises CompositionFailed, TooManyNewDocuments."""
        return await self._composed(environment_id, (SubgraphDefinition(CATALOG, sdl),))

    async def extended(
        self, environment_id: str, sdl: str, published: Sequence[PublishedSubgraph], policies: Policies
    ) -> Extended:
        """With this schema of catalog, and what partners have published.

        Raises CompositionFailed, TooManyNewDocuments.
        """
        base = await self.of(environment_id, sdl)
        if not published:
            return Extended(base)
        found = await self.in_turn(environment_id, lambda: _extensions(base, published, policies))
        definitions = [SubgraphDefinition(CATALOG, sdl), *(SubgraphDefinition(one.name, one.sdl) for one in found)]
        supergraph = await self._composed(environment_id, tuple(definitions))
        return Extended(supergraph, tuple(_with_own_policies(one, supergraph, policies) for one in found))

    async def _composed(self, environment_id: str, definitions: tuple[SubgraphDefinition, ...]) -> Supergraph:
        found = self._kept.get(definitions)
        if found is None:
            if len(definitions) == 1 and definitions[0] in self._common.definitions:
                return self._common
            found = await self.in_turn(environment_id, lambda: compose([*self._others, *definitions]))
            self._kept.put(definitions, found)
        return found

    async def in_turn(self, environment_id: str, work: Callable[[], Result]) -> Result:
        """Heavy work on schemas, beside the event loop. Raises what it raises, and TooManyNewDocuments."""
        return await self._lane.run(environment_id, work)

    async def without_what_is_broken(
        self,
        environment_id: str,
        sdl: str,
        published: Sequence[PublishedSubgraph],
        policies: Policies,
        failed: CompositionFailed,
    ) -> tuple[Extended, list[PublishedSubgraph]]:
        """The same without those subgraphs that its problems name, and which these are.

        Where the problems name none, all are left out. Raises CompositionFailed if it does not compose even so.
        """
        kept, left_out = list(published), []
        while True:
            named = {name for problem in failed.problems for name in problem.subgraphs}
            wrong = [one for one in kept if one.name in named] or kept
            left_out += wrong
            kept = [one for one in kept if one not in wrong]
            try:
                return await self.extended(environment_id, sdl, kept, policies), left_out
            except CompositionFailed as error:
                if not kept:
                    raise
                failed = error


def _extensions(base: Supergraph, published: Sequence[PublishedSubgraph], policies: Policies) -> list[Extension]:
    keys = native_keys(base)
    return [
        Extension(
            name=one.name,
            account_id=one.account_id,
            partner=one.partner,
            sdl=with_labels(completed(one.sdl, one.target, keys), policies),
            target=one.target,
            function=one.function,
            url=one.url,
        )
        for one in published
    ]


def _with_own_policies(one: Extension, supergraph: Supergraph, policies: Policies) -> Extension:
    joins = supergraph.subgraphs[one.name].joins
    taken = [f"{type_name}.{field}" for (type_name, field), join in joins.items() if join.override_from]
    return msgspec.structs.replace(one, policies={where: policies[where] for where in taken if where in policies})
