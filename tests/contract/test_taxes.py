"""The taxes of a destination: which zone, which rates, whose; and the tables that decide it."""

import asyncio
from typing import Any

import pytest

from contract.asking import STOREFRONT, Asking
from kokoa.postgres import Database
from kokoa.services.taxes.service import TaxesService

TAXES = """query($input: TaxInput!) { taxes(input: $input) {
  zone currency pricesIncludeTax reverseCharge note netMinor taxMinor grossMinor rates { key amountMinor }
  lines { key taxCategory netMinor taxMinor grossMinor reverseCharge rates { name basisPoints amountMinor } }
  shipping { netMinor taxMinor grossMinor } } }"""
SETTINGS = """mutation($input: PutTaxSettingsInput!) { putTaxSettings(input: $input) {
  defaultCategory pricesIncludeTax sellerCountry version } }"""
CATEGORY = "mutation($input: PutTaxCategoryInput!) { putTaxCategory(input: $input) { key name version } }"
ZONE = """mutation($input: PutTaxZoneInput!) { putTaxZone(input: $input) {
  key pricesIncludeTax version places { country region postalCodePrefix } } }"""
RATE = """mutation($input: PutTaxRateInput!) { putTaxRate(input: $input) {
  key zone category name basisPoints validFrom validTo version } }"""
ROWS = """mutation($rows: [SkuTaxCategoryInput!]!) { setTaxCategories(rows: $rows) { changed unchanged } }"""
OF_SKUS = "query($skus: [String!]!) { taxCategories(skus: $skus) { sku taxCategory } }"
CONFIGURATION = """{ taxConfiguration { settings { defaultCategory version } categories { key }
  zones { key places { country } } rates { key } } }"""
EVENTS = "SELECT event_type FROM outbox WHERE environment_id = $1 ORDER BY id"


@pytest.fixture
def shop(taxes: TaxesService) -> Asking:
    return Asking(taxes.subgraph)


async def put_rate(shop: Asking, zone: str, category: str, basis_points: int, **more: Any) -> Any:
    given = {"key": f"{zone}-{category}", "zone": zone, "category": category, "name": f"{zone} {category}"}
    return await shop.data(RATE, input={**given, "basisPoints": basis_points, **more})


async def finland(shop: Asking) -> Asking:
    """Two categories; Finland with prices that include tax, the rest as the settings say."""
    for key in ("standard", "reduced"):
        await shop.data(CATEGORY, input={"key": key, "name": key.title()})
    await shop.data(ZONE, input={"key": "fi", "name": "Finland", "places": [{"country": "FI"}]})
    await put_rate(shop, "fi", "standard", 2550)
    await put_rate(shop, "fi", "reduced", 1400)
    await shop.data(SETTINGS, input={"defaultCategory": "standard", "sellerCountry": "FI"})
    return shop


