"""Subgraphs in tenants on a real server: versions, who may publish what, bounds, and what is told."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date

import pytest

from contract.catalog_shop import open_database
from kokoa.kernel.ids import new_correlation_id
from kokoa.postgres import Database
from kokoa.postgres.vault import Vault
from kokoa.services.tenants.errors import InvalidGrant
from kokoa.services.tenants.service import FOLDER, TenantsService
from kokoa.services.tenants.subgraphs import model
from kokoa.services.tenants.subgraphs.actions import Outcome, Who
from kokoa.services.tenants.subgraphs.errors import (
    GrantInUse,
    InvalidSubgraph,
    SubgraphNameTaken,
    SubgraphNotFound,
    SubgraphNotGranted,
    SubgraphsChanged,
    SubgraphVersionChanged,
    TooManySubgraphs,
)
from kokoa.services.tenants.subgraphs.model import Source
from kokoa.services.tenants.used_operations.model import UsedOperation

CORRELATION = new_correlation_id()
SDL = "type Query { acmeReviews: Int }"
EVENTS = "SELECT event_type FROM outbox WHERE environment_id = $1 AND event_type LIKE 'Subgraph%' ORDER BY event_id"


def source(sdl: str = SDL, **more: str) -> Source:
    return Source(sdl=sdl, target="url", url=more.get("url", "https://reviews.example.com/graphql"))


@pytest.fixture(scope="module")
async def database(postgres: str) -> AsyncIterator[Database]:
    async with open_database(postgres, "tenants", FOLDER / "migrations") as opened:
        yield opened


@pytest.fixture
async def tenants(database: Database) -> TenantsService:
    return TenantsService(database, Vault(bytes(32)))


class Place:
    """An environment of a test's own, with partners."""

    def __init__(self, tenants: TenantsService, environment_id: str) -> None:
        self.tenants = tenants
        self.environment_id = environment_id

    async def partner(self, name: str, *grants: str) -> Who:
        actions = self.tenants.actions
        account = await actions.add_partner(self.environment_id, name, correlation_id=CORRELATION)
        for pattern in grants:
            await actions.add_grant(self.environment_id, account, pattern, correlation_id=CORRELATION)
        return Who(self.environment_id, account, "AKIATEST")

    async def publish(
        self,
        who: Who,
        name: str,
        given: Source,
        *needs: str,
        based_on: str | None = None,
        if_version: int | None = None,
    ) -> Outcome:
        base = await self.tenants.subgraphs.digest(self.environment_id) if based_on is None else based_on
        return await self.tenants.publishing.publish(
            who, name, given, needs, based_on=base, if_version=if_version, correlation_id=CORRELATION
        )

    async def withdraw(self, who: Who, name: str, *, if_version: int | None = None) -> Outcome:
        base = await self.tenants.subgraphs.digest(self.environment_id)
        return await self.tenants.publishing.withdraw(
            who, name, based_on=base, if_version=if_version, correlation_id=CORRELATION
        )

    async def live(self) -> dict[str, str]:
        return {one.name: one.sdl for one in await self.tenants.subgraphs.live(self.environment_id)}

    async def events(self, database: Database) -> list[str]:
        return [row["event_type"] for row in await database.fetch(self.environment_id, EVENTS)]


@pytest.fixture
async def place(tenants: TenantsService) -> Place:
    alias = f"t{new_correlation_id()[:12]}"
    environment_id, _ = await tenants.actions.create_environment(alias, "prod", correlation_id=CORRELATION)
    return Place(tenants, environment_id)


