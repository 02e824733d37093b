"""Tables of taxes and shipping are kept for a moment by each process; a change that is answered is seen by all."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract.asking import Asking
from contract.test_catalog_statements import counting
from contract.test_shipping import METHOD, OPTIONS, flat, to
from contract.test_shipping import ZONE as SHIPPING_ZONE
from contract.test_shipping import finland as ship_to_finland
from contract.test_taxes import CATEGORY, RATE, ROWS, SETTINGS, TAXES, ZONE, finland, of, put_rate
from kokoa.graphql import Subgraph
from kokoa.kernel.ids import new_id
from kokoa.kernel.places import PREFIX_MAX
from kokoa.postgres import Database, service_dsn
from kokoa.services.shipping.service import ShippingService
from kokoa.services.taxes.service import TaxesService
from servers import SERVICE_PASSWORD

LONG_S = 600.0
ROUNDS = 4
DELETE = "mutation($key: String!, $version: Int!) { delete%s(key: $key, version: $version) }"
BREAD = {"amountMinor": 12_550, "sku": "BREAD"}
ALAND = of("FI", BREAD, {"amountMinor": 100}, postal="22100", shipping={"amountMinor": 990, "taxCategory": "extra"})
SOON = timedelta(seconds=0.4)

Step = tuple[str, dict[str, Any]]


@asynccontextmanager
async def another_pool(database: Database, postgres: str) -> AsyncIterator[Database]:
    """The same database, as another process has it."""
    name = await database.fetchval(new_id(), "SELECT current_database() WHERE $1::uuid IS NOT NULL")
    dsn = service_dsn(postgres.replace("/postgres?", f"/{name}?"), database.service, SERVICE_PASSWORD)
    other = await Database.connect(dsn, service=database.service, pool_size=4)
    yield other
    await other.close()


@pytest.fixture(scope="module")
async def taxes_elsewhere(taxes_database: Database, postgres: str) -> AsyncIterator[Database]:
    async with another_pool(taxes_database, postgres) as database:
        yield database


@pytest.fixture(scope="module")
async def shipping_elsewhere(shipping_database: Database, postgres: str) -> AsyncIterator[Database]:
    async with another_pool(shipping_database, postgres) as database:
        yield database


def in_one_environment(*subgraphs: Subgraph) -> list[Asking]:
    environment_id = new_id()
    return [Asking(subgraph, environment_id) for subgraph in subgraphs]


def processes(
    service: type[TaxesService] | type[ShippingService], here: Database, elsewhere: Database
) -> list[Asking]:
    """One environment's: who changes, who keeps, both as products are; and who asks the database each time."""
    return in_one_environment(service(here).subgraph, service(elsewhere).subgraph, service(here, lease_s=0).subgraph)


async def found(shop: Asking, document: str, given: dict[str, Any]) -> Any:
    result = await shop.ask(document, input=given)
    return result.data, [error["extensions"]["code"] for error in result.errors or ()]


@asynccontextmanager
async def asked_all_the_time(ask: Callable[[], Awaitable[Any]]) -> AsyncIterator[None]:
    async def asking() -> None:
        while True:
            await ask()
            await asyncio.sleep(0)

    task = asyncio.ensure_future(asking())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def each_change_is_seen(
    changer: Asking, keeper: Asking, fresh: Asking, document: str, given: dict[str, Any], steps: list[Step]
) -> None:
    """What steps change is asked by one who keeps it: all the time, and when each is answered."""
    before = await found(fresh, document, given)
    async with asked_all_the_time(lambda: found(keeper, document, given)):
        for _ in range(ROUNDS):
            for mutation, variables in steps:
                for _ in range(random.randrange(30)):
                    await found(keeper, document, given)
                result = await changer.ask(mutation, **variables)
                seen = await found(keeper, document, given)
                assert not result.errors, (mutation, result.errors)
                now = await found(fresh, document, given)
                assert seen == now
                assert now != before, f"{mutation} changes nothing that is asked for: {variables}"
                assert await found(changer, document, given) == now
                before = now


def rate(basis_points: int) -> Step:
    given = {"key": "fi-standard", "zone": "fi", "category": "standard", "name": "VAT", "basisPoints": basis_points}
    return RATE, {"input": given}


