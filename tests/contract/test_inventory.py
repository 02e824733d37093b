"""What there is: counted, adjusted, carried about, told of; by whom and why."""

import asyncio
from typing import Any

import pytest

from contract.inventory_stock import ADJUST, FOUND, LOCATION, POLICY, SET, STOREFRONT, TRANSFER, Stock
from kokoa.kernel.ids import new_id
from kokoa.services.inventory.service import InventoryService

CHANGES = """query($since: String, $limit: Int! = 100) { stockChanges(since: $since, limit: $limit) {
  items { sku onHand } cursor hasMore } }"""
MOVEMENTS = """query($sku: String!, $before: ID, $limit: Int! = 20) { stockItem(sku: $sku) {
  movements(before: $before, limit: $limit) { id location reason onHand reserved reference note actor } } }"""
AVAILABILITY = """query($all: [_Any!]!) { _entities(representations: $all) { ... on Variant {
  availability { inStock quantity backorderable } } } }"""
STOCK = "query($all: [_Any!]!) { _entities(representations: $all) { ... on Variant { stock { onHand } } } }"


@pytest.fixture
def stock(inventory: InventoryService) -> Stock:
    return Stock(inventory)


async def test_what_comes_and_goes_is_added_up_and_written_down(stock: Stock) -> None:
    await stock.location("north", 1)
    assert (await stock.put("LMP-1", 10, "north", note="first delivery"))["onHand"] == 10
    after = await stock.data(
        ADJUST, input={"sku": "LMP-1", "location": "north", "delta": -3, "reason": "DAMAGED", "reference": "R-7"}
    )
    assert (after["onHand"], after["available"], after["reserved"]) == (7, 7, 0)
    moved = (await stock.data(MOVEMENTS, sku="LMP-1"))["movements"]
    assert [(one["reason"], one["onHand"], one["location"], one["reference"], one["note"]) for one in moved] == [
        ("DAMAGED", -3, "north", "R-7", None),
        ("RECEIVED", 10, "north", None, "first delivery"),
    ]
    assert {one["actor"] for one in moved} == {"server"}
    older = (await stock.data(MOVEMENTS, sku="LMP-1", before=moved[0]["id"], limit=1))["movements"]
    assert older == moved[1:]


async def test_more_than_is_there_cannot_be_taken_away(stock: Stock) -> None:
    await stock.put("A", 2)
    given = {"sku": "A", "delta": -3, "reason": "LOST"}
    assert await stock.code(ADJUST, input=given) == "NOT_ON_HAND"
    assert await stock.code(ADJUST, input=given | {"location": "moon"}) == "LOCATION_NOT_FOUND"
    assert await stock.numbers("A") == (2, 0)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"delta": 0}, "INVALID_ADJUSTMENT"),
        ({"delta": 2_000_000_000}, "INVALID_ADJUSTMENT"),
        ({"sku": " "}, "INVALID_SKU"),
        ({"sku": "x" * 129}, "INVALID_SKU"),
        ({"sku": "a\x00"}, "INVALID_SKU"),
        ({"note": "x" * 501}, "INVALID_ADJUSTMENT"),
        ({"reference": "\ud800"}, "INVALID_ADJUSTMENT"),
        ({"idempotencyKey": ""}, "INVALID_IDEMPOTENCY_KEY"),
        ({"idempotencyKey": "x" * 201}, "INVALID_IDEMPOTENCY_KEY"),
        ({"location": "nul\x00"}, "LOCATION_NOT_FOUND"),
    ],
)
async def test_bad_adjustments_change_nothing(stock: Stock, given: dict[str, Any], code: str) -> None:
    assert await stock.code(ADJUST, input={"sku": "A", "delta": 1, "reason": "RECEIVED", **given}) == code
    assert await stock.data(FOUND, sku="A") is None


async def test_no_article_has_more_than_can_be_told_of_it(stock: Stock) -> None:
    for _ in range(2):
        await stock.put("A", 1_000_000_000)
    given = {"sku": "A", "delta": 1_000_000_000, "reason": "RECEIVED"}
    assert await stock.code(ADJUST, input=given) == "TOO_MUCH_STOCK"
    assert await stock.numbers("A") == (2_000_000_000, 0)


async def test_a_request_with_a_key_is_done_once_and_answered_alike(stock: Stock) -> None:
    given = {"sku": "A", "delta": 5, "reason": "RECEIVED", "idempotencyKey": "k-1"}
    answers = await asyncio.gather(*(stock.data(ADJUST, input=given) for _ in range(20)))
    assert all(one == answers[0] for one in answers)
    await stock.put("A", 1)
    assert await stock.data(ADJUST, input=given) == answers[0], "as it was answered then"
    assert await stock.numbers("A") == (6, 0)
    assert await stock.code(ADJUST, input=given | {"delta": 6}) == "IDEMPOTENCY_KEY_REUSED"
    other = Stock(stock.service)
    assert (await other.data(ADJUST, input=given | {"delta": 7}))["onHand"] == 7, (
        "another environment's key is its own"
    )
    failing = {"sku": "A", "delta": -100, "reason": "LOST", "idempotencyKey": "k-2"}
    assert await stock.code(ADJUST, input=failing) == "NOT_ON_HAND"
    await stock.put("A", 100)
    assert (await stock.data(ADJUST, input=failing))["onHand"] == 6, "what failed left the key free"


