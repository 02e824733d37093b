"""Custom values of many products: a row fails alone, a batch again changes nothing, few statements."""

from typing import Any

import pytest

from contract.catalog_shop import STOREFRONT
from contract.test_catalog_statements import counting
from contract.test_custom_fields import FieldShop
from kokoa.postgres import Database
from kokoa.services.catalog.service import CatalogService

SET_MANY = """mutation Set($input: [BulkProductCustomInput!]!, $dryRun: Boolean! = false) {
  bulkSetProductCustom(input: $input, dryRun: $dryRun) {
    updated unchanged failed rows { index externalReference status version error { code path } }
  }
}"""
READ = "{ products { externalReference version custom { months } } }"


@pytest.fixture
async def shop(catalog: tuple[CatalogService, Database]) -> FieldShop:
    """With three products and a field."""
    shop = FieldShop(catalog[0])
    for name in ("a", "b", "c"):
        await shop.create(name, externalReference=f"ref-{name}")
    await shop.define("months")
    await shop.define("text", "STRING")
    return shop


def row(reference: str, months: int | None = 24, **more: Any) -> dict[str, Any]:
    return {"externalReference": reference, "custom": {"months": months}, **more}


async def test_a_wrong_row_fails_alone_and_the_same_again_changes_nothing(
    shop: FieldShop, catalog: tuple[CatalogService, Database]
) -> None:
    rows = [
        row("ref-a"),
        row("ref-b", version=7),
        row("nowhere"),
        {"externalReference": "ref-c", "custom": {"text": "x" * 5_001}},
        row("ref-a", 1),
        row("\0"),
    ]
    found = (await shop.data(SET_MANY, input=rows))["bulkSetProductCustom"]
    assert (found["updated"], found["unchanged"], found["failed"]) == (1, 0, 5)
    assert [(one["status"], one["error"]) for one in found["rows"]] == [
        ("UPDATED", None),
        ("ERROR", {"code": "PRODUCT_CHANGED", "path": ""}),
        ("ERROR", {"code": "PRODUCT_NOT_FOUND", "path": ""}),
        ("ERROR", {"code": "INVALID_CUSTOM_VALUE", "path": "custom.text"}),
        ("ERROR", {"code": "DUPLICATE_REFERENCE", "path": "externalReference"}),
        ("ERROR", {"code": "PRODUCT_NOT_FOUND", "path": ""}),
    ]
    again = (await shop.data(SET_MANY, input=rows[:1]))["bulkSetProductCustom"]
    assert (again["updated"], again["unchanged"]) == (0, 1)
    assert [one["custom"]["months"] for one in (await shop.data(READ))["products"]] == [24, None, None]
    count = "SELECT count(*) FROM outbox WHERE environment_id = $1 AND event_type = 'ProductUpdated'"
    assert await catalog[1].fetchval(shop.environment_id, count) == 1


async def test_a_dry_run_changes_nothing(shop: FieldShop) -> None:
    shown = (await shop.data(SET_MANY, input=[row("ref-a")], dryRun=True))["bulkSetProductCustom"]
    assert shown["rows"][0] == {
        "index": 0,
        "externalReference": "ref-a",
        "status": "UPDATED",
        "version": 2,
        "error": None,
    }
    assert {(one["version"], one["custom"]["months"]) for one in (await shop.data(READ))["products"]} == {(1, None)}


async def test_a_batch_is_of_its_own_environment_for_management_and_has_a_bound(shop: FieldShop) -> None:
    other = FieldShop(shop.service)
    await other.define("months")
    found = (await other.data(SET_MANY, input=[row("ref-a")]))["bulkSetProductCustom"]
    assert found["rows"][0]["error"]["code"] == "PRODUCT_NOT_FOUND"
    assert await shop.code(SET_MANY, STOREFRONT, input=[row("ref-a")]) == "FORBIDDEN"
    assert await shop.code(SET_MANY, input=[row(f"r{n}") for n in range(1_001)]) == "INVALID_BATCH"


async def test_a_batch_takes_as_many_statements_for_three_rows_as_for_one(
    shop: FieldShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = await shop.service.schemas.digest(shop.environment_id)
    subgraph = await shop.service.schemas.subgraph(shop.environment_id, digest)
    counts = []
    for references in (["a"], ["a", "b", "c"]):
        rows = [row(f"ref-{one}", len(references)) for one in references]
        with counting(monkeypatch) as sent:
            result = await subgraph.execute(SET_MANY, {"input": rows}, shop.call())
        assert not result.errors
        counts.append(len([one for one in sent if "/*" in one]))
    assert counts[0] == counts[1] <= 8