async def test_a_change_of_taxes_that_is_answered_is_seen_by_all(
    taxes_database: Database, taxes_elsewhere: Database
) -> None:
    changer, keeper, fresh = processes(TaxesService, taxes_database, taxes_elsewhere)
    await finland(changer)
    aland = {"key": "aland", "name": "Åland", "places": [{"country": "FI", "postalCodePrefix": "22"}]}
    extra = {"key": "extra", "zone": "fi", "category": "extra", "name": "E", "basisPoints": 100}
    steps: list[Step] = [
        (CATEGORY, {"input": {"key": "extra", "name": "Extra"}}),
        (RATE, {"input": extra}),
        rate(2400),
        rate(2550),
        (ROWS, {"rows": [{"sku": "BREAD", "taxCategory": "reduced"}]}),
        (SETTINGS, {"input": {"defaultCategory": "reduced"}}),
        (SETTINGS, {"input": {"defaultCategory": "standard"}}),
        (ROWS, {"rows": [{"sku": "BREAD", "taxCategory": None}]}),
        (ZONE, {"input": aland}),
        (DELETE % "TaxZone", {"key": "aland", "version": 1}),
        (DELETE % "TaxRate", {"key": "extra", "version": 1}),
        (DELETE % "TaxCategory", {"key": "extra", "version": 1}),
    ]
    await each_change_is_seen(changer, keeper, fresh, TAXES, ALAND, steps)


async def test_a_change_of_shipping_that_is_answered_is_seen_by_all(
    shipping_database: Database, shipping_elsewhere: Database
) -> None:
    changer, keeper, fresh = processes(ShippingService, shipping_database, shipping_elsewhere)
    await ship_to_finland(changer)

    def drone(price: int, *zones: str) -> Step:
        rates = [flat(price, zone) for zone in zones]
        return METHOD, {"input": {"key": "drone", "name": "Drone", "position": 3, "rates": rates}}

    aland = {"key": "aland", "name": "Åland", "places": [{"country": "FI", "postalCodePrefix": "22"}]}
    steps: list[Step] = [
        drone(9_900, "fi"),
        drone(9_800, "fi"),
        (SHIPPING_ZONE, {"input": aland}),
        drone(9_900, "aland"),
        drone(9_700, "fi", "aland"),
        (DELETE % "ShippingMethod", {"key": "drone", "version": 4}),
        (DELETE % "ShippingZone", {"key": "aland", "version": 1}),
    ]
    await each_change_is_seen(changer, keeper, fresh, OPTIONS, to("FI", postal="22100"), steps)


async def committed(fresh: Asking, given: dict[str, Any], before: Any) -> None:
    """Until the database has something else."""
    async with asyncio.timeout(10):
        while await found(fresh, TAXES, given) == before:
            await asyncio.sleep(0)


@pytest.mark.parametrize("refused", [False, True], ids=["what is so already", "what is refused for it"])
async def test_who_finds_anothers_change_is_answered_when_all_find_it(
    taxes_database: Database, taxes_elsewhere: Database, refused: bool
) -> None:
    """The other's is committed and not answered."""
    changer, keeper, fresh = processes(TaxesService, taxes_database, taxes_elsewhere)
    never_answered = Asking(TaxesService(taxes_database, lease_s=LONG_S).subgraph, changer.environment_id)
    await finland(changer)
    given = of("FI", BREAD)
    for number in range(1, ROUNDS + 1):
        mutation, variables = rate(100 + number)
        if refused:
            put = (await changer.data(mutation, **variables))["version"]
            mutation, variables = DELETE % "TaxRate", {"key": "fi-standard", "version": put}
        before = await found(keeper, TAXES, given)
        change = asyncio.ensure_future(never_answered.ask(mutation, **variables))
        await committed(fresh, given, before)
        result = await changer.ask(mutation, **variables)
        seen = await found(keeper, TAXES, given)
        change.cancel()
        assert bool(result.errors) is refused
        assert seen == await found(fresh, TAXES, given) != before


