"""How goods may be sent somewhere, as shoppers are told, and the zones and methods that decide it."""

import asyncio
from typing import Any

import pytest

from contract.asking import STOREFRONT, Asking
from kokoa.postgres import Database
from kokoa.services.shipping.service import ShippingService

OPTIONS = """query($input: ShippingOptionsInput!) { shippingOptions(input: $input) {
  key name description priceMinor currency minDays maxDays taxCategory } }"""
ZONE = """mutation($input: PutShippingZoneInput!) { putShippingZone(input: $input) {
  key name version places { country region postalCodePrefix } } }"""
METHOD = """mutation($input: PutShippingMethodInput!) { putShippingMethod(input: $input) {
  key version active rates { zone currency basis freeFromMinor maxWeightGrams bands { from priceMinor } } } }"""
CONFIGURATION = """{ shippingConfiguration { zones { key version places { country } }
  methods { key version rates { zone currency bands { from priceMinor } } } } }"""
EVENTS = "SELECT event_type FROM outbox WHERE environment_id = $1 ORDER BY id"


@pytest.fixture
def shop(shipping: ShippingService) -> Asking:
    return Asking(shipping.subgraph)


def flat(price_minor: int, zone: str = "fi", currency: str = "EUR", **more: Any) -> dict[str, Any]:
    return {"zone": zone, "currency": currency, "bands": [{"priceMinor": price_minor}], **more}


async def zone(shop: Asking, key: str, *places: dict[str, Any]) -> Any:
    return await shop.data(ZONE, input={"key": key, "name": key.upper(), "places": list(places)})


async def method(shop: Asking, key: str, *rates: dict[str, Any], **more: Any) -> Any:
    return await shop.data(METHOD, input={"key": key, "name": key.title(), "rates": list(rates), **more})


async def finland(shop: Asking) -> Asking:
    await zone(shop, "fi", {"country": "FI"})
    await method(shop, "courier", flat(1_490), position=2, minDays=1, maxDays=2, taxCategory="standard")
    await method(shop, "post", flat(490, freeFromMinor=5_000), position=1, description="Into your letter box")
    return shop


def to(country: str, total: int = 1_000, **more: Any) -> dict[str, Any]:
    destination = {"country": country, "region": more.pop("region", None), "postalCode": more.pop("postal", None)}
    return {"destination": destination, "currency": "EUR", "totalMinor": total, **more}


async def prices(shop: Asking, given: dict[str, Any]) -> dict[str, int]:
    return {one["key"]: one["priceMinor"] for one in await shop.data(OPTIONS, STOREFRONT, input=given)}


async def test_a_shopper_is_told_how_it_may_be_sent_in_the_merchants_order(shop: Asking) -> None:
    await finland(shop)
    assert await shop.data(OPTIONS, STOREFRONT, input=to("FI")) == [
        {
            "key": "post",
            "name": "Post",
            "description": "Into your letter box",
            "priceMinor": 490,
            "currency": "EUR",
            "minDays": None,
            "maxDays": None,
            "taxCategory": None,
        },
        {
            "key": "courier",
            "name": "Courier",
            "description": None,
            "priceMinor": 1_490,
            "currency": "EUR",
            "minDays": 1,
            "maxDays": 2,
            "taxCategory": "standard",
        },
    ]
    assert await prices(shop, to("FI", total=5_000)) == {"post": 0, "courier": 1_490}
    assert await prices(shop, to("SE")) == {}
    assert await prices(shop, to("FI") | {"currency": "USD"}) == {}


async def test_bands_by_total_weight_and_pieces(shop: Asking) -> None:
    await zone(shop, "fi", {"country": "FI"})
    bands = [{"from": 0, "priceMinor": 500}, {"from": 2_000, "priceMinor": 900}]
    by = {"zone": "fi", "currency": "EUR", "bands": bands}
    await method(shop, "total", by | {"basis": "TOTAL"})
    await method(shop, "weight", by | {"basis": "WEIGHT", "maxWeightGrams": 30_000})
    await method(shop, "pieces", by | {"basis": "ITEMS", "bands": [{"from": 1, "priceMinor": 300}]})
    assert await prices(shop, to("FI")) == {"total": 500}
    given = to("FI", total=2_000, weightGrams=2_000, itemCount=1)
    assert await prices(shop, given) == {"total": 900, "weight": 900, "pieces": 300}
    assert await prices(shop, given | {"weightGrams": 30_001, "itemCount": 0}) == {"total": 900}


