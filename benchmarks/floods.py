"""python -m benchmarks.floods: what a partner's flood does to the store and to other partners' functions.

One client asks for a listing and invokes a warm function, again and again, first in peace and then while the
functions of another tenant's partner flood the machine, as many at once as their account may run. Printed is the p99
under each flood as a multiple of the p99 of the quiet time just before it.
"""

import asyncio
import contextlib
import http.client
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Annotated, Any

import boto3
import msgspec
import uvloop
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from benchmarks.flood_functions import FLOODS
from benchmarks.functions import HELLO, RUNTIME, deployed, zipped
from benchmarks.load import Address, Line, post
from benchmarks.reads import LISTING
from benchmarks.report import percentile
from benchmarks.running import RunningStore, store_up
from benchmarks.stage import Stage, open_stage

AIM = 5.0
_FLOODERS = 30
_PACE_S = 0.01
_SETTLE_S = 2.0
_TIMEOUT_S = 10
_PATIENCE_S = 90.0

app = App(name="floods", help="The store's p99 under each flood of a hostile function, beside its quiet p99.")


class Attacker(msgspec.Struct, frozen=True):
    """A partner of a tenant of its own."""

    address: Address
    region: str
    access_key_id: str
    secret: str

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}"

    def client(self) -> Any:
        """A boto3 client of the Lambda API."""
        return boto3.client(
            "lambda",
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def signed(self, function: str) -> bytes:
        """An Invoke request as bytes."""
        path = f"/2015-03-31/functions/{function}/invocations"
        unsigned = AWSRequest("POST", self.url + path, data=b"{}")
        SigV4Auth(Credentials(self.access_key_id, self.secret), "lambda", self.region).add_auth(unsigned)
        return post(path, {"Host": f"127.0.0.1:{self.address[1]}", **dict(unsigned.headers.items())}, b"{}")


class Peaks(msgspec.Struct, frozen=True):
    """p99 in ms."""

    listing: float
    invoke: float


@app.default
def floods(
    *names: Annotated[str, Parameter(help="Which floods; all when none is named.")],
    rounds: Annotated[int, Parameter(help="How often each is measured, with a quiet time before it.")] = 3,
    samples: Annotated[int, Parameter(help="Requests of each kind in a measurement.")] = 300,
) -> None:
    """Start a store, flood it in each way, print multiples; exit with 1 when one is over the aim of 5.

    Examples:
      python -m benchmarks.floods
      python -m benchmarks.floods spin logs --rounds 1
    """
    unknown = set(names) - FLOODS.keys()
    if unknown:
        sys.exit(f"There is no flood {', '.join(sorted(unknown))}. There are: {', '.join(FLOODS)}.")
    progress = Console(stderr=True, highlight=False)
    with progress.status("starting a store") as status, store_up() as store:
        found = uvloop.run(_measure(store, names or tuple(FLOODS), max(1, rounds), samples, status.update))
    table = Table(box=None, header_style="bold")
    for heading in ("flood", "listing p99", "invoke p99", "quiet → flood, ms"):
        table.add_column(heading, justify="left" if heading == "flood" else "right")
    worst = 0.0
    for name, pairs in found.items():
        ratios = [median(getattr(f, kind) / getattr(q, kind) for q, f in pairs) for kind in ("listing", "invoke")]
        worst = max(worst, *ratios)
        quiet, flood = pairs[-1]
        shown = f"{quiet.listing:.1f} → {flood.listing:.1f}, {quiet.invoke:.1f} → {flood.invoke:.1f}"
        table.add_row(name, *(f"{ratio:.1f} ×" for ratio in ratios), shown)
    Console(highlight=False).print(table)
    sys.exit(worst > AIM)


async def _measure(
    store: RunningStore, names: Sequence[str], rounds: int, samples: int, tell: Any
) -> dict[str, list[tuple[Peaks, Peaks]]]:
    found: dict[str, list[tuple[Peaks, Peaks]]] = {name: [] for name in names}
    attacker = _attacker(store)
    client = attacker.client()
    for name in names:
        client.create_function(
            FunctionName=name,
            Runtime=RUNTIME,
            Handler="handler.handler",
            Role="arn:aws:iam::000000000000:role/any",
            Code={"ZipFile": zipped(FLOODS[name])},
            Timeout=_TIMEOUT_S,
            MemorySize=128,
        )
    async with open_stage(store, tell) as stage:
        with deployed(stage, "victim", HELLO):
            for number in range(rounds):
                for name in names:
                    tell(f"{name}: round {number + 1} of {rounds}")
                    pair = await asyncio.to_thread(_quiet_and_flooded, stage, attacker, name, samples)
                    found[name].append(pair)
    return found


def _quiet_and_flooded(stage: Stage, attacker: Attacker, name: str, samples: int) -> tuple[Peaks, Peaks]:
    quiet = _peaks(stage, samples)
    with _flooding(attacker, name):
        time.sleep(_SETTLE_S)
        flooded = _peaks(stage, samples)
    time.sleep(_SETTLE_S)
    return quiet, flooded


def _peaks(stage: Stage, samples: int) -> Peaks:
    listing = stage.graphql(LISTING.query, LISTING.variables[0])
    invoke = stage.signed_invoke("victim", json.dumps({"name": "v"}).encode())
    listings, invokes = [], []
    ends = time.monotonic() + _PATIENCE_S
    with Line(stage.store.address) as line:
        for _ in range(samples):
            listings.append(line.time_ms(listing))
            invokes.append(line.time_ms(invoke))
            time.sleep(_PACE_S)
            if time.monotonic() > ends:
                break  # what took so long is in the figures already
    return Peaks(percentile(listings, 0.99), percentile(invokes, 0.99))


@contextlib.contextmanager
def _flooding(attacker: Attacker, name: str) -> Iterator[None]:
    """Invocations of the flood, as many at once as callers, each again as soon as it ends, from another process."""
    process = multiprocessing.get_context("spawn").Process(target=_flood, args=(attacker, name), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()
        time.sleep(_TIMEOUT_S + 1)  # until the time of what still runs is over


def _flood(attacker: Attacker, name: str) -> None:
    asked = attacker.signed(name)

    async def forever() -> None:
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection(*attacker.address)
                writer.write(asked)
                await reader.read(4096)
                writer.close()
            await asyncio.sleep(0.001)

    async def all_of_them() -> None:
        await asyncio.gather(*(forever() for _ in range(_FLOODERS)))

    uvloop.run(all_of_them())


def _attacker(store: RunningStore) -> Attacker:
    """A tenant of its own, with a partner and its key, by the operator's API."""
    token = (store.state_dir / "operator.token").read_text().strip()

    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def operate(method: str, path: str, body: dict[str, Any]) -> Any:
        with contextlib.closing(http.client.HTTPConnection(*store.address)) as line:
            line.request(method, f"/_kokoa/operator{path}", json.dumps(body), headers)
            text = line.getresponse().read()
        return json.loads(text) if text else None

    operate("POST", "/tenants", {"tenant": "hostile", "environment": "prod"})
    operate("PUT", "/tenants/hostile/prod/rate-limit", {"requests": 1_000_000})
    operate("POST", "/tenants/hostile/prod/partners", {"partner": "flood"})
    key = operate("POST", "/tenants/hostile/prod/partners/flood/keys", {})
    region = store.variables["AWS_REGION"]
    return Attacker(store.address, region, key["access_key_id"], key["secret_access_key"])


if __name__ == "__main__":
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
