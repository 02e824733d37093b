"""A store that tests hurt: it stops at named steps, its processes are known by kind, and it is started again."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from families import Process, descendants, state_of, wait_for_the_end_of
from partners import Environment, Partner, new_environment
from running import POLL_S, RunningStore, store_up, until

from kokoa.processes.steps import VARIABLE

PATIENCE_S = 60.0
"""How long anything may take before it counts as hanging; an idle machine needs a twentieth of it."""


class HurtStore:
    """A running `kokoa up` with a tenant and a partner of its own.  Made by `hurt_store`."""

    def __init__(self, state_dir: Path, settings: Mapping[str, str]) -> None:
        self.state_dir = state_dir
        self._settings = settings
        self.steps = state_dir.parent / f"{state_dir.name}-steps"
        self._running: contextlib.ExitStack | None = None
        self.store: RunningStore
        self.up: subprocess.Popen[bytes]
        self.environment: Environment
        self.partner: Partner
        self.starts = 0

    def start(self) -> None:
        """`kokoa up`, on a port of its own each time; the tenant is made at the first."""
        for name in ("armed", "reached"):
            (self.steps / name).mkdir(parents=True, exist_ok=True)
        self._running = contextlib.ExitStack()
        settings = {VARIABLE: str(self.steps), **self._settings}
        self.store, self.up = self._running.enter_context(store_up(self.state_dir, settings=settings))
        if self.starts == 0:
            self.environment = new_environment(self.store)
            self.partner = self.environment.partner("partner", "/kept/*")
        else:
            known, partner = self.environment, self.partner
            self.environment = Environment(self.store, known.tenant, known.name, *list(known.secrets.values())[1:])
            self.partner = Partner(self.environment, partner.name, partner.account_id, partner.key_id, partner.secret)
        self.starts += 1

    def require_running(self) -> None:
        """Start it if an earlier test left it dead."""
        if self._running is None:
            self.start()

    def end(self) -> None:
        """Stop it if it runs."""
        if self._running is not None:
            running, self._running = self._running, None
            running.close()

    # steps

    def arm(self, step: str) -> None:
        """The next process that reaches the step stops there."""
        (self.steps / "reached" / step).unlink(missing_ok=True)
        (self.steps / "armed" / step).touch()

    def disarm(self) -> None:
        """Nothing stops any more."""
        for armed in (self.steps / "armed").iterdir():
            armed.unlink(missing_ok=True)

    def stopped_at(self, step: str, *, unless: Callable[[], str]) -> Process:
        """Wait until a process stands at the step.  unless: says what went wrong, so that nobody will come."""
        announced = self.steps / "reached" / step

        def come() -> bool:
            assert announced.exists() or not unless(), f"nobody comes to {step}: {unless()}"
            return announced.exists()

        until(come, within_s=PATIENCE_S, what=f"somebody at the step {step}")
        pid = int(announced.read_text())
        until(lambda: state_of(pid)[0] == "T", within_s=PATIENCE_S, what=f"the stop at {step}")
        return Process(pid, state_of(pid)[1], step)

    # processes

    def find(self, kind: str) -> list[Process]:
        """The running processes of a kind (`KINDS`), the most telling first."""
        return KINDS[kind](descendants(self.up.pid))

    def kill(self, kind: str, *, stopped: Process | None = None) -> Process:
        """SIGKILL one process of the kind, the stopped one if it is of it; wait for its death."""
        if kind == "up":
            self.kill_up(stopped)
            return stopped or Process(self.up.pid, "", "up")
        found = until(lambda: self.find(kind), within_s=PATIENCE_S, what=f"a process of the kind {kind}")
        victim = next((each for each in found if stopped and each.pid == stopped.pid), found[0])
        os.kill(victim.pid, signal.SIGKILL)
        if kind != "sandbox":  # one that is frozen dies when it is needed next
            until(lambda: not victim.alive, within_s=PATIENCE_S, what=f"the death of {kind}")
        return victim

    def kill_up(self, stopped: Process | None = None) -> None:
        """SIGKILL `kokoa up`: everything below it must end."""
        family = descendants(self.up.pid)
        self.up.kill()
        self.up.wait()
        if stopped is not None:
            go_on(stopped)  # a stopped process hears of nothing
        wait_for_the_end_of(family, within_s=PATIENCE_S)
        self.end()

    def serves(self) -> bool:
        """Whether edge, graph, database and function host answer, on four connections one after the other."""
        try:
            return all(self.environment.get(path).status == 200 for path in ("/readyz", "/kept/first") * 2)
        except OSError:
            return False


def go_on(process: Process) -> None:
    """SIGCONT, if it still lives."""
    if process.alive:
        os.kill(process.pid, signal.SIGCONT)


def _words(*words: str) -> Callable[[list[Process]], list[Process]]:
    return lambda family: [each for each in family if all(word in each.command for word in words)]


def _web_workers(family: list[Process]) -> list[Process]:
    """The processes that serve requests: children of the one that was told to serve the web role."""
    servers = {each.pid for each in _words("serve", "web")(family)}
    return [
        each
        for each in family
        if parent_of(each.pid) in servers and "resource_tracker" not in each.command and each.alive
    ]


def parent_of(pid: int) -> int:
    """0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


KINDS: Mapping[str, Callable[[list[Process]], list[Process]]] = {
    "postgres": _words("postgres", "-D"),
    "nats": _words("nats-server"),
    "web": _web_workers,
    "worker": _words("serve", "worker"),
    "indexer": _words("serve", "indexer"),
    "host": _words("serve", "host"),
    "spawner": _words("sandbox.spawner"),
    "sandbox": _words("bwrap", "--args"),
}
"""What may die → how it is found below `kokoa up`."""


@contextlib.contextmanager
def hurt_store(state_dir: Path, settings: Mapping[str, str] | None = None) -> Iterator[HurtStore]:
    """A store until the block ends."""
    store = HurtStore(state_dir, settings or {})
    try:
        store.start()
        yield store
    finally:
        store.disarm()
        store.end()


def within(patience_s: float) -> Iterator[float]:
    """Seconds left, again and again with a pause, until there are none."""
    deadline = time.monotonic() + patience_s
    while (left_s := deadline - time.monotonic()) > 0:
        yield left_s
        time.sleep(POLL_S)