async def test_the_most_specific_place_decides_and_each_currency_has_its_price(shop: Asking) -> None:
    places: dict[str, dict[str, Any]] = {
        "fi": {"country": "FI"},
        "aland": {"country": "FI", "region": "ax"},
        "north": {"country": "FI", "postalCodePrefix": "99"},
    }
    for key, place in places.items():
        await zone(shop, key, place)
    rates = [flat(price, key) for price, key in ((100, "fi"), (200, "aland"), (300, "north"))]
    await method(shop, "post", *rates, flat(1_100, "fi", "SEK"))
    assert await prices(shop, to("FI")) == {"post": 100}
    assert await prices(shop, to("FI", region="AX", postal="22100")) == {"post": 200}
    assert await prices(shop, to("FI", region="AX", postal="99 800")) == {"post": 300}
    assert await prices(shop, to("FI") | {"currency": "SEK"}) == {"post": 1_100}


async def test_an_inactive_method_is_not_offered(shop: Asking) -> None:
    await finland(shop)
    await method(shop, "post", flat(490, freeFromMinor=5_000), active=False)
    assert await prices(shop, to("FI")) == {"courier": 1_490}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"totalMinor": -1}, ("INVALID_SHIPPING_INPUT", "totalMinor")),
        ({"totalMinor": 2_000_000_001}, ("INVALID_SHIPPING_INPUT", "totalMinor")),
        ({"weightGrams": -1}, ("INVALID_SHIPPING_INPUT", "weightGrams")),
        ({"itemCount": -1}, ("INVALID_SHIPPING_INPUT", "itemCount")),
        ({"currency": "eu\x00"}, ("INVALID_SHIPPING_INPUT", "currency")),
        ({"destination": {"country": "\x00\x00"}}, ("INVALID_PLACE", "destination.country")),
        ({"destination": {"country": "FI", "region": "\x00"}}, ("INVALID_PLACE", "destination.region")),
        ({"destination": {"country": "FI", "postalCode": "\ud800"}}, ("INVALID_PLACE", "destination.postalCode")),
    ],
)
async def test_what_cannot_be_sent_is_said(shop: Asking, change: dict[str, Any], expected: tuple[str, str]) -> None:
    assert await shop.error(OPTIONS, STOREFRONT, input=to("FI") | change) == expected


