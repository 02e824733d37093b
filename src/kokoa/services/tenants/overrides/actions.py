"""One function a change; one transaction. Policies tell of themselves by events, reports do not."""

from collections.abc import Sequence
from datetime import datetime

import structlog

from kokoa.kernel.overrides import OverridePolicy
from kokoa.postgres import Database, Transaction
from kokoa.services.tenants.overrides import events, model
from kokoa.services.tenants.overrides.errors import (
    OverridePolicyChanged,
    OverridePolicyNotFound,
    TooManyOverridePolicies,
)
from kokoa.services.tenants.overrides.model import (
    POLICIES_MAX,
    SAMPLES_MAX,
    SUBJECTS_REPORTED_MAX,
    PolicyEntry,
    Sample,
    Tally,
)
from kokoa.services.tenants.overrides.store import queries
from kokoa.services.tenants.store import queries as tenant_queries

_log = structlog.get_logger(__name__)

FORGET_BATCH = 1_000


class OverridesActions:
    """correlation_id: of the request that caused the change; it travels with the events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def set_policy(
        self, environment_id: str, subject: str, policy: OverridePolicy, version: int, *, correlation_id: str
    ) -> PolicyEntry:
        """version: of the policy that is to be changed; 0 when there is none yet.

        Raises InvalidSubject, InvalidOverridePolicy, OverridePolicyChanged, TooManyOverridePolicies.
        """
        model.require_subject(subject)
        model.require_policy(policy)
        async with self._database.transaction(environment_id) as tx:
            await tx.fetchval(tenant_queries.lock_environment)
            known = await tx.fetchval(queries.override_policy_version, subject) or 0
            if known != version:
                raise OverridePolicyChanged(
                    f"The policy of {subject} is of version {known}, not {version}: somebody changed it meanwhile. "
                    "Look at it again, and then set it."
                )
            if not known and await tx.fetchval(queries.override_policy_count) >= POLICIES_MAX:
                raise TooManyOverridePolicies(
                    f"An environment has at most {POLICIES_MAX} policies of overrides. Unset one first."
                )
            row = await tx.fetchrow(
                queries.put_override_policy,
                subject,
                policy.percent,
                policy.deadline_ms,
                policy.fallback,
                policy.shadow,
            )
            assert row is not None
            event = events.OverridePolicySet(subject=subject, version=row["version"])
            await tx.emit(event, correlation_id=correlation_id)
        return PolicyEntry(subject, policy, row["version"], row["changed_at"])

    async def unset_policy(self, environment_id: str, subject: str, *, correlation_id: str) -> None:
        """Raises OverridePolicyNotFound."""
        async with self._database.transaction(environment_id) as tx:
            if await tx.fetchval(queries.delete_override_policy, subject) is None:
                raise OverridePolicyNotFound(f"No policy is set for {subject[:200]!r}.")
            await tx.emit(events.OverridePolicyUnset(subject=subject), correlation_id=correlation_id)

    async def note(self, environment_id: str, tallies: Sequence[Tally], samples: Sequence[Sample]) -> None:
        """Add what happened to the environment's reports. What does not fit is left out; nobody waits for reports."""
        counted = model.fitting(tallies)
        if not counted:
            return
        async with self._database.transaction(environment_id) as tx:
            counted = await _within_bound(tx, counted)
            if not counted:
                return
            columns = zip(*((one.subject, one.outcome, one.hour, one.count) for one in counted), strict=True)
            await tx.execute(queries.add_override_counts, *map(list, columns))
            kept = model.shortened(samples, counted)
            if kept:
                await _keep(tx, kept)

    async def forget_old(self, before: datetime) -> int:
        """Remove a batch of what is older, in all environments; how much went. Call until 0."""
        rows = await self._database.fetch_anywhere(queries.forget_reports, before, FORGET_BATCH)
        return int(rows[0][0])


async def _within_bound(tx: Transaction, tallies: list[Tally]) -> list[Tally]:
    """Without the subjects that would be too many: a store whose fields come and go must not fill the disk."""
    rows = await tx.fetch(queries.subjects_not_reported, sorted({one.subject for one in tallies}))
    new = [row["subject"] for row in rows]
    if not new:
        return tallies
    room = SUBJECTS_REPORTED_MAX - await tx.fetchval(queries.subjects_reported, SUBJECTS_REPORTED_MAX)
    refused = set(new[max(0, room) :])
    if refused:
        _log.warning("override_subjects_not_reported", count=len(refused), most=SUBJECTS_REPORTED_MAX)
    return [one for one in tallies if one.subject not in refused]


async def _keep(tx: Transaction, samples: list[Sample]) -> None:
    """The counts of these kinds are written, so nobody else adds samples of them until this transaction ends."""
    columns = zip(
        *((s.subject, s.outcome, s.seen_at, s.correlation_id, s.reason, s.native, s.other) for s in samples),
        strict=True,
    )
    await tx.execute(queries.add_override_samples, *map(list, columns))
    kinds = sorted({(one.subject, one.outcome) for one in samples})
    subjects, outcomes = [list(column) for column in zip(*kinds, strict=True)]
    await tx.execute(queries.trim_override_samples, subjects, outcomes, SAMPLES_MAX)
