"""Subscriptions: a source of events, and one response for each (GraphQL §6.2.3).

A source is registered like a resolver, under `Subscription.<field>`: `(args, call) -> async iterator`, mostly an
async generator function. What it yields is the value of the field; everything below runs breadth-first like any other
operation. The source is closed when the client leaves, so its clean-up belongs in a `finally`.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from inspect import isawaitable
from typing import Any, TypeAlias

import msgspec

from kokoa.graphql.errors import Reporter, ResolverContractBroken, SubscriptionNeedsStream
from kokoa.graphql.limits import Limits
from kokoa.graphql.preparing import Prepared
from kokoa.graphql.program import Field
from kokoa.graphql.result import ExecutionResult
from kokoa.graphql.run import Run
from kokoa.graphql.scopes import meets, missing_scope
from kokoa.kernel.call import DEADLINE_DEFAULT_MS, Call
from kokoa.kernel.clock import now_ms

Source: TypeAlias = Callable[[Mapping[str, Any], Call], AsyncIterator[Any] | Awaitable[AsyncIterator[Any]]]

NEEDS_STREAM = SubscriptionNeedsStream(
    "A subscription is answered as a stream of events: send the header Accept: text/event-stream."
)


def resolve_event(parents: Any, _args: Mapping[str, Any], _call: Call) -> Any:
    """The resolver of a subscription's root field: the event is its value."""
    return list(parents)


async def responses(
    ready: Prepared, sources: Mapping[str, Source], call: Call, limits: Limits
) -> AsyncGenerator[ExecutionResult, None]:
    """One response for each event of a subscription, each with a deadline of its own.

    A source that cannot be opened, or breaks, ends the stream with a response that holds only the error.
    """
    reporter = Reporter(call.correlation_id)
    (field,) = ready.program.root.fields
    events: AsyncIterator[Any] | None = None
    try:
        events = await _open(field, sources, ready, call)
        async for event in events:
            fresh = msgspec.structs.replace(call, deadline_ms=now_ms() + DEADLINE_DEFAULT_MS)
            yield await Run(ready.program, ready.variables, fresh, limits).execute(event)
    except Exception as error:
        entry = reporter.entry(
            error, path=[field.key], locations=field.locations, coordinate=f"{field.coordinate} (source)"
        )
        yield ExecutionResult(errors=[entry])
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()


async def _open(field: Field, sources: Mapping[str, Source], ready: Prepared, call: Call) -> AsyncIterator[Any]:
    """Raises Forbidden, BadUserInput, what the source raises, and ResolverContractBroken."""
    if field.requirement and not meets(call.caller, field.requirement):
        raise missing_scope(field.coordinate, field.requirement)
    opened: Any = sources[field.coordinate](field.arguments(ready.variables), call)
    if isawaitable(opened):
        opened = await opened
    if not hasattr(opened, "__aiter__"):
        raise ResolverContractBroken(
            f"The source of {field.coordinate} returned {type(opened).__name__}; it must return an async iterator. "
            "An async function with `yield` does."
        )
    events: AsyncIterator[Any] = aiter(opened)
    return events
