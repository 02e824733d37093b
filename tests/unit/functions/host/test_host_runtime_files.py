"""/var/runtime on disk is whole or not there."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from kokoa.functions.host import runtime_files
from kokoa.functions.host.runtime_files import prepare_runtime


def test_what_a_killed_host_left_half_made_is_removed_and_made_anew(tmp_path: Path) -> None:
    killed = multiprocessing.get_context("fork").Process(target=die_while_filling, args=(tmp_path,))
    killed.start()
    killed.join(60)
    assert killed.exitcode == -signal.SIGKILL
    assert [path.name[:5] for path in tmp_path.iterdir() if path.is_dir()] == [".new-"]
    final = prepare_runtime(tmp_path)
    assert (final / "bootstrap.py").exists()
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == [final]
    assert prepare_runtime(tmp_path) == final


def die_while_filling(folder: Path) -> None:
    """As a host that is killed in the middle."""

    def fill(temporary: Path) -> None:
        (temporary / "half").touch()
        os.kill(os.getpid(), signal.SIGKILL)

    runtime_files._fill = fill
    prepare_runtime(folder)


def test_everything_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    final = prepare_runtime(tmp_path)
    assert not {str(final / path.name) for path in final.iterdir()} & set(synced), "the name came before the disk"
    names = {Path(path).name for path in synced}
    assert {"bootstrap.py", "runtime_client.py", "awslambdaric"} <= names
    assert synced[-1] == str(tmp_path), "the folder that has the new name comes last"
