"""kill -9 of each kind of process while fifty requests are in flight: nobody is left hanging, nothing is lost."""

import asyncio
import os
import random
from collections.abc import Iterator

import pytest
from books import require_the_books_agree
from callers import IN_FLIGHT, Callers
from hurt_store import KINDS, PATIENCE_S, HurtStore, hurt_store
from journeys import prepare
from running import until

COMPLETE = os.environ.get("FAULTS") == "complete"
ROUNDS = 5 if COMPLETE else 1
pytestmark = pytest.mark.timeout(300 * ROUNDS)  # a busy machine takes its time; what hangs is named before that
_SEED = int.from_bytes(os.urandom(4), "big")


@pytest.fixture(scope="module")
def hurt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HurtStore]:
    """One store for all of them."""
    with hurt_store(tmp_path_factory.mktemp("random") / "state") as store:
        prepare(store)
        yield store


async def test_kills_at_random_moments_lose_nothing_that_was_acknowledged(hurt: HurtStore) -> None:
    moments = random.Random(_SEED)
    async with Callers(hurt, prefix="random") as callers:
        for victim in [*KINDS] * ROUNDS:
            await served(callers, 1, victim)
            await asyncio.sleep(moments.uniform(0, 0.5))
            await asyncio.to_thread(hurt.kill, victim)
            await served(callers, 2, victim)
    assert not callers.not_allowed, f"seed {_SEED}: {callers.told}"
    assert sum(callers.told.values()) > IN_FLIGHT
    await asyncio.to_thread(require_the_books_agree, hurt, callers.written)


async def served(callers: Callers, count: int, victim: str) -> None:
    """Wait until so many more calls of each kind were served."""
    before = {call: callers.done(call) for call in ("write", "list", "invoke")}
    try:
        async with asyncio.timeout(PATIENCE_S):
            while any(callers.done(call) < had + count for call, had in before.items()):
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"no service after the kill of {victim}, seed {_SEED}: {callers.told}") from None


async def test_a_killed_store_has_everything_at_its_next_start(hurt: HurtStore) -> None:
    callers = Callers(hurt, prefix="restart")
    async with callers:
        await served(callers, 3, "nobody")
        await asyncio.to_thread(hurt.kill_up)
    assert not callers.not_allowed, callers.told
    await asyncio.to_thread(hurt.start)
    await asyncio.to_thread(require_the_books_agree, hurt, callers.written)
    await asyncio.to_thread(until, hurt.serves, within_s=PATIENCE_S, what="the store")
