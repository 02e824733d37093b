"""What the tests of the AWS endpoint share: packages, how a refusal is read, waiting for a condition."""

import asyncio
import io
import zipfile
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::000000000000:role/any"
DEADLINE_S = 10.0


def zipped(**files: str) -> bytes:
    """A package; `handler__py="…"` is the file handler.py."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "."), text)
    return content.getvalue()


async def refused(call: Any) -> tuple[str, int, str]:
    """The code, status and message of the error that a call ends in."""
    with pytest.raises(ClientError) as caught:
        await call
    response = caught.value.response
    return (
        response["Error"]["Code"],
        response["ResponseMetadata"]["HTTPStatusCode"],
        response["Error"]["Message"],
    )


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask again until it holds."""
    async with asyncio.timeout(DEADLINE_S):
        while not await condition():
            await asyncio.sleep(0.05)
