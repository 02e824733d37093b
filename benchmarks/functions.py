"""Functions: a warm invoke through the AWS API, a cold start, and a route that an extension has taken over."""

import asyncio
import contextlib
import io
import json
import os
import sys
import time
import zipfile
from collections.abc import Iterator
from statistics import median
from typing import Any

from benchmarks.load import Line, drive, request
from benchmarks.report import Measurement, Target, percentile
from benchmarks.runtime_floor import runtime_floor
from benchmarks.stage import Stage, Tell

RUNTIME = f"python3.{sys.version_info.minor}"
WARM_UP = 100
INVOKES = 400
COLD_STARTS = 4
RATE_CONNECTIONS = 16
RATE_S = 3.0
# Spares are opened again while nothing else runs: a cold start is measured when they are there.
_SPARES_S = 0.6
_ROUTE_PATIENCE_S = 5.0

HELLO = 'def handler(event, context):\n    return {"hello": event.get("name")}\n'
SEARCH = """
BODY = '{"total": 0, "items": []}'


def handler(event, context):
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": BODY}
"""


def zipped(source: str) -> bytes:
    """A package with one file, handler.py."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("handler.py", source)
    return package.getvalue()


@contextlib.contextmanager
def deployed(stage: Stage, name: str, source: str) -> Iterator[str]:
    """A function until the block ends; its ARN."""
    client = stage.aws("lambda")
    made = client.create_function(
        FunctionName=name,
        Runtime=RUNTIME,
        Handler="handler.handler",
        Role="arn:aws:iam::000000000000:role/any",
        Code={"ZipFile": zipped(source)},
    )
    try:
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05})
        yield made["FunctionArn"]
    finally:
        client.delete_function(FunctionName=name)


@contextlib.contextmanager
def overridden(stage: Stage, function_arn: str, route_key: str) -> Iterator[None]:
    """The route is the function's until the block ends."""
    name = function_arn.rpartition(":")[2]
    stage.aws("lambda").add_permission(
        FunctionName=name,
        StatementId="web",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
    )
    gateway = stage.aws("apigatewayv2")
    api = gateway.create_api(Name=name, ProtocolType="HTTP", RouteKey=route_key, Target=function_arn)
    try:
        yield
    finally:
        gateway.delete_api(ApiId=api["ApiId"])


async def measure_invoke(stage: Stage, rounds: int, tell: Tell) -> Measurement:
    """Warm Invoke by a pre-signed request on one kept connection."""
    payload = json.dumps({"name": "bench"}).encode()
    ours: list[float] = []
    floors: list[float] = []
    tails: list[float] = []
    with deployed(stage, "bench-hello", HELLO), Line(stage.store.address) as line:
        signed = stage.signed_invoke("bench-hello", payload)
        async with runtime_floor() as floor:
            for _ in range(WARM_UP):
                line.exchange(signed)
                await floor.invoke_ms(payload)
            for number in range(rounds):
                tell(f"warm invoke: round {number + 1} of {rounds}")
                took = [line.time_ms(signed) for _ in range(INVOKES)]
                ours.append(median(took))
                tails.append(percentile(took, 0.99))
                floors.append(median([await floor.invoke_ms(payload) for _ in range(INVOKES)]))
    return Measurement(
        name="warm invoke through the AWS API, p50",
        unit="ms",
        subject=ours,
        floor=floors,
        floor_name="the bare Runtime API loop: no sandbox, no queue, no signature",
        target=Target("value", 1.0),
        notes={"p99": f"{median(tails):.2f} ms", "best round": f"{min(ours):.2f} ms"},
    )