async def test_a_store_whose_articles_are_alike_is_asked_once_for_all_articles_and_codes(
    taxes_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh, keeper = in_one_environment(
        TaxesService(taxes_database, lease_s=0).subgraph, TaxesService(taxes_database, lease_s=LONG_S).subgraph
    )
    await finland(fresh)

    def order(number: int) -> dict[str, Any]:
        return of("FI", {"amountMinor": 12_550, "sku": f"SKU-{number}"}, region=f"R{number}", postal=f"{number:05}")

    expected = (await found(fresh, TAXES, order(0)))[0]
    with counting(monkeypatch) as sent:
        for number in range(20):
            assert (await found(keeper, TAXES, order(number)))[0] == expected
        assert len(sent) == 1
        for _ in range(2):
            await found(keeper, TAXES, of("SE", BREAD))
        assert len(sent) == 2, "another country is another question"


async def test_where_articles_have_categories_each_is_asked_for_and_a_repeated_question_is_not(
    taxes_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh, keeper = in_one_environment(
        TaxesService(taxes_database, lease_s=0).subgraph, TaxesService(taxes_database, lease_s=LONG_S).subgraph
    )
    await finland(fresh)
    await fresh.data(ROWS, rows=[{"sku": "BREAD", "taxCategory": "reduced"}])
    lines = [BREAD, {"amountMinor": 12_550, "sku": "SOAP"}, {"amountMinor": 100, "taxCategory": "reduced"}]
    questions = [of("FI", *some, postal=code) for some in (lines, lines[:1], lines[1:2]) for code in ("1", "2")]
    questions.append(of("FI", {"amountMinor": 1, "taxCategory": "none such"}))
    with counting(monkeypatch) as sent:
        answers = [await found(keeper, TAXES, given) for given in questions * 3]
    assert len(sent) == 4, "one for each selection of articles and categories"
    assert answers == [await found(fresh, TAXES, given) for given in questions] * 3
    many = of("FI", *({"amountMinor": 1, "sku": f"SKU-{number}"} for number in range(101)))
    with counting(monkeypatch) as sent:
        for _ in range(2):
            await found(keeper, TAXES, many)
    assert len(sent) == 2, "what is too much to be kept is asked for each time"


async def test_delivery_is_asked_once_for_a_country_and_currency(
    shipping_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh, keeper = in_one_environment(
        ShippingService(shipping_database, lease_s=0).subgraph,
        ShippingService(shipping_database, lease_s=LONG_S).subgraph,
    )
    await ship_to_finland(fresh)
    with counting(monkeypatch) as sent:
        for number in range(20):
            given = to("FI", total=4_990 + number, region=f"R{number}", postal=f"{number:05}")
            options = (await found(keeper, OPTIONS, given))[0]["shippingOptions"]
            assert [one["priceMinor"] for one in options] == [490 if number < 10 else 0, 1_490]
        assert len(sent) == 1
        for country in ("SE", "SE", "NO"):
            assert (await found(keeper, OPTIONS, to(country)))[0] == {"shippingOptions": []}
        assert len(sent) == 3, "nothing is an answer, too"
        await found(keeper, OPTIONS, to("FI") | {"currency": "SEK"})
        assert len(sent) == 4


async def test_another_environments_tables_are_not_seen(
    taxes_database: Database, shipping_database: Database
) -> None:
    mine = Asking(TaxesService(taxes_database, lease_s=LONG_S).subgraph)
    await finland(Asking(TaxesService(taxes_database, lease_s=0).subgraph, mine.environment_id))
    given = of("FI", BREAD)
    for shop, zone in ((mine, "fi"), (mine.elsewhere(), None), (mine, "fi")):
        assert (await shop.data(TAXES, input=given))["zone"] == zone
    mine = Asking(ShippingService(shipping_database, lease_s=LONG_S).subgraph)
    await ship_to_finland(Asking(ShippingService(shipping_database, lease_s=0).subgraph, mine.environment_id))
    for shop, options in ((mine, 2), (mine.elsewhere(), 0), (mine, 2)):
        assert len(await shop.data(OPTIONS, input=to("FI"))) == options


COUNTRIES, REGIONS = ["FI", "US", "DE"], ["", "CA", "NY", "TX"]


def some_places(seed: random.Random, count: int) -> list[dict[str, Any]]:
    """FI: none but itself; US: regions and codes; DE: codes alone."""
    made: dict[tuple[str, str, str], dict[str, Any]] = {}
    for _ in range(count):
        country = seed.choice(COUNTRIES)
        region = seed.choice(REGIONS) if country == "US" else ""
        code = "".join(seed.choices("012", k=seed.randrange(4))) if country != "FI" else ""
        place = {"country": country, "region": region, "postalCodePrefix": code}
        made[country, region, code] = place
    return list(made.values())


@pytest.mark.parametrize("many", [False, True], ids=["a few", "more than are looked at"])
async def test_what_is_kept_is_what_each_destination_would_be_told(
    taxes_database: Database, shipping_database: Database, many: bool
) -> None:
    seed = random.Random(7)
    environment_id = new_id()
    tax_now, tax_kept, ship_now, ship_kept = (
        Asking(subgraph, environment_id)
        for subgraph in (
            TaxesService(taxes_database, lease_s=0).subgraph,
            TaxesService(taxes_database, lease_s=LONG_S).subgraph,
            ShippingService(shipping_database, lease_s=0).subgraph,
            ShippingService(shipping_database, lease_s=LONG_S).subgraph,
        )
    )
    places = some_places(seed, 60)
    zones = {f"z{number}": places[number::6] for number in range(6)}
    if many:
        longest = [{"country": "DE", "postalCodePrefix": f"9{number:0{PREFIX_MAX - 1}}"} for number in range(120)]
        zones["z0"] = zones["z0"] + longest
    for key, its in zones.items():
        await tax_now.data(ZONE, input={"key": key, "name": key, "places": its})
        await ship_now.data(SHIPPING_ZONE, input={"key": key, "name": key, "places": its})
        await ship_now.data(METHOD, input={"key": key, "name": key, "rates": [flat(1, key)]})
    told = set()
    for _ in range(400):
        country, region = seed.choice(COUNTRIES), seed.choice([*REGIONS, None])
        code = seed.choice([None, "".join(seed.choices("0123", k=seed.randrange(5))), f"9{seed.randrange(150):011}0"])
        given = of(country, {"amountMinor": 1}, region=region, postal=code)
        zone = (await tax_now.data(TAXES, input=given))["zone"]
        assert (await tax_kept.data(TAXES, input=given))["zone"] == zone
        given = to(country, region=region, postal=code)
        methods = [one["key"] for one in await ship_now.data(OPTIONS, input=given)]
        assert [one["key"] for one in await ship_kept.data(OPTIONS, input=given)] == methods
        assert methods == ([zone] if zone else [])
        told.add(zone)
    assert len(told) > 4


async def test_a_rate_begins_and_ends_when_it_does(taxes_database: Database) -> None:
    fresh, keeper = in_one_environment(
        TaxesService(taxes_database, lease_s=0).subgraph, TaxesService(taxes_database, lease_s=LONG_S).subgraph
    )
    await finland(fresh)
    begins = datetime.now(UTC) + SOON
    ends = begins + SOON
    await put_rate(fresh, "fi", "standard", 2550, validTo=begins.isoformat())
    moments = {"validFrom": begins.isoformat(), "validTo": ends.isoformat()}
    await put_rate(fresh, "fi", "standard", 2400, key="later", **moments)
    now = -1
    async with asyncio.timeout(10):
        while now != 0:
            before = datetime.now(UTC)
            lines = (await keeper.data(TAXES, input=of("FI", BREAD)))["lines"]
            now = sum(one["basisPoints"] for one in lines[0]["rates"])
            after = datetime.now(UTC)
            if not (before < begins <= after or before < ends <= after):
                assert now == (2550 if after < begins else 2400 if after < ends else 0)


async def test_who_waits_for_others_holds_no_connection(taxes_database: Database, taxes_elsewhere: Database) -> None:
    """More changes wait than there are connections, and others go on."""
    service = TaxesService(taxes_elsewhere, lease_s=LONG_S)
    shops = [Asking(service.subgraph) for _ in range(12)]
    wanted = {"key": "standard", "name": "Standard"}
    changes = [asyncio.ensure_future(shop.ask(CATEGORY, input=wanted)) for shop in shops]
    statement = "SELECT count(*) FROM categories WHERE environment_id = $1"
    async with asyncio.timeout(10):
        for shop in shops:
            while not await taxes_elsewhere.fetchval(shop.environment_id, statement):
                await asyncio.sleep(0)
        bulk = [{"sku": f"S{number}", "taxCategory": None} for number in range(1_000)]
        at_once = TaxesService(taxes_database)
        for _ in range(3):
            await Asking(at_once.subgraph).data(ROWS, rows=bulk)
    assert not any(change.done() for change in changes)
    for change in changes:
        change.cancel()
