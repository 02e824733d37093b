"""PostgreSQL or NATS stop answering without dying: callers get an answer or a retryable error in bounded time."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator

import pytest
from books import require_the_books_agree
from callers import Callers
from families import descendants
from hurt_store import PATIENCE_S, HurtStore, hurt_store
from journeys import prepare
from running import until

pytestmark = pytest.mark.timeout(300)  # a busy machine takes its time; what hangs is named before that

# Longer than a statement and a call may take. `make test` waits only until it sees what callers are told meanwhile.
FREEZE_S = 40.0 if os.environ.get("FAULTS") == "complete" else 0.0
MEANWHILE = {"postgres": ("write", "again"), "nats": ("list", "done")}


@pytest.fixture(scope="module")
def hurt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HurtStore]:
    """One store for both."""
    with hurt_store(tmp_path_factory.mktemp("slow") / "state") as store:
        prepare(store)
        yield store


@contextlib.contextmanager
def frozen(hurt: HurtStore, kind: str) -> Iterator[None]:
    """Stop a server with all its children, as a machine does that swaps or whose disk hangs."""
    (server,) = hurt.find(kind)[:1]
    os.kill(server.pid, signal.SIGSTOP)  # first, so that it makes no more children
    family = [server.pid, *(child.pid for child in descendants(server.pid))]
    try:
        for pid in family[1:]:
            with contextlib.suppress(ProcessLookupError):  # it had just done its work
                os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in reversed(family):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("kind", ["postgres", "nats"])
async def test_a_server_that_hangs_leaves_no_caller_hanging(hurt: HurtStore, kind: str) -> None:
    async with Callers(hurt, prefix=f"slow{kind}") as callers:
        await progress(callers)
        with frozen(hurt, kind):
            before = callers.told[MEANWHILE[kind]]
            async with asyncio.timeout(PATIENCE_S):
                while callers.told[MEANWHILE[kind]] < before + 10:
                    await asyncio.sleep(0.05)
            await asyncio.sleep(FREEZE_S)
        await progress(callers)
    assert not callers.not_allowed, callers.told
    await asyncio.to_thread(until, hurt.serves, within_s=PATIENCE_S, what="the store")
    await asyncio.to_thread(require_the_books_agree, hurt, callers.written)


async def progress(callers: Callers) -> None:
    """Wait until a few more calls of each kind are served."""
    calls = ("write", "list", "invoke")
    before = {call: callers.done(call) for call in calls}
    async with asyncio.timeout(PATIENCE_S):
        while any(callers.done(call) < before[call] + 3 for call in calls):
            await asyncio.sleep(0.05)
