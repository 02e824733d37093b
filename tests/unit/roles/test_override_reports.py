"""What became of overrides reaches tenants in batches, whatever happens meanwhile; what does not is counted."""

import asyncio
from collections import Counter
from datetime import datetime
from typing import Any

from kokoa.kernel.errors import Unavailable
from kokoa.kernel.overrides import Observation, OverridePolicy
from kokoa.roles.override_reports import KINDS_MAX, SAMPLES_HELD_MAX, OverrideReporter
from kokoa.services.tenants.overrides.model import SAMPLE_BYTES_MAX, SAMPLES_MAX, PolicyEntry, Sample, Tally

HOUR_MS = 3_600_000
SEARCH = "GET /api/search"


class FakeOverrides:
    """failure: raised instead of taking a batch.  gate: holds batches up."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[Tally], list[Sample]]] = []
        self.failures: dict[str, Exception] = {}
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    @property
    def counts(self) -> Counter[tuple[str, str, str]]:
        found: Counter[tuple[str, str, str]] = Counter()
        for environment_id, tallies, _ in self.batches:
            for one in tallies:
                found[environment_id, one.subject, one.outcome] += one.count
        return found

    async def note(self, environment_id: str, tallies: list[Tally], samples: list[Sample]) -> None:
        self.asked += 1
        await self.gate.wait()
        failure = self.failures.get(environment_id) or self.failures.get("")
        if failure:
            raise failure
        self.batches.append((environment_id, tallies, samples))

    async def policies(self, environment_id: str) -> dict[str, OverridePolicy]:
        return {}

    async def entries(self, environment_id: str) -> list[PolicyEntry]:
        return []

    async def set_policy(self, *_: Any) -> PolicyEntry:
        raise AssertionError("a reporter sets no policy")

    async def unset_policy(self, *_: Any) -> None:
        raise AssertionError("a reporter unsets no policy")

    async def totals(self, environment_id: str, since: datetime) -> list[Tally]:
        return []

    async def tallies(self, environment_id: str, subject: str, since: datetime) -> list[Tally]:
        return []

    async def samples(self, environment_id: str, subject: str, since: datetime) -> list[Sample]:
        return []


def seen(outcome: Any = "answered", environment_id: str = "prod", **more: Any) -> Observation:
    return Observation(environment_id, more.pop("subject", SEARCH), outcome, "c" * 32, **more)


async def test_what_is_alike_is_told_as_one_count_for_each_environment_and_hour() -> None:
    overrides, moment = FakeOverrides(), [0]
    reporter = OverrideReporter(overrides, clock=lambda: moment[0])
    reporter.note([seen(), seen(), seen("failed", count=50, reason="no"), seen(environment_id="dev")])
    moment[0] = HOUR_MS
    reporter.note([seen()])
    await reporter.flush()
    assert overrides.asked == 2
    assert overrides.counts == {
        ("prod", SEARCH, "answered"): 3,
        ("prod", SEARCH, "failed"): 50,
        ("dev", SEARCH, "answered"): 1,
    }
    prod = next(tallies for environment_id, tallies, _ in overrides.batches if environment_id == "prod")
    assert sorted((one.outcome, one.hour.hour, one.count) for one in prod) == [
        ("answered", 0, 2),
        ("answered", 1, 1),
        ("failed", 0, 50),
    ]
    await reporter.flush()
    assert overrides.asked == 2


async def test_failures_and_differences_have_samples_that_are_short_and_few() -> None:
    overrides = FakeOverrides()
    reporter = OverrideReporter(overrides)
    reporter.note([seen("answered", native={"a": 1}), seen("equal")])
    big = {"items": ["x" * 100] * 1_000}
    reporter.note(
        [seen("different", reason=f"r{n}" * 2_000, native=big, other=b"\x00\xff" * 9_000) for n in range(50)]
    )
    await reporter.flush()
    [(_, _, samples)] = overrides.batches
    assert {one.outcome for one in samples} == {"different"}
    assert len(samples) == SAMPLES_MAX
    assert samples[0].native.startswith('{"items":["xxx')
    assert max(len(text.encode()) for one in samples for text in (one.native, one.other)) <= SAMPLE_BYTES_MAX


async def test_while_tenants_is_away_nothing_is_lost_and_it_is_asked_once_a_time() -> None:
    overrides = FakeOverrides()
    reporter = OverrideReporter(overrides)
    overrides.failures[""] = Unavailable("gone")
    for _ in range(3):
        reporter.note([seen("failed", reason="no"), seen(environment_id="dev"), seen(environment_id="test")])
        await reporter.flush()
    assert overrides.asked == 3
    overrides.failures.clear()
    await reporter.close()
    assert overrides.counts == {
        ("prod", SEARCH, "failed"): 3,
        ("dev", SEARCH, "answered"): 3,
        ("test", SEARCH, "answered"): 3,
    }
    assert reporter.lost == 0


async def test_a_batch_that_is_refused_is_counted_as_lost_and_holds_nobody_up() -> None:
    overrides = FakeOverrides()
    reporter = OverrideReporter(overrides)
    overrides.failures["prod"] = ValueError("a bug")
    reporter.note([seen(count=7), seen(environment_id="dev"), seen(environment_id="test")])
    await reporter.flush()
    assert {environment_id for environment_id, _, _ in overrides.batches} == {"dev", "test"}
    assert reporter.lost == 7


async def test_memory_is_bounded_and_what_has_no_room_is_counted() -> None:
    overrides = FakeOverrides()
    reporter = OverrideReporter(overrides)
    reporter.note([seen("failed", subject=f"A.f{n}", reason="no") for n in range(KINDS_MAX + 10)])
    reporter.note([seen("failed", subject="A.f0")])
    await reporter.flush()
    assert reporter.lost == 10
    assert overrides.counts.total() == KINDS_MAX + 1
    assert sum(len(samples) for _, _, samples in overrides.batches) == SAMPLES_HELD_MAX


async def test_nothing_that_is_noted_makes_the_caller_fail() -> None:
    reporter = OverrideReporter(FakeOverrides())
    reporter.note([seen("failed", native=object(), other="\ud800"), seen(subject=["no", "subject"]), seen()])
    assert reporter.lost == 1


async def test_who_is_stopped_in_the_middle_tells_the_rest_at_the_end() -> None:
    overrides = FakeOverrides()
    reporter = OverrideReporter(overrides)
    overrides.gate.clear()
    reporter.note([seen(environment_id=name) for name in ("prod", "dev")])
    flushing = asyncio.create_task(reporter.flush())
    while not overrides.asked:
        await asyncio.sleep(0)
    flushing.cancel()
    await asyncio.gather(flushing, return_exceptions=True)
    overrides.gate.set()
    await reporter.close()
    assert {environment_id for environment_id, _, _ in overrides.batches} == {"prod", "dev"}
    assert reporter.lost == 0
