"""Policies and reports of overrides on a real server: versions, bounds, isolation, and how reports add up."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from kokoa.kernel.ids import new_correlation_id
from kokoa.kernel.overrides import OverridePolicy
from kokoa.postgres import Database
from kokoa.postgres.vault import Vault
from kokoa.services.tenants.overrides.actions import FORGET_BATCH
from kokoa.services.tenants.overrides.errors import (
    InvalidOverridePolicy,
    InvalidSubject,
    OverridePolicyChanged,
    OverridePolicyNotFound,
    TooManyOverridePolicies,
)
from kokoa.services.tenants.overrides.model import (
    BATCH_MAX,
    POLICIES_MAX,
    SAMPLE_BYTES_MAX,
    SAMPLES_MAX,
    SUBJECTS_REPORTED_MAX,
    PolicyEntry,
    Sample,
    Tally,
    totals,
)
from kokoa.services.tenants.overrides.store import hour_of
from kokoa.services.tenants.service import FOLDER, TenantsService
from servers import ConnectService

CORRELATION = new_correlation_id()
SEARCH = "GET /api/search"
PRICE = "Product.price"
NOW = datetime.now(UTC)
HOUR = hour_of(NOW)
LONG_AGO = NOW - timedelta(days=29)


@pytest.fixture
async def database(connect_service: ConnectService) -> Database:
    return await connect_service("tenants", FOLDER / "migrations")


@pytest.fixture
async def tenants(database: Database) -> TenantsService:
    return TenantsService(database, Vault(bytes(32)))


async def environment(tenants: TenantsService, name: str = "prod") -> str:
    made, _ = await tenants.actions.create_environment("boeing", name, correlation_id=CORRELATION)
    return made


async def put(
    tenants: TenantsService, where: str, subject: str = SEARCH, version: int = 0, **policy: Any
) -> PolicyEntry:
    wanted = OverridePolicy(**policy)
    return await tenants.override_actions.set_policy(where, subject, wanted, version, correlation_id=CORRELATION)


async def outbox(database: Database, where: str) -> list[str]:
    rows = await database.fetch(
        where,
        "SELECT event_type FROM outbox WHERE environment_id = $1 AND event_type LIKE 'Override%' ORDER BY id",
    )
    return [row["event_type"] for row in rows]


async def test_a_policy_has_a_version_and_tells_of_its_changes(tenants: TenantsService, database: Database) -> None:
    where = await environment(tenants)
    first = await put(tenants, where, percent=10.0, fallback=False)
    second = await put(tenants, where, version=1, percent=50.0, shadow=True)
    assert (first.version, second.version) == (1, 2)
    [entry] = await tenants.overrides.policies(where)
    assert (entry.subject, entry.version) == (SEARCH, 2)
    assert entry.policy == OverridePolicy(percent=50.0, shadow=True)
    await tenants.override_actions.unset_policy(where, SEARCH, correlation_id=CORRELATION)
    assert await tenants.overrides.policies(where) == []
    with pytest.raises(OverridePolicyNotFound):
        await tenants.override_actions.unset_policy(where, SEARCH, correlation_id=CORRELATION)
    assert await outbox(database, where) == ["OverridePolicySet", "OverridePolicySet", "OverridePolicyUnset"]


async def test_who_does_not_know_the_version_changes_nothing(tenants: TenantsService, database: Database) -> None:
    where = await environment(tenants)
    with pytest.raises(OverridePolicyChanged, match="version 0, not 3"):
        await put(tenants, where, version=3)
    await put(tenants, where, percent=10.0)
    with pytest.raises(OverridePolicyChanged, match="version 1, not 0"):
        await put(tenants, where, percent=90.0)
    done = await asyncio.gather(
        *(put(tenants, where, version=1, percent=float(share)) for share in range(5)), return_exceptions=True
    )
    assert sum(isinstance(one, PolicyEntry) for one in done) == 1
    assert sum(isinstance(one, OverridePolicyChanged) for one in done) == 4
    [entry] = await tenants.overrides.policies(where)
    assert entry.version == 2
    assert len(await outbox(database, where)) == 2


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"percent": -0.1}, "percent"),
        ({"percent": 100.1}, "percent"),
        ({"percent": float("nan")}, "percent"),
        ({"deadline_ms": 0}, "deadline_ms"),
        ({"deadline_ms": 30_001}, "deadline_ms"),
    ],
)
async def test_a_policy_has_bounds(tenants: TenantsService, changed: dict[str, Any], field: str) -> None:
    where = await environment(tenants)
    with pytest.raises(InvalidOverridePolicy) as caught:
        await put(tenants, where, **changed)
    assert caught.value.field == field
    assert await tenants.overrides.policies(where) == []


@pytest.mark.parametrize(
    "subject",
    [
        *("", "Product", "Product.", ".price", "Product.price.amount", "A" * 300 + ".b", "$other"),
        *("get /api", "GET api", "GET", "GET  /a", "GET /a b", "TRACE /a", "GET /a\x00", "GET /a\u202e"),
        "GET /" + "a" * 600,
    ],
)
async def test_a_subject_is_a_field_or_a_route(tenants: TenantsService, subject: str) -> None:
    where = await environment(tenants)
    with pytest.raises(InvalidSubject):
        await put(tenants, where, subject)
    await note(tenants, where, 1, subject=subject)
    assert await tenants.overrides.totals(where, LONG_AGO) == []


async def test_an_environment_has_a_bounded_number_of_policies(tenants: TenantsService, database: Database) -> None:
    where = await environment(tenants)
    await database.execute(
        where,
        """INSERT INTO override_policies (environment_id, subject, percent, deadline_ms, fallback, shadow)
           SELECT $1, 'Product.f' || n, 1, 1, true, false FROM generate_series(1, $2::integer) n""",
        POLICIES_MAX,
    )
    with pytest.raises(TooManyOverridePolicies):
        await put(tenants, where)
    assert (await put(tenants, where, "Product.f1", version=1)).version == 2


async def test_policies_and_reports_are_an_environments_own(tenants: TenantsService, database: Database) -> None:
    prod, dev = await environment(tenants), await environment(tenants, "dev")
    await put(tenants, prod, percent=10.0)
    await note(tenants, prod, 3, sample(reason="broken"))
    assert await tenants.overrides.policies(dev) == []
    assert await tenants.overrides.totals(dev, LONG_AGO) == []
    assert await tenants.overrides.tallies(dev, SEARCH, LONG_AGO) == []
    assert await tenants.overrides.samples(dev, SEARCH, LONG_AGO) == []
    with pytest.raises(OverridePolicyNotFound):
        await tenants.override_actions.unset_policy(dev, SEARCH, correlation_id=CORRELATION)
    assert (await put(tenants, dev, percent=20.0)).version == 1
    for table in ("override_policies", "override_counts", "override_samples"):
        # A statement that forgot its environment: the second lock shows it the pinned one's rows alone.
        everything = await database.fetch(dev, f"SELECT environment_id FROM {table} WHERE $1 <> ''")
        assert {str(row["environment_id"]) for row in everything} <= {dev}
    [entry] = await tenants.overrides.policies(prod)
    assert entry.policy.percent == 10.0


def sample(outcome: str = "failed", **more: Any) -> Sample:
    return msgspec.structs.replace(Sample(SEARCH, outcome, NOW, CORRELATION), **more)


async def note(
    tenants: TenantsService, where: str, count: int, *samples: Sample, subject: str = SEARCH, outcome: str = "failed"
) -> None:
    await tenants.override_actions.note(where, [Tally(subject, outcome, HOUR, count)], samples)


async def test_reports_add_up_also_when_many_processes_write_at_once(tenants: TenantsService) -> None:
    where = await environment(tenants)
    subjects = [SEARCH, PRICE, "GET /api/products"]

    async def one_process(number: int) -> None:
        order = subjects[number % 3 :] + subjects[: number % 3]  # what would deadlock, were it written in this order
        for _ in range(5):
            tallies = [Tally(subject, "answered", HOUR, 2) for subject in order]
            await tenants.override_actions.note(where, [*tallies, Tally(SEARCH, "failed", HOUR, 1)], [sample()])

    await asyncio.gather(*(one_process(number) for number in range(8)))
    found = totals(await tenants.overrides.totals(where, LONG_AGO))
    assert found == {
        SEARCH: {"answered": 80, "failed": 40},
        PRICE: {"answered": 80},
        "GET /api/products": {"answered": 80},
    }
    assert len(await tenants.overrides.samples(where, SEARCH, LONG_AGO)) == SAMPLES_MAX


async def test_the_newest_samples_of_each_outcome_win(tenants: TenantsService) -> None:
    where = await environment(tenants)
    await note(tenants, where, 1, sample("late", reason="alone"), outcome="late")
    for start in range(0, 60, 15):
        await note(tenants, where, 15, *(sample(reason=f"r{number}") for number in range(start, start + 15)))
    found = await tenants.overrides.samples(where, SEARCH, LONG_AGO)
    assert [one.reason for one in found if one.outcome == "failed"] == [f"r{n}" for n in range(59, 39, -1)]
    assert [one.reason for one in found if one.outcome == "late"] == ["alone"]


async def test_a_sample_is_short_whatever_was_answered(tenants: TenantsService) -> None:
    where = await environment(tenants)
    hostile = sample(
        reason="\x00\ud800" + "r" * 9_000, native="ä" * 9_000, other="\udfff\x00" * 5_000, correlation_id="'; DROP"
    )
    await note(tenants, where, 1, hostile, outcome="failed")
    [kept] = await tenants.overrides.samples(where, SEARCH, LONG_AGO)
    assert kept.correlation_id == ""
    assert max(len(text.encode()) for text in (kept.native, kept.other)) <= SAMPLE_BYTES_MAX
    assert kept.native.startswith("ää")


async def test_what_is_no_outcome_or_not_counted_is_left_out(tenants: TenantsService) -> None:
    where = await environment(tenants)
    nonsense = [
        Tally(SEARCH, "excellent", HOUR, 1),
        Tally(SEARCH, "failed", HOUR, -5),
        Tally(SEARCH, "late", HOUR, 0),
    ]
    await tenants.override_actions.note(where, nonsense, [sample()])
    await tenants.override_actions.note(where, [Tally(PRICE, "failed", HOUR, 1)] * (BATCH_MAX + 5), [sample()])
    assert totals(await tenants.overrides.totals(where, LONG_AGO)) == {PRICE: {"failed": BATCH_MAX}}
    assert await tenants.overrides.samples(where, SEARCH, LONG_AGO) == []


async def test_reports_are_of_a_bounded_number_of_subjects(tenants: TenantsService) -> None:
    where = await environment(tenants)
    room = SUBJECTS_REPORTED_MAX - 1
    await tenants.override_actions.note(where, [Tally(f"A.f{n}", "failed", HOUR, 1) for n in range(room)], [])
    await tenants.override_actions.note(where, [Tally(f"B.f{n}", "failed", HOUR, 1) for n in range(50)], [])
    await note(tenants, where, 2, subject="A.f1")
    found = totals(await tenants.overrides.totals(where, LONG_AGO))
    assert len(found) == SUBJECTS_REPORTED_MAX
    assert found["A.f1"] == {"failed": 3}


async def test_a_report_looks_back_as_far_as_asked(tenants: TenantsService) -> None:
    where = await environment(tenants)
    old = HOUR - timedelta(hours=30)
    tallies = [Tally(SEARCH, "failed", old, 5), Tally(SEARCH, "failed", HOUR, 2)]
    await tenants.override_actions.note(where, tallies, [sample(seen_at=old, reason="old"), sample(reason="new")])
    yesterday = NOW - timedelta(hours=24)
    assert totals(await tenants.overrides.totals(where, yesterday)) == {SEARCH: {"failed": 2}}
    assert [one.hour for one in await tenants.overrides.tallies(where, SEARCH, LONG_AGO)] == [old, HOUR]
    assert [one.reason for one in await tenants.overrides.samples(where, SEARCH, yesterday)] == ["new"]


async def test_what_is_older_than_a_month_goes_in_all_environments(tenants: TenantsService) -> None:
    environments = [await environment(tenants), await environment(tenants, "dev")]
    for where in environments:
        tallies = [Tally(SEARCH, "failed", HOUR - timedelta(hours=hours), 1) for hours in (0, *range(721, 1_400))]
        samples = [sample(reason="new"), sample(reason="old", seen_at=NOW - timedelta(days=31))]
        await tenants.override_actions.note(where, tallies, samples)
    moment = NOW - timedelta(days=30)
    gone = [await tenants.override_actions.forget_old(moment) for _ in range(3)]
    assert gone == [FORGET_BATCH + 2, 2 * 679 - FORGET_BATCH, 0]
    for where in environments:
        assert totals(await tenants.overrides.totals(where, NOW - timedelta(days=99))) == {SEARCH: {"failed": 1}}
        assert [one.reason for one in await tenants.overrides.samples(where, SEARCH, NOW - timedelta(days=99))] == [
            "new"
        ]
