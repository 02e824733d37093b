"""What is promised: never more than may be sold, whoever asks at the same time; and everything adds up."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from contract.inventory_stock import ADJUST, ALLOCATE, FULFIL, POLICY, RELEASE, RESERVE, Stock
from kokoa.postgres import Database
from kokoa.services.inventory.service import InventoryService

LINES = "SELECT sku, sum(open)::bigint AS open FROM reservation_lines WHERE environment_id = $1 GROUP BY sku"
ITEMS = "SELECT sku, on_hand, reserved FROM items WHERE environment_id = $1"
LEVELS = """SELECT sku, sum(on_hand)::bigint AS on_hand, sum(reserved)::bigint AS reserved FROM levels
 WHERE environment_id = $1 GROUP BY sku"""
MOVED = """SELECT sku, sum(on_hand)::bigint AS on_hand, sum(reserved)::bigint AS reserved FROM movements
 WHERE environment_id = $1 GROUP BY sku"""
LATE = """SELECT sku, sum(open)::bigint AS open FROM reservation_lines
 WHERE environment_id = $1 AND location_id IS NULL GROUP BY sku"""
OVERDUE = "UPDATE reservations SET expires_at = now() - interval '1 s' WHERE environment_id = $1 AND state = 'HELD'"


@pytest.fixture
def stock(inventory: InventoryService) -> Stock:
    return Stock(inventory)


@pytest.fixture
def database(inventory_database: Database) -> Database:
    return inventory_database


async def adds_up(stock: Stock, database: Database) -> None:
    """Sums of locations, of reservations and of movements are the articles' own."""
    environment = stock.environment_id
    items = {row["sku"]: (row["on_hand"], row["reserved"]) for row in await database.fetch(environment, ITEMS)}
    opened = {row["sku"]: row["open"] for row in await database.fetch(environment, LINES)}
    late = {row["sku"]: row["open"] for row in await database.fetch(environment, LATE)}
    levels = {row["sku"]: (row["on_hand"], row["reserved"]) for row in await database.fetch(environment, LEVELS)}
    moved = {row["sku"]: (row["on_hand"], row["reserved"]) for row in await database.fetch(environment, MOVED)}
    for sku, (on_hand, reserved) in items.items():
        assert reserved == opened.get(sku, 0), sku
        assert levels.get(sku, (0, 0)) == (on_hand, reserved - late.get(sku, 0)), sku
        assert moved.get(sku, (0, 0)) == (on_hand, reserved), sku


async def test_reserved_allocated_and_fulfilled_in_parts(stock: Stock, database: Database) -> None:
    await stock.location("near", 1)
    await stock.location("far", 2)
    await stock.put("A", 2, "near")
    await stock.put("A", 5, "far")
    made = await stock.reserve("order-1", hold=600, A=3)
    assert made["state"] == "HELD"
    assert [(one["location"], one["open"]) for one in made["lines"]] == [("near", 2), ("far", 1)]
    assert await stock.numbers("A") == (7, 3)
    assert (await stock.data(ALLOCATE, key="order-1"))["state"] == "ALLOCATED"
    assert (await stock.data(ALLOCATE, key="order-1"))["state"] == "ALLOCATED"
    part = await stock.data(FULFIL, key="order-1", lines=[{"sku": "A", "quantity": 1}])
    assert part["state"] == "ALLOCATED"
    assert await stock.numbers("A") == (6, 2)
    given_back = await stock.data(RELEASE, key="order-1", lines=[{"sku": "A", "quantity": 1}])
    assert await stock.numbers("A") == (6, 1)
    assert sum(one["released"] for one in given_back["lines"]) == 1
    assert await stock.code(FULFIL, key="order-1", lines=[{"sku": "A", "quantity": 2}]) == "INVALID_RESERVATION"
    done = await stock.data(FULFIL, key="order-1")
    assert done["state"] == "FULFILLED"
    assert await stock.data(FULFIL, key="order-1") == done, "again, as after a lost answer"
    assert await stock.data(RELEASE, key="order-1") == done
    assert await stock.numbers("A") == (5, 0)
    await adds_up(stock, database)


