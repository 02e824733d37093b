"""Secrets in files are whole or not there, and the same for everybody who makes them at once."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from kokoa.processes import kept_secret

DIE = """
import os, signal, sys
from pathlib import Path
from kokoa.processes import kept_secret
kept_secret(Path(sys.argv[1]), lambda: os.kill(os.getpid(), signal.SIGKILL))
"""
MAKE = """
import os, sys
from pathlib import Path
from kokoa.processes import kept_secret
sys.stdin.readline()
print(kept_secret(Path(sys.argv[1]), lambda: os.urandom(32)).hex())
"""


def test_a_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "key"
    made = kept_secret(path, lambda: os.urandom(32))
    assert len(made) == 32
    assert kept_secret(path, lambda: b"another") == made
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_who_is_killed_while_making_one_leaves_none(tmp_path: Path) -> None:
    """As a first start that is killed at the worst moment: the file is open, nothing is in it."""
    path = tmp_path / "key"
    killed = subprocess.run([sys.executable, "-c", DIE, str(path)])
    assert killed.returncode == -signal.SIGKILL
    assert not path.exists()
    assert kept_secret(path, lambda: b"whole") == b"whole"


def test_all_who_make_it_at_once_have_the_same(tmp_path: Path) -> None:
    words = [sys.executable, "-c", MAKE, str(tmp_path / "key")]
    pipe = subprocess.PIPE
    makers = [subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) for _ in range(6)]
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.write("now\n")
        maker.stdin.flush()
    found = {maker.communicate(timeout=60)[0] for maker in makers}
    assert len(found) == 1
    assert len(bytes.fromhex(found.pop())) == 32
