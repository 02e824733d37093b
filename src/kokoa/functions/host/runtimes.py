"""The table of runtimes: which name runs on what, and what this machine has for it.

Python functions run on AWS's own runtime client (awslambdaric) under an interpreter of this machine: the requested
minor version, or the nearest newer one. /var/runtime is prepared once: the runtime client, our two files from
`inside/`, the AWS SDK where it is installed; compiled for every interpreter, because a sandbox cannot write there.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import sys
import tempfile
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
_COMPILE_S = 120.0

_REQUIRED = ("awslambdaric", "simplejson", "snapshot_restore_py")
# As in AWS's own image, the SDK is there without being packed.
_SDK = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")
_OUR_FILES = ("bootstrap.py", "runtime_client.py")

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


def prepare_runtime(folder: Path, interpreters: Iterable[Interpreter]) -> Path:
    """The folder that becomes /var/runtime, made on first use. Several hosts may ask for it at once."""
    interpreters = list(interpreters)
    final = folder / f"python-{_fingerprint(interpreters)}"
    if final.exists():
        return final
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not final.exists():
            temporary = Path(tempfile.mkdtemp(dir=folder, prefix=".new-"))
            _fill(temporary, interpreters)
            temporary.chmod(0o755)
            temporary.rename(final)
    return final


def _fingerprint(interpreters: list[Interpreter]) -> str:
    digest = hashlib.sha256()
    for name in _OUR_FILES:
        digest.update((Path(__file__).parent / "inside" / name).read_bytes())
    for name in (*_REQUIRED, *_SDK):
        origin = _origin(name)
        digest.update(f"{name} {origin} {origin.stat().st_mtime_ns if origin else ''}".encode())
    for interpreter in interpreters:
        digest.update(repr(interpreter).encode())
    digest.update(importlib.metadata.version("awslambdaric").encode())
    return digest.hexdigest()[:16]


def _origin(module: str) -> Path | None:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return None
    origin = Path(spec.origin)
    return origin.parent if origin.name == "__init__.py" else origin


def _fill(folder: Path, interpreters: list[Interpreter]) -> None:
    for name in (*_REQUIRED, *_SDK):
        origin = _origin(name)
        if origin is None:
            if name in _REQUIRED:
                raise RuntimeUnsupported(f"The package {name} is not installed; install Kokoa's requirements again.")
        elif origin.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "tests")
            shutil.copytree(origin, folder / name, ignore=ignored)
        else:
            shutil.copy2(origin, folder / origin.name)
    for name in _OUR_FILES:
        shutil.copy2(Path(__file__).parent / "inside" / name, folder / name)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


async def compile_runtime(folder: Path, interpreters: Iterable[Interpreter]) -> None:
    """Compile /var/runtime for every interpreter that has not yet; the sandbox cannot keep what it compiles."""
    for interpreter in interpreters:
        mark = folder / f".compiled-{interpreter.minor}"
        if not mark.exists():
            await _compile(folder, interpreter)
            mark.touch()


async def _compile(folder: Path, interpreter: Interpreter) -> None:
    executable = Path(interpreter.prefix, "bin", f"python{interpreter.minor}")
    targets = [str(folder / name) for name in ("awslambdaric", "simplejson", "snapshot_restore_py.py", *_OUR_FILES)]
    process = await asyncio.create_subprocess_exec(
        *(str(executable), "-I", "-S", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"),
        *("-s", str(folder), "-p", "/var/runtime", *targets),
        stdin=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
    )
    try:
        status = await asyncio.wait_for(process.wait(), _COMPILE_S)
    except TimeoutError:
        process.kill()
        status = await process.wait()
    if status != 0:
        # Slower, but right: the sandbox compiles in memory at each start.
        _log.warning("runtime.compile_failed", python=interpreter.minor, status=status)
