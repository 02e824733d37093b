"""NATS: the embedded server, streams and durable consumers, notices, the outbox relay."""

from kokoa.messaging.bus import Bus, BusUnavailable, Message, Outgoing, SomeFailed
from kokoa.messaging.embedded import EmbeddedNats
from kokoa.messaging.relay import relay, relay_once
from kokoa.messaging.together import Together

__all__ = [
    "Bus",
    "BusUnavailable",
    "EmbeddedNats",
    "Message",
    "Outgoing",
    "SomeFailed",
    "Together",
    "relay",
    "relay_once",
]
