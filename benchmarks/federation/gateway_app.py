"""Kokoa's gateway by itself: documents in, subgraphs over HTTP, answers out. FEDERATION_SUBGRAPHS: their base URL."""

import os

import aiohttp

from benchmarks.federation.shop import LIMITS, NAMES, make_call, make_supergraph
from benchmarks.federation.small_app import SmallApp
from kokoa.gateway.app import Gateway
from kokoa.gateway.execute import PeerClient
from kokoa.graphql.http import Refusal, encode, read_request
from kokoa.web.connections import Connections


class GatewayApp(SmallApp):
    """base_url: of the server that has all four."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=256, keepalive_timeout=60), auto_decompress=False
        )
        self._connections = Connections()
        clients = {
            name: PeerClient(
                name, f"{self._base_url}/{name}", self._connections, self._session, lambda call: "unsigned"
            )
            for name in NAMES
        }
        self._gateway = Gateway(make_supergraph(self._base_url), clients, LIMITS)

    async def close(self) -> None:
        await self._connections.close()
        await self._session.close()

    async def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        asked = read_request("POST", headers, "", body)
        if isinstance(asked, Refusal):
            return asked.status, asked.answer().body
        found = await self._gateway.execute(asked.query or "", asked.variables, make_call(), asked.operation_name)
        made = encode(found, asked.accept)
        return made.status, made.body


def create() -> GatewayApp:
    """The factory that the server calls."""
    return GatewayApp(os.environ["FEDERATION_SUBGRAPHS"])
