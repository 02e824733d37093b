"""NATS: the embedded server, streams and durable consumers, notices, the outbox relay."""

from kokoa.messaging.bus import Bus, BusUnavailable, Message, Outgoing, SomeFailed
from kokoa.messaging.embedded import EmbeddedNats
from kokoa.messaging.relay import relay, relay_once

__all__ = ["Bus", "BusUnavailable", "EmbeddedNats", "Message", "Outgoing", "SomeFailed", "relay", "relay_once"]
