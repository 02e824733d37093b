"""Writes to what all sandboxes read. event: the folders."""

import os
from typing import Any

import attacking


def handler(event: Any, context: Any) -> Any:
    """Where a file could be made."""
    made = [folder for folder in event if attacking.write(f"{folder}/attack", "was here")]
    for folder in made:
        os.unlink(f"{folder}/attack")
    return made
