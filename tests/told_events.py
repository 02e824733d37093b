"""All that a service has told is what its published schema says: the outbox is read when a test's database goes."""

import json
from functools import cache
from pathlib import Path

import asyncpg
import jsonschema_rs

CONTRACTS = Path(__file__).parents[1] / "contracts" / "events"


@cache
def _validator(source: str, name: str, version: int) -> tuple[jsonschema_rs.Draft202012Validator, frozenset[str]]:
    """With the fields that it knows."""
    schema = json.loads((CONTRACTS / source / f"{name}.{version}.json").read_text())
    return jsonschema_rs.Draft202012Validator(schema), frozenset(schema["properties"]["data"]["properties"])


def check_message(payload: bytes) -> str:
    """The type of a message that is as published; raises for another."""
    message = json.loads(payload)
    validator, fields = _validator(message["source"], message["type"], message["schema_version"])
    validator.validate(message)
    unknown = message["data"].keys() - fields
    assert not unknown, f"{message['type']} tells {sorted(unknown)}, which its schema does not have"
    return str(message["type"])


async def check_told(dsn: str, service: str) -> set[str]:
    """The types of all events that wait in a service's outbox, each of which is as published."""
    admin = await asyncpg.connect(dsn)
    try:
        rows = await admin.fetch(f"SELECT payload FROM {service}.outbox")
    finally:
        await admin.close()
    return {check_message(row["payload"]) for row in rows}
