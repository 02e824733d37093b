"""Publishing on real tenants and a real catalog, in one process: what is refused, what crosses, what is undone."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date

import pytest

from contract.catalog_shop import open_database
from contract.test_custom_fields import DEFINE, FieldShop
from kokoa.kernel.errors import KokoaError, Unavailable
from kokoa.kernel.ids import new_correlation_id
from kokoa.kernel.overrides import OverridePolicy
from kokoa.messaging import Bus
from kokoa.messaging.feed import Feed
from kokoa.postgres import Database
from kokoa.postgres.vault import Vault
from kokoa.roles.compositions import Compositions
from kokoa.roles.directory import TenantsDirectory
from kokoa.roles.operations import TenantsOperations
from kokoa.roles.parts import compose_core
from kokoa.roles.publishing.checks import PAGE, SubgraphChecks
from kokoa.roles.publishing.errors import TooManyPublishes
from kokoa.roles.publishing.publisher import AT_ONCE_MAX, Publisher
from kokoa.roles.publishing.seam import Order, Report
from kokoa.roles.schemas import NOTICE, ComposedGraph, GraphSources
from kokoa.roles.seams import SubgraphSource, UsedDocument
from kokoa.roles.subgraphs import TenantsSubgraphs, TenantsUsedOperations
from kokoa.services.catalog.media.objects import MediaObjects
from kokoa.services.catalog.service import FOLDER as CATALOG_FOLDER
from kokoa.services.catalog.service import CatalogService
from kokoa.services.tenants.model import Operation
from kokoa.services.tenants.service import FOLDER, TenantsService
from kokoa.services.tenants.subgraphs.actions import Who
from kokoa.services.tenants.subgraphs.model import Source

CORRELATION = new_correlation_id()
RATING = "extend type Product { rating: Float }"
TODAY = date(2026, 6, 30)


class Policies:
    """How overrides behave; one for all environments."""

    def __init__(self) -> None:
        self.told: dict[str, OverridePolicy] = {}

    async def policies(self, environment_id: str) -> dict[str, OverridePolicy]:
        return self.told


class Place:
    """An environment with a partner, and everything that publishing needs."""

    def __init__(
        self, tenants: TenantsService, catalog: CatalogService, bus: Bus, compositions: Compositions
    ) -> None:
        self.tenants = tenants
        self.subgraphs = TenantsSubgraphs(tenants)
        self.used = TenantsUsedOperations(tenants)
        self.policies = Policies()
        self.sources = GraphSources(catalog.schemas, self.subgraphs, self.policies)
        checks = SubgraphChecks(
            self.sources, compositions, TenantsOperations(tenants), self.used, today=lambda: TODAY
        )
        self.checks, self.compositions = checks, compositions
        self.publisher = Publisher(self.subgraphs, checks, TenantsDirectory(tenants), bus)
        self.environment_id = ""
        self.accounts: dict[str, str] = {}

    async def open(self) -> "Place":
        alias = f"t{new_correlation_id()[:12]}"
        actions = self.tenants.actions
        self.environment_id, _ = await actions.create_environment(alias, "prod", correlation_id=CORRELATION)
        return self

    async def grant(self, partner: str, *patterns: str) -> None:
        actions = self.tenants.actions
        if partner not in self.accounts:
            self.accounts[partner] = await actions.add_partner(
                self.environment_id, partner, correlation_id=CORRELATION
            )
        for pattern in patterns:
            await actions.add_grant(self.environment_id, self.accounts[partner], pattern, correlation_id=CORRELATION)

    def order(self, sdl: str | None, partner: str = "acme", name: str = "", **more: object) -> Order:
        return Order(
            environment_id=self.environment_id,
            tenant="shop",
            environment="prod",
            account_id=self.accounts[partner],
            partner=partner,
            by="AKIATEST",
            name=name or f"of-{partner}",
            source=None if sdl is None else SubgraphSource(sdl, "fields", function="answers"),
            **more,  # type: ignore[arg-type]
        )

    async def publish(self, sdl: str, partner: str = "acme", name: str = "", **more: object) -> Report:
        return await self.publisher.publish(self.order(sdl, partner, name, **more), CORRELATION)

    async def refused(
        self, sdl: str | None, partner: str = "acme", name: str = "", **more: object
    ) -> tuple[str, str]:
        order = self.order(sdl, partner, name, **more)
        ask = self.publisher.publish if sdl is not None else self.publisher.withdraw
        with pytest.raises(KokoaError) as caught:
            await ask(order, CORRELATION)
        return caught.value.code, caught.value.message

    async def live(self) -> dict[str, str]:
        found = await self.subgraphs.published(self.environment_id)
        return {one.name: one.sdl for one in found.subgraphs}


@pytest.fixture(scope="module")
async def tenants(postgres: str) -> AsyncIterator[TenantsService]:
    async with open_database(postgres, "tenants", FOLDER / "migrations") as database:
        yield TenantsService(database, Vault(bytes(32)))


@pytest.fixture(scope="module")
async def catalog_database(postgres: str) -> AsyncIterator[Database]:
    async with open_database(postgres, "catalog", CATALOG_FOLDER / "migrations") as database:
        yield database


@pytest.fixture(scope="module")
def compositions() -> Compositions:
    return Compositions(compose_core())


@pytest.fixture
async def catalog_service(
    tenants: TenantsService,
    catalog_database: Database,
    bus: Bus,
    media_objects: MediaObjects,
    compositions: Compositions,
) -> CatalogService:
    graph = ComposedGraph(compositions, TenantsOperations(tenants), TenantsSubgraphs(tenants), Policies(), bus)
    return CatalogService(catalog_database, Feed(bus, "catalog"), media_objects, graph=graph)


@pytest.fixture
async def place(
    tenants: TenantsService, catalog_service: CatalogService, bus: Bus, compositions: Compositions
) -> Place:
    opened = await Place(tenants, catalog_service, bus, compositions).open()
    await opened.grant("acme", "Product.rating")
    return opened


async def test_a_publish_is_told_and_says_what_it_has(place: Place, bus: Bus) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def hear(name: str, _: bytes) -> None:
        heard.put_nowait(name)

    await bus.listen(f"{NOTICE}.{place.environment_id}", hear)
    report = await place.publish(RATING + " type AcmeBox { a: Int }")
    assert (report.version, report.changed, set(report.needs)) == (1, True, {"Product.rating", "AcmeBox"})
    assert await asyncio.wait_for(heard.get(), 30) == f"{NOTICE}.{place.environment_id}"
    again = await place.publish(RATING + " type AcmeBox { a: Int }")
    assert (again.version, again.changed) == (1, False)


@pytest.mark.parametrize(
    ("sdl", "code", "word"),
    [
        ("type Product {", "SUBGRAPH_NOT_COMPOSABLE", "INVALID_GRAPHQL"),
        ("extend type Product { rating: Missing }", "SUBGRAPH_NOT_COMPOSABLE", "Missing"),
        ("extend type Product { rating: Float name: String! }", "SUBGRAPH_NOT_GRANTED", "Product.name"),
        ("extend type Product { price: Int }", "SUBGRAPH_NOT_GRANTED", "kokoa grants add acme Product.price"),
        ("type Query { products: Int }", "SUBGRAPH_NOT_GRANTED", "Query.products"),
        ('extend schema @link(url: "https://specs.apollo.dev/federation/v1.0") ' + RATING,
         "SUBGRAPH_NOT_COMPOSABLE", "v1.0"),
        ("type __Own { a: Int }", "SUBGRAPH_NOT_COMPOSABLE", ""),
        ("scalar federation__FieldSet type Query { _service: Int }" + RATING, "", ""),
        ("type Product @inaccessible { rating: Float }", "SUBGRAPH_NOT_GRANTED", "Product.*"),
        ("extend type Product { rating: Float @authenticated }", "", ""),
        ("input ProductFilter { nameContains: String } " + RATING, "SUBGRAPH_NOT_COMPOSABLE", "TAKES_AWAY"),
        ("enum ProductStatus { DRAFT PUBLISHED ARCHIVED GONE } " + RATING,
         "SUBGRAPH_NOT_GRANTED", "ProductStatus.GONE"),
    ],
)  # fmt: skip
async def test_what_a_partner_may_not_do_changes_nothing(place: Place, sdl: str, code: str, word: str) -> None:
    if not code:
        assert (await place.publish(sdl)).version == 1
        return
    found = await place.refused(sdl)
    assert (found[0], word in found[1]) == (code, True), found
    assert await place.live() == {}
    report = await place.publisher.check(place.order(sdl))
    assert report.findings


async def test_an_override_is_checked_as_it_will_be_served(place: Place) -> None:
    """By its label, also when it is the environment's first subgraph."""
    await place.grant("acme", "Product.name")
    place.policies.told = {"Product.name": OverridePolicy(percent=10)}
    old = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.0", import: ["@key", "@override"]) '
    sdl = old + 'type Product @key(fields: "id") { id: ID! name: String! @override(from: "catalog") }'
    assert (await place.publish(sdl)).version == 1
    standing = await place.checks.standing(place.environment_id)
    extended = await place.compositions.extended(
        place.environment_id, standing.sdl, standing.published, standing.state.policies
    )
    assert extended.supergraph.override_labels == ("percent(10)",)
    assert extended.extensions[0].policies == place.policies.told


