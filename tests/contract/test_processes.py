"""Children die with their owner, however it dies, and what they kept is there at the next start."""

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from kokoa.messaging import EmbeddedNats
from kokoa.postgres import EmbeddedPostgres
from kokoa.processes import (
    AlreadyRunning,
    Child,
    ChildFailed,
    FileLock,
    Keeper,
    PortBusy,
    free_port,
    require_free_port,
)

OWNER = """
import asyncio, json, sys
from pathlib import Path
from kokoa.messaging import EmbeddedNats
from kokoa.postgres import EmbeddedPostgres

async def main():
    state = Path(sys.argv[1])
    postgres, nats = EmbeddedPostgres(state), EmbeddedNats(state)
    await postgres.start()
    await nats.start()
    print(json.dumps([postgres.pid, nats.pid]), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_killed_owner_leaves_no_orphan_and_the_next_start_works(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pids = json.loads(next(line for line in owner.stdout if line.startswith("[")))
    owner.send_signal(signal.SIGKILL)
    owner.wait(10)
    owner.stdout.close()
    wait_until_gone(pids)
    asyncio.run(start_and_stop(tmp_path))


def wait_until_gone(pids: list[int], *, within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while alive := [pid for pid in pids if running(pid)]:
        assert time.monotonic() < deadline, f"processes {alive} outlived their owner"


def running(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


async def start_and_stop(state: Path) -> None:
    postgres, nats = EmbeddedPostgres(state), EmbeddedNats(state)
    await postgres.start()
    await nats.start()
    with pytest.raises(AlreadyRunning, match=str(os.getpid())):
        await EmbeddedNats(state).start()
    await nats.stop()
    await postgres.stop()


def test_a_lock_names_its_holder_and_is_free_afterwards(tmp_path: Path) -> None:
    already = pytest.raises(AlreadyRunning, match=f"The thing is already running .process {os.getpid()}")
    with FileLock(tmp_path / "lock", what="The thing"), already:
        FileLock(tmp_path / "lock", what="The thing").acquire()
    FileLock(tmp_path / "lock", what="The thing").acquire()


def test_a_busy_port_is_named_with_the_setting_that_chooses_another() -> None:
    port = free_port()
    require_free_port("127.0.0.1", port, setting="KOKOA_PORT")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(PortBusy, match=f"Port {port}.*KOKOA_PORT={port + 1}"):
            require_free_port("127.0.0.1", port, setting="KOKOA_PORT")


NOBODY = 65534


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_user_can_run_the_servers_too() -> None:
    python = interpreter_for_anybody()
    if python is None:
        pytest.skip("no Python of this version here that an ordinary user may start")
    with tempfile.TemporaryDirectory(prefix="kokoa-test-", dir="/tmp") as folder:
        os.chown(folder, NOBODY, NOBODY)
        code = OWNER.replace("await asyncio.Event().wait()", "await nats.stop(); await postgres.stop()")
        environment = {
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if "site-packages" in p or p.endswith("src"))
        }
        done = subprocess.run(
            [python, "-c", code, folder],
            env={**environment, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": folder},
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            capture_output=True,
            text=True,
            timeout=60,
        )
        if f"Permission denied: '{Path(sys.prefix)}" in done.stderr:
            pytest.skip("this checkout lies in a folder closed to other users")
        assert done.returncode == 0, done.stderr
        assert "[" in done.stdout


def interpreter_for_anybody() -> str | None:
    """An interpreter of our own version that any user may start; ours may lie in somebody's home."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (
        os.path.realpath(sys.executable),
        f"/usr/bin/python{version}",
        f"/usr/local/bin/python{version}",
    ):
        asked = subprocess.run(["test", "-x", candidate], user=NOBODY, group=NOBODY, extra_groups=[])
        if asked.returncode == 0:
            return candidate
    return None


async def test_a_child_comes_back_whatever_kept_it_from_starting_once(tmp_path: Path) -> None:
    attempts = 0

    async def start() -> Child:
        nonlocal attempts
        attempts += 1
        if attempts in (2, 3):
            raise OSError(errno.ENOSPC, "No space left on device") if attempts == 2 else ChildFailed("not yet")
        child = Child([sys.executable, "-c", "import signal; signal.pause()"], log=tmp_path / "log")
        await child.start()
        return child

    keeper = Keeper("child", start)
    await keeper.start()
    assert keeper.child is not None
    assert keeper.child.pid is not None
    os.kill(keeper.child.pid, signal.SIGKILL)
    async with asyncio.timeout(60):
        while attempts < 4 or not keeper.child.running:
            await asyncio.sleep(0.02)
    child = await keeper.release()
    assert child is not None
    await child.stop(signal.SIGTERM, timeout_s=30)
