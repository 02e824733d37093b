"""`python -m benchmarks.publishing`: subgraphs come and go while shoppers ask; then web processes are killed.

Each version of the subgraph has an address of its own, and its server answers two fields by the version's number. So
an answer of half one graph and half another would show two numbers. An answer is one whole version, or says that the
fields are not there while the subgraph is withdrawn; anything else is counted as wrong. Beside that, how long it
takes from the answer to a publish until every web process serves it.
"""

import http.client
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Annotated, Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import track

from benchmarks.census import commands_below
from benchmarks.running import WEB_PROCESSES, RunningStore, store_up

_ASKING = 4
_PATIENCE_S = 60.0
_POLL_S = 0.01
_NOTICE_MS = 1_000
_SDL = 'type Product @key(fields: "id") { id: ID!  acmeMark: Int  acmeTwin: Int }'
_BOTH = "{ products(limit: 5) { id acmeMark acmeTwin } }"
_NATIVE = "{ products(limit: 5) { id name } }"
_GONE = "GRAPHQL_VALIDATION_FAILED"

app = App(name="publishing")


class Partner:
    """A partner's server and keys. possible: the versions that may be seen now, 0 for none."""

    def __init__(self, store: RunningStore, server: ThreadingHTTPServer, tenant: str) -> None:
        self._url = f"http://127.0.0.1:{server.server_port}"
        self._store = store
        made = self._operate("POST", "/tenants", {"tenant": tenant})
        self.secrets = {"X-Tenant-ID": tenant, "X-Tenant-Secret": made["tenant_secret"]}
        self.secrets["X-GraphQL-Secret"] = made["graphql_secret"]
        place = f"/tenants/{tenant}/prod"
        self._operate("PUT", place + "/rate-limit", {"requests": 1_000_000})
        self._operate("POST", place + "/partners", {"partner": "acme"})
        for pattern in ("Product.acmeMark", "Product.acmeTwin"):
            self._operate("POST", place + "/grants", {"partner": "acme", "pattern": pattern})
        self._operate("POST", place + "/egress", {"destination": f"127.0.0.1:{server.server_port}"})
        key = self._operate("POST", place + "/partners/acme/keys", {})
        keys = Credentials(key["access_key_id"], key["secret_access_key"])
        self._signer = SigV4Auth(keys, "kokoa", "us-east-1")
        self.number = 0
        self.possible: set[int] = {0}

    def publish(self) -> int:
        """The next version; its number."""
        self.number += 1
        self.possible.add(self.number)
        order = {"sdl": _SDL, "target": "url", "url": f"{self._url}/{self.number}", "allow_breaking": True}
        self._signed("PUT", order)
        return self.number

    def withdraw(self) -> int:
        self.possible.add(0)
        self._signed("DELETE", {"allow_breaking": True})
        return 0

    def only(self, number: int) -> None:
        """From now on answers show this version alone."""
        self.possible = {number}

    def _signed(self, method: str, body: object) -> Any:
        url = f"{self._store.url}/_kokoa/partner/graph/marks"
        asked = AWSRequest(method, url, headers={"Content-Type": "application/json"}, data=json.dumps(body).encode())
        self._signer.add_auth(asked)
        return _request(self._store, method, "/_kokoa/partner/graph/marks", asked.data, dict(asked.headers.items()))

    def _operate(self, method: str, path: str, body: object) -> Any:
        token = (self._store.state_dir / "operator.token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return _request(self._store, method, f"/_kokoa/operator{path}", json.dumps(body).encode(), headers)


def _request(store: RunningStore, method: str, path: str, body: bytes, headers: dict[str, str]) -> Any:
    connection = http.client.HTTPConnection(*store.address, timeout=_PATIENCE_S)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    if response.status >= 300:
        raise RuntimeError(f"{method} {path}: {response.status} {content.decode()}")
    return json.loads(content) if content else None


class Marks(BaseHTTPRequestHandler):
    """The partner's server: every entity has the number in the address as its mark and as its twin."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        number = int(self.path.strip("/"))
        found = [{"acmeMark": number, "acmeTwin": number} for _ in asked["variables"]["representations"]]
        answer = json.dumps({"data": {"_entities": found}}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Silent."""


class MarksServer(ThreadingHTTPServer):
    """Silent too about connections that end because a web process was killed."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Shopper(threading.Thread):
    """Asks without a pause. outcomes: how many of each kind; wrong: the first wrong answers."""

    def __init__(self, store: RunningStore, partner: Partner, query: str, *, may_break: bool) -> None:
        super().__init__(daemon=True)
        self._store, self._partner, self._query, self._may_break = store, partner, query, may_break
        self.outcomes: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.stopped = False

    def run(self) -> None:
        while not self.stopped:
            try:
                line = Line(self._store, self._partner)
                while not self.stopped:
                    self._judge(set(self._partner.possible), line.ask(self._query))
            except (OSError, http.client.HTTPException):
                self.outcomes["connection ended"] += 1
                if not self._may_break:
                    self.wrong.append("a connection ended, and nobody was killed")
                time.sleep(_POLL_S)

    def _judge(self, possible: set[int], answer: Any) -> None:
        kind = kind_of(answer)
        seen = {int(kind)} if kind.isdecimal() else {0} if kind == "gone" else set()
        if kind == "native" or (self._query == _BOTH and seen and seen <= possible | self._partner.possible):
            self.outcomes["native" if kind == "native" else "gone" if kind == "gone" else "a whole version"] += 1
        else:
            self.outcomes["wrong"] += 1
            self.wrong.append(f"{json.dumps(answer)[:300]} where {sorted(possible)} may be seen")


def kind_of(answer: Any) -> str:
    """The version's number, `gone`, `native`, or what is wrong."""
    if "errors" in answer:
        code = answer["errors"][0]["extensions"]["code"]
        return "gone" if code == _GONE and "data" not in answer else f"error {code}"
    products = answer["data"]["products"]
    if "name" in products[0]:
        return "native"
    numbers = {one[field] for one in products for field in ("acmeMark", "acmeTwin")}
    return str(numbers.pop()) if len(numbers) == 1 else f"mixed {sorted(numbers)}"


class Line:
    """A kept connection. process: that of the web process at its other end."""

    def __init__(self, store: RunningStore, partner: Partner) -> None:
        self._connection = http.client.HTTPConnection(*store.address, timeout=_PATIENCE_S)
        self._headers = {"Content-Type": "application/json", **partner.secrets}

    def ask(self, query: str) -> Any:
        self._connection.request("POST", "/graphql", json.dumps({"query": query}).encode(), self._headers)
        return json.loads(self._connection.getresponse().read())

    def process(self) -> str:
        self._connection.request("GET", "/metrics")
        text = self._connection.getresponse().read().decode()
        return text.partition('process="')[2].partition('"')[0]


def line_to_each(store: RunningStore, partner: Partner) -> list[Line]:
    """One to every web process, as soon as all are there."""
    deadline = time.monotonic() + _PATIENCE_S
    found: dict[str, Line] = {}
    while len(found) < WEB_PROCESSES:
        if time.monotonic() > deadline:
            raise RuntimeError("not all web processes take connections")
        try:
            line = Line(store, partner)
            line.ask(_NATIVE)
            found.setdefault(line.process(), line)
        except (OSError, http.client.HTTPException):
            time.sleep(_POLL_S)
    return list(found.values())


def until_served(lines: list[Line], number: int) -> float:
    """Seconds until all lines show the version."""
    started = time.monotonic()
    for line in lines:
        while kind_of(line.ask(_BOTH)) != (str(number) if number else "gone"):
            if time.monotonic() - started > _PATIENCE_S:
                raise RuntimeError(f"version {number} is not served: {line.ask(_BOTH)}")
            time.sleep(_POLL_S)
    return time.monotonic() - started


def until_served_again(store: RunningStore, partner: Partner, number: int) -> None:
    """Until all processes show the version, those that come back too."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            until_served(line_to_each(store, partner), number)
            return
        except (OSError, http.client.HTTPException):
            if time.monotonic() > deadline:
                raise


@contextmanager
def shoppers(store: RunningStore, partner: Partner, *, may_break: bool) -> Iterator[list[Shopper]]:
    found = [
        Shopper(store, partner, _BOTH if number % 2 else _NATIVE, may_break=may_break) for number in range(_ASKING)
    ]
    for one in found:
        one.start()
    yield found
    for one in found:
        one.stopped = True
    for one in found:
        one.join(_PATIENCE_S)


def kill_a_web_process(store: RunningStore, random: Random) -> None:
    found = [pid for pid, command in commands_below(store.process.pid).items() if "serve web" in command]
    os.kill(random.choice(found), signal.SIGKILL)


def told(console: Console, found: list[Shopper]) -> bool:
    """Print what shoppers saw; whether nothing was wrong."""
    outcomes = sum((one.outcomes for one in found), Counter[str]())
    console.print("answers: " + ", ".join(f"{count:,} {kind}" for kind, count in sorted(outcomes.items())))
    wrong = [line for one in found for line in one.wrong]
    for line in wrong[:5]:
        console.print(f"  wrong: {line}", markup=False)
    return not wrong


@app.default
def publishing(
    *,
    times: Annotated[int, Parameter(help="Publishes and withdrawals together.")] = 1_000,
    kills: Annotated[int, Parameter(help="How often a web process is killed between steps, afterwards.")] = 10,
    seed: Annotated[int, Parameter(help="Decides what is killed when.")] = 1,
) -> None:
    """Publish, withdraw, ask, kill. Status 1 for a wrong answer."""
    console, random = Console(highlight=False), Random(seed)
    server = MarksServer(("127.0.0.1", 0), Marks)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with store_up() as store:
        partner = Partner(store, server, "publishing")
        body = json.dumps(
            {"query": 'mutation { createProduct(input: {name: "Lamp", status: PUBLISHED, variants: []}) { id } }'}
        )
        _request(store, "POST", "/graphql", body.encode(), {"Content-Type": "application/json", **partner.secrets})
        lines, delays_s = line_to_each(store, partner), []
        with shoppers(store, partner, may_break=False) as asking:
            for number in track(range(times), "Publishing", console=console, transient=True):
                live = partner.publish() if number % 4 != 3 else partner.withdraw()
                delays_s.append(until_served(lines, live))
                partner.only(live)
        delays_ms = sorted(1000 * one for one in delays_s)
        middle, high = delays_ms[len(delays_ms) // 2], delays_ms[int(len(delays_ms) * 0.99)]
        late = sum(one > _NOTICE_MS for one in delays_ms)
        console.print(
            f"{times} publishes and withdrawals; served everywhere after {middle:.0f} ms (p50), {high:.0f} ms (p99), "
            f"{delays_ms[-1]:.0f} ms (most); {late} later than a second",
            soft_wrap=True,
        )
        right = told(console, asking)
        with shoppers(store, partner, may_break=True) as asking:
            for number in track(range(kills), "Killing", console=console, transient=True):
                killer = threading.Timer(random.uniform(0, 0.5), kill_a_web_process, (store, random))
                killer.start()
                live = publish_through_kills(partner, withdraw=number % 4 == 3)
                killer.join()
                until_served_again(store, partner, live)
                partner.only(live)
        console.print(f"{kills} kills of web processes while subgraphs were published")
        right = told(console, asking) and right
    sys.exit(0 if right else 1)


def publish_through_kills(partner: Partner, *, withdraw: bool) -> int:
    """The number that is live at the end; a lost answer is asked for again."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return partner.withdraw() if withdraw else partner.publish()
        except (OSError, http.client.HTTPException, RuntimeError):
            if time.monotonic() > deadline:
                raise
            time.sleep(10 * _POLL_S)


if __name__ == "__main__":
    app()