def of(country: str, *lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    destination = {"country": country, "region": more.pop("region", None), "postalCode": more.pop("postal", None)}
    return {
        "destination": destination,
        "currency": "EUR",
        "lines": [{"key": str(index), **line} for index, line in enumerate(lines)],
        **more,
    }


async def test_a_shopper_is_told_what_is_taxed_and_how(shop: Asking) -> None:
    await finland(shop)
    await shop.data(ROWS, rows=[{"sku": "BREAD", "taxCategory": "reduced"}])
    given = of(
        "FI", {"amountMinor": 12_550}, {"amountMinor": 1_140, "sku": "BREAD"}, {"amountMinor": 100, "sku": "X"}
    )
    found = await shop.data(TAXES, STOREFRONT, input=given)
    assert (found["zone"], found["currency"], found["pricesIncludeTax"]) == ("fi", "EUR", True)
    assert [(one["taxCategory"], one["netMinor"], one["taxMinor"]) for one in found["lines"]] == [
        ("standard", 10_000, 2_550),
        ("reduced", 1_000, 140),
        ("standard", 80, 20),
    ]
    assert found["lines"][1]["rates"] == [{"name": "fi reduced", "basisPoints": 1400, "amountMinor": 140}]
    assert (found["netMinor"], found["taxMinor"], found["grossMinor"]) == (11_080, 2_710, 13_790)
    assert found["rates"] == [
        {"key": "fi-reduced", "amountMinor": 140},
        {"key": "fi-standard", "amountMinor": 2_570},
    ]
    assert (found["shipping"], found["note"], found["reverseCharge"]) == (None, None, False)
    explicit = of("FI", {"amountMinor": 1_140, "sku": "X", "taxCategory": "reduced"})
    assert (await shop.data(TAXES, STOREFRONT, input=explicit))["taxMinor"] == 140


async def test_shipping_is_taxed_as_it_says_or_as_what_is_shipped(shop: Asking) -> None:
    await finland(shop)
    lines = {"amountMinor": 5_000}, {"amountMinor": 5_000, "taxCategory": "reduced"}
    shared = await shop.data(TAXES, input=of("FI", *lines, shipping={"amountMinor": 1_001}))
    # 501 at 25.5 % and 500 at 14 %: two equal lines, and the odd cent goes to the first.
    assert shared["shipping"] == {"netMinor": 399 + 439, "taxMinor": 102 + 61, "grossMinor": 1_001}
    own = await shop.data(TAXES, input=of("FI", *lines, shipping={"amountMinor": 1_140, "taxCategory": "reduced"}))
    assert own["shipping"] == {"netMinor": 1_000, "taxMinor": 140, "grossMinor": 1_140}


async def test_where_no_zone_is_nothing_is_taxed_and_it_says_so(shop: Asking) -> None:
    found = await shop.data(TAXES, STOREFRONT, input=of("FI", {"amountMinor": 100, "sku": "A"}))
    assert (found["zone"], found["taxMinor"], found["grossMinor"]) == (None, 0, 100)
    assert found["lines"][0]["taxCategory"] is None
    await finland(shop)
    abroad = await shop.data(TAXES, STOREFRONT, input=of("US", {"amountMinor": 100}))
    assert (abroad["zone"], abroad["taxMinor"], abroad["rates"]) == (None, 0, [])


async def test_the_most_specific_place_decides(shop: Asking) -> None:
    await shop.data(CATEGORY, input={"key": "standard", "name": "Standard"})
    await shop.data(SETTINGS, input={"defaultCategory": "standard", "pricesIncludeTax": False})
    zones: dict[str, list[dict[str, Any]]] = {
        "us": [{"country": "US"}],
        "ca": [{"country": "US", "region": "ca"}],
        "la": [{"country": "US", "postalCodePrefix": "90"}],
        "la-ca": [{"country": "US", "region": "CA", "postalCodePrefix": "90"}],
        "downtown": [{"country": "US", "postalCodePrefix": "900-12"}],
    }
    for place, (key, places) in enumerate(zones.items()):
        await shop.data(ZONE, input={"key": key, "name": key, "places": places})
        await put_rate(shop, key, "standard", place + 1)

    async def zone(region: str | None, postal: str | None) -> Any:
        return (await shop.data(TAXES, input=of("US", {"amountMinor": 1}, region=region, postal=postal)))["zone"]

    assert [
        await zone(None, None),
        await zone("NY", "10001"),
        await zone(" ca ", "94110"),
        await zone("NY", "90123"),
        await zone("CA", "90123"),
        await zone("CA", "90 012-1234"),
        await zone("CA", "9" * 200),
    ] == ["us", "us", "ca", "la", "la-ca", "downtown", "ca"]


async def test_rates_hold_from_a_moment_to_another(shop: Asking) -> None:
    await finland(shop)
    past, future = "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
    await put_rate(shop, "fi", "standard", 2400, validTo=past)
    await put_rate(shop, "fi", "standard", 2550, key="fi-now", validFrom=past, validTo=future)
    await put_rate(shop, "fi", "standard", 9000, key="fi-later", validFrom=future)
    found = await shop.data(TAXES, input=of("FI", {"amountMinor": 12_550}))
    assert found["lines"][0]["rates"] == [{"name": "fi standard", "basisPoints": 2550, "amountMinor": 2_550}]


async def test_a_business_across_the_border_owes_the_tax_itself(shop: Asking) -> None:
    await finland(shop)
    await shop.data(ZONE, input={"key": "se", "name": "Sweden", "places": [{"country": "SE"}]})
    await put_rate(shop, "se", "standard", 2500)
    number = "SE 1234-5678-9012"
    found = await shop.data(TAXES, STOREFRONT, input=of("SE", {"amountMinor": 12_500}, vatNumber=number))
    assert (found["reverseCharge"], found["netMinor"], found["taxMinor"]) == (True, 10_000, 0)
    assert found["note"].startswith("Reverse charge")
    assert found["lines"][0]["reverseCharge"]
    person = await shop.data(TAXES, input=of("SE", {"amountMinor": 12_500}, vatNumber=number, company=False))
    assert (person["reverseCharge"], person["taxMinor"], person["note"]) == (False, 2_500, None)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"lines": []}, "lines"),
        ({"lines": [{"key": str(n), "amountMinor": 1} for n in range(501)]}, "lines"),
        ({"lines": [{"key": "a", "amountMinor": -1}]}, "lines.0.amountMinor"),
        ({"lines": [{"key": "a", "amountMinor": 2_000_000_001}]}, "lines.0.amountMinor"),
        ({"lines": [{"key": "a", "amountMinor": 1}, {"key": "a", "amountMinor": 1}]}, "lines.1.key"),
        ({"lines": [{"key": "\x00", "amountMinor": 1}]}, "lines.0.key"),
        ({"lines": [{"key": "a", "amountMinor": 1, "sku": "\x00"}]}, "lines.0.sku"),
        ({"lines": [{"key": "a", "amountMinor": 1, "taxCategory": "\x00"}]}, "lines.0.taxCategory"),
        ({"lines": [{"key": "a", "amountMinor": 1, "taxCategory": "luxury"}]}, "lines.0.taxCategory"),
        ({"lines": [{"key": n, "amountMinor": 2_000_000_000} for n in "ab"]}, "lines"),
        ({"shipping": {"amountMinor": -5}}, "shipping.amountMinor"),
        ({"shipping": {"amountMinor": 5, "taxCategory": "air"}}, "shipping.taxCategory"),
        ({"currency": "euro"}, "currency"),
        ({"vatNumber": "x" * 1_000}, "vatNumber"),
    ],
)
async def test_what_cannot_be_taxed_is_said(shop: Asking, change: dict[str, Any], field: str) -> None:
    given = of("FI", {"amountMinor": 100}) | change
    assert await shop.error(TAXES, STOREFRONT, input=given) == ("INVALID_TAX_INPUT", field)


