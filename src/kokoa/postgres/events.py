"""Events: facts in the past tense, written to the outbox in the transaction that made them true."""

from typing import Any, ClassVar

import msgspec

from kokoa.kernel.clock import now_ms


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Subclass it in a service's events.py; the class name is the event's type.

    After a change write its contract anew: tools/event_contracts.py, which also says when that takes another version.
    """

    schema_version: ClassVar[int] = 1

    def key(self) -> str:
        """Events with the same key reach consumers in the order they were made."""
        raise NotImplementedError

    @classmethod
    def event_type(cls) -> str:
        return cls.__name__


class Envelope(msgspec.Struct, frozen=True):
    """What travels.  time_ms: unix time.  source: the service.  data: the event's own fields.

    schema_version: of the data, as in contracts/events.
    """

    id: str
    type: str
    source: str
    environment_id: str
    key: str
    correlation_id: str
    time_ms: int
    data: dict[str, Any]
    schema_version: int = 1

    def subject(self) -> str:
        """The JetStream subject: one for each environment, service and type."""
        return f"events.{self.environment_id}.{self.source}.{self.type}"


def envelope(event: Event, event_id: str, environment_id: str, source: str, correlation_id: str) -> bytes:
    """The event in its envelope, as JSON."""
    return msgspec.json.encode(
        Envelope(
            id=event_id,
            type=event.event_type(),
            source=source,
            environment_id=environment_id,
            key=event.key(),
            correlation_id=correlation_id,
            time_ms=now_ms(),
            data=msgspec.to_builtins(event),
            schema_version=event.schema_version,
        )
    )
