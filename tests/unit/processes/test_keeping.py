"""Secrets in files are whole or not there, and the same for everybody who makes them at once."""

import multiprocessing
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kokoa.processes import kept_secret


def test_a_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "key"
    made = kept_secret(path, lambda: os.urandom(32))
    assert len(made) == 32
    assert kept_secret(path, lambda: b"another") == made
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_who_is_killed_while_making_one_leaves_none(tmp_path: Path) -> None:
    path = tmp_path / "key"
    killed = multiprocessing.get_context("fork").Process(target=die_while_making, args=(path,))
    killed.start()
    killed.join(60)
    assert killed.exitcode == -signal.SIGKILL
    assert not path.exists()
    assert kept_secret(path, lambda: b"whole") == b"whole"


def die_while_making(path: Path) -> None:
    """As a first start that is killed at the worst moment: the file is open, nothing is in it."""
    kept_secret(path, lambda: os.kill(os.getpid(), signal.SIGKILL) or b"")


def test_all_who_make_it_at_once_have_the_same(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    with ThreadPoolExecutor(8) as threads:
        pools = [context.Pool(1) for _ in range(8)]
        found = list(threads.map(lambda pool: pool.apply(make, (tmp_path / "key",)), pools))
        for pool in pools:
            pool.terminate()
    assert len(set(found)) == 1


def make(path: Path) -> bytes:
    """In a process of its own."""
    return kept_secret(path, lambda: os.urandom(32))
