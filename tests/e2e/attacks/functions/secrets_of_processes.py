"""Environments, command lines and mounts of every process that can be seen. event: secrets to look for."""

import glob
from typing import Any

import attacking

PLACES = ("environ", "cmdline", "mountinfo", "maps", "cgroup", "status", "net/unix", "net/tcp")


def handler(event: Any, context: Any) -> Any:
    """The secrets that were found, and where."""
    paths = [path for place in PLACES for path in glob.glob(f"/proc/*/{place}")]
    return [[secret, path] for path in paths for secret in event if secret in attacking.read(path)]