async def test_carried_from_one_location_to_another_the_sum_stays(stock: Stock) -> None:
    await stock.location("north", 1)
    await stock.put("A", 5)
    after = await stock.data(TRANSFER, input={"sku": "A", "from": "default", "to": "north", "quantity": 2})
    assert after["onHand"] == 5
    levels = await stock.data('{ stockItem(sku: "A") { levels { location onHand } } }')
    assert levels["levels"] == [{"location": "north", "onHand": 2}, {"location": "default", "onHand": 3}]
    too_many = {"sku": "A", "from": "default", "to": "north", "quantity": 4}
    assert await stock.code(TRANSFER, input=too_many) == "NOT_ON_HAND"
    assert await stock.code(TRANSFER, input=too_many | {"to": "default"}) == "INVALID_ADJUSTMENT"
    assert await stock.code(TRANSFER, input=too_many | {"quantity": -1}) == "INVALID_ADJUSTMENT"
    assert await stock.code(TRANSFER, input=too_many | {"sku": "B"}) == "ITEM_NOT_FOUND"


async def test_rows_of_an_erp_are_done_each_for_itself(stock: Stock) -> None:
    await stock.location("north", 1)
    await stock.put("A", 5, "north")
    rows = [
        {"sku": "A", "location": "north", "onHand": 5},
        {"sku": "A", "onHand": 2},
        {"sku": "B", "onHand": 7, "version": 0},
        {"sku": "C", "location": "moon", "onHand": 7},
        {"sku": "D", "onHand": -1},
        {"sku": "", "onHand": 1},
        {"sku": "A", "location": "moon2", "onHand": 1},
    ]
    dry = await stock.data(SET, input={"rows": rows, "dryRun": True})
    assert await stock.data(FOUND, sku="B") is None, "a dry run changes nothing"
    done = await stock.data(SET, input={"rows": rows})
    assert dry == done, "also where the default location is yet to be made"
    assert [one["status"] for one in done["rows"]] == ["UNCHANGED", "CHANGED", "CHANGED", *["FAILED"] * 4]
    assert [one["code"] for one in done["rows"]][3:] == [
        "LOCATION_NOT_FOUND",
        "INVALID_STOCK",
        "INVALID_SKU",
        "LOCATION_NOT_FOUND",
    ]
    assert (done["changed"], done["unchanged"], done["failed"]) == (2, 1, 4)
    unknown = [*rows[3:5], {"sku": "E", "onHand": 1, "version": 3}]
    assert (await stock.data(SET, input={"rows": unknown}))["failed"] == 3
    for sku in ("C", "D", "E"):
        assert await stock.data(FOUND, sku=sku) is None, "what failed is not counted, and may be sold"
    assert await stock.numbers("A") == (7, 0)
    again = await stock.data(SET, input={"rows": [*rows[:2], rows[2] | {"version": 0}]})
    assert [one["code"] for one in again["rows"]] == [None, None, "STOCK_CHANGED"]
    twice = [{"sku": "A", "onHand": 1}, {"sku": "A", "onHand": 2}]
    assert await stock.code(SET, input={"rows": twice}) == "INVALID_STOCK"
    assert await stock.code(SET, input={"rows": []}) == "INVALID_STOCK"
    many = [{"sku": f"M{n}", "onHand": n} for n in range(1_001)]
    assert await stock.code(SET, input={"rows": many}) == "INVALID_STOCK"
    assert (await stock.data(SET, input={"rows": many[:1_000]}))["changed"] == 999  # one has none, as before


async def test_locations_have_keys_of_their_own_and_stay_while_stock_names_them(stock: Stock) -> None:
    north = await stock.location("north", 1, externalReference="WH1")
    assert await stock.code(LOCATION, input={"key": "north", "name": "N"}) == "LOCATION_KEY_TAKEN"
    assert await stock.code(LOCATION, input={"key": "n2", "name": "N", "externalReference": "WH1"}) == (
        "LOCATION_KEY_TAKEN"
    )
    for bad in ({"key": "No"}, {"name": " "}, {"priority": -1}, {"externalReference": ""}):
        assert await stock.code(LOCATION, input={"key": "x", "name": "X", **bad}) == "INVALID_LOCATION"
    update = (
        "mutation($input: UpdateStockLocationInput!) { updateStockLocation(input: $input) { name version active } }"
    )
    after = await stock.data(update, input={"id": north["id"], "version": 1, "active": False})
    assert after == {"name": "North", "version": 2, "active": False}
    assert await stock.code(update, input={"id": north["id"], "version": 1, "name": "X"}) == "LOCATION_CHANGED"
    assert await stock.code(update, input={"id": new_id(), "version": 1, "name": "X"}) == "LOCATION_NOT_FOUND"
    delete = "mutation($id: ID!, $v: Int!) { deleteStockLocation(id: $id, version: $v) }"
    await stock.put("A", 1, "north")
    assert await stock.code(delete, id=north["id"], v=2) == "LOCATION_IN_USE"
    south = await stock.location("south", 1)
    assert await stock.data(delete, id=south["id"], v=1) == south["id"]


