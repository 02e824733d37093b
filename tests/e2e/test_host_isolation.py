"""What a hostile function can reach from its sandbox: nothing that is not its own. Each test is an attempt."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from functions_fixtures.hosting import Hosting, eventually, require_sandboxes, running_host, sandbox_groups

from kokoa.functions.host.model import FunctionSpec

pytestmark = pytest.mark.e2e

# Runs what the event says, so that a test reads as the attempt it is.
ATTEMPT = """
import ctypes, errno, glob, json, os, resource, socket, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(number, *arguments)
    return errno.errorcode.get(ctypes.get_errno()) if result == -1 else 'done'
def attempt(work):
    try:
        return work()
    except BaseException as error:
        return type(error).__name__
def handler(event, context):
    names = dict(globals())
    exec(event, names)
    return names['answer']
"""


@pytest.fixture(scope="module")
async def host(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hosting]:
    await require_sandboxes()
    async with running_host(tmp_path_factory.mktemp("isolation")) as hosting:
        yield hosting


@pytest.fixture(scope="module")
def attacker(host: Hosting) -> FunctionSpec:
    return host.function(ATTEMPT, memory_mb=256, timeout_s=10)


async def attempt(host: Hosting, attacker: FunctionSpec, code: str) -> Any:
    return await host.answer(attacker, code)


async def test_the_machines_files_are_not_there(host: Hosting, attacker: FunctionSpec, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the secret")
    places = [
        str(tmp_path / "secret"),
        str(host.settings.state_dir),
        str(host.settings.socket_path),
        "/root",
        "/home",
    ]
    places += [
        "/etc/shadow",
        "/etc/hostname",
        "/sys",
        "/run",
        "/var/log",
        "/var/lib",
        "/work",
        "/kokoa",
        str(Path.cwd()),
    ]
    seen = await attempt(host, attacker, f"answer = [p for p in {places!r} if os.path.exists(p)]")
    assert seen == []
    assert set(await attempt(host, attacker, "answer = os.listdir('/')")) <= {
        *("bin", "dev", "etc", "lib", "lib32", "lib64", "opt", "proc", "tmp", "usr", "var"),
    }
    assert await attempt(host, attacker, "answer = sorted(os.listdir('/var'))") == ["lang", "runtime", "task"]


async def test_packages_of_the_operator_are_not_there(host: Hosting, attacker: FunctionSpec) -> None:
    code = "import importlib.util as u; answer = [n for n in ('kokoa', 'asyncpg', 'pip', 'pytest') if u.find_spec(n)]"
    assert await attempt(host, attacker, code) == []


async def test_nothing_can_be_written_but_tmp(host: Hosting, attacker: FunctionSpec) -> None:
    places = ["/x", "/var/task/x", "/var/runtime/x", "/var/lang/x", "/opt/x", "/etc/x", "/usr/bin/x", "/dev/x"]
    places += ["/var/task/handler.py", "/etc/hosts", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"]
    code = f"answer = [p for p in {places!r} if attempt(lambda: open(p, 'a').close()) is None]"
    assert await attempt(host, attacker, code) == []
    assert await attempt(host, attacker, "open('/tmp/x', 'w').write('y'); answer = open('/tmp/x').read()") == "y"


async def test_tmp_is_bounded_and_nobody_elses(host: Hosting, attacker: FunctionSpec) -> None:
    await attempt(host, attacker, "open('/tmp/mine', 'w').write('private'); answer = 1")
    other = host.function(ATTEMPT, memory_mb=1024)
    assert await attempt(host, other, "answer = os.listdir('/tmp')") == []
    fill = (
        "def fill():\n"
        "    with open('/tmp/big', 'wb') as f:\n"
        "        for _ in range(600): f.write(bytes(1 << 20))\n"
        "try:\n    fill(); answer = 'all'\n"
        "except OSError as e:\n    answer = [errno.errorcode[e.errno], os.path.getsize('/tmp/big') >> 20]\n"
        "os.unlink('/tmp/big')"
    )
    error, megabytes = await attempt(host, other, fill)
    assert error == "ENOSPC"
    assert 500 <= megabytes <= 512


async def test_other_processes_cannot_be_seen_or_signalled(host: Hosting, attacker: FunctionSpec) -> None:
    pids = await attempt(host, attacker, "answer = sorted(int(p) for p in os.listdir('/proc') if p.isdigit())")
    assert pids[0] == 1
    assert len(pids) <= 3
    assert (
        await attempt(host, attacker, f"answer = attempt(lambda: os.kill({os.getpid()}, 0))") == "ProcessLookupError"
    )
    environments = "answer = ''.join(open(f'/proc/{p}/environ').read() for p in (1, os.getpid()))"
    assert "SECRET" not in await attempt(host, attacker, environments)
    command_lines = await attempt(
        host, attacker, "answer = [open(p).read() for p in glob.glob('/proc/[0-9]*/cmdline')]"
    )
    assert str(host.settings.state_dir) not in "".join(command_lines)


async def test_no_descriptor_leads_out(host: Hosting, attacker: FunctionSpec) -> None:
    code = (
        "answer = [os.readlink(p) for p in glob.glob('/proc/self/fd/*') "
        "if attempt(lambda: os.readlink(p)) != 'FileNotFoundError']"
    )
    targets = await attempt(host, attacker, code)
    assert [target for target in targets if not target.startswith(("/dev/null", "pipe:", "socket:"))] == []
    # One connection to the Runtime API is all that is left of sockets.
    assert len([target for target in targets if target.startswith("socket:")]) <= 1


async def test_the_network_ends_at_the_sandbox(host: Hosting, attacker: FunctionSpec) -> None:
    with socket.create_server(("127.0.0.1", 0)) as outside:
        port = outside.getsockname()[1]
        code = f"answer = attempt(lambda: socket.create_connection(('127.0.0.1', {port}), 2))"
        assert await attempt(host, attacker, code) == "ConnectionRefusedError"
    code = "answer = attempt(lambda: socket.create_connection(('1.1.1.1', 53), 2))"
    assert await attempt(host, attacker, code) == "OSError"
    assert await attempt(host, attacker, "answer = [name for _, name in socket.if_nameindex()]") == ["lo"]
    taken = "answer = [attempt(lambda: socket.socket().bind(('127.0.0.1', p))) for p in (9001, 9002, 9003)]"
    assert await attempt(host, attacker, taken) == ["OSError"] * 3
    assert (
        await attempt(host, attacker, "answer = attempt(lambda: socket.gethostbyname('example.com'))") == "gaierror"
    )


async def test_abstract_sockets_of_the_machine_are_out_of_reach(host: Hosting, attacker: FunctionSpec) -> None:
    name = f"kokoa-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as outside:
        outside.bind("\0" + name)
        outside.listen()
        code = f"answer = attempt(lambda: socket.socket(socket.AF_UNIX).connect('\\0{name}'))"
        assert await attempt(host, attacker, code) == "ConnectionRefusedError"


async def test_it_has_no_privileges_and_gets_none(host: Hosting, attacker: FunctionSpec) -> None:
    status = "answer = dict(line[:-1].split(':\\t') for line in open('/proc/self/status') if ':\\t' in line)"
    facts = await attempt(host, attacker, status)
    assert {facts[name] for name in ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb")} == {"0000000000000000"}
    assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")
    assert (await attempt(host, attacker, "answer = [os.getuid(), os.getgid(), os.getgroups()]"))[:2] == [993, 990]
    assert await attempt(host, attacker, "answer = attempt(lambda: os.setuid(0))") in ("PermissionError", "OSError")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give each sandbox a uid of its own")
async def test_each_sandbox_has_a_uid_of_the_machine_to_itself(host: Hosting) -> None:
    source = "from time import sleep\ndef handler(event, context):\n    sleep(event); return 'ok'"
    first, second = host.function(source), host.function(source)
    running = asyncio.gather(host.answer(first, 1), host.answer(second, 1))
    uids: set[int] = set()

    def two_sandboxes() -> bool:
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                text = status.read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            uid = int(text.split("\nUid:\t")[1].split("\t")[0])
            if uid >= 700_000 and "\nName:\tbwrap\n" not in "\n" + text:
                uids.add(uid)
        return len(uids) >= 2

    await eventually(two_sandboxes, "two sandboxes under two uids")
    await running


async def test_calls_that_undo_sandboxes_are_refused(host: Hosting, attacker: FunctionSpec) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers below are those of x86_64")
    refused = {
        "unshare": "call(272, 0x10000000)",
        "clone with a new user namespace": "call(56, 0x10000000 | 17, 0, 0, 0, 0)",
        "setns": "call(308, -1, 0)",
        "mount": "call(165, 0, b'/', 0, 0, 0)",
        "umount2": "call(166, b'/', 2)",
        "pivot_root": "call(155, b'/', b'/')",
        "open_tree": "call(428, -100, b'/', 1)",
        "chroot": "call(161, b'/tmp')",
        "ptrace": "call(101, 0, 0, 0, 0)",
        "process_vm_readv": "call(310, 1, 0, 0, 0, 0, 0)",
        "bpf": "call(321, 0, 0, 0)",
        "io_uring_setup": "call(425, 1, 0)",
        "userfaultfd": "call(323, 0)",
        "perf_event_open": "call(298, 0, 0, -1, -1, 0)",
        "keyctl": "call(250, 0, 0, 0, 0, 0)",
        "add_key": "call(248, 0, 0, 0, 0, 0)",
        "kexec_load": "call(246, 0, 0, 0, 0)",
        "init_module": "call(175, 0, 0, 0)",
        "personality": "call(135, 0x0400000)",
        "reboot": "call(169, 0, 0, 0, 0)",
        "open_by_handle_at": "call(304, -1, 0, 0)",
        "typing into a terminal": "call(16, 0, 0x5412, 0)",
    }
    code = f"answer = {{name: eval(text) for name, text in {refused!r}.items()}}"
    assert await attempt(host, attacker, code) == dict.fromkeys(refused, "EPERM")
    assert await attempt(host, attacker, "answer = call(435, 0, 0)") == "ENOSYS"
    families = "answer = [attempt(lambda: socket.socket(f, socket.SOCK_DGRAM).close()) for f in (17, 38, 40, 29)]"
    assert await attempt(host, attacker, families) == ["OSError"] * 4


async def test_what_functions_need_works_under_the_filter(host: Hosting, attacker: FunctionSpec) -> None:
    code = (
        "import multiprocessing, sqlite3, ssl, concurrent.futures as f\n"
        "out = subprocess.run(['/bin/sh', '-c', 'echo $((6*7))'], capture_output=True, text=True).stdout.strip()\n"
        "with f.ThreadPoolExecutor(4) as pool: squares = list(pool.map(lambda n: n * n, range(4)))\n"
        "queue = multiprocessing.get_context('fork').SimpleQueue()\n"
        "child = multiprocessing.get_context('fork').Process(target=queue.put, args=('child',))\n"
        "child.start(); child.join()\n"
        "db = sqlite3.connect('/tmp/db'); db.execute('create table if not exists t(x)')\n"
        "answer = [out, squares, queue.get(), len(ssl.create_default_context().get_ca_certs()) > 0]"
    )
    assert await attempt(host, attacker, code) == ["42", [0, 1, 4, 9], "child", True]


async def test_a_fork_bomb_stays_inside(host: Hosting) -> None:
    bomb = host.function(
        "import os\nfrom time import sleep\n"
        "def handler(event, context):\n"
        "    children = 0\n"
        "    try:\n"
        "        while True:\n"
        "            if os.fork() == 0:\n"
        "                sleep(60); os._exit(0)\n"
        "            children += 1\n"
        "    except OSError:\n"
        "        return children\n",
        memory_mb=3008,
        timeout_s=20,
    )
    children = await host.answer(bomb)
    assert 100 < children < 1024
    assert await host.answer(host.function("def handler(e, c): return 'still here'")) == "still here"


@pytest.mark.skipif(os.geteuid() != 0, reason="freezing takes a cgroup, and that takes root")
async def test_what_a_function_leaves_running_is_frozen(host: Hosting) -> None:
    busy = host.function(
        "import threading\nticks = 0\n"
        "def work():\n    global ticks\n    while True: ticks += 1\n"
        "def handler(event, context):\n"
        "    if event == 'start': threading.Thread(target=work, daemon=True).start()\n"
        "    return __import__('time').process_time()\n"
    )
    await host.answer(busy, "start")
    samples = [ticks_of_sandboxes(host)]

    def at_rest() -> bool:
        samples.append(ticks_of_sandboxes(host))
        return len(samples) > 20 and samples[-1] == samples[-20]

    await eventually(at_rest, "the thread stands still between invocations", 40.0)
    before = await host.answer(busy)
    assert await host.answer(busy) >= before


def ticks_of_sandboxes(host: Hosting) -> int:
    """Processor time, in ticks, that the functions of a host have used."""
    ticks = 0
    for group in sandbox_groups(host.settings):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for pid in (group / "cgroup.procs").read_text().split():
                ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
    return ticks


async def test_a_runtime_that_lies_harms_only_itself(host: Hosting, attacker: FunctionSpec) -> None:
    ask = (
        "def ask(data):\n"
        "    s = socket.create_connection(('127.0.0.1', 9001)); s.sendall(data); s.settimeout(3)\n"
        "    return s.recv(65536).decode()\n"
        "base = '/2018-06-01/runtime/'\n"
        "def post(path):\n"
        "    return ask(f'POST {base}{path} HTTP/1.1\\r\\nContent-Length: 2\\r\\n\\r\\n{{}}'.encode())\n"
    )
    forged = ask + "answer = post('invocation/00000000-0000-0000-0000-000000000000/response')"
    assert "400 Bad Request" in await attempt(host, attacker, forged)
    assert "InvalidRequestID" in await attempt(host, attacker, forged)
    assert "403" in await attempt(host, attacker, ask + "answer = post('init/error')")
    early = ask + "answer = ask(f'GET {base}invocation/next HTTP/1.1\\r\\n\\r\\n'.encode())"
    assert "InvalidStateTransition" in await attempt(host, attacker, early)
    assert "404" in await attempt(host, attacker, ask + "answer = post('invocation/x/y')")
    assert "400" in await attempt(host, attacker, ask + "answer = ask(b'\\x00\\x01nonsense\\r\\n\\r\\n')")
    many = (
        "dial = lambda: keep.append(socket.create_connection(('127.0.0.1', 9001), 2))\n"
        "answer = [attempt(dial) for _ in range(200)]"
    )
    await attempt(host, attacker, "import builtins; builtins.keep = keep = []\n" + many)
    assert await attempt(host, attacker, "import builtins; builtins.keep.clear(); answer = 'alive'") == "alive"


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming an ordinary user takes root")
async def test_an_ordinary_user_can_run_functions_too() -> None:
    """Without root there is one uid for all and no late mounting, but every name space and the filter."""
    await require_sandboxes()
    mine = f"python3.{sys.version_info.minor}"
    reachable = [
        str(path)
        for path in map(Path, (f"{sys.base_prefix}/bin/{mine}", f"/usr/bin/{mine}", f"/usr/local/bin/{mine}"))
        if os.access(path, os.X_OK) and _open_to_others(path)
    ]
    if not reachable:
        pytest.skip("no interpreter lies where another user can reach it")
    script = Path(__file__).parent / "functions_fixtures" / "ordinary_user.py"
    done = await asyncio.to_thread(
        subprocess.run,
        [reachable[0], str(script)],
        capture_output=True,
        text=True,
        timeout=60,
        user=65534,
        group=65534,
        extra_groups=[],
        cwd="/",
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("993 hello")


def _open_to_others(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in path.parents)
