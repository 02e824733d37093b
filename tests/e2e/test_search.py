"""Search in a running store: REST and graph, another tenant's keys, and `kokoa search rebuild`."""

from typing import Any

import pytest
from partners import Environment, new_environment
from running import RunningStore, until

BULK = "mutation($input: [BulkProductInput!]!) { bulkUpsertProducts(input: $input) { failed } }"
WITHIN_S = 60
PRODUCTS = 300


def row(number: int, name: str, price_minor: int, *category: str, **more: Any) -> dict[str, Any]:
    variant = {"sku": f"S-{number}", "priceMinor": price_minor, "currency": "EUR"}
    return {"externalReference": f"erp-{number}", "name": name, "category": category, "variants": [variant], **more}


@pytest.fixture(scope="module")
def shop(store: RunningStore) -> Environment:
    """A store with three hundred chairs, a lamp and a draft."""
    shop = new_environment(store)
    chairs = [row(n, f"Oak chair {n}", 1_000 + n, "Furniture", "Chairs") for n in range(PRODUCTS)]
    more = [row(900, "Desk lamp", 5_000, "Lighting"), row(901, "Secret lamp", 5_000, "Lighting", status="DRAFT")]
    answer = shop.graphql(BULK, input=chairs + more)
    assert answer.json["data"]["bulkUpsertProducts"]["failed"] == 0
    until(lambda: total(shop, "oak") == PRODUCTS and total(shop, "desk") == 1, within_s=WITHIN_S, what="the index")
    return shop


def total(shop: Environment, q: str, more: str = "") -> int:
    found: int = shop.get(f"/api/search?q={q}{more}").json["total"]
    return found


def test_search_by_rest_and_graph(shop: Environment) -> None:
    assert total(shop, "lammp") == 1, "misspelt, and no draft is found"
    assert total(shop, "oak", "&category=furniture") == PRODUCTS
    assert total(shop, "oak", "&category=furniture/chairs") == PRODUCTS
    assert total(shop, "oak", "&category=lighting") == 0
    assert total(shop, "oak", "&currency=EUR&minPriceMinor=1010&maxPriceMinor=1019") == 10
    dear = shop.get("/api/search?q=oak&sort=PRICE_DESC&limit=2").json["items"]
    assert [item["price"] for item in dear] == [12.99, 12.98]
    query = """{ search(q: "oa", limit: 1) { items { name category { path } } facets { exact categories { path count }
        prices { minPriceMinor maxPriceMinor count } } } searchSuggestions(prefix: "des") }"""
    found = shop.graphql(query).json["data"]
    assert found["search"]["items"][0]["category"] == {"path": "furniture/chairs"}
    assert found["search"]["facets"] == {
        "exact": True,
        "categories": [{"path": "furniture", "count": PRODUCTS}, {"path": "furniture/chairs", "count": PRODUCTS}],
        "prices": [{"minPriceMinor": 1_000, "maxPriceMinor": 1_999, "count": PRODUCTS}],
    }
    assert found["searchSuggestions"] == ["Desk lamp"]


def test_what_is_wrong_is_said_and_others_see_nothing(shop: Environment, store: RunningStore) -> None:
    refused = shop.get("/api/search?q=oak&minPriceMinor=1")
    assert (refused.status, refused.json["code"]) == (400, "INVALID_SEARCH_FILTER")
    stranger = new_environment(store)
    assert total(stranger, "oak") == 0
    stranger.secrets["X-Tenant-ID"] = shop.tenant
    for query in ("mutation { rebuildSearch { documents } }", "{ searchStatus { documents } }"):
        assert stranger.graphql(query).status in {400, 401, 403}
    headers = {**shop.shopper, "Content-Type": "application/json"}
    body = b'{"query": "mutation { rebuildSearch { documents } }"}'
    shopper = store.request("/graphql", method="POST", body=body, headers=headers)
    assert shopper.json["errors"][0]["extensions"]["code"] == "FORBIDDEN"


def test_an_index_is_rebuilt_by_command_while_it_serves(shop: Environment, store: RunningStore) -> None:
    before = store.run(f"kokoa search status --tenant {shop.tenant} --json").stdout
    done = store.run(f"kokoa search rebuild --tenant {shop.tenant} --language english --patience 60", timeout_s=120)
    assert f"{PRODUCTS + 1} products are in the new index of {shop.tenant}/prod (english)." in done.stdout
    after = store.run(f"kokoa search status --tenant {shop.tenant} --json").stdout
    assert '"generation"' in after
    assert after != before
    assert total(shop, "oaks") == PRODUCTS
    wrong = store.run(f"kokoa search rebuild --tenant {shop.tenant} --language klingon", check=False)
    assert wrong.returncode == 1
    assert "klingon" in wrong.stderr


def test_products_are_found_below_where_their_category_has_moved(shop: Environment) -> None:
    category = shop.graphql('{ category(path: "furniture") { id version } }').json["data"]["category"]
    rename = "mutation($input: RenameCategoryInput!) { renameCategory(input: $input) { path } }"
    renamed = shop.graphql(rename, input={**category, "name": "Interior", "slug": "interior"})
    assert renamed.json["data"]["renameCategory"]["path"] == "interior"
    until(
        lambda: total(shop, "oak", "&category=interior/chairs") == PRODUCTS,
        within_s=WITHIN_S,
        what="the paths of moved products",
    )
    assert total(shop, "oak", "&category=furniture") == 0
