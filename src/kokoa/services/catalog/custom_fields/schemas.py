"""The subgraph of an environment: the common schema, and what its custom fields add to it.

Subgraphs are made when they are first asked for, kept by the digest of their definitions, and shared by environments
with equal ones. A request goes to the subgraph of one digest, and ends there whatever changes meanwhile.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Protocol

from kokoa.graphql import Subgraph
from kokoa.graphql.lane import Lane
from kokoa.graphql.lru import Lru
from kokoa.services.catalog.custom_fields.model import NO_FIELDS, Definitions
from kokoa.services.catalog.custom_fields.sdl import environment_sdl
from kokoa.services.catalog.custom_fields.store import CustomFieldStore

SUBGRAPHS_MAX = 64


class StoreGraph(Protocol):
    """The graph that catalog is a part of; `roles` knows the other parts."""

    async def require_composes(self, environment_id: str, sdl: str) -> None:
        """Raises SchemaNotComposable if catalog with this schema cannot be a part of the environment's graph."""

    async def broken_operations(self, environment_id: str, before: str, after: str) -> Sequence[str]:
        """The registered operations that another schema of catalog would break, by their ids."""

    async def schema_changed(self, environment_id: str) -> None:
        """Tell all processes. It may be lost: they also look by themselves."""


class EnvironmentSchemas:
    """build: makes the subgraph of definitions and their SDL.  sdl: of an environment without any."""

    def __init__(self, store: CustomFieldStore, build: Callable[[Definitions, str], Subgraph], sdl: str) -> None:
        self._store = store
        self._build = build
        self._sdl = sdl
        self._kept: Lru[str, Subgraph] = Lru(SUBGRAPHS_MAX)
        self._lane = Lane()

    @cached_property
    def common(self) -> Subgraph:
        """Of all environments without custom fields."""
        return self._build(NO_FIELDS, self._sdl)

    async def digest(self, environment_id: str) -> str:
        """Which schema the environment has now; empty for the common one."""
        return await self._store.digest(environment_id)

    async def sdl(self, environment_id: str, digest: str) -> str:
        """A schema that the environment has, or had not long ago. Raises SchemaOutdated."""
        return (await self.subgraph(environment_id, digest)).sdl

    async def subgraph(self, environment_id: str, digest: str) -> Subgraph:
        """What executes that schema. Raises SchemaOutdated, TooManyNewDocuments."""
        if not digest:
            return self.common
        found = self._kept.get(digest)
        if found is None:
            definitions = await self._store.by_digest(environment_id, digest)
            found = await self.made(environment_id, definitions)
        return found

    async def made(self, environment_id: str, definitions: Definitions) -> Subgraph:
        """The subgraph of definitions, made beside the event loop. Raises SchemaInvalid for a bug of ours."""
        if not definitions.fields:
            return self.common
        known = self._kept.get(definitions.digest)
        if known is not None:
            return known
        sdl = environment_sdl(self._sdl, definitions)
        subgraph = await self._lane.run(environment_id, lambda: self._build(definitions, sdl))
        self._kept.put(definitions.digest, subgraph)
        return subgraph
