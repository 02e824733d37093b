"""Each defence taken away for itself: the attack that it stops then succeeds. So the other tests here can fail.

What is taken away is taken from this process only: options, limits and checks are replaced while a sandbox is made.
no_new_privs has no test, because bwrap sets it in every case and has no option to leave it out.
"""

import asyncio
import ctypes
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from attacks.arena import Arena, open_arena, text_of
from functions_fixtures.hosting import running_host

from kokoa.functions.host import logs, relay, runtime_api, shares, worker
from kokoa.functions.host.errors import SandboxUnavailable
from kokoa.functions.host.sandbox import box
from kokoa.functions.host.sandbox.cgroups import Limits
from kokoa.functions.host.sandbox.layout import Layout
from kokoa.functions.host.sandbox.orders import Spawn

Take = Callable[..., None]


@pytest.fixture(scope="module")
async def bare(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Arena]:
    """A host without waiting sandboxes: each one is made when its test has taken something away."""
    async with open_arena(tmp_path_factory.mktemp("bare"), prewarm=0) as arena:
        yield arena


@pytest.fixture
def take(monkeypatch: pytest.MonkeyPatch) -> Take:
    """Leave options of bwrap out, with as many values as stand behind the name; put others in."""

    def take(*left_out: str, put_in: tuple[str, ...] = (), uid: int | None = None) -> None:
        whole = Layout.options

        def options(*arguments: Any) -> list[str]:
            words = whole(*arguments)
            for option in left_out:
                name, *values = option.split(" ")
                words = without(words, [name, *values])
            return [*words, *put_in]

        monkeypatch.setattr(Layout, "options", options)
        if uid is not None:
            monkeypatch.setattr(box, "Spawn", lambda **order: Spawn(**{**order, "uid": uid}))

    return take


def without(words: list[str], part: list[str]) -> list[str]:
    """The words without this run of words, which must be there."""
    at = next(at for at in range(len(words)) if words[at : at + len(part)] == part)
    return words[:at] + words[at + len(part) :]


async def test_the_name_space_of_processes(bare: Arena, take: Take) -> None:
    take("--unshare-pid")
    canary = f"teeth-{os.getpid()}"
    found = await bare.attack("sees_processes", "kokoa.functions.host.sandbox.spawner")
    assert found["found"], (canary, found["seen"])


async def test_the_name_space_of_the_network(bare: Arena, take: Take) -> None:
    """Its doors are ports of the machine then: where somebody else has one of these just now, it tries again."""
    take("--unshare-net")
    with socket.create_server(("127.0.0.1", 0)) as outside:
        target = ["127.0.0.1", outside.getsockname()[1]]
        found = None
        deadline = time.monotonic() + 60
        while found is None:
            try:
                found = await bare.attack("network", [target])
            except SandboxUnavailable:
                assert time.monotonic() < deadline
        assert found == [target]
        outside.accept()[0].close()


async def test_the_name_space_of_shared_memory(bare: Arena, take: Take) -> None:
    take("--unshare-ipc")
    libc, key = ctypes.CDLL(None), 0x4B500000 + os.getpid() % 0xFFFF
    segment = libc.shmget(key, 4096, 0o1666)
    try:
        assert "the segment" in await bare.attack("shared_memory", key)
    finally:
        libc.shmctl(segment, 0, None)
        libc.shmctl(libc.shmget(key + 1, 0, 0), 0, None)


async def test_the_name_space_of_names(bare: Arena, take: Take) -> None:
    take("--unshare-uts", "--hostname sandbox")
    assert await bare.attack("names", socket.gethostname()) != []


async def test_the_name_space_of_control_groups(bare: Arena, take: Take) -> None:
    take("--unshare-cgroup-try")
    assert any("kokoa" in line for line in await bare.attack("control_groups"))


async def test_a_uid_of_its_own(bare: Arena, take: Take) -> None:
    runtime = next((bare.host.settings.state_dir / "runtimes").glob("python-*"))
    canary = runtime / "root-only-teeth"
    canary.write_text("canary")
    canary.chmod(0o600)
    try:
        take(uid=0)
        assert await bare.attack("root_only_file", "/var/runtime/root-only-teeth") == "canary"
    finally:
        canary.unlink()