async def test_versions_are_kept_and_the_newest_is_live(place: Place, database: Database) -> None:
    acme = await place.partner("acme")
    assert (await place.publish(acme, "reviews", source())).version == 1
    first = await place.tenants.subgraphs.digest(place.environment_id)
    assert (await place.publish(acme, "reviews", source("type Query { acmeMore: Int }"))).version == 2
    assert await place.live() == {"reviews": "type Query { acmeMore: Int }"}
    assert (await place.withdraw(acme, "reviews")).version == 3
    assert await place.live() == {}
    assert await place.tenants.subgraphs.digest(place.environment_id) == ""
    again = await place.publish(acme, "reviews", source())
    assert (again.version, again.digest) == (4, first), "equal content has an equal digest"
    versions = await place.tenants.subgraphs.versions(place.environment_id, acme.account_id, "reviews")
    assert [(one.version, bool(one.sha256)) for one in versions] == [(4, True), (3, False), (2, True), (1, True)]
    older = await place.tenants.subgraphs.versions(
        place.environment_id, acme.account_id, "reviews", before=3, limit=1
    )
    assert [one.version for one in older] == [2]
    kept = await place.tenants.subgraphs.source(place.environment_id, acme.account_id, "reviews", 1)
    assert kept == source()
    assert await place.tenants.subgraphs.source(place.environment_id, acme.account_id, "reviews", 3) is None
    published = ["SubgraphPublished", "SubgraphPublished", "SubgraphWithdrawn", "SubgraphPublished"]
    assert await place.events(database) == published


async def test_the_same_again_changes_nothing(place: Place, database: Database) -> None:
    acme = await place.partner("acme")
    first = await place.publish(acme, "reviews", source(), if_version=0)
    again = await place.publish(acme, "reviews", source(), if_version=0)
    assert (first.changed, again.changed, again.version, again.digest) == (True, False, 1, first.digest)
    moved = await place.publish(acme, "reviews", source(url="https://other.example.com/graphql"))
    assert (moved.changed, moved.version) == (True, 2), "another address is another version"
    await place.withdraw(acme, "reviews")
    assert (await place.withdraw(acme, "reviews")).changed is False
    assert len(await place.events(database)) == 3


async def test_who_knows_an_older_version_is_refused(place: Place) -> None:
    acme = await place.partner("acme")
    await place.publish(acme, "reviews", source())
    other = source("type Query { acmeOther: Int }")
    for wrong in (0, 2):
        with pytest.raises(SubgraphVersionChanged, match="version of reviews is 1"):
            await place.publish(acme, "reviews", other, if_version=wrong)
    with pytest.raises(SubgraphVersionChanged):
        await place.withdraw(acme, "reviews", if_version=9)
    assert (await place.publish(acme, "reviews", other, if_version=1)).version == 2


async def test_of_many_who_publish_at_once_on_the_same_base_one_wins(place: Place) -> None:
    acme = await place.partner("acme")
    results = await asyncio.gather(
        *(
            place.publish(acme, f"reviews-{n}", source(f"type Query {{ acme{n}: Int }}"), based_on="")
            for n in range(5)
        ),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in results) == ["Outcome", *["SubgraphsChanged"] * 4]
    assert len(await place.live()) == 1
    with pytest.raises(SubgraphsChanged):
        await place.publish(acme, "late", source(), based_on="")


async def test_a_name_is_its_accounts_for_good_and_no_environment_sees_anothers(
    place: Place, tenants: TenantsService
) -> None:
    acme, rival = await place.partner("acme"), await place.partner("rival")
    await place.publish(acme, "reviews", source())
    for _ in range(2):
        with pytest.raises(SubgraphNameTaken):
            await place.publish(rival, "reviews", source("type Query { rival: Int }"))
        with pytest.raises(SubgraphNameTaken):
            await place.withdraw(rival, "reviews")
        await place.withdraw(acme, "reviews")
    store = tenants.subgraphs
    assert await store.versions(place.environment_id, rival.account_id, "reviews") == []
    assert await store.source(place.environment_id, rival.account_id, "reviews", 1) is None
    alias = f"t{new_correlation_id()[:12]}"
    environment_id, _ = await tenants.actions.create_environment(alias, "prod", correlation_id=CORRELATION)
    other = Place(tenants, environment_id)
    assert await other.live() == {}
    assert await store.subgraphs(environment_id) == []
    assert await store.versions(environment_id, acme.account_id, "reviews") == []
    stranger = await other.partner("acme")
    assert (await other.publish(stranger, "reviews", source())).version == 1
    with pytest.raises(SubgraphNotFound):
        await other.withdraw(stranger, "nothing")
    assert await place.live() == {}


