"""python -m benchmarks.crashes: sandboxes that crash, thousands of them, and what is left of them on the machine.

A host of its own runs functions that end in every way there is: they exit, are killed, run out of memory, fall over
while they start, leave processes behind, or die after their answer. Counted before and after are the host's and its
spawner's processes, descriptors, mounts, name spaces, control groups, folders and memory.
"""

import asyncio
import gc
import os
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import uvloop
from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.host_bench import Shelf, a_host, request
from kokoa.functions.host.client import HostClient
from kokoa.functions.host.model import InvokeRequest
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import KokoaError

_AT_ONCE = 6
_EACH_ACCOUNT = 8  # more ends of one account than these are slowed down on purpose
_WARM_UP = 60
_SETTLE_S = 30.0
_PATIENCE_S = 60.0
_NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
_MEMORY_SLACK = 1.5
_PROC = Path("/proc")

WAYS: Mapping[str, str] = {
    "exits": "import os\ndef handler(event, context):\n    os._exit(1)",
    "is killed": "import os, signal\ndef handler(event, context):\n    os.kill(os.getpid(), signal.SIGKILL)",
    "crashes": "import ctypes\ndef handler(event, context):\n    ctypes.string_at(0)",
    "falls over while it starts": "import os\nos._exit(3)",
    "leaves processes behind": (
        "import os, time\ndef handler(event, context):\n"
        "    for _ in range(5):\n        if os.fork() == 0:\n            time.sleep(600)\n    os._exit(0)"
    ),
    "dies after its answer": (
        "import os, threading\ndef handler(event, context):\n"
        "    threading.Timer(0.01, os._exit, (0,)).start()\n    return 1"
    ),
    "holds descriptors": (
        "import os, socket\ndef handler(event, context):\n"
        "    held = [socket.create_connection(('127.0.0.1', 9001 + n % 3)) for n in range(20)]\n    os._exit(0)"
    ),
    "runs out of memory": (
        "def handler(event, context):\n    held = []\n    while True:\n        held.append(bytes(8 << 20))"
    ),
}

Counts = dict[str, int]

app = App(name="crashes", help="Thousands of sandboxes that crash, and what is left of them.")


@app.default
def crashes(count: Annotated[int, Parameter(help="How many sandboxes end.")] = 10_000) -> None:
    """Crash, count, print a table; exit with 1 when something is left.

    Example: python -m benchmarks.crashes --count 500
    """
    console = Console(highlight=False)
    before, after = uvloop.run(_run(max(1, count), console))
    table = Table(box=None, header_style="bold")
    for heading in ("of the host and below it", "before", "after"):
        table.add_column(heading, justify="left" if heading.startswith("of") else "right")
    left = []
    for name in before:
        table.add_row(name, str(before[name]), str(after[name]))
        allowed = before[name] * _MEMORY_SLACK if name.endswith("MB") else before[name]
        if after[name] > allowed:
            left.append(name)
    console.print(table)
    console.print(f"[red]Left: {', '.join(left)}[/]" if left else "[green]Nothing is left.[/]")
    sys.exit(bool(left))


async def _run(count: int, console: Console) -> tuple[Counts, Counts]:
    shelf = Shelf()
    async with a_host(shelf, prewarm=2) as client:
        bases = {way: _function(shelf, way) for way in WAYS}
        await _crash(client, bases, _WARM_UP, Progress(console=console, disable=True))
        before = await _settled(None)
        with Progress(console=console) as progress:
            await _crash(client, bases, count, progress)
        return before, await _settled(before)


async def _crash(client: HostClient, bases: Mapping[str, InvokeRequest], count: int, progress: Progress) -> None:
    task = progress.add_task("crashes", total=count)
    numbers = iter(range(count))
    run = uuid.uuid4().int % 10**6

    async def one_after_the_other() -> None:
        for number in numbers:
            way = tuple(WAYS)[number % len(WAYS)]
            account_id = f"{run:06}{number // _EACH_ACCOUNT:06}"
            await _end_one(client, bases[way], account_id)
            progress.advance(task)

    await asyncio.gather(*(one_after_the_other() for _ in range(_AT_ONCE)))


def _function(shelf: Shelf, way: str) -> InvokeRequest:
    base = request(shelf, way.replace(" ", "-"))
    function = msgspec.structs.replace(base.function, code_sha256=shelf.put(WAYS[way]), timeout_s=20)
    return msgspec.structs.replace(base, function=function)


async def _end_one(client: HostClient, base: InvokeRequest, account_id: str) -> None:
    """Until its sandbox has ended once; a throttled attempt is none."""
    function = msgspec.structs.replace(
        base.function, account_id=account_id, arn=base.function.arn.replace(base.function.account_id, account_id)
    )
    ends = time.monotonic() + _PATIENCE_S
    while True:
        try:
            await client.invoke(
                msgspec.structs.replace(
                    base, function=function, request_id=str(uuid.uuid4()), deadline_ms=now_ms() + 30_000
                )
            )
        except KokoaError:
            if time.monotonic() > ends:
                raise
            continue
        return


async def _settled(wanted: Counts | None) -> Counts:
    """The counts, once sandboxes have ended and spares are there again: the least of some seconds."""
    ends = time.monotonic() + _SETTLE_S
    least: Counts = {}
    while time.monotonic() < ends:
        await asyncio.sleep(0.5)
        gc.collect()
        counts = _count()
        least = {name: min(counts[name], least.get(name, counts[name])) for name in counts}
        if wanted and all(least[name] <= wanted[name] for name in wanted if not name.endswith("MB")):
            break
    return least


def _count() -> Counts:
    own = os.getpid()
    processes = _below(own)
    spawner = next((pid for pid in processes if _name(pid) == "kokoa-spawner"), 0)
    return {
        "processes": len(processes),
        "descriptors of the host": _descriptors(own),
        "descriptors of the spawner": _descriptors(spawner),
        "mounts of the host": _lines(own),
        "mounts of the spawner": _lines(spawner),
        "name spaces": len({_namespace(pid, kind) for pid in (own, *processes) for kind in _NAMESPACES}),
        "control groups": _groups(),
        "folders of the host": sum(len(folders) for _, folders, _ in os.walk(_folder())),
        "memory of the host, MB": _memory_mb(own),
    }


def _below(root: int) -> set[int]:
    parents: dict[int, int] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    below: set[int] = set()
    while more := {pid for pid, parent in parents.items() if parent in below | {root}} - below:
        below |= more
    return below


def _name(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""


def _descriptors(pid: int) -> int:
    return len(os.listdir(_PROC / str(pid) / "fd"))


def _lines(pid: int) -> int:
    return (_PROC / str(pid) / "mountinfo").read_text().count("\n")


def _namespace(pid: int, kind: str) -> str:
    try:
        return os.readlink(_PROC / str(pid) / "ns" / kind)
    except OSError:
        return ""


def _groups() -> int:
    own = f"kokoa-{_folder().name}"
    return sum(len(groups) for folder, groups, _ in os.walk("/sys/fs/cgroup") if Path(folder).name == own)


def _folder() -> Path:
    """Where the host of this process keeps its files: the folder of its lock."""
    for entry in (_PROC / "self" / "fd").iterdir():
        try:
            target = Path(os.readlink(entry))
        except OSError:
            continue
        if target.name == "lock" and target.parent.parent.name == "hosts":
            return target.parent
    raise FileNotFoundError("the host's folder")


def _memory_mb(pid: int) -> int:
    for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) // 1024
    return 0


if __name__ == "__main__":
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
