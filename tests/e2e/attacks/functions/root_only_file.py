"""A file of root's alone that lies in a folder which all sandboxes see. event: its path."""

from typing import Any

import attacking


def handler(event: Any, context: Any) -> Any:
    """What is in it."""
    return attacking.read(event)