async def test_of_a_policy_what_is_not_given_stays(stock: Stock) -> None:
    given = {"sku": "A", "backorderLimit": 5, "externalReference": "ERP-1"}
    assert (await stock.data(POLICY, input=given))["backorderLimit"] == 5
    after = await stock.data(POLICY, input={"sku": "A", "tracked": False})
    assert (after["tracked"], after["backorderLimit"]) == (False, 5)
    assert (await stock.data(POLICY, input={"sku": "A", "backorderLimit": None, "version": 3}))[
        "backorderLimit"
    ] is None
    assert await stock.code(POLICY, input={"sku": "A", "tracked": True, "version": 3}) == "STOCK_CHANGED"
    assert await stock.code(POLICY, input={"sku": "A", "backorderLimit": -1}) == "INVALID_STOCK"
    assert await stock.code(POLICY, input={"sku": "B", "externalReference": "ERP-1"}) == "STOCK_REFERENCE_TAKEN"


async def test_shoppers_are_told_what_they_may_buy(stock: Stock) -> None:
    for sku, quantity in (("A", 3), ("MANY", 5_000), ("LATE", 0), ("FREE", 0)):
        if quantity:
            await stock.put(sku, quantity)
    await stock.data(POLICY, input={"sku": "LATE", "backorderLimit": 2})
    await stock.data(POLICY, input={"sku": "FREE", "tracked": False})
    await stock.data(POLICY, input={"sku": "NONE"})
    skus = ["A", "MANY", "LATE", "FREE", "NONE", "UNKNOWN"]
    variants = [{"__typename": "Variant", "id": new_id(), "sku": sku} for sku in skus]
    result = await stock.ask(AVAILABILITY, STOREFRONT, all=variants)
    assert not result.errors
    told = [tuple(one["availability"].values()) for one in result.data["_entities"]]
    assert told == [
        (True, 3, False),
        (True, 999, False),
        (False, 0, True),
        (True, None, True),
        (False, 0, False),
        (True, None, True),
    ]
    hidden = await stock.ask(STOCK, STOREFRONT, all=variants[:1])
    assert hidden.errors[0]["extensions"]["code"] == "FORBIDDEN"


async def test_a_reader_of_changes_misses_nothing(stock: Stock) -> None:
    for sku in ("A", "B", "C"):
        await stock.put(sku, 1)
    first = await stock.data(CHANGES, limit=2)
    assert [one["sku"] for one in first["items"]] == ["A", "B"]
    assert first["hasMore"]
    await stock.put("A", 1)
    rest = await stock.data(CHANGES, since=first["cursor"])
    assert [(one["sku"], one["onHand"]) for one in rest["items"]] == [("C", 1), ("A", 2)]
    assert not rest["hasMore"]
    nothing = await stock.data(CHANGES, since=rest["cursor"])
    assert (nothing["items"], nothing["cursor"]) == ([], rest["cursor"])
    for cursor in ("x", "1", ":", "-1:A", "9" * 30 + ":A"):
        assert await stock.code(CHANGES, since=cursor) == "INVALID_STOCK_PAGE"


async def test_pages_have_bounds(stock: Stock) -> None:
    for quantity, sku in enumerate(("A", "B", "C"), 1):
        await stock.put(sku, quantity)
    page = """query($after: String, $most: Int, $limit: Int! = 50) {
      stockItems(after: $after, availableAtMost: $most, limit: $limit) { sku } }"""
    assert await stock.data(page, after="A", limit=1) == [{"sku": "B"}]
    assert await stock.data(page, most=2) == [{"sku": "A"}, {"sku": "B"}]
    for limit in (0, 251):
        assert await stock.code(page, limit=limit) == "INVALID_STOCK_PAGE"
    assert await stock.code(MOVEMENTS, sku="A", before="x") == "INVALID_STOCK_PAGE"


async def test_another_environment_sees_and_changes_nothing(stock: Stock) -> None:
    await stock.put("A", 5)
    other = Stock(stock.service)
    assert await other.data(FOUND, sku="A") is None
    assert (await other.data(CHANGES))["items"] == []
    assert await other.code(ADJUST, input={"sku": "A", "delta": -1, "reason": "LOST"}) == "NOT_ON_HAND"


@pytest.mark.parametrize(
    "document",
    [
        "{ stockLocations { key } }",
        '{ stockItem(sku: "A") { onHand } }',
        "{ stockItems { sku } }",
        "{ stockChanges { cursor } }",
        '{ stockReservation(key: "k") { state } }',
        'mutation { adjustStock(input: {sku: "A", delta: 1, reason: LOST}) { sku } }',
        'mutation { releaseStock(key: "k") { key } }',
    ],
)
async def test_a_storefront_may_not(stock: Stock, document: str) -> None:
    assert await stock.code(document, STOREFRONT) == "FORBIDDEN"
