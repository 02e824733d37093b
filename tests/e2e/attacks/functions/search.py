"""Looks for a text in every file that it can read in the places where functions leave things. event: the text."""

import os
from typing import Any

import attacking

PLACES = ("/tmp", "/dev/shm", "/var/task", "/opt", "/var/runtime", "/dev/mqueue")


def handler(event: Any, context: Any) -> Any:
    """The files that have it."""
    found = []
    for place in PLACES:
        for folder, _, names in os.walk(place):
            for name in names:
                path = os.path.join(folder, name)
                if not path.startswith("/var/task/handler") and event in attacking.read(path):
                    found.append(path)
    return found
