"""What became of overrides: gathered in each process while it serves, and told to tenants once a second."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import structlog
from graphql import ObjectTypeDefinitionNode, ObjectTypeExtensionNode, parse

from kokoa.kernel.clock import Clock, now_ms, to_datetime
from kokoa.kernel.errors import Unavailable
from kokoa.kernel.overrides import Observation, OverridePolicy, sample_text
from kokoa.roles.seams import Overrides, PublishedSubgraph, Subgraphs
from kokoa.services.tenants.overrides.model import (
    BATCH_MAX,
    REASON_BYTES_MAX,
    SAMPLE_BYTES_MAX,
    SAMPLES_MAX,
    PolicyEntry,
    Sample,
    Tally,
    policies_of,
)
from kokoa.services.tenants.overrides.store import hour_of
from kokoa.services.tenants.service import TenantsService

_log = structlog.get_logger(__name__)

FLUSH_EVERY_S = 1.0
CLOSE_WITHIN_S = 3.0
KINDS_MAX = 10_000
SAMPLES_HELD_MAX = 2_000
_SAMPLED = frozenset({"failed", "late", "invalid", "different"})


class FieldPolicies:
    """Implements OverridePolicyDirectory: of all policies those of fields; a route's subject has a space."""

    def __init__(self, overrides: Overrides) -> None:
        self._overrides = overrides

    async def policies(self, environment_id: str) -> dict[str, OverridePolicy]:
        known = await self._overrides.policies(environment_id)
        return {subject: policy for subject, policy in known.items() if " " not in subject}


class TenantsOverrides:
    """Implements Overrides."""

    def __init__(self, tenants: TenantsService) -> None:
        self._store = tenants.overrides
        self._actions = tenants.override_actions

    async def policies(self, environment_id: str) -> dict[str, OverridePolicy]:
        return dict(policies_of(await self._store.policies(environment_id)))

    async def entries(self, environment_id: str) -> list[PolicyEntry]:
        return await self._store.policies(environment_id)

    async def set_policy(
        self, environment_id: str, subject: str, policy: OverridePolicy, version: int, correlation_id: str
    ) -> PolicyEntry:
        return await self._actions.set_policy(environment_id, subject, policy, version, correlation_id=correlation_id)

    async def unset_policy(self, environment_id: str, subject: str, correlation_id: str) -> None:
        await self._actions.unset_policy(environment_id, subject, correlation_id=correlation_id)

    async def note(self, environment_id: str, tallies: list[Tally], samples: list[Sample]) -> None:
        await self._actions.note(environment_id, tallies, samples)

    async def totals(self, environment_id: str, since: datetime) -> list[Tally]:
        return await self._store.totals(environment_id, since)

    async def tallies(self, environment_id: str, subject: str, since: datetime) -> list[Tally]:
        return await self._store.tallies(environment_id, subject, since)

    async def samples(self, environment_id: str, subject: str, since: datetime) -> list[Sample]:
        return await self._store.samples(environment_id, subject, since)


class _Kind(NamedTuple):
    """What is counted together."""

    environment_id: str
    subject: str
    outcome: str
    hour: datetime