@pytest.mark.parametrize(
    ("document", "given", "expected"),
    [
        (ZONE, {"key": "No"}, ("INVALID_SHIPPING_CONFIGURATION", "key")),
        (ZONE, {"name": "\x00"}, ("INVALID_SHIPPING_CONFIGURATION", "name")),
        (ZONE, {"places": []}, ("INVALID_PLACE", "places")),
        (ZONE, {"places": [{"country": "FI"}]}, ("SHIPPING_PLACE_TAKEN", "")),
        (METHOD, {"description": "x" * 2_001}, ("INVALID_SHIPPING_CONFIGURATION", "description")),
        (METHOD, {"position": -1}, ("INVALID_SHIPPING_CONFIGURATION", "position")),
        (METHOD, {"minDays": 1}, ("INVALID_SHIPPING_CONFIGURATION", "maxDays")),
        (METHOD, {"minDays": 3, "maxDays": 2}, ("INVALID_SHIPPING_CONFIGURATION", "maxDays")),
        (METHOD, {"taxCategory": "\x00"}, ("INVALID_SHIPPING_CONFIGURATION", "taxCategory")),
        (METHOD, {"rates": [flat(1)] * 201}, ("INVALID_SHIPPING_CONFIGURATION", "rates")),
        (METHOD, {"rates": [flat(1)] * 2}, ("INVALID_SHIPPING_CONFIGURATION", "rates.1")),
        (METHOD, {"rates": [flat(-1)]}, ("INVALID_SHIPPING_CONFIGURATION", "rates.0.bands.0.priceMinor")),
        (METHOD, {"rates": [flat(1) | {"bands": []}]}, ("INVALID_SHIPPING_CONFIGURATION", "rates.0.bands")),
        (
            METHOD,
            {"rates": [flat(1) | {"bands": [{"from": 1, "priceMinor": 1}]}]},
            ("INVALID_SHIPPING_CONFIGURATION", "rates.0.bands"),
        ),
        (
            METHOD,
            {"rates": [flat(1) | {"basis": "TOTAL", "bands": [{"priceMinor": 1}] * 2}]},
            ("INVALID_SHIPPING_CONFIGURATION", "rates.0.bands.1.from"),
        ),
        (METHOD, {"rates": [flat(1, currency="euro")]}, ("INVALID_SHIPPING_CONFIGURATION", "rates.0.currency")),
        (METHOD, {"rates": [flat(1, zone="\x00")]}, ("INVALID_SHIPPING_CONFIGURATION", "rates.0.zone")),
        (METHOD, {"rates": [flat(1, zone="moon")]}, ("SHIPPING_ZONE_NOT_FOUND", "")),
        (METHOD, {"rates": [flat(1, freeFromMinor=-1)]}, ("INVALID_SHIPPING_CONFIGURATION", "rates.0.freeFromMinor")),
        (
            METHOD,
            {"rates": [flat(1, maxWeightGrams=-1)]},
            ("INVALID_SHIPPING_CONFIGURATION", "rates.0.maxWeightGrams"),
        ),
    ],
)
async def test_bad_tables_change_nothing(
    shop: Asking, document: str, given: dict[str, Any], expected: tuple[str, str]
) -> None:
    await finland(shop)
    before = await shop.data(CONFIGURATION)
    whole: dict[str, dict[str, Any]] = {
        ZONE: {"key": "new", "name": "New", "places": [{"country": "SE"}]},
        METHOD: {"key": "new", "name": "New", "rates": []},
    }
    assert await shop.error(document, input=whole[document] | given) == expected
    assert await shop.data(CONFIGURATION) == before


async def test_what_is_put_again_stays_and_what_others_changed_is_refused(
    shop: Asking, shipping_database: Database
) -> None:
    await finland(shop)
    again = {"position": 1, "description": "Into your letter box"}
    assert (await method(shop, "post", flat(490, freeFromMinor=5_000), **again, version=0))["version"] == 1
    dearer = await method(shop, "post", flat(590), **again, version=1)
    assert (dearer["version"], dearer["rates"]) == (
        2,
        [
            {
                "zone": "fi",
                "currency": "EUR",
                "basis": "FLAT",
                "freeFromMinor": None,
                "maxWeightGrams": None,
                "bands": [{"from": 0, "priceMinor": 590}],
            }
        ],
    )
    late = {"key": "post", "name": "Post", "rates": [], "version": 1}
    assert await shop.code(METHOD, input=late) == "SHIPPING_CONFIGURATION_CHANGED"
    assert await shop.code(METHOD, input=late | {"key": "new"}) == "SHIPPING_CONFIGURATION_CHANGED"
    fi = {"key": "fi", "name": "FI", "places": [{"country": "FI"}, {"country": "AX"}]}
    assert await shop.code(ZONE, input=fi | {"version": 0}) == "SHIPPING_CONFIGURATION_CHANGED"
    assert (await shop.data(ZONE, input=fi | {"version": 1}))["version"] == 2
    assert await prices(shop, to("AX")) == {"post": 590, "courier": 1_490}
    told = [row[0] for row in await shipping_database.fetch(shop.environment_id, EVENTS)]
    assert told == [
        "ShippingZoneChanged",
        *["ShippingMethodChanged"] * 3,
        "ShippingZoneChanged",
    ]


