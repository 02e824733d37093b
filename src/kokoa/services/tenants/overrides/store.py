"""queries.sql ⇄ model."""

from datetime import datetime
from pathlib import Path

from kokoa.kernel.overrides import OUTCOMES, OverridePolicy
from kokoa.postgres import Database, Row, load_queries
from kokoa.services.tenants.overrides.model import (
    KEPT_DAYS,
    SAMPLES_MAX,
    SUBJECTS_REPORTED_MAX,
    PolicyEntry,
    Sample,
    Tally,
)

queries = load_queries(Path(__file__).with_name("queries.sql"))

_TOTALS_MAX = SUBJECTS_REPORTED_MAX * len(OUTCOMES)
_HOURS_MAX = (KEPT_DAYS * 24 + 1) * len(OUTCOMES)
_SAMPLES_MAX = SAMPLES_MAX * len(OUTCOMES)


class OverridesStore:
    """Reads of one environment each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def policies(self, environment_id: str) -> list[PolicyEntry]:
        """By subject."""
        return [entry_of(row) for row in await self._database.fetch(environment_id, queries.override_policies)]

    async def totals(self, environment_id: str, since: datetime) -> list[Tally]:
        """What was counted since the hour of a moment; `hour` is the last one of each."""
        rows = await self._database.fetch(environment_id, queries.override_counts_since, hour_of(since), _TOTALS_MAX)
        return [Tally(row["subject"], row["outcome"], row["hour"], row["count"]) for row in rows]

    async def tallies(self, environment_id: str, subject: str, since: datetime) -> list[Tally]:
        """Of one subject since the hour of a moment, by hours."""
        rows = await self._database.fetch(
            environment_id, queries.override_counts_of, subject, hour_of(since), _HOURS_MAX
        )
        return [Tally(subject, row["outcome"], row["hour"], row["count"]) for row in rows]

    async def samples(self, environment_id: str, subject: str, since: datetime) -> list[Sample]:
        """Of one subject since a moment, newest first."""
        rows = await self._database.fetch(environment_id, queries.override_samples_of, subject, since, _SAMPLES_MAX)
        return [Sample(subject, *row) for row in rows]


def entry_of(row: Row) -> PolicyEntry:
    policy = OverridePolicy(row["percent"], row["deadline_ms"], row["fallback"], row["shadow"])
    return PolicyEntry(row["subject"], policy, row["version"], row["changed_at"])


def hour_of(moment: datetime) -> datetime:
    """When the moment's hour began."""
    return moment.replace(minute=0, second=0, microsecond=0)
