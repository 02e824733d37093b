"""What the audit's server says of its suites: the subgraphs of each, its queries and the answers expected."""

from typing import Any

import aiohttp
import msgspec

from kokoa.gateway.supergraph import SubgraphDefinition


class Case(msgspec.Struct, frozen=True):
    """expects_errors: None where the audit does not look at errors."""

    query: str
    data: Any
    expects_errors: bool | None


class Suite(msgspec.Struct, frozen=True):
    name: str
    subgraphs: tuple[SubgraphDefinition, ...]
    cases: tuple[Case, ...]


async def read_suites(session: aiohttp.ClientSession, address: str, only: frozenset[str]) -> list[Suite]:
    """All suites, or those named."""
    names = [name for name in await _get(session, f"{address}/ids") if not only or name in only]
    return [await _read(session, address, name) for name in names]


async def _read(session: aiohttp.ClientSession, address: str, name: str) -> Suite:
    subgraphs = await _get(session, f"{address}/{name}/subgraphs")
    cases = await _get(session, f"{address}/{name}/tests")
    return Suite(
        name,
        tuple(SubgraphDefinition(one["name"], one["sdl"], one["url"]) for one in subgraphs),
        tuple(_case(one["query"], one["expected"]) for one in cases),
    )


def _case(query: str, expected: dict[str, Any]) -> Case:
    errors = expected.get("errors")
    return Case(query, expected.get("data"), errors if isinstance(errors, bool) else None)


async def _get(session: aiohttp.ClientSession, url: str) -> Any:
    async with session.get(url) as response:
        response.raise_for_status()
        return await response.json()
