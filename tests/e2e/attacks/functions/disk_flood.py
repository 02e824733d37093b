"""Files without end in every place that can be written. event: where to stop in MB."""

import os
from typing import Any

PLACES = ("/tmp", "/dev/shm", "/dev", "/var", "/", "/run", "/opt")


def handler(event: Any, context: Any) -> Any:
    """MB written, by place."""
    written = {}
    for place in PLACES:
        count = 0
        try:
            with open(f"{place}/flood", "wb", buffering=0) as file:
                while count < event:
                    count += file.write(bytes(1 << 20)) / (1 << 20)
        except OSError:
            pass
        if count:
            written[place] = round(count)
            os.unlink(f"{place}/flood")
    return written