async def measure_invoke_rate(stage: Stage, rounds: int, tell: Tell) -> Measurement:
    """Warm Invoke on many connections at once."""
    payload = json.dumps({"name": "bench"}).encode()
    ours: list[float] = []
    floors: list[float] = []
    with deployed(stage, "bench-rate", HELLO):
        signed = stage.signed_invoke("bench-rate", payload)
        await drive(stage.store.address, [signed], connections=RATE_CONNECTIONS, seconds=RATE_S)
        async with runtime_floor() as floor:
            for number in range(rounds):
                tell(f"invokes a second: round {number + 1} of {rounds}")
                driven = await drive(stage.store.address, [signed], connections=RATE_CONNECTIONS, seconds=RATE_S)
                ours.append(driven.per_second)
                floors.append(1000 / median([await floor.invoke_ms(payload) for _ in range(INVOKES)]))
    return Measurement(
        name=f"warm invokes a second through the AWS API, {RATE_CONNECTIONS} connections",
        unit="/s",
        subject=ours,
        floor=floors,
        floor_name="the bare Runtime API loop, one at a time",
        target=Target("rate", 1500.0),
        notes={"best round": f"{max(ours):,.0f} /s"},
    )


async def measure_cold_start(stage: Stage, rounds: int, tell: Tell) -> Measurement:
    """First Invoke of a function with code that the host has never seen, while pre-warmed sandboxes wait."""
    ours: list[float] = []
    floors: list[float] = []
    with Line(stage.store.address) as line:
        for number in range(rounds):
            tell(f"cold start: round {number + 1} of {rounds}")
            took = []
            for attempt in range(COLD_STARTS):
                name = f"bench-cold-{number}-{attempt}"
                with deployed(stage, name, f"# {name}\n{HELLO}"):
                    await asyncio.sleep(_SPARES_S)
                    signed = stage.signed_invoke(name, b'{"name": "bench"}')
                    took.append(line.time_ms(signed))
            ours.append(median(took))
            floors.append(median([_interpreter_ms() for _ in range(COLD_STARTS)]))
    return Measurement(
        name="cold start, Python hello, through the AWS API",
        unit="ms",
        subject=ours,
        floor=floors,
        floor_name="the bare interpreter: python -c pass, from spawn to exit",
        target=Target("value", 25.0),
        notes={"best round": f"{min(ours):.1f} ms"},
    )


def _interpreter_ms() -> float:
    started = time.perf_counter()
    process = os.posix_spawn(sys.executable, [sys.executable, "-c", "pass"], os.environ)
    os.waitpid(process, 0)
    return (time.perf_counter() - started) * 1000


async def measure_override(stage: Stage, rounds: int, tell: Tell) -> Measurement:
    """A native route that a function answers, against Invoke of the same function with the same event."""
    headers = {"Host": f"127.0.0.1:{stage.store.address[1]}", "X-Tenant-ID": stage.store.variables["KOKOA_TENANT_ID"]}
    asked = request("GET", "/api/search?q=lamp", headers)
    routed: list[float] = []
    direct: list[float] = []
    with (
        deployed(stage, "bench-search", SEARCH) as arn,
        overridden(stage, arn, "GET /api/search"),
        Line(stage.store.address) as line,
    ):
        signed = stage.signed_invoke("bench-search", json.dumps(_event()).encode())
        await _until_overridden(line, asked)
        for _ in range(WARM_UP):
            line.exchange(asked)
            line.exchange(signed)
        for number in range(rounds):
            tell(f"overridden route: round {number + 1} of {rounds}")
            pairs = [(line.time_ms(asked), line.time_ms(signed)) for _ in range(INVOKES)]
            routed.append(median(pair[0] for pair in pairs))
            direct.append(median(pair[1] for pair in pairs))
    return Measurement(
        name="overridden route, p50",
        unit="ms",
        subject=routed,
        floor=direct,
        floor_name="direct Invoke of the same function with such an event",
        target=Target("difference", 1.0),
    )


async def _until_overridden(line: Line, asked: bytes) -> None:
    deadline = time.monotonic() + _ROUTE_PATIENCE_S
    while json.loads(line.exchange(asked))["total"] != 0:
        assert time.monotonic() < deadline, "the route was not taken over in time"
        await asyncio.sleep(0.05)


def _event() -> dict[str, Any]:
    return {
        "version": "2.0",
        "routeKey": "GET /api/search",
        "rawPath": "/api/search",
        "rawQueryString": "q=lamp",
        "headers": {"host": "127.0.0.1", "x-tenant-id": "demo"},
        "queryStringParameters": {"q": "lamp"},
        "requestContext": {"http": {"method": "GET", "path": "/api/search"}, "stage": "$default"},
        "isBase64Encoded": False,
    }