async def test_read_only_files(bare: Arena, take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two locks: who is the owner of a file still meets a read-only mount; here both are off."""
    folders = ["/var/task", "/var/runtime"]
    take(uid=0)
    assert await bare.attack("writes_system_files", folders) == []
    monkeypatch.undo()
    whole = Layout.options

    def writable(*arguments: Any) -> list[str]:
        words = whole(*arguments)
        return [
            "--bind" if words[at + 2 : at + 3] in (["/var/task"], ["/var/runtime"]) else word
            for at, word in enumerate(words)
        ]

    monkeypatch.setattr(Layout, "options", writable)
    monkeypatch.setattr(box, "Spawn", lambda **order: Spawn(**{**order, "uid": 0}))
    assert await bare.attack("writes_system_files", folders) == folders


async def test_read_only_settings_of_the_kernel(bare: Arena, take: Take) -> None:
    """core_pattern is given the very value that it has: the file of the machine's own is what can be written."""
    setting = "/proc/sys/kernel/core_pattern"
    before = text_of(setting)
    take("--ro-bind /proc/sys /proc/sys", put_in=("--bind", "/proc", "/proc"), uid=0)
    assert await bare.attack("kernel_settings", [setting]) == [setting]
    assert text_of(setting) == before


async def test_the_filter_of_system_calls(bare: Arena, take: Take) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers of system calls in the attacks are those of x86_64")
    take("--seccomp 6")
    allowed = await bare.attack("kernel_calls")
    assert {"keyctl", "personality", "memfd_secret"} & allowed.keys(), allowed
    assert len(allowed) > 8, allowed
    assert "Seccomp of self" in await bare.attack("privileges")
    assert await bare.attack("traces", []) != []
    assert await bare.attack("sockets") != []


async def test_no_name_spaces_of_its_own(bare: Arena, take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two locks, each of which holds alone; without both a function is root in a user name space of its own."""
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers of system calls in the attacks are those of x86_64")
    take("--disable-userns")
    assert await bare.attack("namespaces") == []
    monkeypatch.undo()
    take("--seccomp 6")
    assert "unshare user" not in await bare.attack("namespaces")
    take("--disable-userns")
    assert {"unshare user", "clone user"} <= set(await bare.attack("namespaces"))


async def test_capabilities(bare: Arena, take: Take) -> None:
    take("--cap-drop ALL", put_in=("--cap-add", "ALL"))
    assert {"CapPrm of self", "CapEff of self"} <= set(await bare.attack("privileges"))


# limits


def allow(monkeypatch: pytest.MonkeyPatch, **more: Any) -> None:
    """Other limits of the control group than the function's memory size means."""
    usual = {"memory_mb": 256, "cpus": 1.0, "processes": 1024}
    monkeypatch.setattr(worker, "_limits", lambda memory_mb: Limits(**{**usual, "memory_mb": memory_mb, **more}))


async def test_the_limit_of_memory(bare: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, memory_mb=1024)
    assert await bare.attack("memory_flood", {"way": "heap", "mb": 300}, memory_mb=128) == 300


async def test_the_limit_of_processes(bare: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, processes=4096)
    assert await bare.attack("thread_flood", memory_mb=1024) > 1024


async def test_the_limit_of_processors(bare: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of a processor stops what a whole one lets through, however busy this machine is."""
    weapon = {"processes": 2, "seconds": 1.5}
    allow(monkeypatch, cpus=0.1)
    limited = await bare.attack("processor_flood", weapon, memory_mb=128)
    allow(monkeypatch, cpus=4.0)
    assert await bare.attack("processor_flood", weapon, memory_mb=128) > 1.5 * limited


async def test_the_size_of_file_systems(bare: Arena, take: Take) -> None:
    take(f"--size {64 << 20}", f"--size {512 << 20}")
    written = await bare.attack("disk_flood", 600, memory_mb=1024)
    assert written == {"/tmp": 600, "/dev/shm": 600}


async def test_limits_of_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The spawner sets these; it is another process, so its Python is told to leave them."""
    (tmp_path / "python").mkdir()
    (tmp_path / "python/sitecustomize.py").write_text("import resource\nresource.setrlimit = lambda *_: None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "python"))
    async with running_host(tmp_path, prewarm=0) as host:
        arena = Arena(host)
        assert (await arena.attack("descriptor_flood", memory_mb=256))["files"] > 1024


# what the host reads


async def test_bounds_of_logs(bare: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    flood = {"flood": "a line without end", "seconds": 3.0}
    bounded = await bare.attack("floods_logs", flood, memory_mb=256)
    before = len(bare.host.logs.records)
    monkeypatch.setattr(shares, "OUTPUT_SHARE", 100.0)
    monkeypatch.setattr(logs, "_BURST_BYTES", 1 << 40)
    # What is left of an account's allowance is its own: another one has none yet.
    assert await bare.attack("floods_logs", flood, memory_mb=256, account_id="2" * 12) > bounded / 2
    written = sum(len(record.message) for record in bare.host.logs.records[before:])
    assert written > 4 << 20


async def test_bounds_of_an_answer(bare: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (runtime_api, worker):
        monkeypatch.setattr(module, "RESPONSE_BYTES_MAX", 1 << 40)
    large = bare.host.function("def handler(event, context): return 'x' * 8_000_000", memory_mb=256)
    assert len(await bare.host.answer(large)) == 8_000_000


async def test_bounds_of_a_head(bare: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_api, "HEAD_BYTES_MAX", 1 << 40)
    assert await bare.attack("endless_answer", {"what": "head", "mb": 30}) == 30


async def test_bounds_of_connections(bare: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "CONNECTIONS_MAX", 100_000)
    monkeypatch.setattr(shares, "VISITS", 100_000.0)
    monkeypatch.setattr(shares, "VISITS_PER_S", 100_000.0)
    held, most = len(os.listdir("/proc/self/fd")), 0

    def look() -> bool:
        nonlocal most
        most = max(most, len(os.listdir("/proc/self/fd")) - held)
        return most > 2 * 128 + 32

    flood = {"seconds": 4, "keep": True}
    attack = bare.host.invoke(bare.weapon("connection_flood", memory_mb=256), flood)
    await beside_until(attack, look)


async def beside_until(attack: Any, condition: Callable[[], bool]) -> None:
    """While the attack runs the condition comes true."""
    running = asyncio.ensure_future(attack)
    while not condition():
        assert not running.done(), "it ended before that"
        await asyncio.wait({running}, timeout=0.005)
    await running


async def test_headers_that_are_dropped(bare: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_PLATFORM", "_HOP_BY_HOP"):
        monkeypatch.setattr(relay, name, set())
    monkeypatch.setattr(relay, "_PLATFORM_PREFIXES", ("nothing",))
    kept = relay.outbound_headers(
        {"X-Tenant-Secret": "forged", "Upgrade": "x"}, "store", relay.CurrentCall("t", "c", 0)
    )
    assert {"X-Tenant-Secret", "Upgrade"} <= kept.keys()
