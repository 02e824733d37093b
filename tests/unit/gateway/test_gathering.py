"""Gathering: which objects a path leads to, and which representations stand for them."""

from typing import Any

import pytest

from kokoa.gateway.execute.gathering import Batch, Tree, make_batch, objects_at
from kokoa.gateway.plan.model import Entities, Group, Need, Step

UPC = Need("upc", "upc", is_key=True)
PRICE = Need("price", "price")


def batch_of(products: list[Any], *needs: Need) -> Batch:
    entities = Entities("Product", needs, ("stock",))
    return make_batch({"products": products}, Group("_entities", "r", ((Step("products"),),), (entities,)))


def test_a_path_leads_through_lists_of_lists_objects_and_nulls_in_order() -> None:
    one, two, three, four = ({"n": n} for n in range(4))
    even: Tree = {"rows": [{"cells": [[one], [two, three]]}, {"cells": [[four]]}]}
    uneven: Tree = {"rows": [{"cells": [one, [None, two], ValueError("no")]}, None, {"cells": three}, {}]}
    path = (Step("rows"), Step("cells"))
    assert objects_at(even, path) == [one, two, three, four]
    assert objects_at(uneven, path) == [one, two, three]
    assert objects_at({"rows": []}, path) == []


def test_a_step_for_some_types_leaves_out_the_others() -> None:
    shop: Tree = {"all": [{"__typename": "A", "x": {"n": 1}}, {"__typename": "B", "x": {"n": 2}}, {"x": {"n": 3}}]}
    assert objects_at(shop, (Step("all"), Step("x", ("A",)))) == [{"n": 1}]


def test_equal_objects_are_asked_for_once() -> None:
    products = [{"upc": "1", "price": 5}, {"upc": "2", "price": 5}, {"upc": "1", "price": 5, "name": "other"}]
    batch = batch_of(products, UPC, PRICE)
    assert batch.representations == [
        {"__typename": "Product", "upc": "1", "price": 5},
        {"__typename": "Product", "upc": "2", "price": 5},
    ]
    assert batch.members == [[0, 2], [1]]


@pytest.mark.parametrize(
    "prices",
    [[1, True, 1.0], [1, None, 2], [[1], [2], [3]], [{"a": 1}, {"a": 2}, None], ["1", 1, 2]],
)
def test_what_only_python_takes_for_equal_is_asked_for_each(prices: list[Any]) -> None:
    batch = batch_of([{"upc": "1", "price": price} for price in prices], UPC, PRICE)
    assert [one["price"] for one in batch.representations] == prices
    assert [type(one["price"]) for one in batch.representations] == [type(price) for price in prices]
    assert batch.members == [[0], [1], [2]]


def test_values_that_are_lists_or_of_several_types_are_told_apart_and_found_again() -> None:
    prices = [[1, 2], "x", [1, 2], None, "x"]
    batch = batch_of([{"upc": "1", "price": price} for price in prices], UPC, PRICE)
    assert batch.members == [[0, 2], [1, 4], [3]]


def test_an_object_without_its_key_is_not_asked_for_and_one_that_lacks_another_value_is() -> None:
    products = [{"price": 1}, {"upc": None, "price": 1}, {"upc": ValueError("no"), "price": 1}, {"upc": "4"}]
    batch = batch_of(products, UPC, PRICE)
    assert batch.representations == [{"__typename": "Product", "upc": "4", "price": None}]
    assert batch.members == [[3]]
    assert batch_of(products[:2], UPC, PRICE).representations == []


def test_objects_of_two_types_with_equal_keys_are_two() -> None:
    key = Need("id", "id", is_key=True)
    entities = tuple(Entities(name, (key,), ("stars",), types=(name,)) for name in ("Book", "Film"))
    group = Group("_entities", "r", ((Step("nodes"),),), entities)
    nodes = [{"__typename": "Film", "id": "1"}, {"__typename": "Book", "id": "1"}, {"__typename": "Film", "id": "1"}]
    batch = make_batch({"nodes": nodes}, group)
    assert batch.representations == [{"__typename": "Book", "id": "1"}, {"__typename": "Film", "id": "1"}]
    assert batch.members == [[1], [0, 2]]
    assert [one.type_name for one in batch.owners] == ["Book", "Film"]