async def test_an_override_that_is_to_fall_back_must_be_able_to(place: Place) -> None:
    """By the slug alone the catalogue cannot be asked for the product again."""
    await place.grant("acme", "Product.price")
    sdl = 'type Product @key(fields: "slug") { slug: String! @external  price: Float @override(from: "catalog") }'
    code, told = await place.refused(sdl)
    assert code == "SUBGRAPH_NOT_COMPOSABLE"
    assert "NO_NATIVE_KEY: Product.price" in told
    assert "kokoa overrides set Product.price --no-fallback" in told
    place.policies.told = {"Product.price": OverridePolicy(fallback=False)}
    assert (await place.publish(sdl)).version == 1


async def test_partners_do_not_touch_each_others_parts(place: Place) -> None:
    await place.grant("rival", "Product.score", "AcmeBox.*")
    await place.grant("third")
    await place.publish(RATING + ' type AcmeBox @key(fields: "a") { a: Int }')
    box = 'type AcmeBox @key(fields: "a") { a: Int b: Int }'
    code, told = await place.refused(box, "third")
    assert (code, "AcmeBox.b" in told) == ("SUBGRAPH_NOT_GRANTED", True)
    assert (await place.publish(box, "rival")).version == 1
    over = 'extend type Product { rating: Float @override(from: "of-acme") }'
    code, told = await place.refused(over, "rival", "over")
    assert (code, "Product.rating" in told) == ("SUBGRAPH_NOT_GRANTED", True)
    await place.grant("rival", "Product.rating")
    assert (await place.publish(over, "rival", "over")).version == 1


