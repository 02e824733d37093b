"""Readiness names what fails and never waits long; metrics count by template and stay bounded."""

import asyncio
import errno
import io
import subprocess
import sys
import time

import orjson
import pytest
from starlette.types import Receive, Scope, Send

from kokoa.web.health import liveness, readiness
from kokoa.web.http import ROUTE_KEY, Response, send_response
from kokoa.web.logging import LossyStream
from kokoa.web.metrics import ROUTES_MAX, HttpMetrics
from kokoa.web.observe import Observed
from unit.web.asgi_client import ask


async def passes() -> None:
    return


async def fails() -> None:
    raise OSError("postgresql://user:secret@host refused")


async def hangs() -> None:
    await asyncio.Event().wait()


def test_alive() -> None:
    assert liveness().status == 200


async def test_ready_when_all_checks_pass() -> None:
    response = await readiness({"database": passes, "bus": passes})
    assert response.status == 200


async def test_not_ready_names_what_fails_but_not_why() -> None:
    started = time.monotonic()
    response = await readiness({"database": fails, "bus": hangs, "host": passes}, timeout_s=0.05)
    assert response.status == 503
    assert orjson.loads(response.body)["failing"] == ["bus", "database"]
    assert b"secret" not in response.body
    assert time.monotonic() - started < 2


async def test_requests_are_measured_by_template() -> None:
    metrics = HttpMetrics("worker-1")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE_KEY] = "/api/products/{id}"
        await send_response(send, Response(404))

    for number in range(3):
        await ask(Observed(app, metrics), "GET", f"/api/products/{number}")
    text = metrics.response().body.decode()
    assert (
        'kokoa_http_request_duration_seconds_count{method="GET",process="worker-1",'
        'route="/api/products/{id}",status="404"} 3.0' in text
    )


def test_series_stay_bounded() -> None:
    metrics = HttpMetrics("w")
    for number in range(ROUTES_MAX + 50):
        metrics.observe(f"M{number}", f"/route/{number}", 200, 0.01)
    counted = [line for line in metrics.response().body.decode().splitlines() if "_count{" in line]
    assert len(counted) <= ROUTES_MAX + 1
    assert all('method="OTHER"' in line for line in counted)


class FullDisk(io.StringIO):
    """A stream whose disk is full while `full` is set."""

    full = False

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


def test_a_log_that_cannot_be_written_loses_lines_counts_them_and_raises_nothing() -> None:
    disk = FullDisk()
    stream = LossyStream(disk)
    stream.write("first\n")
    disk.full = True
    for _ in range(3):
        stream.write("lost\n")
    disk.full = False
    stream.write("second\n")
    first, lost, second = disk.getvalue().splitlines()
    assert (first, second) == ("first", "second")
    assert orjson.loads(lost)["count"] == 3


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_logs_carry_the_correlation_id_and_hold_one_line_an_event(log_format: str) -> None:
    program = (
        "import structlog; from kokoa.web.logging import configure_logging\n"
        f"configure_logging({log_format!r})\n"
        "structlog.contextvars.bind_contextvars(correlation_id='c' * 32)\n"
        "structlog.get_logger('x').info('greeting', text='one\\ntwo', raw=b'x')\n"
        "import logging; logging.getLogger('lib').warning('from a library')\n"
    )
    lines = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stderr.splitlines()
    assert len(lines) == 2
    assert b"c" * 32 in lines[0]
    if log_format == "json":
        assert orjson.loads(lines[0])["event"] == "greeting"
        assert orjson.loads(lines[1])["event"] == "from a library"