async def test_what_is_not_granted_is_refused_at_the_last_moment_too(place: Place) -> None:
    acme = await place.partner("acme", "Product.rating", "Review", "Variant.*")
    needs = ("AcmeThing", "Review", "Product.rating", "Variant.stock")
    await place.publish(acme, "reviews", source(), *needs)
    with pytest.raises(SubgraphNotGranted, match=r"Product\.price, Shelf"):
        await place.publish(acme, "more", source(), "Product.price", "Shelf")
    revoke = place.tenants.actions.revoke_grant
    for pattern in ("Product.rating", "Review", "Variant.*"):
        with pytest.raises(GrantInUse, match="reviews of acme"):
            await revoke(place.environment_id, acme.account_id, pattern, correlation_id=CORRELATION)
    await place.tenants.actions.add_grant(
        place.environment_id, acme.account_id, "Product.*", correlation_id=CORRELATION
    )
    await revoke(place.environment_id, acme.account_id, "Product.rating", correlation_id=CORRELATION)
    await place.withdraw(acme, "reviews")
    await revoke(place.environment_id, acme.account_id, "Review", correlation_id=CORRELATION)
    with pytest.raises(SubgraphNotGranted, match="Review"):
        await place.publish(acme, "reviews", source(), *needs)


async def test_grants_of_the_graph_are_no_routes(place: Place) -> None:
    acme = await place.partner("acme", "/api/*", "Product.price", "Review", "Product.*", "Query.recommended")
    found = [(one.kind, one.pattern) for one in await place.tenants.store.grants(place.environment_id)]
    assert sorted(found) == [
        ("field", "Product.*"),
        ("field", "Product.price"),
        ("field", "Query.recommended"),
        ("route", "/api/*"),
        ("type", "Review"),
    ]
    for wrong in (
        "_Any",
        "_Service.sdl",
        "Query._entities",
        "__Type",
        "join__Graph",
        "String",
        "Product.",
        "*",
        "a.b",
    ):
        with pytest.raises(InvalidGrant):
            await place.tenants.actions.add_grant(
                place.environment_id, acme.account_id, wrong, correlation_id=CORRELATION
            )


@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        ("Reviews", source(), "cannot be a subgraph's name"),
        ("r", source(), "cannot be a subgraph's name"),
        ("catalog", source(), "Kokoa's own"),
        ("reviews", source(""), "no text"),
        ("reviews", source("# " + "x" * model.SDL_BYTES_MAX), "at most"),
        ("reviews", source("type Query { a: Int } # \0"), "NUL"),
        ("reviews", source("type Query { a: Int } # \ud800"), "UTF-8"),
        ("reviews", source(url="ftp://reviews.example.com/"), "not the address"),
        ("reviews", source(url="https://u:p@reviews.example.com/"), "no user"),
        ("reviews", source(url="https://reviews.example.com:99999/"), "not the address"),
        ("reviews", source(url="https://[::1]/graphql"), "IPv6"),
        ("reviews", source(url="https:///graphql"), "not the address"),
        ("reviews", Source(SDL, "fields", "no spaces please"), "no function's name"),
        ("reviews", Source(SDL, "fields", "fine", "https://a.example.com"), "has no URL"),
        ("reviews", Source(SDL, "url", "fine", "https://a.example.com"), "has no function"),
    ],
)
async def test_what_has_no_form_is_refused(place: Place, name: str, given: Source, why: str) -> None:
    acme = await place.partner("acme")
    with pytest.raises(InvalidSubgraph, match=why):
        await place.publish(acme, name, given)
    assert await place.tenants.subgraphs.subgraphs(place.environment_id) == []


