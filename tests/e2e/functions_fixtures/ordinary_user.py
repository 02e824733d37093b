"""Run one function on a host that is not root, and print what it saw."""

import asyncio
import tempfile
from pathlib import Path

from hosting import running_host


async def main() -> None:
    """One invocation."""
    with tempfile.TemporaryDirectory() as folder:
        async with running_host(Path(folder)) as host:
            function = host.function("import os\ndef handler(event, context): return f'{os.getuid()} {event}'")
            print(await host.answer(function, "hello"))


asyncio.run(main())
