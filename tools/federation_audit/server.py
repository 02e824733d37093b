"""The audit's own server: its dependencies installed, started, stopped. It keeps state, so each run has its own."""

import asyncio
import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 10

# Node 20 has no Promise.withResolvers, which the audit uses.
POLYFILL = """
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new Promise((yes, no) => { resolve = yes; reject = no; });
  return { promise, resolve, reject };
};
"""


class AuditUnusable(Exception):
    """The folder holds no audit, or its server does not start; the message says what to do."""


def install(folder: Path) -> None:
    """Install what the audit's server needs, and no more, in a folder beside its sources."""
    manifest = folder / "package.json"
    if not (folder / "src" / "cli.ts").is_file() or not manifest.is_file():
        raise AuditUnusable(f"{folder} holds no audit: unpack graphql-hive/federation-gateway-audit there.")
    if (folder / "node_modules" / "tsx").is_dir():
        return
    wanted = json.loads(manifest.read_text())
    needed = [f"{name}@{version}" for name, version in wanted.get("dependencies", {}).items()]
    needed += [f"{name}@{wanted['devDependencies'][name]}" for name in ("tsx", "graphql")]
    with tempfile.TemporaryDirectory(dir=folder) as name:
        # The audit also names every gateway it has judged; installing into an empty folder leaves those out.
        (Path(name) / "package.json").write_text('{"name": "audit-server", "private": true}')
        command = ["npm", "install", "--no-audit", "--no-fund", "--save-exact", *needed]
        done = subprocess.run(command, cwd=name, capture_output=True, text=True)  # noqa: S603
        if done.returncode != 0:
            raise AuditUnusable(f"npm install failed:\n{done.stderr[-2000:]}")
        (Path(name) / "node_modules").rename(folder / "node_modules")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def serving(folder: Path, *, punish: bool) -> AsyncIterator[str]:
    """The server's address, while it runs. punish: whether its subgraphs refuse what a good plan would not ask."""
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        polyfill = Path(name) / "polyfill.mjs"
        polyfill.write_text(POLYFILL)
        process = await asyncio.create_subprocess_exec(
            "node", "--import", str(polyfill), "--import", "tsx", "src/cli.ts", "serve", "--port", str(port),
            cwd=folder,
            env={**os.environ, "PUNISH_FOR_POOR_PLANS": "1" if punish else "0"},
            stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            address = f"http://127.0.0.1:{port}"
            await _until_ready(address, process)
            yield address
        finally:
            await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _until_ready(address: str, process: asyncio.subprocess.Process) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < deadline:
            if process.returncode is not None:
                raise AuditUnusable("The audit's server ended; what it wrote stands above.")
            try:
                async with session.get(f"{address}/ids") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
    raise AuditUnusable(f"The audit's server did not answer in {START_TIMEOUT_S} s.")
