"""Where attacks meet a real host: each function is a file of `functions/`, deployed as a partner would.

An attack returns what it got. Its test says that this is nothing, and looks from outside whether that is true.
"""

import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from functions_fixtures.hosting import Hosting, package, require_sandboxes, running_host, sandbox_groups
from running import TEST_DISK

from kokoa.functions.host.model import FunctionSpec
from kokoa.functions.host.sandbox.layout import running_as_root

FUNCTIONS = Path(__file__).parent / "functions"


class Arena:
    """A running host, and attacks on it."""

    def __init__(self, host: Hosting) -> None:
        self.host = host

    def weapon(self, name: str, **changes: Any) -> FunctionSpec:
        """A function of this attack.  files: what else is in its package."""
        return self.host.packaged(attack_package(name, changes.pop("files", {})), **{"timeout_s": 60, **changes})

    async def attack(self, name: str, event: Any = None, **changes: Any) -> Any:
        """What the attack got."""
        return await self.host.answer(self.weapon(name, **changes), event)

    @property
    def groups(self) -> list[Path]:
        """The control groups of this host's sandboxes."""
        return sandbox_groups(self.host.settings)

    def pids(self) -> list[int]:
        """The processes in this host's sandboxes, as the machine numbers them."""
        found: set[int] = set()
        for group in self.groups:
            with contextlib.suppress(OSError):  # a sandbox that has just ended
                found |= {int(pid) for pid in (group / "cgroup.procs").read_text().split()}
        return sorted(found)


def attack_package(name: str, files: dict[str, str | bytes] | None = None) -> bytes:
    """The zip of an attack: its file, and what attacks share."""
    sources = {"handler.py": FUNCTIONS / f"{name}.py", "attacking.py": FUNCTIONS / "attacking.py"}
    return package({**{where: path.read_text() for where, path in sources.items()}, **(files or {})})


def source(name: str) -> str:
    """A file of `functions/`."""
    return (FUNCTIONS / f"{name}.py").read_text()


@contextlib.asynccontextmanager
async def open_arena(folder: Path, **changes: Any) -> AsyncIterator[Arena]:
    """A host of this process with nothing else on it. Skips, or fails with CI=true, where sandboxes cannot be."""
    await require_sandboxes()
    if not running_as_root():
        if os.environ.get("CI") == "true":
            pytest.fail("the attacks need a host that is root, as one for other people's code is")
        pytest.skip("the attacks need a host that is root, as one for other people's code is")
    async with running_host(folder, **changes) as host:
        yield Arena(host)


def text_of(path: str | Path) -> str:
    """A file of the machine; empty when there is none."""
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def processes_called(name: str) -> list[str]:
    """Processes of the machine with this name, in whatever sandbox."""
    return [pid for pid in os.listdir("/proc") if pid.isdigit() and text_of(f"/proc/{pid}/comm").strip() == name]


@contextlib.contextmanager
def unchanged(*paths: str) -> Iterator[None]:
    """The machine's files, settings of the kernel among them, read the same before and after."""

    def read() -> dict[str, str]:
        # Another test of the same machine may mount a disk of its own meanwhile.
        lines = {path: [line for line in text_of(path).splitlines() if TEST_DISK not in line] for path in paths}
        return {path: "\n".join(kept) for path, kept in lines.items()}

    before = read()
    yield
    assert read() == before