class OverrideReporter:
    """Implements kernel's OverrideReports.  lost: observations that had no room, or that tenants did not take.

    When tenants does not answer, what was gathered is told later. An answer that is lost on its way makes that second
    count twice: reports are for people, and are not worth a ledger.
    """

    def __init__(self, overrides: Overrides, *, clock: Clock = now_ms) -> None:
        self._overrides = overrides
        self._clock = clock
        self._counts: Counter[_Kind] = Counter()
        self._samples: dict[_Kind, list[Sample]] = {}
        self._held = 0
        self.lost = 0
        self._lost_told = 0

    def note(self, observations: Sequence[Observation]) -> None:
        for one in observations:
            try:
                self._note(one)
            except Exception:
                # Whoever serves a customer must not fail because of what is written about it.
                self.lost += 1
                _log.exception("override_not_reported", subject=one.subject)

    async def run(self) -> None:
        """Tell tenants each second until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            await self.flush()

    async def close(self) -> None:
        """Tell what is left, if tenants answers at once."""
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self.flush()
        except TimeoutError:
            self.lost += self._counts.total()
        self._tell_lost()

    async def flush(self) -> None:
        """Tell tenants what was gathered, one batch for each environment; what it does not take now waits."""
        counts, samples = self._counts, self._samples
        self._counts, self._samples, self._held = Counter(), {}, 0
        untold = _batches(counts)
        try:
            # Who does not answer one question does not answer the next either, and each may take its time.
            while untold and await self._tell(untold[-1], counts, samples):
                untold.pop()
        finally:
            for batch in untold:
                self._take_back(batch, counts, samples)
            self._tell_lost()

    def _note(self, one: Observation) -> None:
        moment = to_datetime(self._clock())
        kind = _Kind(one.environment_id, one.subject, one.outcome, hour_of(moment))
        if kind not in self._counts and len(self._counts) >= KINDS_MAX:
            self.lost += one.count
            return
        self._counts[kind] += one.count
        if one.outcome not in _SAMPLED or self._held >= SAMPLES_HELD_MAX:
            return
        kept = self._samples.setdefault(kind, [])
        if len(kept) < SAMPLES_MAX:
            self._held += 1
            kept.append(_sample(one, moment))

    async def _tell(self, kinds: list[_Kind], counts: Counter[_Kind], samples: dict[_Kind, list[Sample]]) -> bool:
        """kinds: of one environment. False when they are to be told again."""
        environment_id = kinds[0].environment_id
        tallies = [Tally(kind.subject, kind.outcome, kind.hour, counts[kind]) for kind in kinds]
        found = [sample for kind in kinds for sample in samples.get(kind, ())]
        try:
            await self._overrides.note(environment_id, tallies, found)
        except Unavailable as error:
            _log.warning("override_reports_wait", reason=error.message, detail=error.detail)
            return False
        except Exception as error:
            # One environment's must not keep all others' from being told, now and for ever.
            self.lost += sum(counts[kind] for kind in kinds)
            _log.error("override_reports_refused", environment_id=environment_id, exc_info=error)
        return True

    def _take_back(self, kinds: list[_Kind], counts: Counter[_Kind], samples: dict[_Kind, list[Sample]]) -> None:
        for kind in kinds:
            if kind not in self._counts and len(self._counts) >= KINDS_MAX:
                self.lost += counts[kind]
                continue
            self._counts[kind] += counts[kind]
            room = min(SAMPLES_MAX - len(self._samples.get(kind, ())), SAMPLES_HELD_MAX - self._held)
            again = samples.get(kind, [])[: max(0, room)]
            if again:
                self._samples.setdefault(kind, []).extend(again)
                self._held += len(again)

    def _tell_lost(self) -> None:
        if self.lost > self._lost_told:
            _log.warning("override_reports_lost", count=self.lost - self._lost_told, in_all=self.lost)
            self._lost_told = self.lost


def _batches(counts: Counter[_Kind]) -> list[list[_Kind]]:
    by_environment: dict[str, list[_Kind]] = {}
    for kind in counts:
        by_environment.setdefault(kind.environment_id, []).append(kind)
    return [
        kinds[start : start + BATCH_MAX]
        for kinds in by_environment.values()
        for start in range(0, len(kinds), BATCH_MAX)
    ]


def _sample(one: Observation, moment: datetime) -> Sample:
    return Sample(
        one.subject,
        one.outcome,
        moment,
        one.correlation_id,
        sample_text(one.reason.encode("utf-8", "replace"), bytes_max=REASON_BYTES_MAX),
        sample_text(one.native, bytes_max=SAMPLE_BYTES_MAX),
        sample_text(one.other, bytes_max=SAMPLE_BYTES_MAX),
    )


class PublishedOverrides:
    """Implements OverriddenFields: what partners' subgraphs take over with `@override`."""

    def __init__(self, subgraphs: Subgraphs) -> None:
        self._subgraphs = subgraphs

    async def overridden_fields(self, environment_id: str) -> dict[str, str]:
        published = (await self._subgraphs.published(environment_id)).subgraphs
        # Up to some megabytes of text.
        return await asyncio.to_thread(_partner_of_fields, published)


def _partner_of_fields(published: Sequence[PublishedSubgraph]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in published:
        for definition in parse(one.sdl, no_location=True).definitions:
            if not isinstance(definition, ObjectTypeDefinitionNode | ObjectTypeExtensionNode):
                continue
            for field in definition.fields or ():
                if any(directive.name.value.endswith("override") for directive in field.directives or ()):
                    found[f"{definition.name.value}.{field.name.value}"] = one.partner
    return found
