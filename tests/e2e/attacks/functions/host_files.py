"""Files of the machine and of the store, by their own paths and around corners. event: the paths."""

import os
from typing import Any

import attacking

CORNERS = ("", "/proc/1/root", "/proc/self/root", "/proc/1/cwd/..", "/var/task/../..", "/dev/fd/../../..")


def handler(event: Any, context: Any) -> Any:
    """What exists."""
    return [corner + path for path in event for corner in CORNERS if attacking.got(lambda: os.lstat(corner + path))]
