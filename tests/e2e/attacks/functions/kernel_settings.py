"""Settings of the kernel: writes to each the very value it has, so that success harms nobody. event: the paths."""

from typing import Any

import attacking


def handler(event: Any, context: Any) -> Any:
    """Those that could be written."""
    return [path for path in event if attacking.write(path, attacking.read(path) or "0")]
