"""Passwords, hashed by Argon2id in threads: OWASP's parameters, a few at a time."""

import asyncio
import os
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from kokoa.services.customers.errors import TooManySignIns

# https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html: 19 MiB, 2 passes, 1 lane (30 ms)
_MEMORY_KIB, _PASSES, _LANES = 19_456, 2, 1
_AT_ONCE, _WAITING_MAX = 2, 64

_Result = TypeVar("_Result")


class Passwords:
    """At most two of a process are worked on at a time, and at most 64 wait. Raises TooManySignIns beyond that."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self._nobodys = _hash(os.urandom(16).hex())

    async def hash(self, password: str) -> str:
        """In PHC's form."""
        return await self._in_turn(partial(_hash, password))

    async def fits(self, password: str, hashed: str | None) -> bool:
        """hashed: None if there is none; that takes as long, so that nobody learns who has an account."""
        right = await self._in_turn(partial(_fits, password, hashed or self._nobodys))
        return right and hashed is not None

    async def _in_turn(self, work: Callable[[], _Result]) -> _Result:
        if self._waiting >= _WAITING_MAX:
            raise TooManySignIns("Too many sign in at once. Try again shortly.", retry_after_s=2.0)
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


def _hash(password: str) -> str:
    kdf = Argon2id(salt=os.urandom(16), length=32, iterations=_PASSES, lanes=_LANES, memory_cost=_MEMORY_KIB)
    return kdf.derive_phc_encoded(password.encode())


def _fits(password: str, hashed: str) -> bool:
    try:
        Argon2id.verify_phc_encoded(password.encode(), hashed)
    except InvalidKey:
        return False
    return True