async def test_a_place_that_another_zone_has_is_named(shop: Asking) -> None:
    await finland(shop)
    places = [{"country": "SE"}, {"country": "FI", "region": "ax", "postalCodePrefix": "22"}]
    await shop.data(ZONE, input={"key": "aland", "name": "Åland", "places": places})
    result = await shop.ask(ZONE, input={"key": "new", "name": "New", "places": [{"country": "DE"}, places[1]]})
    assert result.errors[0]["message"] == "The shipping zone 'aland' has FI AX 22 already."
    swapped = await shop.data(ZONE, input={"key": "aland", "name": "Åland", "places": places[::-1]})
    assert swapped["version"] == 1, "the order of places says nothing"


async def test_many_who_change_a_method_at_once(shop: Asking) -> None:
    await finland(shop)
    given = {"key": "post", "name": "Post", "version": 1}
    changes = [shop.ask(METHOD, input=given | {"rates": [flat(price)]}) for price in range(20)]
    results = await asyncio.gather(*changes)
    won = [one for one in results if not one.errors]
    assert len(won) == 1, "the version admits one"
    shown = (await prices(shop, to("FI")))["post"]
    assert won[0].data["putShippingMethod"]["rates"][0]["bands"][0]["priceMinor"] == shown


async def test_what_is_in_use_stays(shop: Asking) -> None:
    await finland(shop)
    delete = "mutation($key: String!, $version: Int!) { deleteShipping%s(key: $key, version: $version) }"
    for what in ("Zone", "Method"):
        for key in ("no", "\x00", "x" * 5_000):
            code = await shop.code(delete % what, key=key, version=1)
            assert code == f"SHIPPING_{what.upper()}_NOT_FOUND"
    assert await shop.code(delete % "Zone", key="fi", version=1) == "SHIPPING_ZONE_IN_USE"
    assert await shop.code(delete % "Method", key="post", version=2) == "SHIPPING_CONFIGURATION_CHANGED"
    for key in ("post", "courier"):
        assert await shop.data(delete % "Method", key=key, version=1) == key
    assert await shop.data(delete % "Zone", key="fi", version=1) == "fi"
    assert await shop.data(CONFIGURATION) == {"zones": [], "methods": []}


async def test_zones_come_in_pages_with_bounds(shop: Asking) -> None:
    for country in ("FI", "SE", "NO"):
        await zone(shop, country.lower(), {"country": country})
    page = """query($after: String, $limit: Int! = 50) { shippingConfiguration {
      zones(after: $after, limit: $limit) { key } } }"""
    assert (await shop.data(page, limit=2))["zones"] == [{"key": "fi"}, {"key": "no"}]
    assert (await shop.data(page, after="no"))["zones"] == [{"key": "se"}]
    for given in ({"limit": 0}, {"limit": 101}, {"after": "\x00"}):
        assert await shop.code(page, **given) == "INVALID_SHIPPING_PAGE"


async def test_another_environment_sends_in_ways_of_its_own(shop: Asking) -> None:
    await finland(shop)
    other = shop.elsewhere()
    assert await other.data(CONFIGURATION) == {"zones": [], "methods": []}
    assert await prices(other, to("FI")) == {}
    given = {"key": "post", "name": "Post", "rates": [flat(1)]}
    assert await other.code(METHOD, input=given) == "SHIPPING_ZONE_NOT_FOUND"
    delete = 'mutation { deleteShippingMethod(key: "post", version: 1) }'
    assert await other.code(delete) == "SHIPPING_METHOD_NOT_FOUND"
    await zone(other, "fi", {"country": "FI"})
    await method(other, "post", flat(1))
    assert await prices(other, to("FI")) == {"post": 1}
    assert await prices(shop, to("FI")) == {"post": 490, "courier": 1_490}


@pytest.mark.parametrize(
    "document",
    [
        "{ shippingConfiguration { methods { key } } }",
        'mutation { putShippingZone(input: {key: "a", name: "A", places: []}) { key } }',
        'mutation { deleteShippingZone(key: "a", version: 1) }',
        'mutation { putShippingMethod(input: {key: "a", name: "A", rates: []}) { key } }',
        'mutation { deleteShippingMethod(key: "a", version: 1) }',
    ],
)
async def test_a_storefront_may_not_see_or_change_tables(shop: Asking, document: str) -> None:
    assert await shop.code(document, STOREFRONT) == "FORBIDDEN"
