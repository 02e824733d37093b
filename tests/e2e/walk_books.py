"""What a store's database has of one environment, row by row, and how strangers ask it."""

import asyncio
import http.client
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from running import RunningStore, until

from kokoa.roles.platform import SCHEMAS

# What says what was done and asked, and not what there is; it follows by itself.
NOT_STATE = {
    "outbox": "events that wait to be told; they are of changes, which are seen",
    "used_operations": "which documents were answered",
    "override_counts": "how overrides fared",
    "override_samples": "how overrides fared",
    "log_events": "what functions print",
    "log_streams": "what functions print",
    "stale": "what the search index has to read again",
    "lags": "how late the search index is",
    "generations": "the search index, which follows the catalogue when there is time for it",
    "documents": "the search index",
    "lexemes": "the search index",
    "vocabulary": "the search index",
    "forgotten": "the search index",
}
Rows = dict[str, frozenset[str]]


def rows_of(store: RunningStore, tenant: str) -> Rows:
    """By table, once nothing changes by itself any more."""
    seen: list[Rows] = [{}]

    def settled() -> bool:
        seen.append(asyncio.run(_rows(store.state_dir, tenant)))
        return seen[-1] == seen[-2]

    until(settled, within_s=60, what="a store at rest")
    return seen[-1]


async def _rows(state_dir: Path, tenant: str) -> Rows:
    address = json.loads((state_dir / "servers.json").read_text())["database_url"]
    password = (state_dir / "secrets" / "postgres").read_text()
    admin = await asyncpg.connect(address, user="kokoa", password=password, timeout=30)
    try:
        environment = await admin.fetchval(
            "SELECT environment_id FROM tenants.environments WHERE tenant_alias = $1", tenant
        )
        tables = await admin.fetch(
            """SELECT table_schema AS schema, table_name AS name FROM information_schema.columns
                WHERE column_name = 'environment_id' AND table_schema = ANY ($1::text[]) ORDER BY 1, 2""",
            list(SCHEMAS),
        )
        found = {}
        for table in tables:
            if table["name"] not in NOT_STATE:
                name = f'{table["schema"]}."{table["name"]}"'
                rows = await admin.fetch(
                    f"SELECT to_jsonb(t)::text AS row FROM {name} t WHERE environment_id = $1", environment
                )
                found[name] = frozenset(row["row"] for row in rows)
        return found
    finally:
        await admin.close()


def changed(before: Rows, after: Rows) -> dict[str, list[str]]:
    """By table, the rows that were there and are not, or not as they were."""
    lost = {table: sorted(rows - after.get(table, frozenset())) for table, rows in before.items()}
    return {table: rows for table, rows in lost.items() if rows}


def added(before: Rows, after: Rows) -> dict[str, list[str]]:
    """By table, the rows that were not there."""
    return changed(after, before)


class Caller:
    """Somebody who asks, on one kept connection.  headers: who they say they are."""

    def __init__(self, store: RunningStore, headers: Mapping[str, str]) -> None:
        address = urlsplit(store.url)
        assert address.hostname is not None
        self._line = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
        self.headers = dict(headers)

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
        """Status, and all that is said: headers and body."""
        given = (method, path, body, {**self.headers, **headers})
        try:
            self._line.request(*given)
            response = self._line.getresponse()
        except (ConnectionError, http.client.RemoteDisconnected):
            # Who is refused by the headers alone may find the connection closed before the next request.
            self._line.close()
            self._line.request(*given)
            response = self._line.getresponse()
        said = "\n".join(f"{name}: {value}" for name, value in response.getheaders())
        return response.status, said + "\n\n" + response.read().decode("utf-8", "replace")

    def graphql(self, document: str) -> tuple[int, Any]:
        """Status and answer."""
        body = json.dumps({"query": document}).encode()
        status, said = self.request("POST", "/graphql", body, **{"Content-Type": "application/json"})
        return status, json.loads(said.partition("\n\n")[2])


def code_of(answer: Any) -> str:
    """Of the first error; empty for none."""
    if answer.get("errors"):
        return str(answer["errors"][0]["extensions"]["code"])
    return str(answer.get("code", ""))
