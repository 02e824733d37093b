"""Write contracts/events/ and docs/reference/events.md from the event classes themselves; `--check` only compares.

A file is the JSON Schema (2020-12) of one version of one event, in its envelope:
contracts/events/<source>/<Type>.<version>.json.
What is published there is kept: a change that consumers could fall over is refused, with what to do instead.
"""

import importlib
import json
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

import kokoa
from kokoa.postgres import Envelope, Event

ROOT = Path(__file__).parents[1]
CONTRACTS = ROOT / "contracts" / "events"
PAGE = ROOT / "docs" / "reference" / "events.md"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
EXAMPLE_ID = "0199d3a0-5b7e-7c11-9a4e-3f0c5d2b8e01"
EXAMPLE_MOMENT = "2026-01-31T12:00:00Z"
# What a field says about itself without being of its type: an example that says nothing would not help.
WORDS: Mapping[str, Any] = {
    "code": "PAYMENT_DECLINED",
    "currency": "EUR",
    "default": "en",
    "destination": "erp.example.com:443",
    "email": "maija@example.com",
    "environment_id": EXAMPLE_ID,
    "function_name": "price",
    "kind": "route",
    "locale": "fi",
    "number": "10001",
    "on": "PRODUCT",
    "operation": "CHARGE",
    "pattern": "GET /api/products",
    "previous_status": "DRAFT",
    "provider": "manual",
    "sku": "LAMP-BLACK",
    "status": "PUBLISHED",
    "subject": "Product.price",
    "url": "https://pay.example.com/3f0c",
}
HEAD = """# Events

<!-- Written by tools/event_contracts.py. Change the event classes, then run it again. -->

What happens in a store is told by events. An event is written in the transaction that made it true, and brought to
the stream `EVENTS` of NATS JetStream on the subject `events.<environment id>.<source>.<type>`: at least once, those
with the same key in their order. Whoever consumes them knows one by its `id` when it comes again.

| field of the envelope | what |
|---|---|
| `id` | the event's own, a UUID |
| `type`, `schema_version` | name and version, as below |
| `source` | the service that tells it |
| `environment_id` | whose it is |
| `key` | events with the same key keep their order |
| `correlation_id` | of the request that made it |
| `time_ms` | unix time in milliseconds |
| `data` | the fields below |

The schemas are in [contracts/events](../../contracts/events), one JSON Schema (2020-12) a version. A version never
loses a field, and no field of it changes its type; fields may be added. So accept fields that you do not know.

## Who hears them

| who | how, today |
|---|---|
| whoever runs the store | a durable consumer of `EVENTS`, its subject narrowed to an environment and types |
| storefronts, partners | `subscription { productChanged }` of the [graph](graphql.md): server-sent events |
| other systems | the feeds `productChanges`, `stockChanges`, `customerChanges`: with `since` nothing is missed |

Functions are not invoked by events yet, and NATS is for the store's own processes: it has the events of all
environments.
"""


class Contract(msgspec.Struct, frozen=True):
    """One version of one event."""

    event: type[Event]
    source: str

    @property
    def path(self) -> Path:
        return CONTRACTS / self.source / f"{self.event.event_type()}.{self.event.schema_version}.json"

    def schema(self) -> dict[str, Any]:
        """Of the whole message."""
        name, version = self.event.event_type(), self.event.schema_version
        data = _schema_of(self.event)
        properties = dict(_schema_of(Envelope)["properties"])
        properties |= {
            "type": {"const": name},
            "source": {"const": self.source},
            "schema_version": {"const": version},
        }
        properties["data"] = {key: data[key] for key in ("type", "properties", "required")}
        about = self.event.__doc__ or ""
        return {
            "$schema": DIALECT,
            "$id": f"urn:kokoa:event:{self.source}:{name}:{version}",
            "title": name,
            "description": " ".join(about.split()),
            "type": "object",
            "properties": properties,
            # Messages of before there were versions have none: they are the first.
            "required": [field for field in properties if field != "schema_version" or version > 1],
            "examples": [self._example(data)],
        }

    def text(self) -> str:
        """As it is in the file."""
        return json.dumps(self.schema(), indent=2, ensure_ascii=False) + "\n"

    def _example(self, data: Mapping[str, Any]) -> dict[str, Any]:
        values = {field: _value(field, about) for field, about in data["properties"].items()}
        event = msgspec.convert(values, self.event)
        return {
            "id": EXAMPLE_ID,
            "type": self.event.event_type(),
            "source": self.source,
            "environment_id": EXAMPLE_ID,
            "key": event.key(),
            "correlation_id": "3f0c5d2b8e01",
            "time_ms": 1_769_860_800_000,
            "data": msgspec.to_builtins(event),
            "schema_version": self.event.schema_version,
        }


