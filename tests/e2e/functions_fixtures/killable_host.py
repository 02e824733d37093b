"""A host in a process of its own that keeps two functions busy, for a test that kills it."""

import asyncio
import sys
from pathlib import Path

from hosting import eventually, running_host


async def main(folder: Path) -> None:
    """Run until killed; the file `busy` appears once both functions run."""
    async with running_host(folder, socket_path=folder / "host.sock") as host:
        source = "from time import sleep\nprint('up')\ndef handler(event, context): sleep(event)"
        calls = [asyncio.ensure_future(host.answer(host.function(source, timeout_s=60), 60)) for _ in range(2)]
        await eventually(lambda: sum(record.message == "up\n" for record in host.logs.records) == 2, "both run")
        for number in range(3):  # idle, and soon frozen
            await host.answer(host.function(f"def handler(event, context): return {number}"))
        (folder / "busy").touch()
        await asyncio.gather(*calls)


asyncio.run(main(Path(sys.argv[1])))
