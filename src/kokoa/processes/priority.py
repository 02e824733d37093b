"""Who goes first on the processors."""

import contextlib
import os
from pathlib import Path

NICENESS = 10
"""A tenth of another process's weight (sched(7)): it leaves the machine to others, and never starves."""

_AUTOGROUP = Path("/proc/self/autogroup")


def give_way() -> None:
    """Let all other processes go before this one, from now on.

    Where Linux groups processes by session (autogroup), niceness counts within a session only; then the session, of
    which this process must be the leader, is made as nice.
    """
    os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):  # not every kernel has it
            _AUTOGROUP.write_text(str(NICENESS))
