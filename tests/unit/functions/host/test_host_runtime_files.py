"""/var/runtime on disk is whole or not there."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kokoa.functions.host import runtime_files
from kokoa.functions.host.runtime_files import prepare_runtime

DIE_WHILE_FILLING = """
import os, signal, sys
from pathlib import Path
from kokoa.functions.host import runtime_files

def fill(temporary):
    (temporary / "half").touch()
    os.kill(os.getpid(), signal.SIGKILL)

runtime_files._fill = fill
runtime_files.prepare_runtime(Path(sys.argv[1]))
"""


def test_what_a_killed_host_left_half_made_is_removed_and_made_anew(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", DIE_WHILE_FILLING, str(tmp_path)])
    assert killed.returncode == -signal.SIGKILL
    assert [path.name[:5] for path in tmp_path.iterdir() if path.is_dir()] == [".new-"]
    final = prepare_runtime(tmp_path)
    assert (final / "bootstrap.py").exists()
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == [final]
    assert prepare_runtime(tmp_path) == final


def test_everything_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    sync_disk = runtime_files.sync_disk

    def sync(folder: Path) -> None:
        assert (folder / "bootstrap.py").exists()
        assert [path.name[:5] for path in tmp_path.iterdir() if path.is_dir()] == [".new-"]
        sync_disk(folder)
        order.append("files")

    monkeypatch.setattr(runtime_files, "sync_disk", sync)
    monkeypatch.setattr(runtime_files, "sync_folder", lambda folder: order.append(f"name in {folder.name}"))
    prepare_runtime(tmp_path)
    assert order == ["files", f"name in {tmp_path.name}"]


def test_a_disk_that_cannot_be_synced_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        runtime_files.sync_disk(tmp_path / "absent")
