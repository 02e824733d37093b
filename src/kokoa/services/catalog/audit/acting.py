"""Who acts: known to every transaction of catalog while a mutation runs, so that none can forget to say.

A context variable and no parameter, because the history is written by triggers, for any statement that changes a
product; whoever adds a mutation has nothing to hand on.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import msgspec

from kokoa.kernel.call import Call, Caller
from kokoa.postgres import Transaction, load_queries

queries = load_queries(Path(__file__).with_name("queries.sql"))

_acting: ContextVar[tuple[Caller, str] | None] = ContextVar("acting", default=None)


@contextmanager
def acting(caller: Caller, correlation_id: str) -> Iterator[None]:
    """Changes that are made meanwhile are this caller's."""
    token = _acting.set((caller, correlation_id))
    try:
        yield
    finally:
        _acting.reset(token)


async def note_caller(tx: Transaction) -> None:
    """Tell a transaction who acts; one statement."""
    if (found := _acting.get()) is not None:
        caller, correlation_id = found
        known = {"kind": caller.kind, "subject": caller.subject, "scopes": sorted(caller.scopes)}
        await tx.execute(queries.note_caller, msgspec.json.encode(known).decode(), correlation_id)


def as_callers(resolvers: Mapping[str, Any]) -> dict[str, Any]:
    """The same resolvers, of which each mutation acts as who calls it."""
    return {name: _acts(one) if name.startswith("Mutation.") else one for name, one in resolvers.items()}


def _acts(resolve: Any) -> Any:
    async def resolve_as_caller(parents: Any, args: Mapping[str, Any], call: Call) -> Any:
        with acting(call.caller, call.correlation_id):
            return await resolve(parents, args, call)

    return resolve_as_caller