@pytest.mark.parametrize(
    ("destination", "field"),
    [
        ({"country": "Finland"}, "country"),
        ({"country": "FI", "region": "\ud800"}, "region"),
        ({"country": "FI", "postalCode": "9" * 201}, "postalCode"),
    ],
)
async def test_what_is_no_destination_is_said(shop: Asking, destination: dict[str, str], field: str) -> None:
    given = of("FI", {"amountMinor": 100}) | {"destination": destination}
    assert await shop.error(TAXES, STOREFRONT, input=given) == ("INVALID_PLACE", f"destination.{field}")


async def test_what_is_put_again_stays_and_what_others_changed_is_refused(shop: Asking) -> None:
    await finland(shop)
    category = {"key": "standard", "name": "Standard"}
    assert (await shop.data(CATEGORY, input=category | {"version": 0}))["version"] == 1, "a repeated request"
    renamed = await shop.data(CATEGORY, input=category | {"name": "Full", "version": 1})
    assert renamed == {"key": "standard", "name": "Full", "version": 2}
    for put, given in (
        (CATEGORY, {"key": "standard", "name": "Other", "version": 1}),
        (CATEGORY, {"key": "new", "name": "New", "version": 1}),
        (ZONE, {"key": "fi", "name": "Suomi", "places": [{"country": "FI"}], "version": 0}),
        (SETTINGS, {"defaultCategory": "reduced", "version": 7}),
        (
            RATE,
            {"key": "fi-standard", "zone": "fi", "category": "standard", "name": "x", "basisPoints": 1, "version": 9},
        ),
    ):
        assert await shop.code(put, input=given) == "TAX_CONFIGURATION_CHANGED"
    same = {"key": "fi", "name": "Finland", "places": [{"country": "FI"}]}
    assert (await shop.data(ZONE, input=same))["version"] == 1
    more = [{"country": "FI", "region": None}, {"country": "AX", "region": "01", "postalCodePrefix": "22 1"}]
    changed = await shop.data(ZONE, input=same | {"places": more, "version": 1})
    assert changed["version"] == 2
    assert {"country": "AX", "region": "01", "postalCodePrefix": "221"} in changed["places"]
    assert {"country": "FI", "region": None, "postalCodePrefix": None} in changed["places"]


