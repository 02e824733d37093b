"""Who is measured: started together, asked the same, checked against each other, driven in turns."""

import asyncio
import contextlib
import sys
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

import msgspec
import orjson
import psutil

from benchmarks.federation.hive import hive_up
from benchmarks.federation.shop import ONE_FETCH, QUERY, make_supergraph
from benchmarks.load import Address, Line, drive, post, request
from benchmarks.report import percentile
from benchmarks.running import server_up
from kokoa.gateway.compose import print_supergraph
from kokoa.processes import free_port

KOKOA, HIVE, FLOOR = "Kokoa", "Hive Gateway", "floor"
HEADERS = {"Host": "127.0.0.1", "Content-Type": "application/json", "Accept": "application/json"}
_ALONE = 300
_SETTLE_S = 0.2  # for what was being answered when the time was up


class AnswersDiffer(Exception):
    """Two gateways answer the same query differently; the message names them."""


class Contestant(msgspec.Struct, frozen=True):
    """path: of its GraphQL endpoint.  pid: of the process whose children, if it has any, belong to it."""

    name: str
    address: Address
    path: str
    pid: int

    def asks(self, query: str) -> bytes:
        """The query as a request on the wire."""
        return post(self.path, HEADERS, orjson.dumps({"query": query}))

    def cpu_s(self) -> float:
        """Processor time that it has used so far, with its kernel's share."""
        whole = psutil.Process(self.pid)
        times = [one.cpu_times() for one in (whole, *whole.children(recursive=True))]
        return float(sum(one.user + one.system for one in times))


class Round(msgspec.Struct, frozen=True):
    """One turn of one contestant. cpu_ms: processor time of the contestant for each answer.

    fetches: subgraph requests for each answer; fewer than of one query alone where equal ones were shared.
    added_ms: what the one-fetch query took longer than at the subgraph itself.
    """

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    fetches: float
    added_ms: float


class Contest:
    """subgraphs: the server that has all four."""

    def __init__(self, contestants: Sequence[Contestant], subgraphs: Address) -> None:
        self.contestants = contestants
        self._subgraphs = subgraphs

    def agree(self) -> int:
        """How many bytes their one answer has. Raises AnswersDiffer.

        Each is asked twice: Kokoa keeps a document when it comes for the second time.
        """
        for query in (ONE_FETCH, QUERY, ONE_FETCH, QUERY):
            answers = {one.name: self._ask(one, query) for one in self.contestants}
            first, *others = answers
            if "errors" in answers[first]:
                raise AnswersDiffer(f"{first} reports {answers[first]['errors']}.")
            for other in others:
                if answers[other] != answers[first]:
                    raise AnswersDiffer(f"{first} and {other} answer differently.")
        return len(orjson.dumps(answers[first]))

    def fetches_alone(self, one: Contestant) -> int:
        """How many requests the long query makes of the subgraphs while nobody else asks."""
        before = self._asked()
        self._ask(one, QUERY)
        return self._asked() - before

    def _ask(self, one: Contestant, query: str) -> dict[str, Any]:
        with Line(one.address) as line:
            answer: dict[str, Any] = orjson.loads(line.exchange(one.asks(query)))
        return answer

    def _asked(self) -> int:
        with Line(self._subgraphs) as line:
            return int(line.exchange(request("GET", "/asked", {"Host": "127.0.0.1"}) + b"\r\n"))

    async def turn(self, one: Contestant, *, connections: int, seconds: float) -> Round:
        """Drive one contestant for a while with the long query, then ask it the short one."""
        cpu_before, asked_before = one.cpu_s(), self._asked()
        done = await drive(one.address, [one.asks(QUERY)], connections=connections, seconds=seconds)
        await asyncio.sleep(_SETTLE_S)
        return Round(
            per_second=done.per_second,
            p50_ms=median(done.times_ms),
            p99_ms=percentile(done.times_ms, 0.99),
            cpu_ms=(one.cpu_s() - cpu_before) * 1000 / done.answers,
            fetches=(self._asked() - asked_before) / done.answers,
            added_ms=self._added_ms(one),
        )

    def _added_ms(self, one: Contestant) -> float:
        """The one-fetch query through the gateway and at the subgraph itself, in turn; by how much medians differ."""
        through, alone = one.asks(ONE_FETCH), post("/accounts", HEADERS, orjson.dumps({"query": ONE_FETCH}))
        with Line(one.address) as gateway, Line(self._subgraphs) as subgraph:
            times = [(gateway.time_ms(through), subgraph.time_ms(alone)) for _ in range(_ALONE)]
        return median(pair[0] for pair in times) - median(pair[1] for pair in times)


@contextlib.contextmanager
def contest_up(names: Sequence[str], *, shares: bool = False) -> Iterator[Contest]:
    """Everybody's servers, until the block ends. shares: see `hive`; Kokoa is asked by shoppers then.

    Raises NotStarted, HiveMissing.
    """
    with contextlib.ExitStack() as stack:
        port, _ = stack.enter_context(_python_up("subgraph_app", {}))
        base_url = f"http://127.0.0.1:{port}"
        shared = {"FEDERATION_SHARES": "yes"} if shares else {}
        found = []
        for name in names:
            if name == HIVE:
                sdl = print_supergraph(make_supergraph(base_url))
                own_port, process = stack.enter_context(hive_up(sdl, shares=shares))
            else:
                module = "gateway_app" if name == KOKOA else "floor_app"
                own_port, process = stack.enter_context(
                    _python_up(module, {"FEDERATION_SUBGRAPHS": base_url, **shared})
                )
            found.append(Contestant(name, ("127.0.0.1", own_port), "/graphql", process.pid))
        yield Contest(found, ("127.0.0.1", port))


@contextlib.contextmanager
def _python_up(module: str, settings: dict[str, str]) -> Iterator[Any]:
    port = free_port()
    words = [sys.executable, "-m", "benchmarks.federation.serve", module, str(port)]
    with server_up(words, port, settings) as process:
        yield port, process
