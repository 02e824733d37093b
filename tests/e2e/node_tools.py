"""Other people's JavaScript clients, installed from tests/e2e/node with npm into .venv/node."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "node"
INSTALL_TIMEOUT_S = 300


def node_folder() -> Path:
    """A folder with the scripts and their packages. Without Node the test is skipped by name; in CI it fails."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("this test needs `node` and `npm` on the PATH")
        pytest.skip("this test needs `node` and `npm` (version 20 or later) on the PATH")
    lock = (FOLDER / "package-lock.json").read_bytes()
    folder = Path(sys.prefix) / "node" / hashlib.sha256(lock).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock_file:
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        for file in FOLDER.iterdir():
            shutil.copy2(file, folder / file.name)
        if not (folder / ".installed").exists():
            subprocess.run(
                ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
                cwd=folder,
                check=True,
                timeout=INSTALL_TIMEOUT_S,
            )
            (folder / ".installed").touch()
    return folder


def node(script: str, *arguments: str) -> "subprocess.Popen[str]":
    """A running script; its output is read line by line."""
    folder = node_folder()
    return subprocess.Popen(
        ["node", script, *arguments],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
