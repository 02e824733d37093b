"""What a hostile function reaches of the machine, the store's processes and its neighbours: nothing."""

import contextlib
import ctypes
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from attacks.arena import Arena, text_of, unchanged

CANARY = "canary-4f1d8c62"


@pytest.fixture
def victim() -> Iterator["subprocess.Popen[bytes]"]:
    """A process of the machine that has secrets where processes have them."""
    code = "import sys; sys.stdout.write('ready'); sys.stdout.flush(); sys.stdin.read()"
    environment = {**os.environ, "KOKOA_DATABASE_PASSWORD": CANARY, "KOKOA_VAULT_KEY": CANARY}
    process = subprocess.Popen(
        [sys.executable, "-c", code, CANARY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    assert process.stdout.read(5) == b"ready"
    yield process
    process.kill()
    process.communicate()


async def test_files_of_the_machine_and_of_the_store(arena: Arena, tmp_path: Path) -> None:
    secret = tmp_path / "operator.token"
    secret.write_text(CANARY)
    settings = arena.host.settings
    with tempfile.TemporaryDirectory(prefix="kokoa-canary-", dir="/tmp") as folder:
        there = [secret, Path(folder), settings.state_dir, settings.socket_path, Path.cwd(), Path(sys.prefix)]
        there += map(
            Path, ("/root", "/home", "/etc/shadow", "/etc/hostname", "/run", "/boot", "/var/lib", "/kokoa", "/sys")
        )
        assert await arena.attack("host_files", [str(path) for path in there]) == []
    assert secret.read_text() == CANARY


async def test_secrets_of_processes(arena: Arena, victim: "subprocess.Popen[bytes]") -> None:
    assert CANARY in text_of(f"/proc/{victim.pid}/environ"), "it is there for who may look"
    known = [CANARY, str(arena.host.settings.socket_path), "PYTEST_CURRENT_TEST"]
    assert await arena.attack("secrets_of_processes", known) == []
    assert await arena.attack("sees_processes", CANARY) == {"found": [], "seen": 2}


async def test_signals_limits_and_memory_of_processes(arena: Arena, victim: "subprocess.Popen[bytes]") -> None:
    outside = [victim.pid, os.getpid(), os.getppid()]
    assert await arena.attack("signals", outside) == []
    assert await arena.attack("traces", outside) == []
    assert "Max open files            1 " not in text_of(f"/proc/{victim.pid}/limits")
    assert victim.poll() is None


async def test_a_signal_to_everybody_ends_its_own_sandbox(arena: Arena, victim: "subprocess.Popen[bytes]") -> None:
    document = await arena.host.failure(arena.weapon("kills_everybody"))
    assert document["errorType"] == "Runtime.ExitError"
    assert victim.poll() is None
    assert await arena.attack("echo")


async def test_sockets_of_the_machine(arena: Arena, tmp_path: Path) -> None:
    """Files, abstract names, addresses: whoever listens out there hears nothing."""
    names = [str(tmp_path / "socket"), f"\0kokoa-attacked-{os.getpid()}"]
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in names]
        for listener, name in zip(listeners, names, strict=True):
            listener.bind(name)
            listener.listen()
        assert await arena.attack("unix_sockets", [*names, str(arena.host.settings.socket_path)]) == []
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        ports = [tcp.getsockname()[1], udp.getsockname()[1]]
        own = [address for address in addresses() if address != "127.0.0.1"]
        targets = [[host, port] for host in ("127.0.0.1", "127.0.0.2", "0.0.0.0", *own) for port in ports]
        targets += [["169.254.169.254", 80], ["169.254.170.2", 80], ["100.100.100.200", 80], ["fd00:ec2::254", 80]]
        targets += [["::1", ports[0]], ["::ffff:127.0.0.1", ports[0]], ["1.1.1.1", 53], ["10.0.0.1", 22]]
        assert await arena.attack("network", targets) == []
        for listener in (*listeners, tcp):
            listener.setblocking(False)
            with pytest.raises(BlockingIOError):
                listener.accept()
        udp.setblocking(False)
        with pytest.raises(BlockingIOError):
            udp.recv(1)


def addresses() -> set[str]:
    """The machine's own addresses."""
    with contextlib.suppress(OSError):  # a machine need not know its own name
        return {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), 80, socket.AF_INET)}
    return set()


