"""How many statements taxes, delivery and promotion codes take: as many for one line as for hundreds, and few."""

import re
from typing import Any

import pytest

from contract.asking import STOREFRONT, Asking
from contract.plans import as_superuser, explained
from contract.test_catalog_statements import counting
from contract.test_promotions import DISCOUNTS, REDEEM
from contract.test_promotions import put as put_promotion
from contract.test_shipping import METHOD, OPTIONS, flat
from contract.test_shipping import finland as ship_to_finland
from contract.test_taxes import TAXES, finland
from kokoa.postgres import Database
from kokoa.services.promotions.service import PromotionsService
from kokoa.services.shipping.service import ShippingService
from kokoa.services.taxes.service import TaxesService
from kokoa.services.taxes.store import queries

CONFIGURATION = "{ shippingConfiguration { zones { key places { country } } methods { key rates { zone } } } }"


async def counted(patch: pytest.MonkeyPatch, shop: Asking, document: str, **variables: Any) -> int:
    with counting(patch) as sent:
        await shop.data(document, **variables)
    return len(sent)


@pytest.mark.parametrize("lines", [1, 500])
async def test_taxes_of_any_number_of_lines(taxes: TaxesService, monkeypatch: pytest.MonkeyPatch, lines: int) -> None:
    shop = await finland(Asking(taxes.subgraph))
    given: dict[str, Any] = {"destination": {"country": "FI"}, "currency": "EUR"}
    plain = [{"key": str(number), "amountMinor": 100 + number} for number in range(lines)]
    assert await counted(monkeypatch, shop, TAXES, input=given | {"lines": plain}) == 1
    named = [{**line, "sku": f"S{number}"} for number, line in enumerate(plain)]
    named[0]["taxCategory"] = "reduced"
    assert await counted(monkeypatch, shop, TAXES, input=given | {"lines": named}) == 1


async def test_what_taxes_a_destination_is_looked_up_by_key(
    taxes: TaxesService, taxes_database: Database, postgres: str
) -> None:
    shop = await finland(Asking(taxes.subgraph))
    given = ("FI", "", ["0", "00"], ["S1", "S2"], ["reduced"])
    async with as_superuser(taxes_database, postgres) as admin:
        plan = await explained(admin, taxes_database, shop.environment_id, queries.table_for, *given)
    for index, column in (
        ("sku_categories_pkey", "sku"),
        ("categories_pkey", "key"),
        ("rates_by_zone", "zone"),
        ("places_pkey", "country"),
    ):
        assert re.search(rf"using {index} on .*\n\s*Index Cond: .*\({column} = ", plan), plan


async def test_delivery_of_any_number_of_methods(shipping: ShippingService, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = await ship_to_finland(Asking(shipping.subgraph))
    given = {"destination": {"country": "FI"}, "currency": "EUR", "totalMinor": 1}
    assert await counted(monkeypatch, shop, OPTIONS, input=given) == 1
    assert await counted(monkeypatch, shop, CONFIGURATION) == 3
    for number in range(20):
        await shop.data(METHOD, input={"key": f"m{number}", "name": "M", "rates": [flat(number)]})
    assert await counted(monkeypatch, shop, OPTIONS, input=given) == 1
    assert await counted(monkeypatch, shop, CONFIGURATION) == 3


async def test_codes_are_one_statement_whatever_they_are_and_a_use_is_few(
    promotions: PromotionsService, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Asking(promotions.subgraph)
    codes = [f"CODE{number}" for number in range(10)]
    for code in codes:
        await put_promotion(shop, code, stackable=True)
    lines = [{"key": str(number), "amountMinor": 100} for number in range(500)]
    for tried in (["CODE1"], ["NOSUCH"], codes):
        given = {"codes": tried, "currency": "EUR", "lines": lines}
        with counting(monkeypatch) as sent:
            await shop.data(DISCOUNTS, STOREFRONT, input=given)
        assert len(sent) == 1
    used = await counted(monkeypatch, shop, REDEEM, input={"code": "CODE1", "key": "k"})
    assert used <= 7, "BEGIN and COMMIT among them"
