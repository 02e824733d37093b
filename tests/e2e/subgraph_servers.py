"""GraphQL servers of partners, on this machine: real subgraphs behind real HTTP, which keep what they were asked."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kokoa.graphql import Subgraph, build_subgraph
from kokoa.graphql.http import encode
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms

FEDERATION = (
    'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", '
    'import: ["@key", "@external", "@requires", "@override", "@shareable"])\n'
)


class SubgraphServer:
    """destination: for an allowlist.  requests: the headers of each, in lower case."""

    def __init__(self, sdl: str, resolvers: Mapping[str, Any]) -> None:
        self.sdl = FEDERATION + sdl
        self.subgraph: Subgraph = build_subgraph(name="partner", sdl=self.sdl, resolvers=dict(resolvers))
        self.requests: list[dict[str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def destination(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.destination}/graphql"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(30)

    def answer(self, body: bytes) -> bytes:
        asked = json.loads(body)
        call = Call("", Caller("server"), "0" * 32, now_ms() + 30_000)
        result = asyncio.run(
            self.subgraph.execute(asked["query"], asked.get("variables") or {}, call, asked.get("operationName"))
        )
        return encode(result, "application/json").body

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                server.requests.append({name.lower(): value for name, value in self.headers.items()})
                answer = server.answer(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.send_header("set-cookie", "tracked=1")
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                """Silent."""

        return Handler


async def itself(representations: Any, _: Call) -> Any:
    """An entity is what its representation says."""
    return representations


def constant(value: Any) -> Any:
    async def resolve(parents: Any, *_: Any) -> list[Any]:
        return [value for _ in parents]

    return resolve


@contextlib.contextmanager
def subgraph_server(sdl: str, **fields: Any) -> Iterator[SubgraphServer]:
    """A server that answers constant values. fields: `Type__field` → value; entities are what asks for them says."""
    resolvers = {name.replace("__", "."): constant(value) for name, value in fields.items()}
    if "type Product @key" in sdl:
        resolvers["Product"] = itself
    server = SubgraphServer(sdl, resolvers)
    try:
        yield server
    finally:
        server.close()
