"""Starts real stores for end-to-end tests: the program itself, in folders and on ports of their own."""

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from kokoa.processes import free_port
from kokoa.roles.platform import SERVICES

ROOT = Path(__file__).parents[2]
VENV_BIN = Path(sys.executable).parent
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 40.0
POLL_S = 0.05
TEST_DISK = "kokoa-test"  # the name under which tests mount disks of their own


class Answer:
    """An HTTP answer.  headers: lower-case names."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def __repr__(self) -> str:
        return f"{self.status} {self.body[:300]!r}"


class RunningStore:
    """A store that answers.  variables: what demo.env exports."""

    def __init__(self, state_dir: Path, url: str) -> None:
        self.state_dir = state_dir
        self.url = url
        self.variables = demo_variables(state_dir) if (state_dir / "demo.env").exists() else {}

    @property
    def environment(self) -> dict[str, str]:
        """For a shell in which a partner works."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "KOKOA_"))}
        path = f"{VENV_BIN}{os.pathsep}{os.environ['PATH']}"
        return {**clean, **self.variables, "PATH": path, "KOKOA_STATE_DIR": str(self.state_dir)}

    def run(self, command: str, *, check: bool = True, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """A shell command in the checkout's folder, as the partner."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        if check:
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def aws(self, *arguments: str, check: bool = True) -> Any:
        """The real `aws` command; its JSON output, or the finished process when check is off."""
        done = self.run(f"aws {shlex.join(arguments)}", check=check)
        if not check:
            return done
        return json.loads(done.stdout) if done.stdout.strip().startswith(("{", "[")) else done.stdout.strip()

    def request(
        self, path: str, *, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """An HTTP request with exactly these headers."""
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=dict(headers or {}))
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return Answer(response.status, lowered(response.headers), response.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, lowered(error.headers), error.read())

    def storefront(self, path: str, **more: Any) -> Answer:
        """As a shopper of the demo tenant."""
        return self.request(path, headers={"X-Tenant-ID": "demo", **more.pop("headers", {})}, **more)

    def graphql(self, query: str, variables: Mapping[str, Any] | None = None, **headers: str) -> Answer:
        """As a server of the demo tenant, with its secrets."""
        own = {
            "Content-Type": "application/json",
            "X-Tenant-ID": self.variables["KOKOA_TENANT_ID"],
            "X-Tenant-Secret": self.variables["KOKOA_TENANT_SECRET"],
            "X-GraphQL-Secret": self.variables["KOKOA_GRAPHQL_SECRET"],
        }
        body = json.dumps({"query": query, "variables": dict(variables or {})}).encode()
        return self.request("/graphql", method="POST", body=body, headers={**own, **headers})


def lowered(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def demo_variables(state_dir: Path) -> dict[str, str]:
    """What demo.env exports."""
    lines = (state_dir / "demo.env").read_text().splitlines()
    pairs = [line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export ")]
    return {name: shlex.split(value)[0] if value != "''" else "" for name, value in pairs}


@contextlib.contextmanager
def store_up(
    state_dir: Path, *, settings: Mapping[str, str] | None = None, command: list[str] | None = None, cwd: Path = ROOT
) -> Iterator[tuple[RunningStore, "subprocess.Popen[bytes]"]]:
    """`kokoa up` until the block ends; stopped by Ctrl-C's signal, which must end it cleanly."""
    port = free_port()
    output = state_dir.parent / f"{state_dir.name}.up.log"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "KOKOA_"))}
    environment = {**clean, "KOKOA_PORT": str(port), "KOKOA_STATE_DIR": str(state_dir), **(settings or {})}
    with output.open("wb") as log:
        process = subprocess.Popen(
            command or [str(VENV_BIN / "kokoa"), "up"],
            env=environment,
            cwd=cwd,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until_up(process, output)
        yield RunningStore(state_dir, f"http://127.0.0.1:{port}"), process
    finally:
        stop(process)
    ended = (0, 2, 130, -signal.SIGINT, -signal.SIGKILL)  # 2 and -SIGINT are make's own
    assert process.returncode in ended, output.read_text()


def wait_until_up(process: "subprocess.Popen[bytes]", output: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while "Kokoa is up" not in output.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"the store did not come up:\n{output.read_text(errors='replace')}")
        time.sleep(POLL_S)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """As Ctrl-C in a terminal does, to the whole group; who does not end in time fails the test, and is killed."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError("the store did not stop when it was told to") from None


def stop_all(processes: "list[subprocess.Popen[bytes]]") -> None:
    """At once, while what they lean on is there."""
    with ThreadPoolExecutor(len(processes)) as threads:
        list(threads.map(stop, processes))


def until(condition: Any, *, within_s: float = 60.0, what: str = "the condition") -> Any:
    """Call until it gives something true; that is returned."""
    deadline = time.monotonic() + within_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not come true within {within_s:.0f} s"
        time.sleep(POLL_S)


def tour_blocks(page: Path, marker: str) -> list[str]:
    """The shell blocks of a page that stand below `<!-- marker -->`, in order."""
    return re.findall(rf"<!-- {marker} -->\n```sh\n(.*?)```", page.read_text(), re.DOTALL)


@contextlib.contextmanager
def roles_apart(state_dir: Path) -> Iterator[RunningStore]:
    """Every role in a process of its own, as docs/how-to/run-the-roles-separately.md says."""
    ports = {role: free_port() for role in ("edge", "gateway", *SERVICES, "functions")}
    urls = {f"KOKOA_{role.upper()}_URL": f"http://127.0.0.1:{port}" for role, port in ports.items()}
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "KOKOA_"))}
    environment = {
        **clean,
        **urls,
        "KOKOA_PORT": str(ports["edge"]),
        "KOKOA_STATE_DIR": str(state_dir),
        "KOKOA_WEB_PROCESSES": "1",
    }
    state_dir.mkdir()
    with contextlib.ExitStack() as stack:
        start = lambda *words: stack.enter_context(running(list(words), environment, state_dir))  # noqa: E731
        start("serve", "data")
        until((state_dir / "operator.token").exists, what="the data servers")
        subprocess.run([str(VENV_BIN / "kokoa"), "demo"], env=environment, check=True, timeout=60)
        roles = (*SERVICES, "functions", "gateway", "edge", "host", "worker", "indexer")
        processes = [start("serve", role) for role in roles]
        stack.callback(stop_all, processes)
        store = RunningStore(state_dir, f"http://127.0.0.1:{ports['edge']}")
        store.variables = demo_variables(state_dir)
        until(lambda: found_lamps(store), within_s=180, what="search through all roles")
        until((state_dir / "host" / "host.sock").exists, what="the function host")
        yield store


@contextlib.contextmanager
def running(words: list[str], environment: dict[str, str], state_dir: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with (state_dir / f"{words[-1]}.log").open("wb") as log:
        process = subprocess.Popen(
            [str(VENV_BIN / "kokoa"), *words],
            env=environment,
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        stop(process)


def found_lamps(store: RunningStore) -> bool:
    try:
        answer = store.storefront("/api/search?q=lamp")
    except OSError:
        return False
    # Of the first batch that is indexed, and of the last one.
    wanted = {"Harbour desk lamp", "Lagoon table light", "Long evening set"}
    return answer.status == 200 and wanted <= {item["name"] for item in answer.json["items"]}
