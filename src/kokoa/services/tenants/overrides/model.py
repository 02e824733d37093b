"""Types and rules of policies and reports. Pure."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from kokoa.kernel.overrides import OUTCOMES, OverridePolicy, sample_text
from kokoa.services.tenants.overrides.errors import InvalidOverridePolicy, InvalidSubject

POLICIES_MAX = 500
SUBJECTS_REPORTED_MAX = 1_000
SAMPLES_MAX = 20
SAMPLE_BYTES_MAX = 2_048
REASON_BYTES_MAX = 1_024
KEPT_DAYS = 30
DEADLINE_MS_MAX = 30_000
BATCH_MAX = 2_000

_FIELD = re.compile(r"[_A-Za-z][_0-9A-Za-z]{0,254}\.[_A-Za-z][_0-9A-Za-z]{0,254}")
_ROUTE = re.compile(r"(ANY|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT) /[^\s%?#\\]{0,511}")
_DEFAULT_ROUTE = "$default"
_CORRELATION_ID = re.compile(r"[0-9a-f]{0,64}")


class PolicyEntry(msgspec.Struct, frozen=True):
    """A stored policy.  version: 1 when it was set first, and 1 more with each change."""

    subject: str
    policy: OverridePolicy
    version: int
    changed_at: datetime


class Tally(msgspec.Struct, frozen=True):
    """How often something came out so, in the hour that begins at a moment."""

    subject: str
    outcome: str
    hour: datetime
    count: int


class Sample(msgspec.Struct, frozen=True):
    """One failure or difference.  reason, native, other: at most REASON_BYTES_MAX and SAMPLE_BYTES_MAX bytes."""

    subject: str
    outcome: str
    seen_at: datetime
    correlation_id: str
    reason: str = ""
    native: str = ""
    other: str = ""


def require_subject(text: str) -> str:
    """`Type.field`, or a route as the route table writes it. Raises InvalidSubject."""
    if text == _DEFAULT_ROUTE or _FIELD.fullmatch(text):
        return text
    if _ROUTE.fullmatch(text) and text.isprintable():
        return text
    raise InvalidSubject(
        f"{text[:200]!r} is no field and no route. Write a field as 'Product.price', a route as 'GET /api/search'.",
        field="subject",
    )


def require_policy(policy: OverridePolicy) -> OverridePolicy:
    """Raises InvalidOverridePolicy."""
    if not (math.isfinite(policy.percent) and 0 <= policy.percent <= 100):
        raise InvalidOverridePolicy("percent must be a number from 0 to 100.", field="percent")
    if not 1 <= policy.deadline_ms <= DEADLINE_MS_MAX:
        raise InvalidOverridePolicy(f"The deadline must be 1 to {DEADLINE_MS_MAX} ms.", field="deadline_ms")
    return policy


def fitting(tallies: Sequence[Tally]) -> list[Tally]:
    """Those of a batch that can be stored, each subject, outcome and hour once, in one order for everybody."""
    sums: dict[tuple[str, str, datetime], int] = {}
    for one in tallies[:BATCH_MAX]:
        if one.outcome in OUTCOMES and one.count > 0 and _is_subject(one.subject):
            key = (one.subject, one.outcome, one.hour)
            sums[key] = sums.get(key, 0) + one.count
    return [Tally(*key, count) for key, count in sorted(sums.items())]


def shortened(samples: Sequence[Sample], counted: Sequence[Tally]) -> list[Sample]:
    """The newest of each kind that was counted, within their bounds, oldest first."""
    kinds = {(one.subject, one.outcome): 0 for one in counted}
    kept: list[Sample] = []
    for one in reversed(samples[-BATCH_MAX:]):
        kind = (one.subject, one.outcome)
        if kinds.get(kind, SAMPLES_MAX) < SAMPLES_MAX:
            kinds[kind] += 1
            kept.append(_shortened(one))
    return kept[::-1]


def totals(tallies: Sequence[Tally]) -> dict[str, dict[str, int]]:
    """subject → outcome → how often."""
    found: dict[str, dict[str, int]] = {}
    for one in tallies:
        outcomes = found.setdefault(one.subject, {})
        outcomes[one.outcome] = outcomes.get(one.outcome, 0) + one.count
    return found


def policies_of(entries: Sequence[PolicyEntry]) -> Mapping[str, OverridePolicy]:
    """By subject."""
    return {entry.subject: entry.policy for entry in entries}


def _shortened(sample: Sample) -> Sample:
    return Sample(
        sample.subject,
        sample.outcome,
        sample.seen_at,
        sample.correlation_id if _CORRELATION_ID.fullmatch(sample.correlation_id) else "",
        sample_text(sample.reason.encode("utf-8", "replace"), bytes_max=REASON_BYTES_MAX),
        sample_text(sample.native.encode("utf-8", "replace"), bytes_max=SAMPLE_BYTES_MAX),
        sample_text(sample.other.encode("utf-8", "replace"), bytes_max=SAMPLE_BYTES_MAX),
    )


def _is_subject(text: str) -> bool:
    try:
        require_subject(text)
    except InvalidSubject:
        return False
    return True
