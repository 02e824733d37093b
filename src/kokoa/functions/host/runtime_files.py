"""/var/runtime, prepared once on disk: AWS's runtime client, our files from `inside/`, the AWS SDK if installed."""

import asyncio
import ctypes
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

import structlog

from kokoa.functions.host.errors import RuntimeUnsupported
from kokoa.functions.host.sandbox.layout import Interpreter
from kokoa.processes import sync_folder

_log = structlog.get_logger(__name__)

_COMPILE_S = 120.0
_PARTIAL = ".new-"

_REQUIRED = ("awslambdaric", "simplejson", "snapshot_restore_py")
# As in AWS's own image, the SDK is there without being packed.
_SDK = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")
_OUR_FILES = ("bootstrap.py", "runtime_client.py")


def prepare_runtime(folder: Path) -> Path:
    """The folder that becomes /var/runtime, made on first use. Several hosts may ask for it at once."""
    final = folder / f"python-{_fingerprint()}"
    if final.exists():
        return final
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in folder.glob(f"{_PARTIAL}*"):  # of a host that was killed here: we hold the lock
            shutil.rmtree(leftover, ignore_errors=True)
        if not final.exists():
            temporary = Path(tempfile.mkdtemp(dir=folder, prefix=_PARTIAL))
            _fill(temporary)
            temporary.chmod(0o755)
            sync_disk(temporary)
            temporary.rename(final)
            sync_folder(folder)
    return final


def sync_disk(folder: Path) -> None:
    """Bring what was written to the folder's file system to its disk, so that it is whole also after a power cut.

    One syncfs(2): an fsync for each of three thousand files takes fifty times as long.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if libc.syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
    finally:
        os.close(descriptor)


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for name in _OUR_FILES:
        digest.update((Path(__file__).parent / "inside" / name).read_bytes())
    for name in (*_REQUIRED, *_SDK):
        origin = _origin(name)
        digest.update(f"{name} {origin} {origin.stat().st_mtime_ns if origin else ''}".encode())
    digest.update(importlib.metadata.version("awslambdaric").encode())
    return digest.hexdigest()[:16]


def _origin(module: str) -> Path | None:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return None
    origin = Path(spec.origin)
    return origin.parent if origin.name == "__init__.py" else origin


def _fill(folder: Path) -> None:
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


class RuntimeFolder:
    """A prepared /var/runtime, compiled for each interpreter when first used: a sandbox cannot write there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._compiled: dict[str, asyncio.Task[None]] = {}

    async def compile_for(self, interpreter: Interpreter) -> None:
        """Compile once, however many ask; another host may have done it already."""
        task = self._compiled.get(interpreter.minor)
        if task is None:
            task = self._compiled[interpreter.minor] = asyncio.ensure_future(self._compile(interpreter))
        await asyncio.shield(task)

    async def _compile(self, interpreter: Interpreter) -> None:
        mark = self.path / f".compiled-{interpreter.minor}"
        if await asyncio.to_thread(mark.exists):
            return
        status = await _run_compiler(self.path, interpreter)
        if status == 0:
            # Python trusts a compiled file without looking at its source, so it must be whole before it is marked.
            await asyncio.to_thread(sync_disk, self.path)
            await asyncio.to_thread(mark.touch)
        else:
            # Slower, but right: the sandbox compiles in memory at each start.
            _log.warning("runtime.compile_failed", python=interpreter.minor, status=status)


async def _run_compiler(folder: Path, interpreter: Interpreter) -> int:
    executable = f"{interpreter.prefix}/bin/python{interpreter.minor}"
    targets = [str(folder / name) for name in ("awslambdaric", "simplejson", "snapshot_restore_py.py", *_OUR_FILES)]
    process = await asyncio.create_subprocess_exec(
        *(executable, "-I", "-S", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"),
        *("-s", str(folder), "-p", "/var/runtime", *targets),
        stdin=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
    )
    try:
        return await asyncio.wait_for(process.wait(), _COMPILE_S)
    except TimeoutError:
        process.kill()
        return await process.wait()