async def test_each_change_is_told_once_in_its_transaction(shop: Asking, taxes_database: Database) -> None:
    await finland(shop)
    await shop.data(CATEGORY, input={"key": "standard", "name": "Standard"})
    await shop.data(ROWS, rows=[{"sku": "A", "taxCategory": "reduced"}])
    assert await shop.code(ROWS, rows=[{"sku": "A", "taxCategory": "moon"}]) == "TAX_CATEGORY_NOT_FOUND"
    told = [row[0] for row in await taxes_database.fetch(shop.environment_id, EVENTS)]
    assert told == [
        *["TaxCategoryChanged"] * 2,
        "TaxZoneChanged",
        *["TaxRateChanged"] * 2,
        "TaxSettingsChanged",
        "TaxCategoriesOfSkusChanged",
    ]


async def test_what_is_in_use_stays(shop: Asking) -> None:
    await finland(shop)
    delete = "mutation($key: String!, $version: Int!) { %s(key: $key, version: $version) }"
    category, zone, rate = (delete % f"deleteTax{what}" for what in ("Category", "Zone", "Rate"))
    assert await shop.code(category, key="standard", version=1) == "TAX_CATEGORY_IN_USE"
    assert await shop.code(zone, key="fi", version=1) == "TAX_ZONE_IN_USE"
    assert await shop.code(zone, key="fi", version=2) == "TAX_CONFIGURATION_CHANGED"
    for document, what in ((category, "CATEGORY"), (zone, "ZONE"), (rate, "RATE")):
        for key in ("no", "\x00", "x" * 5_000):
            assert await shop.code(document, key=key, version=1) == f"TAX_{what}_NOT_FOUND"
    for key in ("fi-standard", "fi-reduced"):
        assert await shop.data(rate, key=key, version=1) == key
    assert await shop.data(zone, key="fi", version=1) == "fi"
    assert await shop.data(category, key="reduced", version=1) == "reduced"
    again = await shop.data(ZONE, input={"key": "fi2", "name": "F", "places": [{"country": "FI"}]})
    assert again["version"] == 1, "its places went with the zone"


