"""What the operator does to overrides: see them all, set and unset their policies, read what became of them."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from kokoa.edge.errors import RouteNotFound
from kokoa.edge.overriding import SAFE_METHODS
from kokoa.edge.routes import RouteKey, RouteRow, RouteTable, parse_route_key
from kokoa.edge.tables import RouteTables
from kokoa.kernel.clock import Clock, now_ms, to_datetime
from kokoa.kernel.errors import Conflict, Invalid
from kokoa.kernel.overrides import OverridePolicy, is_field
from kokoa.roles.seams import Overrides
from kokoa.services.tenants.overrides.errors import InvalidOverridePolicy, OverridePolicyChanged
from kokoa.services.tenants.overrides.model import (
    DEADLINE_MS_MAX,
    KEPT_DAYS,
    PolicyEntry,
    Sample,
    Tally,
    require_subject,
    totals,
)

# What a route does of which nobody ever said anything: as long as it may take, and its failures are the answer.
ROUTE_DEFAULT = OverridePolicy(percent=100.0, deadline_ms=DEADLINE_MS_MAX, fallback=False, shadow=False)
FIELD_DEFAULT = OverridePolicy()
_ATTEMPTS = 5
_DAY = timedelta(days=1)


class PolicyNotApplicable(Invalid):
    """The route cannot behave as the policy wants it; the message says why."""


class InvalidReportSpan(Invalid):
    """Reports go back for a second at least, and for 30 days at most."""


class OverriddenFields(Protocol):
    """Which fields of an environment's graph are overridden, and by which partner."""

    async def overridden_fields(self, environment_id: str) -> Mapping[str, str]: ...


class PolicyChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays as it is.  version: of the policy as it was seen, to be refused if it is another."""

    subject: str
    percent: float | None = None
    deadline_ms: int | None = None
    fallback: bool | None = None
    shadow: bool | None = None
    version: int | None = None


class OverrideRow(msgspec.Struct, frozen=True):
    """One line of `kokoa overrides list`.

    partner: who overrides it now, as far as is known.  policy: None when none is set.  last_day: outcome → how often,
    in 24 hours.  note: why a policy has nothing to do.
    """

    subject: str
    partner: str
    policy: OverridePolicy | None
    version: int
    last_day: dict[str, int]
    note: str = ""


class Reason(msgspec.Struct, frozen=True):
    """Samples of one outcome that have the same reason.  count: of these samples, not of all answers."""

    outcome: str
    reason: str
    count: int
    last_seen_at: datetime


class OverrideReport(msgspec.Struct, frozen=True):
    """What `kokoa overrides report` shows.  counts: outcome → how often since then.  hours: the same by hours."""

    subject: str
    policy: OverridePolicy | None
    since: datetime
    counts: dict[str, int]
    hours: list[Tally]
    reasons: list[Reason]
    samples: list[Sample]


class OverrideOperations:
    """fields: who overrides fields of the graph, where it is known."""

    def __init__(
        self,
        overrides: Overrides,
        tables: RouteTables,
        fields: OverriddenFields | None = None,
        *,
        clock: Clock = now_ms,
    ) -> None:
        self._overrides = overrides
        self._tables = tables
        self._fields = fields
        self._clock = clock

    async def rows(self, environment_id: str) -> list[OverrideRow]:
        """Every overridden route and field, and every policy; by subject."""
        partners = _partners_of((await self._table(environment_id)).describe())
        if self._fields is not None:
            fields = await self._fields.overridden_fields(environment_id)
            partners |= {field: (partner, True) for field, partner in fields.items()}
        entries = {entry.subject: entry for entry in await self._overrides.entries(environment_id)}
        counts = totals(await self._overrides.totals(environment_id, self._now() - _DAY))
        served = {subject for subject, (_, is_native) in partners.items() if is_native}
        return [
            _row(subject, partners.get(subject, ("", False))[0], entries.get(subject), counts.get(subject, {}))
            for subject in sorted(served | entries.keys() | counts.keys())
        ]

    async def set_policy(self, environment_id: str, change: PolicyChange, correlation_id: str) -> PolicyEntry:
        """Raises InvalidSubject, InvalidRouteKey, RouteNotFound, PolicyNotApplicable, InvalidOverridePolicy,
        OverridePolicyChanged, TooManyOverridePolicies.
        """
        if change == PolicyChange(change.subject, version=change.version):
            raise InvalidOverridePolicy("Nothing is to be set: name percent, deadline_ms, fallback or shadow.")
        subject, key = self._named(await self._table(environment_id), change.subject)
        for attempt in range(_ATTEMPTS):
            entries = {entry.subject: entry for entry in await self._overrides.entries(environment_id)}
            known = entries.get(subject)
            before = known.policy if known else (FIELD_DEFAULT if is_field(subject) else ROUTE_DEFAULT)
            policy = _changed(before, change)
            _require_applicable(subject, key, policy)
            version = change.version if change.version is not None else (known.version if known else 0)
            try:
                return await self._overrides.set_policy(environment_id, subject, policy, version, correlation_id)
            except Conflict as error:
                # By its code: from another process comes a class of the same name.
                is_race = error.code == OverridePolicyChanged.code and change.version is None
                if not is_race or attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("the last attempt returns or raises")

    async def unset_policy(self, environment_id: str, subject: str, correlation_id: str) -> None:
        """Raises OverridePolicyNotFound. A policy may be left of a route that is there no more."""
        named = self._as_stored(await self._table(environment_id), subject)
        await self._overrides.unset_policy(environment_id, named, correlation_id)

    async def report(self, environment_id: str, subject: str, since_s: int) -> OverrideReport:
        """since_s: how far back. Raises InvalidSubject, InvalidReportSpan."""
        if not 1 <= since_s <= KEPT_DAYS * 86_400:
            raise InvalidReportSpan(f"since must be 1 second to {KEPT_DAYS} days.", field="since_s")
        named = self._as_stored(await self._table(environment_id), require_subject(subject))
        since = self._now() - timedelta(seconds=since_s)
        entries = await self._overrides.entries(environment_id)
        hours = await self._overrides.tallies(environment_id, named, since)
        samples = await self._overrides.samples(environment_id, named, since)
        policy = next((entry.policy for entry in entries if entry.subject == named), None)
        counts = totals(hours).get(named, {})
        return OverrideReport(named, policy, since, counts, hours, _reasons(samples), samples)

    async def _table(self, environment_id: str) -> RouteTable:
        self._tables.invalidate(environment_id)
        return await self._tables.of(environment_id)

    def _named(self, table: RouteTable, text: str) -> tuple[str, RouteKey | None]:
        """The subject, and its native route if it has one. Raises InvalidSubject, InvalidRouteKey, RouteNotFound."""
        subject = require_subject(text.strip())
        if is_field(subject):
            return subject, None
        key = parse_route_key(subject)
        native = table.native_like(key)
        if native is not None:
            return native.text, native
        for served in _partners_of(table.describe()):
            if not is_field(served) and _like(served, key):
                return served, None
        raise RouteNotFound(
            f"No route at the root of this store is {subject!r}. `kokoa routes list` shows what there is; a native "
            "route can have a policy before it is overridden."
        )

    def _as_stored(self, table: RouteTable, text: str) -> str:
        try:
            return self._named(table, text)[0]
        except (Invalid, RouteNotFound):
            return text

    def _now(self) -> datetime:
        return to_datetime(self._clock())


def _partners_of(rows: list[RouteRow]) -> dict[str, tuple[str, bool]]:
    """subject → (partner, whether it is a native route's), of what extensions serve at the root."""
    found: dict[str, tuple[str, bool]] = {}
    for row in rows:
        if row.kind == "extension" and row.at_root:
            own = row.path if row.path.startswith("$") else f"{row.method} {row.path}"
            found[row.overrides or own] = (row.served_by.partition("/")[0], bool(row.overrides))
    return found


def _like(served: str, key: RouteKey) -> bool:
    other = parse_route_key(served)
    return (other.method, other.shape) == (key.method, key.shape)


def _changed(before: OverridePolicy, change: PolicyChange) -> OverridePolicy:
    return OverridePolicy(
        percent=before.percent if change.percent is None else change.percent,
        deadline_ms=before.deadline_ms if change.deadline_ms is None else change.deadline_ms,
        fallback=before.fallback if change.fallback is None else change.fallback,
        shadow=before.shadow if change.shadow is None else change.shadow,
    )


def _require_applicable(subject: str, native: RouteKey | None, policy: OverridePolicy) -> None:
    """Raises PolicyNotApplicable."""
    if is_field(subject):
        return
    wanted = [
        name
        for name, is_wanted in (
            ("percent", policy.percent < 100),
            ("fallback", policy.fallback),
            ("shadow", policy.shadow),
        )
        if is_wanted
    ]
    if native is None and wanted:
        raise PolicyNotApplicable(
            f"{subject} is a route of its partner alone: without a native answer there is nothing that {wanted[0]} "
            "could serve instead. Only the deadline can be set.",
            field=wanted[0],
        )
    unsafe = [name for name in wanted if name != "percent"]
    if native is not None and native.method not in SAFE_METHODS and unsafe:
        raise PolicyNotApplicable(
            f"{subject} changes something: when the override fails, nobody knows what it has done already, so the "
            f"native route cannot be asked as well, and {unsafe[0]} cannot be set. percent and deadline can.",
            field=unsafe[0],
        )


def _row(subject: str, partner: str, entry: PolicyEntry | None, last_day: dict[str, int]) -> OverrideRow:
    note = ""
    if not partner:
        nobody = "nothing overrides it now" if not is_field(subject) else "no override of it answered in 24 hours"
        note = "" if is_field(subject) and last_day else f"unused: {nobody}"
    policy, version = (entry.policy, entry.version) if entry else (None, 0)
    return OverrideRow(subject, partner, policy, version, last_day, note)


def _reasons(samples: list[Sample]) -> list[Reason]:
    """The most frequent first."""
    counts = Counter((one.outcome, one.reason) for one in samples)
    seen: dict[tuple[str, str], datetime] = {}
    for one in samples:
        seen[one.outcome, one.reason] = max(one.seen_at, seen.get((one.outcome, one.reason), one.seen_at))
    return [Reason(*kind, count, seen[kind]) for kind, count in counts.most_common()]