async def test_subgraphs_are_bounded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "SUBGRAPHS_MAX", 2)
    monkeypatch.setattr(model, "NAMES_MAX", 3)
    monkeypatch.setattr(model, "VERSIONS_MAX", 4)
    acme = await place.partner("acme")
    for name in ("one", "two"):
        await place.publish(acme, name, source())
    with pytest.raises(TooManySubgraphs, match="are live"):
        await place.publish(acme, "three", source())
    await place.withdraw(acme, "two")
    await place.publish(acme, "three", source())
    await place.withdraw(acme, "three")
    with pytest.raises(TooManySubgraphs, match="The account has 3"):
        await place.publish(acme, "four", source())
    for number in range(3):
        await place.publish(acme, "one", source(f"type Query {{ acme{number}: Int }}"))
    with pytest.raises(TooManySubgraphs, match="one has 4 versions"):
        await place.publish(acme, "one", source())
    monkeypatch.setattr(model, "LIVE_BYTES_MAX", 60)
    with pytest.raises(TooManySubgraphs, match="more than 60 bytes"):
        await place.publish(acme, "two", source("type Query { acmeOneMoreIsTooMuch: Int }"))
    monkeypatch.setattr(model, "LIVE_BYTES_MAX", 1_000)
    monkeypatch.setattr(model, "TEXT_BYTES_MAX", 100)
    with pytest.raises(TooManySubgraphs, match="more than 100 bytes"):
        await place.publish(acme, "two", source("type Query { acmeOneMore: Int }"))
    assert set(await place.live()) == {"one"}


async def test_used_documents_are_remembered_by_day_and_within_a_bound(
    place: Place, tenants: TenantsService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kokoa.services.tenants.used_operations.store.DOCUMENTS_MAX", 3)
    store, environment_id = tenants.used_operations, place.environment_id
    long_ago, day, next_day = date(2026, 1, 1), date(2026, 3, 1), date(2026, 3, 2)
    old = [UsedOperation(f"{{ old{number} }}", day) for number in range(2)]
    assert await store.note(environment_id, [*old, UsedOperation("{ older }", long_ago)], forget_before=long_ago) == 3
    assert await store.note(environment_id, old, forget_before=long_ago) == 0
    new = [UsedOperation("{ new }", next_day), UsedOperation("{ old1 }", next_day)]
    assert await store.note(environment_id, new, forget_before=day) == 2
    found = {one.document: one.last_used for one in await store.since(environment_id, day)}
    assert found == {"{ old0 }": day, "{ old1 }": next_day, "{ new }": next_day}
    await store.note(environment_id, [UsedOperation("{ newest }", next_day)], forget_before=day)
    assert {one.document for one in await store.since(environment_id, day)} == {"{ old1 }", "{ new }", "{ newest }"}
    assert {one.document for one in await store.since(environment_id, next_day)} == {
        "{ old1 }",
        "{ new }",
        "{ newest }",
    }
    flood = [UsedOperation(f"{{ flood{number} }}", next_day) for number in range(9)]
    await store.note(environment_id, flood, forget_before=day)
    left = {one.document for one in await store.since(environment_id, day)}
    assert "{ old1 }" in left, "what was used on two days outlives a flood"
    assert len(left) == 3
    monkeypatch.setattr("kokoa.services.tenants.used_operations.store.BYTES_MAX", 10)
    await store.note(environment_id, [UsedOperation("{ one }", next_day)], forget_before=day)
    assert [one.document for one in await store.since(environment_id, day)] == ["{ old1 }"]
    monkeypatch.setattr("kokoa.services.tenants.used_operations.store.BYTES_MAX", 1_000)
    await store.note(environment_id, [UsedOperation("{ one }", next_day)], forget_before=day)
    too_long = UsedOperation("{ " + "a " * 40_000 + "}", next_day)
    assert await store.note(environment_id, [too_long], forget_before=day) == 0
    page = await store.since(environment_id, day, limit=1)
    assert len(await store.since(environment_id, day, after=page[-1].digest)) == 1
    alias = f"t{new_correlation_id()[:12]}"
    other, _ = await tenants.actions.create_environment(alias, "prod", correlation_id=CORRELATION)
    assert await store.since(other, long_ago) == []
