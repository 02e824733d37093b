"""queries.sql ⇄ model."""

from pathlib import Path

from kokoa.postgres import Database, Row, Transaction, load_queries
from kokoa.services.tenants.subgraphs.model import PARTNERS_MAX, Live, Source, Subgraph, Version

queries = load_queries(Path(__file__).with_name("queries.sql"))

VERSION_NONE = 2**31 - 1  # before which every version is


class SubgraphStore:
    """Reads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def digest(self, environment_id: str) -> str:
        """Which subgraphs are live; empty for none."""
        return await self._database.fetchval(environment_id, queries.graph_digest) or ""

    async def live(self, environment_id: str) -> list[Live]:
        """What is live, by name."""
        return [_live(row) for row in await self._database.fetch(environment_id, queries.live)]

    async def subgraphs(
        self, environment_id: str, *, account_id: str = "", after: str = "", limit: int = 100
    ) -> list[Subgraph]:
        """Withdrawn ones too, by name, after the given one. account_id: whose; empty for everybody's."""
        rows = await self._database.fetch(environment_id, queries.subgraphs_all, after, limit, account_id)
        return [_subgraph(row) for row in rows]

    async def subgraph(self, environment_id: str, name: str) -> Subgraph | None:
        """One, withdrawn or not."""
        row = await self._database.fetchrow(environment_id, queries.subgraph, name)
        return _subgraph(row) if row else None

    async def versions(
        self, environment_id: str, account_id: str, name: str, *, before: int = VERSION_NONE, limit: int = 100
    ) -> list[Version]:
        """Of the account's subgraph, newest first; none for a name that it does not have."""
        rows = await self._database.fetch(environment_id, queries.versions_page, account_id, name, before, limit)
        return [
            Version(
                version=row["version"],
                target=row["target"],
                function=row["function_name"],
                url=row["url"],
                sha256=row["sha256"],
                bytes=row["bytes"],
                published_by=row["published_by"],
                published_at=row["published_at"],
            )
            for row in rows
        ]

    async def source(self, environment_id: str, account_id: str, name: str, version: int) -> Source | None:
        """What a version of the account's subgraph is made of; None for a withdrawal and for none such."""
        row = await self._database.fetchrow(environment_id, queries.version_source, account_id, name, version)
        return _source(row) if row else None

    async def granted(self, environment_id: str, account_id: str, *, limit: int) -> list[str]:
        """The types and fields that an account was granted."""
        rows = await self._database.fetch(environment_id, queries.granted_to, account_id, limit)
        return [row["pattern"] for row in rows]

    async def partners(self, environment_id: str) -> list[str]:
        """Of the environment, by name."""
        rows = await self._database.fetch(environment_id, queries.partners, PARTNERS_MAX)
        return [row["partner"] for row in rows]


async def live_in(tx: Transaction) -> list[Live]:
    """What is live, as this transaction sees it, without texts."""
    return [_live(row) for row in await tx.fetch(queries.live_heads)]


def _live(row: Row) -> Live:
    return Live(
        name=row["name"],
        account_id=row["account_id"],
        partner=row["partner"],
        version=row["version"],
        sha256=row["sha256"],
        target=row["target"],
        function=row["function_name"],
        url=row["url"],
        needs=tuple(row["needs"]),
        sdl=row["sdl"],
    )


def _subgraph(row: Row) -> Subgraph:
    return Subgraph(
        name=row["name"],
        account_id=row["account_id"],
        partner=row["partner"],
        version=row["version"],
        live=row["live"],
        target=row["target"],
        function=row["function_name"],
        url=row["url"],
        sha256=row["sha256"],
        published_by=row["published_by"],
        published_at=row["published_at"],
    )


def _source(row: Row) -> Source:
    return Source(sdl=row["sdl"], target=row["target"], function=row["function_name"], url=row["url"])
