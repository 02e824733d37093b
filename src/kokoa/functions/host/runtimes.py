"""The table of runtimes: which name runs on what, and what this machine has for it.

Python functions run on AWS's own runtime client (awslambdaric) under an interpreter of this machine: the requested
minor version, or the nearest newer one.
"""

import asyncio
import contextlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
import structlog

from kokoa.functions.host.errors import RuntimeUnsupported
from kokoa.functions.host.sandbox.layout import Interpreter

_log = structlog.get_logger(__name__)

_PYTHON = re.compile(r"python3\.(\d{1,2})")
# The oldest Python that awslambdaric supports.
_OLDEST = (3, 10)
_NEWEST_MINOR = 20
_PROBE = "import json, sys; print(json.dumps([sys.version_info[:3], sys.base_prefix]))"
_PROBE_S = 5.0

# Read when a process starts, so a process that already runs cannot be given them.
_START_TIME = re.compile(r"(LD_|PYTHON|LC_|LANG$|MALLOC_|GLIBC_|AWS_LAMBDA_LOG_).*")

_BASE_ENVIRONMENT = {
    "LANG": "en_US.UTF-8",
    "TZ": ":UTC",
    "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:"
    "/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
    "PYTHONPATH": "/var/runtime",
    "LAMBDA_TASK_ROOT": "/var/task",
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
    "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
}


class Runtime(msgspec.Struct, frozen=True):
    """A runtime that this machine can run.  name: as functions ask for it, such as "python3.11"."""

    name: str
    interpreter: Interpreter

    @property
    def banner(self) -> str:
        """What the INIT_START line says; it tells when another version than the requested one runs."""
        version = ".".join(map(str, self.interpreter.version))
        if self.name == f"python{self.interpreter.minor}":
            return f"python:{version}"
        return f"python:{version} (the nearest on this host to the requested {self.name})"

    @property
    def path(self) -> list[str]:
        """What comes first on sys.path."""
        minor = self.interpreter.minor
        return ["/var/task", f"/opt/python/lib/python{minor}/site-packages", "/opt/python", "/var/runtime"]

    def start_environment(self, function: Mapping[str, str]) -> dict[str, str]:
        """What must be set before the process starts, given the function's own variables."""
        wanted = {name: value for name, value in function.items() if _START_TIME.match(name)}
        return {**_BASE_ENVIRONMENT, "AWS_EXECUTION_ENV": f"AWS_Lambda_{self.name}", **wanted}


def needs_own_start(function: Mapping[str, str]) -> bool:
    """Whether the function's variables must be known at process start, so that no waiting sandbox will do."""
    return any(_START_TIME.match(name) for name in function)


class Runtimes:
    """The runtimes of this machine."""

    def __init__(self, interpreters: Iterable[Interpreter]) -> None:
        self._interpreters = sorted(interpreters, key=lambda interpreter: interpreter.version)
        self._known: dict[str, Runtime] = {}

    @property
    def interpreters(self) -> tuple[Interpreter, ...]:
        """Oldest first, one for each minor version."""
        return tuple(self._interpreters)

    def find(self, name: str) -> Runtime:
        """The runtime of this name. Raises RuntimeUnsupported, which names what there is."""
        if name not in self._known:
            self._known[name] = Runtime(name, self._nearest(name))
        return self._known[name]

    def _nearest(self, name: str) -> Interpreter:
        match = _PYTHON.fullmatch(name)
        wanted = (3, int(match.group(1))) if match else (99, 0)
        for interpreter in self._interpreters:
            if interpreter.version[:2] >= wanted:
                return interpreter
        there = ", ".join(f"python{interpreter.minor}" for interpreter in self._interpreters) or "none"
        raise RuntimeUnsupported(f"The runtime {name} cannot run on this host. Available: {there}.", field="Runtime")


async def find_interpreters() -> list[Interpreter]:
    """One working Python for each minor version on this machine; our own is preferred for its version."""
    candidates = [Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")]
    candidates += sorted(Path(sys.base_prefix).parent.glob("*/bin/python3"))
    for minor in range(_OLDEST[1], _NEWEST_MINOR):
        found = shutil.which(f"python3.{minor}")
        candidates += [Path(found)] if found else []
    probed = await asyncio.gather(*(_probe(path) for path in dict.fromkeys(candidates) if path.exists()))
    best: dict[tuple[int, ...], Interpreter] = {}
    for interpreter in probed:
        if interpreter is not None and interpreter.version[:2] >= _OLDEST:
            best.setdefault(interpreter.version[:2], interpreter)
    return list(best.values())


async def _probe(path: Path) -> Interpreter | None:
    process = await asyncio.create_subprocess_exec(
        *(str(path), "-I", "-S", "-c", _PROBE),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _PROBE_S)
        version, prefix = json.loads(output)
    except (TimeoutError, ValueError):
        # A shim that points nowhere, or something that is no Python at all.
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        return None
    interpreter = Interpreter(tuple(version), prefix)
    return interpreter if os.access(f"{prefix}/bin/python{interpreter.minor}", os.X_OK) else None
