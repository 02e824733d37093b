"""A partner takes Product.price over: in GraphQL, REST and search, under the policy of the store's owner."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import RunningStore, store_up, until

pytestmark = pytest.mark.e2e

SDL = 'type Product @key(fields: "id") { id: ID!  price: Float @override(from: "catalog") }\n'
HANDLER = """
import os, threading

def handler(event, context):
    assert event["field"] == "Product.price", event
    mode = os.environ["MODE"]
    if mode == "fails":
        raise RuntimeError("the ERP is away")
    if mode == "slow":
        threading.Event().wait(20)
    if mode == "nonsense":
        return ["dear" for _ in event["parents"]]
    return [7.5 for _ in event["parents"]]
"""
LAMP = "harbour-desk-lamp"
PRICE = f'{{ product(slug: "{LAMP}") {{ id price variants {{ price }} }} }}'
FOUND = '{ search(q: "harbour desk") { items { slug price } } }'
CHEAP = '{ search(q: "lamp", filter: {currency: "EUR", maxPriceMinor: 760}) { total items { slug } } }'


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    """A store whose partner may take Product.price, with a function for it, and a second tenant that has none."""
    folder = tmp_path_factory.mktemp("override")
    with store_up(folder / "state") as (store, _):
        store.run("kokoa tenant limit demo 1000000")
        (folder / "handler.py").write_text(HANDLER)
        (folder / "prices.graphql").write_text(SDL)
        store.run(f"cd {folder} && python3 -m zipfile -c fn.zip handler.py")
        store.aws(
            "lambda", "create-function", "--function-name", "price", "--runtime", "python3.11",
            "--handler", "handler.handler", "--role", "arn:aws:iam::000000000000:role/any", "--timeout", "30",
            "--environment", "Variables={MODE=good}", "--zip-file", f"fileb://{folder}/fn.zip",
        )  # fmt: skip
        store.aws("lambda", "wait", "function-active-v2", "--function-name", "price")
        store.run("kokoa grants add demo Product.price --tenant demo")
        store.folder = folder  # type: ignore[attr-defined]
        yield store


def ask(store: RunningStore, query: str, session: str = "", **headers: str) -> Any:
    """As a shopper."""
    own = {"Content-Type": "application/json", **({"X-Session-ID": session} if session else {}), **headers}
    answer = store.storefront("/graphql", method="POST", body=json.dumps({"query": query}).encode(), headers=own)
    assert answer.status == 200, answer
    return answer.json


def price(store: RunningStore, session: str = "") -> float:
    answer = ask(store, PRICE, session)
    assert "errors" not in answer, answer
    return float(answer["data"]["product"]["price"])


def publish(store: RunningStore) -> None:
    """With no policy at first."""
    store.run("kokoa overrides unset Product.price --tenant demo", check=False)
    folder: Path = store.folder  # type: ignore[attr-defined]
    store.run(f"kokoa graph publish prices {folder}/prices.graphql --fields price")


def mode(store: RunningStore, name: str) -> None:
    """How the function behaves from now on."""
    store.aws(
        "lambda", "update-function-configuration", "--function-name", "price",
        "--environment", f"Variables={{MODE={name}}}",
    )  # fmt: skip
    store.aws("lambda", "wait", "function-updated-v2", "--function-name", "price")


def report(store: RunningStore) -> Any:
    done = store.run("kokoa overrides report Product.price --tenant demo --json")
    return json.loads(done.stdout)


def counted(store: RunningStore, outcome: str) -> int:
    return int(report(store)["counts"].get(outcome, 0))


def test_the_new_price_is_shown_everywhere_in_this_store_alone(shop: RunningStore) -> None:
    native = ask(shop, PRICE)["data"]["product"]
    assert native["price"] > 50
    publish(shop)
    until(lambda: price(shop) == 7.5, within_s=30, what="the new price")
    assert ask(shop, PRICE)["data"]["product"]["variants"] == native["variants"], "nobody touched these"
    assert shop.storefront(f"/api/products/{native['id']}").json["price"] == 7.5
    assert ask(shop, FOUND)["data"]["search"]["items"][0]["price"] == 7.5
    until(lambda: ask(shop, CHEAP)["data"]["search"]["total"] > 5, within_s=60, what="the index with the new prices")
    assert other_store(shop) == 12.0


def other_store(shop: RunningStore) -> float:
    """The price of the one product of another tenant, which is made now."""
    printed = shop.run("kokoa tenant create other").stdout
    own = dict(line.split(": ", 1) for line in printed.splitlines() if line.startswith("X-"))
    create = """mutation { createProduct(input: {name: "Cup", status: PUBLISHED,
      variants: [{sku: "C", name: "c", priceMinor: 1200, currency: "EUR"}]}) { id } }"""
    assert "errors" not in shop.graphql(create, **own).json
    return float(shop.graphql("{ products { price } }", **own).json["data"]["products"][0]["price"])


@pytest.mark.parametrize("how", ["fails", "slow", "nonsense"])
def test_the_native_price_is_served_in_time_and_the_owner_sees_why(shop: RunningStore, how: str) -> None:
    publish(shop)
    shop.run("kokoa overrides set Product.price --deadline 1s --fallback --tenant demo")
    outcome = {"fails": "failed", "slow": "late", "nonsense": "invalid"}[how]
    before = counted(shop, outcome)
    mode(shop, how)
    until(lambda: price(shop) > 50, within_s=30, what="the native price")
    begun = time.monotonic()
    assert price(shop) > 50
    assert time.monotonic() - begun < 10
    until(lambda: counted(shop, outcome) > before, within_s=30, what="the report")
    assert any(one["outcome"] == outcome and one["reason"] for one in report(shop)["samples"])
    mode(shop, "good")
    until(lambda: price(shop) == 7.5, within_s=60, what="the override again")


def test_without_a_fallback_the_error_names_the_subgraph_and_nothing_else(shop: RunningStore) -> None:
    publish(shop)
    shop.run("kokoa overrides set Product.price --no-fallback --tenant demo")
    mode(shop, "fails")

    def refused() -> Any:
        answer = ask(shop, PRICE)
        return answer if "errors" in answer else None

    answer = until(refused, within_s=30, what="the error")
    assert answer["data"]["product"]["price"] is None
    assert answer["errors"][0]["extensions"]["subgraph"] == "prices"
    assert "ERP" not in json.dumps(answer)
    mode(shop, "good")
    shop.run("kokoa overrides unset Product.price --tenant demo")


def test_a_tenth_of_the_customers_has_it_and_always_the_same(shop: RunningStore) -> None:
    publish(shop)
    shop.run("kokoa overrides set Product.price --percent 10 --tenant demo")
    few = [f"early-{n}" for n in range(40)]

    def settled() -> bool:
        """Whether all processes have the policy: a visitor comes to one or another of them."""
        first = [price(shop, visitor) for visitor in few]
        return max(first) > 50 and all([price(shop, visitor) for visitor in few] == first for _ in range(3))

    until(settled, within_s=60, what="the policy")
    seen = {f"visitor-{n}": price(shop, f"visitor-{n}") for n in range(400)}
    having = [visitor for visitor, shown in seen.items() if shown == 7.5]
    assert 15 <= len(having) <= 70
    for visitor in [*having[:10], *list(seen)[:10]]:
        assert price(shop, visitor) == seen[visitor]
    shop.run("kokoa overrides unset Product.price --tenant demo")


def test_in_shadow_the_native_price_is_served_and_the_report_shows_the_difference(shop: RunningStore) -> None:
    publish(shop)
    shop.run("kokoa overrides set Product.price --shadow --tenant demo")
    until(lambda: price(shop) > 50, within_s=30, what="the policy")
    before = counted(shop, "different")
    assert price(shop) > 50
    until(lambda: counted(shop, "different") > before, within_s=30, what="the report")
    sample = next(one for one in report(shop)["samples"] if one["outcome"] == "different")
    assert "7.5" in json.dumps(sample)
    shop.run("kokoa overrides unset Product.price --tenant demo")


def test_withdrawn_the_native_price_returns(shop: RunningStore) -> None:
    publish(shop)
    until(lambda: price(shop) == 7.5, within_s=30, what="the override")
    listed = shop.run("kokoa overrides list --tenant demo").stdout
    assert "Product.price" in listed
    assert "demo" in next(line for line in listed.splitlines() if line.startswith("Product.price"))
    shop.run("kokoa graph withdraw prices")
    until(lambda: price(shop) > 50, within_s=30, what="the native price")
    until(lambda: ask(shop, CHEAP)["data"]["search"]["total"] == 0, within_s=60, what="the index with the old prices")
