"""Runs between fork and exec of a child: drop to a user, ask to die with the parent, become the program.

Called as `python -I -S launch.py PARENT_PID UID GID SIGNAL PROGRAM ARGUMENTS…`. It is a program of its own, and
not a `preexec_fn`, because Python code between fork and exec can deadlock in a process that has threads.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    parent_pid, uid, gid, signal_number = (int(text) for text in arguments[:4])
    if os.geteuid() == 0 and uid != 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # After setuid: a change of credentials clears the parent-death signal (prctl(2)).
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent_pid:  # the parent died before we asked
        sys.exit(1)
    os.execv(arguments[4], arguments[4:])  # noqa: S606 (no shell is the point)


if __name__ == "__main__":
    main(sys.argv[1:])