async def test_what_one_function_leaves_another_does_not_find(arena: Arena) -> None:
    left = arena.weapon("leaves_things")
    own = await arena.host.answer(left, CANARY)
    assert own == ["/dev/shm", "/tmp"]
    for finder in (arena.weapon("search"), arena.weapon("search", account_id="210987654321")):
        assert await arena.host.answer(finder, CANARY) == []
    for package in arena.host.settings.state_dir.glob("hosts/*/code/*/**/*"):
        assert package.is_dir() or CANARY not in package.read_text(errors="replace")
    code, ended = left, await arena.host.failure(arena.weapon("kills_everybody"))
    assert ended
    assert await arena.host.answer(code, CANARY) == own, "its own place is still its own"


async def test_memory_and_queues_of_the_machine(arena: Arena) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    key = 0x4B4F0000 + os.getpid() % 0xFFFF
    segment = libc.shmget(key, 4096, 0o1666)
    assert segment >= 0
    try:
        assert await arena.attack("shared_memory", key) == []
        assert libc.shmget(key + 1, 1, 0) == -1, "what it made is not here"
    finally:
        libc.shmctl(segment, 0, None)


async def test_names_and_shared_files(arena: Arena) -> None:
    assert await arena.attack("names", socket.gethostname()) == []
    assert await arena.attack("writes_system_files", FOLDERS) == []
    runtime = next((arena.host.settings.state_dir / "runtimes").glob("python-*"))
    canary = runtime / "root-only"
    canary.write_text(CANARY)
    canary.chmod(0o600)
    try:
        assert await arena.attack("root_only_file", "/var/runtime/root-only") == ""
    finally:
        canary.unlink()


FOLDERS = ["/var/task", "/var/runtime", "/var/lang/lib", "/opt", "/etc", "/usr/bin", "/usr/lib", "/bin", "/", "/dev"]

SETTINGS = [
    *("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hostname"),
    *("/proc/sys/kernel/randomize_va_space", "/proc/sys/kernel/pid_max", "/proc/sys/kernel/yama/ptrace_scope"),
    *("/proc/sys/vm/overcommit_memory", "/proc/sys/vm/drop_caches", "/proc/sys/fs/suid_dumpable"),
    *("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/ip_unprivileged_port_start"),
    *("/proc/sys/user/max_user_namespaces", "/proc/sys/fs/file-max", "/proc/sysrq-trigger", "/proc/timer_list"),
    *("/proc/irq/default_smp_affinity", "/proc/1/setgroups", "/proc/1/uid_map"),
]


async def test_settings_of_the_kernel(arena: Arena) -> None:
    there = [
        path for path in SETTINGS if path.startswith("/proc/sys/") and os.access(path, os.R_OK) and "drop" not in path
    ]
    assert len(there) > 5
    with unchanged(*there):
        assert await arena.attack("kernel_settings", SETTINGS) == []
    assert await arena.attack("kernel_memory") == []
    with unchanged("/proc/self/mountinfo"):
        assert await arena.attack("control_groups") == []


CALLS = ["mounts", "namespaces", "kernel_calls", "machine_calls", "devices", "sockets", "interfaces", "terminal"]
CALLS += ["privileges", "setuid_programs", "passes_descriptors"]


@pytest.mark.parametrize("name", CALLS)
async def test_what_would_undo_the_sandbox_is_refused(arena: Arena, name: str) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers of system calls in the attacks are those of x86_64")
    host = socket.gethostname()
    with unchanged("/proc/swaps", "/proc/self/mountinfo", "/proc/sys/kernel/core_pattern"):
        assert await arena.attack(name) in ([], {})
    assert socket.gethostname() == host