@pytest.mark.parametrize(
    ("document", "given", "expected"),
    [
        (CATEGORY, {"key": "No", "name": "N"}, ("INVALID_TAX_CONFIGURATION", "key")),
        (CATEGORY, {"key": "x" * 65, "name": "N"}, ("INVALID_TAX_CONFIGURATION", "key")),
        (CATEGORY, {"key": "no", "name": "\x00"}, ("INVALID_TAX_CONFIGURATION", "name")),
        (ZONE, {"places": []}, ("INVALID_PLACE", "places")),
        (ZONE, {"places": [{"country": "FI"}] * 2}, ("INVALID_PLACE", "places.1")),
        (ZONE, {"places": [{"country": "FI"}] * 1_001}, ("INVALID_PLACE", "places")),
        (ZONE, {"places": [{"country": "fi"}]}, ("INVALID_PLACE", "places.0.country")),
        (ZONE, {"places": [{"country": "FI", "region": "\x00"}]}, ("INVALID_PLACE", "places.0.region")),
        (
            ZONE,
            {"places": [{"country": "FI", "postalCodePrefix": "%"}]},
            ("INVALID_PLACE", "places.0.postalCodePrefix"),
        ),
        (ZONE, {"places": [{"country": "FI"}]}, ("TAX_PLACE_TAKEN", "")),
        (RATE, {"basisPoints": -1}, ("INVALID_TAX_CONFIGURATION", "basisPoints")),
        (RATE, {"basisPoints": 10_001}, ("INVALID_TAX_CONFIGURATION", "basisPoints")),
        (
            RATE,
            {"validFrom": "2026-01-02T00:00:00Z", "validTo": "2026-01-02T00:00:00Z"},
            ("INVALID_PERIOD", "validTo"),
        ),
        (RATE, {"validFrom": "0001-01-01T00:00:00Z"}, ("INVALID_PERIOD", "validFrom")),
        (RATE, {"zone": "moon"}, ("TAX_ZONE_NOT_FOUND", "")),
        (RATE, {"zone": "\x00"}, ("TAX_ZONE_NOT_FOUND", "")),
        (RATE, {"category": "luxury"}, ("TAX_CATEGORY_NOT_FOUND", "")),
        (SETTINGS, {"defaultCategory": "luxury"}, ("TAX_CATEGORY_NOT_FOUND", "")),
        (SETTINGS, {"sellerCountry": "x"}, ("INVALID_TAX_CONFIGURATION", "sellerCountry")),
    ],
)
async def test_bad_tables_change_nothing(
    shop: Asking, document: str, given: dict[str, Any], expected: tuple[str, str]
) -> None:
    await finland(shop)
    before = await shop.data(CONFIGURATION)
    whole: dict[str, dict[str, Any]] = {
        CATEGORY: {},
        ZONE: {"key": "new", "name": "New"},
        RATE: {"key": "new", "zone": "fi", "category": "standard", "name": "New", "basisPoints": 1},
        SETTINGS: {},
    }
    assert await shop.error(document, input=whole[document] | given) == expected
    assert await shop.data(CONFIGURATION) == before


async def test_categories_of_articles_come_in_bulk(shop: Asking) -> None:
    await finland(shop)
    rows = [{"sku": f"S{number}", "taxCategory": "reduced"} for number in range(1_000)]
    assert await shop.data(ROWS, rows=rows) == {"changed": 1_000, "unchanged": 0}
    assert await shop.data(ROWS, rows=rows) == {"changed": 0, "unchanged": 1_000}
    mixed = [{"sku": "S0", "taxCategory": "standard"}, {"sku": "S1"}, {"sku": "NEW"}]
    assert await shop.data(ROWS, rows=mixed) == {"changed": 2, "unchanged": 1}
    found = await shop.data(OF_SKUS, STOREFRONT, skus=["S0", "S2", "S1", "NEW"])
    assert [one["taxCategory"] for one in found] == ["standard", "reduced", "standard", "standard"]
    for bad, field in (([], "rows"), ([*rows, {"sku": "X"}], "rows"), ([rows[0], rows[0]], "rows.1.sku")):
        assert await shop.error(ROWS, rows=bad) == ("INVALID_TAX_CONFIGURATION", field)
    assert await shop.error(ROWS, rows=[{"sku": "\x00"}]) == ("INVALID_TAX_CONFIGURATION", "rows.0.sku")
    assert await shop.error(OF_SKUS, skus=["\x00"]) == ("INVALID_TAX_INPUT", "skus.0")
    assert await shop.error(OF_SKUS, skus=["A"] * 501) == ("INVALID_TAX_INPUT", "skus")


async def test_a_place_that_another_zone_has_is_named(shop: Asking) -> None:
    await finland(shop)
    places = [{"country": "SE"}, {"country": "FI", "region": "ax", "postalCodePrefix": "22"}]
    await shop.data(ZONE, input={"key": "aland", "name": "Åland", "places": places})
    result = await shop.ask(ZONE, input={"key": "new", "name": "New", "places": [{"country": "DE"}, places[1]]})
    assert result.errors[0]["message"] == "The tax zone 'aland' has FI AX 22 already."
    swapped = await shop.data(ZONE, input={"key": "aland", "name": "Åland", "places": places[::-1]})
    assert swapped["version"] == 1, "the order of places says nothing"


