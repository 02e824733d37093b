"""Named steps: the table and the calls agree, and an armed step stops one process, once."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from kokoa.processes.steps import STEPS, VARIABLE

SOURCE = Path(__file__).parents[3] / "src" / "kokoa"
REACH = "import sys\nfrom kokoa.processes.steps import reached\nreached(sys.argv[1])\nprint('went on', flush=True)\n"


def called() -> list[str]:
    texts = [path.read_text() for path in SOURCE.rglob("*.py") if path.name != "steps.py"]
    return [step for text in texts for step in re.findall(r'\breached\("([^"]*)"\)', text)]


def start(folder: Path | None, step: str) -> "subprocess.Popen[bytes]":
    variables = {**os.environ, VARIABLE: str(folder)} if folder else dict(os.environ)
    return subprocess.Popen([sys.executable, "-c", REACH, step], env=variables, stdout=subprocess.PIPE)


def test_every_step_is_called_exactly_once_and_every_call_is_in_the_table() -> None:
    assert sorted(called()) == sorted(STEPS)
    for step, sentence in STEPS.items():
        assert re.fullmatch(r"[a-z]+\.[a-z_]+", step)
        assert sentence.endswith(".")


def test_without_the_variable_a_step_is_nothing() -> None:
    output, _ = start(None, "relay.read").communicate(timeout=60)
    assert output == b"went on\n"


def test_a_step_that_is_not_armed_stops_nobody(tmp_path: Path) -> None:
    for name in ("armed", "reached"):
        (tmp_path / name).mkdir()
    (tmp_path / "armed" / "relay.marked").touch()
    output, _ = start(tmp_path, "relay.read").communicate(timeout=60)
    assert output == b"went on\n"
    assert (tmp_path / "armed" / "relay.marked").exists()


def test_an_armed_step_stops_the_first_process_and_no_other(tmp_path: Path) -> None:
    for name in ("armed", "reached"):
        (tmp_path / name).mkdir()
    (tmp_path / "armed" / "relay.read").touch()
    first = start(tmp_path, "relay.read")
    _, status = os.waitpid(first.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert (tmp_path / "reached" / "relay.read").read_text() == str(first.pid)
    second, _ = start(tmp_path, "relay.read").communicate(timeout=60)
    assert second == b"went on\n"
    os.kill(first.pid, signal.SIGCONT)
    output, _ = first.communicate(timeout=60)
    assert output == b"went on\n"