async def test_an_article_that_changes_meanwhile_is_reserved_in_turn(
    stock: Stock, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was seen without a lock is decided on again under it; nothing of the first decision is left."""
    await stock.location("near", 1)
    await stock.put("A", 2, "near")
    await stock.put("B", 5, "near")
    store = stock.service.reservations._store
    see, changes = store.reservable, ["A"]

    async def see_late(environment_id: str, skus: Sequence[str]) -> Any:
        seen = await see(environment_id, skus)
        if changes:
            await stock.data(
                ADJUST, input={"sku": changes.pop(), "delta": -1, "location": "near", "reason": "DAMAGED"}
            )
        return seen

    monkeypatch.setattr(store, "reservable", see_late)
    assert await stock.code(RESERVE, input={"key": "k", "lines": lines_of(A=2, B=1)}) == "OUT_OF_STOCK"
    assert (await stock.numbers("A"), await stock.numbers("B")) == ((1, 0), (5, 0))
    changes.append("B")
    made = await stock.reserve("k", hold=600, A=1, B=4)
    assert [(one["sku"], one["open"]) for one in made["lines"]] == [("A", 1), ("B", 4)]
    assert (await stock.numbers("A"), await stock.numbers("B")) == ((1, 1), (4, 4))
    assert await stock.reserve("k", hold=600, A=1, B=4) == made, "again, though nothing is left to be had"
    assert await stock.code(RESERVE, input={"key": "k", "lines": lines_of(A=1)}) == "RESERVATION_DIFFERS"
    await adds_up(stock, database)


def lines_of(**wanted: int) -> list[dict[str, Any]]:
    return [{"sku": sku, "quantity": quantity} for sku, quantity in wanted.items()]


async def test_all_or_none_is_promised(stock: Stock, database: Database) -> None:
    await stock.put("A", 5)
    await stock.put("B", 1)
    lines = [{"sku": "A", "quantity": 1}, {"sku": "B", "quantity": 2}]
    result = await stock.ask(RESERVE, input={"key": "k", "lines": lines})
    assert result.errors[0]["extensions"]["code"] == "OUT_OF_STOCK"
    assert "B: 1 of 2" in result.errors[0]["message"]
    assert await stock.numbers("A") == (5, 0)
    assert await stock.data('{ stockReservation(key: "k") { state } }') is None
    await adds_up(stock, database)


async def test_the_same_key_is_the_same_reservation(stock: Stock) -> None:
    await stock.put("A", 50)
    made = await asyncio.gather(*(stock.reserve("k", A=3, UNCOUNTED=1) for _ in range(20)))
    assert all(one == made[0] for one in made)
    assert await stock.numbers("A") == (50, 3)
    for lines in ([{"sku": "A", "quantity": 4}], [{"sku": "A", "quantity": 3}]):
        assert await stock.code(RESERVE, input={"key": "k", "lines": lines}) == "RESERVATION_DIFFERS"
    await stock.data(RELEASE, key="k")
    lines = [{"sku": "A", "quantity": 3}, {"sku": "UNCOUNTED", "quantity": 1}]
    assert await stock.code(RESERVE, input={"key": "k", "lines": lines}) == "RESERVATION_CLOSED"
    assert await stock.code(ALLOCATE, key="k") == "RESERVATION_CLOSED"
    assert await stock.code(ALLOCATE, key="other") == "RESERVATION_NOT_FOUND"
    assert await Stock(stock.service).code(ALLOCATE, key="k") == "RESERVATION_NOT_FOUND"


async def test_200_at_a_time_get_the_last_50_and_no_more(stock: Stock, database: Database) -> None:
    await stock.put("A", 30)
    await stock.location("far", 500)
    await stock.put("A", 20, "far")

    async def buy(number: int) -> bool:
        result = await stock.ask(RESERVE, input={"key": f"o{number}", "lines": [{"sku": "A", "quantity": 1}]})
        if result.errors:
            assert result.errors[0]["extensions"]["code"] == "OUT_OF_STOCK"
        return not result.errors

    assert sum(await asyncio.gather(*map(buy, range(200)))) == 50
    assert await stock.numbers("A") == (50, 50)
    await adds_up(stock, database)


async def test_what_is_held_too_long_is_free_again(stock: Stock, database: Database) -> None:
    await stock.put("A", 2)
    await stock.reserve("slow", hold=600, A=2)
    await database.execute(stock.environment_id, OVERDUE)
    assert (await stock.reserve("quick", A=1))["state"] == "ALLOCATED", "whoever needs it need not wait for a sweeper"
    assert (await stock.data('{ stockReservation(key: "slow") { state } }'))["state"] == "EXPIRED"
    assert await stock.code(ALLOCATE, key="slow") == "RESERVATION_CLOSED"
    await stock.reserve("next", hold=1, A=1)
    await database.execute(stock.environment_id, OVERDUE)
    await stock.service.reservations.expire(stock.environment_id)
    assert await stock.numbers("A") == (2, 1)
    await adds_up(stock, database)


async def test_what_others_hold_too_long_keeps_nobody_waiting(stock: Stock, database: Database) -> None:
    other = Stock(stock.service)
    await other.put("A", 300)
    for number in range(220):
        await other.reserve(f"old-{number}", hold=600, A=1)
    await database.execute(other.environment_id, OVERDUE)
    await stock.put("A", 1)
    await stock.reserve("slow", hold=600, A=1)
    await database.execute(stock.environment_id, OVERDUE)
    assert (await stock.reserve("quick", A=1))["state"] == "ALLOCATED"
    assert await other.numbers("A") == (300, 220), "nobody looked there"


async def test_what_is_not_there_yet_may_be_sold_up_to_a_limit(stock: Stock, database: Database) -> None:
    await stock.put("A", 1)
    await stock.data(POLICY, input={"sku": "A", "backorderLimit": 2})
    made = await stock.reserve("k", A=3)
    assert [(one["location"], one["open"]) for one in made["lines"]] == [("default", 1), (None, 2)]
    assert await stock.code(RESERVE, input={"key": "l", "lines": [{"sku": "A", "quantity": 1}]}) == "OUT_OF_STOCK"
    assert await stock.code(FULFIL, key="k") == "NOT_ON_HAND"
    assert (await stock.data(FULFIL, key="k", lines=[{"sku": "A", "quantity": 1}]))["state"] == "ALLOCATED"
    await stock.put("A", 2)
    assert (await stock.data(FULFIL, key="k"))["state"] == "FULFILLED"
    assert await stock.numbers("A") == (0, 0)
    await adds_up(stock, database)


async def test_a_location_that_is_not_active_gives_nothing(stock: Stock) -> None:
    await stock.location("closed", 1, active=False)
    await stock.put("A", 5, "closed")
    await stock.put("A", 1)
    made = await stock.reserve("k", A=1)
    assert [one["location"] for one in made["lines"]] == ["default"]


@pytest.mark.parametrize(
    "given",
    [
        {"key": ""},
        {"key": "x" * 129},
        {"key": "a\x00"},
        {"lines": []},
        {"lines": [{"sku": "A", "quantity": 1}] * 501},
        {"lines": [{"sku": "A", "quantity": 0}]},
        {"holdSeconds": 0},
        {"holdSeconds": 700_000},
    ],
)
async def test_bad_reservations_are_refused(stock: Stock, given: dict[str, Any]) -> None:
    good = {"key": "k", "lines": [{"sku": "A", "quantity": 1}]}
    assert await stock.code(RESERVE, input=good | given) == "INVALID_RESERVATION"


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_at_once_everything_adds_up(stock: Stock, database: Database, seed: int) -> None:
    """Eight at a time reserve, allocate, fulfil, release, adjust, expire and repeat what they did before."""
    await stock.location("near", 1)
    for sku in "ABC":
        await stock.put(sku, 20)
        await stock.put(sku, 10, "near")
    await stock.data(POLICY, input={"sku": "C", "backorderLimit": 5})
    seen: Counter[str] = Counter()

    async def shopper(number: int) -> None:
        random = Random(seed * 100 + number)
        for _ in range(25):
            key = f"{number % 4}-{random.randrange(6)}"
            lines = [
                {"sku": sku, "quantity": random.randint(1, 4)} for sku in random.sample("ABC", random.randint(1, 3))
            ]
            some = lines if random.random() < 0.5 else None
            adjust = {"sku": random.choice("ABC"), "delta": random.randint(-3, 3) or 1, "reason": "COUNTED"}
            work = random.choice(
                [
                    (RESERVE, {"input": {"key": key, "lines": lines, "holdSeconds": random.choice([None, 60])}}),
                    (RESERVE, {"input": {"key": key, "lines": lines}}),
                    (ALLOCATE, {"key": key}),
                    (FULFIL, {"key": key, "lines": some}),
                    (RELEASE, {"key": key, "lines": some}),
                    (ADJUST, {"input": adjust | {"location": random.choice(["near", "default"])}}),
                ]
            )
            result = await stock.ask(work[0], **work[1])
            seen[result.errors[0]["extensions"]["code"] if result.errors else "done"] += 1
            if random.random() < 0.1:
                await database.execute(stock.environment_id, OVERDUE)
                await stock.service.reservations.expire(stock.environment_id)

    await asyncio.gather(*map(shopper, range(8)))
    await adds_up(stock, database)
    assert seen["done"] > 40
    assert set(seen) <= {
        "done",
        "OUT_OF_STOCK",
        "NOT_ON_HAND",
        "RESERVATION_DIFFERS",
        "RESERVATION_CLOSED",
        "RESERVATION_NOT_FOUND",
        "INVALID_RESERVATION",
    }, seen
