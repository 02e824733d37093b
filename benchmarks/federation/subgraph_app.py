"""The four subgraphs on one port, each under its name.

They are not what is measured. So that they cost little, whatever asks them, an answer that our engine gave once is
remembered for the same bytes: the shop never changes. `/asked` tells how often anything was asked.
"""

import orjson

from benchmarks.federation.shop import make_call, make_subgraphs
from benchmarks.federation.small_app import SmallApp
from kokoa.graphql.http import encode

REMEMBERED_MAX = 1_000


class Subgraphs(SmallApp):
    """Executes operations for `/accounts`, `/inventory`, `/products` and `/reviews`."""

    def __init__(self) -> None:
        self._subgraphs = make_subgraphs()
        self._remembered: dict[tuple[str, bytes], bytes] = {}
        self._asked = 0

    async def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if path == "/asked":
            return 200, orjson.dumps(self._asked)
        self._asked += 1
        known = self._remembered.get((path, body))
        if known is not None:
            return 200, known
        asked = orjson.loads(body)
        found = await self._subgraphs[path[1:]].execute(asked["query"], asked.get("variables") or {}, make_call())
        made = encode(found)
        if not found.errors and len(self._remembered) < REMEMBERED_MAX:
            self._remembered[path, body] = made.body
        return made.status, made.body


def create() -> Subgraphs:
    """The factory that the server calls."""
    return Subgraphs()