async def test_many_who_change_the_same_tables_wait_for_each_other(shop: Asking) -> None:
    await finland(shop)
    names = [f"Name {number}" for number in range(20)]
    put = [shop.ask(CATEGORY, input={"key": "standard", "name": name, "version": 1}) for name in names]
    rows = [{"sku": f"S{number}", "taxCategory": "reduced"} for number in range(50)]
    bulk = [shop.ask(ROWS, rows=rows if number % 2 else rows[::-1]) for number in range(10)]
    results = await asyncio.gather(*put, *bulk)
    won = [one for one in results[:20] if not one.errors]
    assert len(won) == 1, "the version admits one"
    assert {one.errors[0]["extensions"]["code"] for one in results[:20] if one.errors} == {
        "TAX_CONFIGURATION_CHANGED"
    }
    assert sum(one.data["setTaxCategories"]["changed"] for one in results[20:]) == 50


async def test_tables_come_in_pages_with_bounds(shop: Asking) -> None:
    await finland(shop)
    page = """query($after: String, $limit: Int! = 50, $zone: String) { taxConfiguration {
      zones(after: $after, limit: $limit) { key } rates(after: $after, limit: $limit, zone: $zone) { key } } }"""
    assert await shop.data(page, limit=1) == {"zones": [{"key": "fi"}], "rates": [{"key": "fi-reduced"}]}
    assert await shop.data(page, after="fi-reduced", zone="fi") == {"zones": [], "rates": [{"key": "fi-standard"}]}
    assert (await shop.data(page, zone="moon\x00"))["rates"] == []
    for given in ({"limit": 0}, {"limit": 251}, {"after": "\x00"}):
        result = await shop.ask(page, **given)
        assert {one["extensions"]["code"] for one in result.errors} == {"INVALID_TAX_PAGE"}


async def test_another_environment_has_tables_of_its_own(shop: Asking) -> None:
    await finland(shop)
    await shop.data(ROWS, rows=[{"sku": "A", "taxCategory": "reduced"}])
    other = shop.elsewhere()
    empty = {"settings": {"defaultCategory": None, "version": 0}, "categories": [], "zones": [], "rates": []}
    assert await other.data(CONFIGURATION) == empty
    assert (await other.data(TAXES, input=of("FI", {"amountMinor": 1_000})))["zone"] is None
    assert await other.data(OF_SKUS, skus=["A"]) == [{"sku": "A", "taxCategory": None}]
    assert await other.code(ROWS, rows=[{"sku": "A", "taxCategory": "reduced"}]) == "TAX_CATEGORY_NOT_FOUND"
    given = of("FI", {"amountMinor": 1_000, "taxCategory": "reduced"})
    assert await other.error(TAXES, input=given) == ("INVALID_TAX_INPUT", "lines.0.taxCategory")
    delete = 'mutation { deleteTaxZone(key: "fi", version: 1) }'
    assert await other.code(delete) == "TAX_ZONE_NOT_FOUND"
    same = {"key": "fi", "name": "Theirs", "places": [{"country": "FI"}]}
    assert (await other.data(ZONE, input=same))["version"] == 1
    assert (await shop.data(TAXES, input=of("FI", {"amountMinor": 12_550})))["taxMinor"] == 2_550


@pytest.mark.parametrize(
    "document",
    [
        "{ taxConfiguration { settings { version } } }",
        'mutation { putTaxCategory(input: {key: "a", name: "A"}) { key } }',
        "mutation { putTaxSettings(input: {}) { version } }",
        'mutation { deleteTaxRate(key: "a", version: 1) }',
        'mutation { setTaxCategories(rows: [{sku: "A"}]) { changed } }',
    ],
)
async def test_a_storefront_may_not_see_or_change_tables(shop: Asking, document: str) -> None:
    assert await shop.code(document, STOREFRONT) == "FORBIDDEN"
