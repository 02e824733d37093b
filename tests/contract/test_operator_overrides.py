"""What the operator may do to overrides, with tenants in another process: merged, checked against routes, told."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from kokoa.edge.errors import InvalidRouteKey, RouteNotFound
from kokoa.edge.model import ExtensionRoute, Grant, NativeRoute, RouteTableInput
from kokoa.edge.tables import RouteTables
from kokoa.kernel.errors import Conflict, Invalid, KokoaError, NotFound
from kokoa.kernel.ids import new_correlation_id
from kokoa.kernel.overrides import Observation, OverridePolicy
from kokoa.postgres.vault import Vault
from kokoa.roles.operator_overrides import (
    InvalidReportSpan,
    OverrideOperations,
    PolicyChange,
    PolicyNotApplicable,
)
from kokoa.roles.override_reports import OverrideReporter, TenantsOverrides
from kokoa.roles.seams import Overrides
from kokoa.services.tenants.overrides.errors import InvalidOverridePolicy, InvalidSubject
from kokoa.services.tenants.overrides.model import PolicyEntry
from kokoa.services.tenants.service import FOLDER, TenantsService
from kokoa.web.rpc import PREFIX, RpcClient, RpcServer
from kokoa.web.tokens import CallTokens
from servers import ConnectService
from unit.web.asgi_client import SessionOfApp

TOKENS = CallTokens(bytes(range(32)))
CORRELATION = new_correlation_id()
SEARCH = "GET /api/search"
PRODUCT = "GET /api/products/{id}"
UPLOAD = "POST /api/products/{id}/media"
NATIVE = [NativeRoute(*key.split(" "), "Operation") for key in (SEARCH, PRODUCT, UPLOAD)]
ACCOUNT = "123456789012"


class FakeRoutes:
    """keys: of what the partner acme has deployed, and may serve at the root."""

    def __init__(self) -> None:
        self.keys = [SEARCH, "GET /api/products/{slug}", "GET /api/offers", "$default"]

    async def load(self, environment_id: str) -> RouteTableInput:
        routes = [
            ExtensionRoute("a1", "plus", ACCOUNT, "acme", key, "arn:fn", "plus", permitted=True, created_ms=1)
            for key in self.keys
        ]
        return RouteTableInput(tuple(routes), (Grant(ACCOUNT, "/api/*"), Grant(ACCOUNT, "$default")))


class FakeFields:
    async def overridden_fields(self, environment_id: str) -> Mapping[str, str]:
        return {"Product.price": "acme"}


class World:
    """overrides: asked over RPC, as an edge does whose tenants is another process."""

    def __init__(self, tenants: TenantsService, environment_id: str) -> None:
        server = RpcServer(TOKENS, {"overrides": (Overrides, TenantsOverrides(tenants))})
        app = Starlette(routes=[Route(PREFIX + "{seam}/{method}", server.handle, methods=["POST"])])
        session: Any = SessionOfApp(app)
        self.overrides: Overrides = RpcClient(session, TOKENS, "http://peer", caller="edge").proxy(
            "overrides", Overrides
        )
        self.environment_id = environment_id
        self.routes = FakeRoutes()
        tables = RouteTables(self.routes, NATIVE)
        self.operations = OverrideOperations(self.overrides, tables)
        self.knowing_fields = OverrideOperations(self.overrides, tables, FakeFields())

    async def set(self, subject: str, **change: Any) -> PolicyEntry:
        return await self.operations.set_policy(self.environment_id, PolicyChange(subject, **change), CORRELATION)

    async def unset(self, subject: str) -> None:
        await self.operations.unset_policy(self.environment_id, subject, CORRELATION)

    async def policies(self) -> dict[str, OverridePolicy]:
        return await self.overrides.policies(self.environment_id)

    async def seen(self, *observations: Observation) -> None:
        reporter = OverrideReporter(self.overrides)
        reporter.note(observations)
        await reporter.flush()
        assert reporter.lost == 0


@pytest.fixture
async def world(connect_service: ConnectService) -> World:
    tenants = TenantsService(await connect_service("tenants", FOLDER / "migrations"), Vault(bytes(32)))
    environment_id, _ = await tenants.actions.create_environment("boeing", "prod", correlation_id=CORRELATION)
    return World(tenants, environment_id)


async def test_what_is_not_named_stays_and_a_route_begins_as_it_was(world: World) -> None:
    first = await world.set(SEARCH, percent=10.0)
    assert first.policy == OverridePolicy(percent=10.0, deadline_ms=30_000, fallback=False, shadow=False)
    second = await world.set(SEARCH, deadline_ms=300, fallback=True)
    assert (second.version, second.policy) == (2, OverridePolicy(percent=10.0, deadline_ms=300, fallback=True))
    field = await world.set("Product.price", percent=10.0)
    assert field.policy == OverridePolicy(percent=10.0, deadline_ms=1_000, fallback=True)
    assert await world.policies() == {SEARCH: second.policy, "Product.price": field.policy}
    await world.unset(SEARCH)
    assert list(await world.policies()) == ["Product.price"]


async def test_a_route_is_meant_whatever_its_variables_are_called(world: World) -> None:
    assert (await world.set("GET /api/products/{slug}", percent=10.0)).subject == PRODUCT
    assert (await world.set(" GET /api/products/{anything} ", fallback=True)).version == 2
    await world.unset("GET /api/products/{x}")
    assert await world.policies() == {}


async def test_a_policy_may_come_before_the_override(world: World) -> None:
    world.routes.keys = []
    await world.set(SEARCH, percent=0.0)
    [row] = await world.operations.rows(world.environment_id)
    assert (row.subject, row.partner, row.note) == (SEARCH, "", "unused: nothing overrides it now")


async def test_changes_at_the_same_time_are_all_made_or_refused_by_their_version(world: World) -> None:
    await world.set(SEARCH, percent=50.0)
    changes: list[dict[str, Any]] = [{"deadline_ms": 200}, {"fallback": True}, {"shadow": True}]
    await asyncio.gather(*(world.set(SEARCH, **change) for change in changes))
    expected = OverridePolicy(percent=50.0, deadline_ms=200, fallback=True, shadow=True)
    assert await world.policies() == {SEARCH: expected}
    with pytest.raises(Conflict) as caught:
        await world.set(SEARCH, percent=1.0, version=3)
    assert caught.value.code == "OVERRIDE_POLICY_CHANGED"
    assert await world.policies() == {SEARCH: expected}


@pytest.mark.parametrize(
    ("subject", "change", "error", "message"),
    [
        ("GET /api/offers", {"percent": 50.0}, PolicyNotApplicable, "route of its partner alone"),
        ("GET /api/offers", {"fallback": True}, PolicyNotApplicable, "without a native answer"),
        ("$default", {"shadow": True}, PolicyNotApplicable, "Only the deadline"),
        (UPLOAD, {"fallback": True}, PolicyNotApplicable, "nobody knows what it has done already"),
        (UPLOAD, {"shadow": True}, PolicyNotApplicable, "changes something"),
        ("GET /api/serach", {"percent": 50.0}, RouteNotFound, "kokoa routes list"),
        ("GET /api//search", {"percent": 50.0}, InvalidRouteKey, "not empty"),
        ("search", {"percent": 50.0}, InvalidSubject, "no field and no route"),
        (SEARCH, {}, InvalidOverridePolicy, "Nothing is to be set"),
        (SEARCH, {"percent": 101.0}, Invalid, "0 to 100"),
        (SEARCH, {"deadline_ms": 0}, Invalid, "1 to 30000"),
    ],
)
async def test_what_cannot_be_is_refused_with_the_reason(
    world: World, subject: str, change: dict[str, Any], error: type[KokoaError], message: str
) -> None:
    with pytest.raises(error, match=message):
        await world.set(subject, **change)
    assert await world.policies() == {}


async def test_a_misspelt_member_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="precent"):
        msgspec.json.decode(b'{"subject":"GET /api/search","precent":10}', type=PolicyChange)


async def test_what_has_side_effects_or_no_native_answer_has_what_makes_sense_of_it(world: World) -> None:
    assert (await world.set(UPLOAD, percent=50.0, deadline_ms=900)).policy.percent == 50.0
    assert (await world.set("GET /api/offers", deadline_ms=900)).policy.deadline_ms == 900
    assert (await world.set("$default", deadline_ms=900)).subject == "$default"


async def test_the_list_has_every_override_with_its_partner_policy_and_last_day(world: World) -> None:
    await world.set("GET /api/offers", deadline_ms=900)
    await world.set("Product.price", percent=5.0)
    await world.set("Product.name", percent=5.0)
    await world.seen(
        Observation(world.environment_id, SEARCH, "answered", CORRELATION, count=3),
        Observation(world.environment_id, SEARCH, "late", CORRELATION, reason="slow"),
    )
    rows = {row.subject: row for row in await world.operations.rows(world.environment_id)}
    assert sorted(rows) == ["GET /api/offers", PRODUCT, SEARCH, "Product.name", "Product.price"]
    assert (rows[SEARCH].partner, rows[SEARCH].policy, rows[SEARCH].note) == ("acme", None, "")
    assert rows[SEARCH].last_day == {"answered": 3, "late": 1}
    assert (rows["GET /api/offers"].partner, rows[PRODUCT].partner) == ("acme", "acme")
    assert rows["Product.price"].note.startswith("unused")
    known = {row.subject: row for row in await world.knowing_fields.rows(world.environment_id)}
    assert (known["Product.price"].partner, known["Product.price"].note) == ("acme", "")
    assert known["Product.name"].note.startswith("unused")


async def test_a_report_has_counts_reasons_and_samples_of_its_subject_alone(world: World) -> None:
    where = world.environment_id
    await world.seen(
        *(Observation(where, PRODUCT, "failed", CORRELATION, reason="KeyError: sku") for _ in range(3)),
        Observation(where, PRODUCT, "failed", CORRELATION, reason="no room"),
        Observation(where, PRODUCT, "different", CORRELATION, 1, "price differs", 1, 2),
        Observation(where, SEARCH, "failed", CORRELATION, reason="another's"),
    )
    report = await world.operations.report(where, "GET /api/products/{slug}", 3_600)
    assert (report.subject, report.policy) == (PRODUCT, None)
    assert report.counts == {"failed": 4, "different": 1}
    assert sum(one.count for one in report.hours) == 5
    first, *_ = report.reasons
    assert (first.outcome, first.reason, first.count) == ("failed", "KeyError: sku", 3)
    [different] = [one for one in report.samples if one.outcome == "different"]
    assert (different.native, different.other, different.correlation_id) == ("1", "2", CORRELATION)
    assert "another's" not in str(report)


async def test_another_environments_report_is_empty(world: World) -> None:
    await world.set(SEARCH, percent=1.0)
    await world.seen(Observation(world.environment_id, SEARCH, "failed", CORRELATION, reason="secret"))
    other = "0190c2d5-0000-7000-8000-000000000001"
    report = await world.operations.report(other, SEARCH, 3_600)
    assert (report.policy, report.counts, report.samples) == (None, {}, [])
    with pytest.raises(NotFound):
        await world.operations.unset_policy(other, SEARCH, CORRELATION)
    assert [row.policy for row in await world.operations.rows(other)] == [None, None]


@pytest.mark.parametrize("since_s", [0, -1, 30 * 86_400 + 1])
async def test_a_report_goes_back_thirty_days_at_most(world: World, since_s: int) -> None:
    with pytest.raises(InvalidReportSpan):
        await world.operations.report(world.environment_id, SEARCH, since_s)
