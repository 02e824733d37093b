"""Who goes first on the processors."""

import subprocess
import sys
from pathlib import Path

from kokoa.processes.priority import NICENESS

GIVE_WAY = """
import os
from pathlib import Path
from kokoa.processes.priority import NICENESS, give_way
give_way()
assert os.getpriority(os.PRIO_PROCESS, 0) == NICENESS
group = Path("/proc/self/autogroup")
# It is empty in the session of the machine's first process.
print((group.read_text().split() if group.exists() else [])[-1:] or "none")
"""


def niceness_of_its_group(*, leader: bool) -> str:
    """Of a process that gives way."""
    made = subprocess.run(
        [sys.executable, "-c", GIVE_WAY],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        start_new_session=leader,
    )
    return made.stdout.strip()


def test_a_process_that_gives_way_is_nice_and_so_is_the_session_that_it_leads() -> None:
    assert niceness_of_its_group(leader=True) in {f"['{NICENESS}']", "none"}


def test_the_sessions_of_others_stay_as_they_are() -> None:
    group = Path("/proc/self/autogroup")
    ours = str((group.read_text().split() if group.exists() else [])[-1:] or "none")
    assert niceness_of_its_group(leader=False) == ours
