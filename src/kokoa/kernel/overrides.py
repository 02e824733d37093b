"""How an override behaves, and what became of it: fields of the graph and routes alike.

A *subject* is what is overridden: a field (`Product.price`) or a route (`GET /api/search`).
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, get_args
from zlib import crc32

import msgspec

from kokoa.kernel.call import Call

_SHARES = 1_000_000
_CUT = " …"

Outcome = Literal["answered", "failed", "late", "invalid", "equal", "different"]
"""answered: it was served.  failed, late, invalid: the native answer was served instead, or an error.
equal, different: in shadow, against the native answer."""


OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


Answered = Mapping[str, Mapping[str, str]]
"""Which subgraph answered fields that are overridden: by coordinate (`Query.taxes`, `Variant.price`), then by the
object's `id`, empty at the root. A native one has answered where the override did not. Nothing of other fields."""


class GraphAnswer(msgspec.Struct, frozen=True):
    """What the graph answered a service, and who answered what partners have taken over."""

    data: Mapping[str, Any]
    answered: Answered = {}


class AnswerSource(msgspec.Struct, frozen=True):
    """Who answered.  fallback: a partner's subgraph should have, did not, and its policy let this one."""

    subgraph: str
    fallback: bool = False


def source_of(answered: Answered, coordinate: str, native: str, object_id: str = "") -> AnswerSource:
    """Who answered a field.  native: whose it is when nobody has taken it over."""
    subgraph = answered.get(coordinate, {}).get(object_id)
    return AnswerSource(native) if subgraph is None else AnswerSource(subgraph, fallback=subgraph == native)


def merged_answers(*several: Answered | None) -> Answered | None:
    """All of them together; None when there is nothing."""
    found: dict[str, dict[str, str]] = {}
    for answered in several:
        for coordinate, of_objects in (answered or {}).items():
            found.setdefault(coordinate, {}).update(of_objects)
    return found or None


class OverridePolicy(msgspec.Struct, frozen=True):
    """percent: of customers who get the override, 0 to 100.  deadline_ms: for its answer.

    fallback: serve the native answer when it fails, is late or answers nonsense.  shadow: ask it, serve the native
    answer, and report where the two differ.
    """

    percent: float = 100.0
    deadline_ms: int = 1_000
    fallback: bool = True
    shadow: bool = False


class Observation(msgspec.Struct, frozen=True):
    """One answer of an override. reason: for its owner, empty when it was served.

    count: how many answers were alike (the objects of one level).  native, other: a sample of a difference.
    """

    environment_id: str
    subject: str
    outcome: Outcome
    correlation_id: str
    count: int = 1
    reason: str = ""
    native: Any = None
    other: Any = None


class OverrideReports(Protocol):
    """Where observations go. It never waits and never fails: what it has no room for is counted as lost."""

    def note(self, observations: Sequence[Observation]) -> None: ...


def who_of(call: Call) -> str:
    """By what a share of customers is divided: the customer, else the session, else the request alone.

    The subject of other callers is no customer: a function that asks during a shopper's request falls as the shopper.
    """
    customer = call.caller.subject if call.caller.kind == "storefront" else ""
    return customer or call.session or call.caller.subject or call.correlation_id


def is_on(percent: float, salt: str, call: Call) -> bool:
    """Whether the call is among the `percent` of 100. salt: what is divided; customers fall alike for equal salts.

    Kokoa's own services are no customers: what search indexes for everybody is what most of them see.
    """
    if call.caller.kind == "service":
        return percent > 50
    share = crc32(f"{salt}/{call.environment_id}/{who_of(call)}".encode()) % _SHARES
    return share < percent / 100 * _SHARES


def is_field(subject: str) -> bool:
    """Whether the subject is a field of the graph; a route has a method or is `$default`."""
    return " " not in subject and "." in subject


def digest_of_fields(policies: Mapping[str, OverridePolicy]) -> str:
    """Stands for the policies of fields among these, in every process alike; empty when there are none."""
    fields = sorted((item for item in policies.items() if is_field(item[0])), key=lambda item: item[0])
    return hashlib.sha256(msgspec.json.encode(fields)).hexdigest() if fields else ""


def sample_text(value: Any, *, bytes_max: int) -> str:
    """A value as people read it in a report: JSON, or text if it is bytes; cut after this many bytes of UTF-8."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        # What is cut off needs no decoding: a body may have megabytes.
        text = value[: bytes_max + 1].decode("utf-8", "replace")
    else:
        try:
            text = msgspec.json.encode(value).decode()
        except (TypeError, UnicodeError, RecursionError):
            text = repr(type(value))
    text = text.replace("\0", "\ufffd")
    encoded = text.encode()
    if len(encoded) <= bytes_max:
        return text
    return encoded[: bytes_max - len(_CUT.encode())].decode("utf-8", "ignore") + _CUT