async def test_what_others_need_is_not_withdrawn(place: Place) -> None:
    await place.publish(RATING + " enum AcmeKind { A }")
    await place.grant("rival", "Product.rival")
    needs = 'extend type Product { rating: Float @external  rival: Int @requires(fields: "rating") }'
    await place.publish(needs, "rival")
    code, told = await place.refused(None)
    assert (code, "rival" in told) == ("SUBGRAPH_NOT_COMPOSABLE", True)
    code, _ = await place.refused("enum AcmeKind { A } type AcmeThing { a: AcmeKind }")
    assert code == "SUBGRAPH_NOT_COMPOSABLE"
    assert set(await place.live()) == {"of-acme", "of-rival"}


async def test_what_does_not_fit_any_more_can_be_withdrawn(place: Place) -> None:
    """As after an upgrade of the core: published without any check here, since a check would refuse it."""
    await place.grant("rival")
    await place.publish(RATING)
    for partner in ("acme", "rival"):
        await place.tenants.publishing.publish(
            Who(place.environment_id, place.accounts[partner], "AKIATEST"),
            f"old-{partner}",
            Source("type AcmeOld { a: WasNative }", "fields", "answers"),
            (),
            based_on=await place.subgraphs.digest(place.environment_id),
            if_version=None,
            correlation_id=CORRELATION,
        )
    code, told = await place.refused(RATING + " type AcmeNew { a: Int }")
    assert (code, "old-rival" in told) == ("SUBGRAPH_NOT_COMPOSABLE", True)
    for partner in ("acme", "rival"):
        order = place.order(None, partner, f"old-{partner}")
        assert (await place.publisher.withdraw(order, CORRELATION)).version == 2
    assert (await place.publish(RATING + " type AcmeNew { a: Int }")).version == 2


