"""The events that a consumer sees which reads the stream from its beginning to its end."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import nats
from nats.js.api import ConsumerConfig, DeliverPolicy

_NEXT_S = 30.0


def events_of(state_dir: Path, environment_id: str = "*") -> list[dict[str, Any]]:
    """Every event in the stream, in order, by an ordered consumer of its own."""
    return asyncio.run(_read(state_dir, f"events.{environment_id}.>"))


async def _read(state_dir: Path, subject: str) -> list[dict[str, Any]]:
    url = json.loads((state_dir / "servers.json").read_text())["nats_url"]
    client = await nats.connect(url, connect_timeout=10)
    try:
        streams = client.jetstream(timeout=_NEXT_S)
        config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL)
        reader = await streams.subscribe(subject, stream="EVENTS", ordered_consumer=True, config=config)
        # Counted by the stream: what a consumer has pending goes down while it is being asked.
        state = (await streams.stream_info("EVENTS", subjects_filter=subject)).state
        waiting = sum((state.subjects or {}).values())
        found: list[dict[str, Any]] = []
        while len(found) < waiting:
            found.append(json.loads((await reader.next_msg(_NEXT_S)).data))
        return found
    finally:
        await client.close()


def require_each_once(events: list[dict[str, Any]]) -> None:
    """No event is there twice: neither an id, nor the same fact under another id."""
    ids = Counter(event["id"] for event in events)
    assert [event_id for event_id, count in ids.items() if count > 1] == []
    made = Counter(event["data"]["product_id"] for event in events if event["type"] == "ProductCreated")
    assert [product for product, count in made.items() if count > 1] == []


def created_products(events: list[dict[str, Any]]) -> set[str]:
    """The ids of products that an event says were made."""
    return {event["data"]["product_id"] for event in events if event["type"] == "ProductCreated"}