def contracts() -> list[Contract]:
    """Of every event that is told, by its source and name."""
    for module in pkgutil.walk_packages(kokoa.__path__, "kokoa."):
        importlib.import_module(module.name)
    ours = {event for event in _below(Event) if event.__module__.startswith("kokoa.") and not event.__subclasses__()}
    found = [Contract(event, _source(event)) for event in ours]
    return sorted(found, key=lambda one: (one.source, one.event.event_type()))


def _below(event: type[Event]) -> Iterator[type[Event]]:
    for child in event.__subclasses__():
        yield child
        yield from _below(child)


def _source(event: type[Event]) -> str:
    """kokoa.services.catalog.custom_fields.events → catalog"""
    parts = event.__module__.split(".")
    return parts[2] if parts[1] == "services" else parts[1]


def _schema_of(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Without references, and without titles of classes."""
    (schema,), components = msgspec.json.schema_components([struct], ref_template="#/{name}")
    found = dict(components[schema["$ref"].removeprefix("#/")])
    found.setdefault("required", [])
    return found


def _value(field: str, about: Mapping[str, Any]) -> Any:
    kinds = [one.get("type") for one in about.get("anyOf", [about])]
    if "array" in kinds:
        return [WORDS["sku"]] if field == "skus" else ["Product.id"]
    if "integer" in kinds:
        return 8990 if field.endswith("_minor") else 3
    if "boolean" in kinds:
        return True
    if field.endswith(("_at", "until")):
        return EXAMPLE_MOMENT
    if field == "account_id":
        return "100000000001"
    return WORDS.get(field, EXAMPLE_ID if field.endswith("_id") else f"a-{field.replace('_', '-')}")


def refusals(published: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What consumers of a published schema could fall over if it became this one."""
    found = []
    before, after = published["properties"]["data"], now["properties"]["data"]
    for field, about in before["properties"].items():
        if field not in after["properties"]:
            found.append(f"`{field}` is gone")
        elif _kind(about) != _kind(after["properties"][field]):
            found.append(f"`{field}` is of another type")
        elif field in before["required"] and field not in after["required"]:
            found.append(f"`{field}` may be missing")
    return found


def _kind(about: Mapping[str, Any]) -> Any:
    """A type without what is said about it."""
    return {key: value for key, value in about.items() if key not in ("default", "description", "examples", "title")}


def problems(folder: Path, found: Iterable[Contract]) -> tuple[list[str], list[str]]:
    """(what is refused, what is not current) of the files in a folder."""
    refused, stale = [], []
    known = {one.path.relative_to(CONTRACTS): one for one in found}
    for place, one in known.items():
        file = folder / place
        if not file.exists():
            stale.append(f"{place} is missing")
        elif file.read_text() != one.text():
            stale.append(f"{place} is not current")
            refused += [f"{place}: {why}" for why in refusals(json.loads(file.read_text()), one.schema())]
    newest = {(place.parent, one.event.event_type()): one.event.schema_version for place, one in known.items()}
    for file in sorted(folder.rglob("*.json")):
        place = file.relative_to(folder)
        name, version, _ = place.name.split(".")
        if int(version) > newest.get((place.parent, name), 0):
            refused.append(f"{place}: nobody tells it any more")
    return refused, stale


def page(found: Iterable[Contract]) -> str:
    """docs/reference/events.md"""
    parts = [HEAD]
    by_source: dict[str, list[str]] = {}
    for one in found:
        data = one.schema()["properties"]["data"]["properties"]
        fields = ", ".join(f"`{field}` {_shown(about)}" for field, about in data.items())
        about = (one.event.__doc__ or "").strip().partition("\n")[0].replace("|", "\\|")
        row = f"| `{one.event.event_type()}` | {one.event.schema_version} | {about} | {fields} |"
        by_source.setdefault(one.source, []).append(row)
    for source, rows in by_source.items():
        parts.append(
            "\n".join([f"## {source}", "", "| event | version | when | fields |", "|---|---|---|---|", *rows])
        )
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _shown(about: Mapping[str, Any]) -> str:
    kinds = [str(one["type"]) for one in about.get("anyOf", [about])]
    return " or ".join(f"{one} of {about['items']['type']}s" if one == "array" else one for one in kinds)


WHAT_TO_DO = """Published schemas are kept, since others rely on them. Either leave the field as it was and add
another, or give the event a higher `schema_version` (the old file stays), or tell it by another event too."""


def main() -> None:
    """Write the files, or compare."""
    found = contracts()
    refused, stale = problems(CONTRACTS, found)
    if refused:
        sys.exit("\n".join([*refused, WHAT_TO_DO]))
    if "--check" not in sys.argv[1:]:
        for one in found:
            one.path.parent.mkdir(parents=True, exist_ok=True)
            one.path.write_text(one.text())
        PAGE.write_text(page(found))
    elif stale or not PAGE.exists() or PAGE.read_text() != page(found):
        sys.exit("\n".join([*stale, "Run python tools/event_contracts.py"]))


if __name__ == "__main__":
    main()