async def test_operations_of_thirty_days_and_registered_ones_are_kept(place: Place) -> None:
    await place.publish(RATING)
    used = [
        UsedDocument("query Old{products{rating}}", date(2026, 5, 30)),
        UsedDocument("query New{products{rating}}", date(2026, 5, 31)),
        UsedDocument("{products{name}}", TODAY),
        UsedDocument("{products{rating gone}}", TODAY),
        *(UsedDocument(f"query Many{number}{{products{{name}}}}", TODAY) for number in range(PAGE + 20)),
    ]
    await place.used.note(place.environment_id, used[:150])
    await place.tenants.actions.register_operations(
        place.environment_id, [Operation("page", "{ products { rating } }")], correlation_id=CORRELATION
    )
    code, told = await place.refused(None)
    assert code == "SUBGRAPH_BREAKS_OPERATIONS"
    assert told.count("\n") == 3, told
    assert "page (registered): Cannot query field 'rating'" in told
    assert "query New (used 2026-05-31)" in told
    wider = await place.publisher.check(place.order("extend type Product { rating: String }"))
    assert wider.operations == (), "the documents still fit"
    report = await place.publisher.withdraw(place.order(None, allow_breaking=True), CORRELATION)
    assert (report.version, len(report.operations)) == (2, 2)


async def test_a_custom_field_that_crosses_a_publish_undoes_it(place: Place, catalog_service: CatalogService) -> None:
    shop = FieldShop(catalog_service)
    shop.environment_id = place.environment_id
    await place.grant("acme", "VariantCustom")
    before = await place.publish(RATING)
    change = place.subgraphs.change

    async def crossed(*given: object) -> object:
        """Between the check and the commit somebody declares the field that the subgraph's type is in the way of."""
        place.subgraphs.change = change  # type: ignore[method-assign]
        await shop.data(DEFINE, input={"on": "VARIANT", "key": "rank", "type": "INT"})
        return await change(*given)  # type: ignore[arg-type]

    place.subgraphs.change = crossed  # type: ignore[method-assign, assignment]
    code, told = await place.refused(RATING + " type VariantCustom { own: Int }")
    assert (code, "as it was before" in told) == ("PUBLISH_UNDONE", True)
    assert await place.live() == {"of-acme": RATING}
    versions = await place.subgraphs.versions(place.environment_id, place.accounts["acme"], "of-acme", 1_000, 100)
    assert [one.version for one in versions] == [3, 2, 1], "nothing that happened is forgotten"
    assert versions[0].sha256 == versions[2].sha256
    assert before.version == 1


async def test_many_partners_at_once_all_get_in(place: Place) -> None:
    partners = [f"partner{number}" for number in range(6)]
    for one in partners:
        await place.grant(one)
    reports = await asyncio.gather(
        *(place.publish(f"type {one.capitalize()}Box {{ a: Int }}", one) for one in partners)
    )
    assert [one.version for one in reports] == [1] * 6
    assert len(await place.live()) == 6


async def test_a_flood_of_checks_of_one_account_is_throttled(place: Place) -> None:
    await place.grant("rival")
    orders = [place.order(f"type AcmeBox{number} {{ a: Int }}") for number in range(AT_ONCE_MAX + 3)]
    rivals = place.order("type RivalBox { a: Int }", "rival")
    results = await asyncio.gather(*(place.publisher.check(one) for one in (*orders, rivals)), return_exceptions=True)
    throttled = [one for one in results if isinstance(one, TooManyPublishes)]
    assert (len(throttled), isinstance(results[-1], Report)) == (3, True)
    assert (await place.publisher.check(orders[0])).findings == ()


async def test_an_outage_after_the_commit_does_not_take_the_publish_back(place: Place) -> None:
    await place.publish(RATING)
    digest = place.sources.schemas.digest
    looks = iter(range(100))

    async def away(environment_id: str) -> str:
        if next(looks) >= 2:
            raise Unavailable("Catalog does not answer.")
        return await digest(environment_id)

    place.sources.schemas.digest = away  # type: ignore[method-assign]
    try:
        report = await place.publish(RATING + " type AcmeMore { a: Int }")
    finally:
        place.sources.schemas.digest = digest  # type: ignore[method-assign]
    assert report.version == 2
