"""Starts the store under test and the floor's server, in a folder of their own, and removes every trace of them."""

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks.load import Address
from kokoa.processes import free_port

ROOT = Path(__file__).parents[1]
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 40.0
WEB_PROCESSES = 2
_POLL_S = 0.05


class NotStarted(Exception):
    """What is to be measured does not run; the message shows what it printed."""


class RunningStore:
    """A store that answers.  variables: what demo.env exports.  start: `kokoa up`, once more."""

    def __init__(self, state_dir: Path, port: int, start: "Callable[[], subprocess.Popen[bytes]]") -> None:
        self.state_dir = state_dir
        self.address: Address = ("127.0.0.1", port)
        self.url = f"http://127.0.0.1:{port}"
        self._start = start
        self.process = start()
        self.variables = _demo_variables(state_dir)

    def start_again(self) -> None:
        """When it was killed, and all below it has ended."""
        self.process = self._start()

    def kokoa(self, *words: str) -> None:
        """Run a command of the operator's. Raises CalledProcessError."""
        environment = {**_clean(), "KOKOA_STATE_DIR": str(self.state_dir), "KOKOA_PORT": str(self.address[1])}
        subprocess.run(_kokoa(*words), env=environment, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def _demo_variables(state_dir: Path) -> dict[str, str]:
    pairs = []
    for line in (state_dir / "demo.env").read_text().splitlines():
        name, equals, value = line.removeprefix("export ").partition("=")
        if line.startswith("export ") and equals:
            pairs.append((name, "".join(shlex.split(value))))
    return dict(pairs)


def _clean() -> dict[str, str]:
    """Our environment without what would lead a store elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "KOKOA_"))}


def _kokoa(*words: str) -> list[str]:
    return [sys.executable, "-m", "kokoa.cli.main", *words]


@contextlib.contextmanager
def store_up(settings: Mapping[str, str] | None = None) -> Iterator[RunningStore]:
    """`kokoa up` in a temporary folder until the block ends; afterwards nothing of it is left."""
    folder = Path(tempfile.mkdtemp(prefix="kokoa-bench-"))
    folder.chmod(0o755)  # PostgreSQL runs as another user when we are root
    state_dir, output, port = folder / "state", folder / "up.log", free_port()
    environment = {
        **_clean(),
        "KOKOA_PORT": str(port),
        "KOKOA_STATE_DIR": str(state_dir),
        "KOKOA_WEB_PROCESSES": str(WEB_PROCESSES),
        **(settings or {}),
    }
    try:
        with contextlib.ExitStack() as stack:

            def start() -> "subprocess.Popen[bytes]":
                process = stack.enter_context(_running(_kokoa("up"), environment, output))
                _wait(process, output, lambda: "Kokoa is up" in output.read_text(errors="replace"))
                return process

            store = RunningStore(state_dir, port, start)
            store.kokoa("tenant", "limit", "demo", "1000000")
            yield store
    finally:
        if (state_dir / "secrets").is_dir():
            subprocess.run(_kokoa("reset", "--yes"), env=environment, check=False, stdout=subprocess.DEVNULL)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def floor_up(settings: Mapping[str, str]) -> Iterator[Address]:
    """The floor's server (see floor_app), with as many processes as the store has."""
    port = free_port()
    words = [sys.executable, "-m", "benchmarks.floor_app", str(port), str(WEB_PROCESSES)]
    with server_up(words, port, settings):
        yield "127.0.0.1", port


@contextlib.contextmanager
def server_up(
    words: list[str], port: int, settings: Mapping[str, str], *, cwd: Path = ROOT
) -> Iterator["subprocess.Popen[bytes]"]:
    """A program that listens on this port of 127.0.0.1, until the block ends. Raises NotStarted."""
    with tempfile.TemporaryDirectory(prefix="kokoa-server-") as folder:
        output = Path(folder) / "server.log"
        with _running(words, {**_clean(), **settings}, output, cwd) as process:
            _wait(process, output, lambda: _listens(port))
            yield process


def _listens(port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def _running(
    command: list[str], environment: Mapping[str, str], output: Path, cwd: Path = ROOT
) -> Iterator["subprocess.Popen[bytes]"]:
    """In a session of its own, so that the terminal's Ctrl-C reaches us first and we stop it in order."""
    with output.open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, cwd=cwd, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield process
    finally:
        _stop(process)


def _wait(process: "subprocess.Popen[bytes]", output: Path, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise NotStarted(output.read_text(errors="replace"))
        time.sleep(_POLL_S)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
