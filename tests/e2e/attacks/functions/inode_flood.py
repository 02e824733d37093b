"""Empty files without end: they take no room in /tmp, but memory of the kernel."""

import os
from typing import Any


def handler(event: Any, context: Any) -> Any:
    """How many there were, if that ends otherwise than by force."""
    count = 0
    try:
        while count < 3_000_000:
            if count % 10_000 == 0:
                os.mkdir(f"/tmp/{count // 10_000}")
            os.close(os.open(f"/tmp/{count // 10_000}/{count}", os.O_CREAT))
            count += 1
    except OSError:
        pass
    return count
