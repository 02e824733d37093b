"""Publishing in a running store: the worker does what is due, and search, shoppers and the history hear of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from partners import Environment, new_environment
from running import RunningStore, until

from kokoa.roles.demo.content import shop_content

CREATE = "mutation($input: CreateProductInput!) { createProduct(input: $input) { id } }"
STAGE = "mutation($input: StageProductChangesInput!) { stageProductChanges(input: $input) { version } }"
SCHEDULE = """mutation($id: ID!, $at: DateTime!) {
  schedulePublication(id: $id, version: 2, publishAt: $at) { version } }"""
HISTORY = "query($id: ID!) { productHistory(id: $id) { entries { kind version actor { kind subject } } } }"
WITHIN_S = 60


def data(shop: Environment, query: str, **variables: Any) -> Any:
    answer = shop.graphql(query, **variables)
    assert "errors" not in answer.json, answer
    return answer.json["data"]


def test_the_worker_publishes_a_product_with_its_staged_changes_and_search_finds_it(store: RunningStore) -> None:
    shop = new_environment(store)
    variant = {"sku": "LAMP", "priceMinor": 1_000, "currency": "EUR"}
    wanted = {"name": "Working title", "variants": [variant], "status": "DRAFT"}
    made = data(shop, CREATE, input=wanted)["createProduct"]["id"]
    data(shop, STAGE, input={"id": made, "version": 1, "name": "Moonlight lamp"})
    moment = datetime.now(UTC) + timedelta(seconds=2)
    data(shop, SCHEDULE, id=made, at=moment.isoformat())
    assert shop.get("/api/search?q=moonlight").json["total"] == 0
    until(lambda: shop.get("/api/search?q=moonlight").json["total"] == 1, within_s=WITHIN_S, what="the worker")
    entries = data(shop, HISTORY, id=made)["productHistory"]["entries"]
    assert [one["kind"] for one in entries] == ["PUBLISHED", "UPDATED", "UPDATED", "CREATED"]
    assert entries[0]["actor"] == {"kind": "service", "subject": "catalog-schedules"}
    assert entries[-1]["actor"]["kind"] == "server"


def test_the_demo_shop_shows_shoppers_of_another_channel_dollars(store: RunningStore) -> None:
    query = """{ channels { key currency } products(channel: "america", limit: 100) {
      slug currency variants { currency priceIn(channel: "america") { currency priceMinor } } } }"""
    answer = store.graphql(query).json["data"]
    currencies = {"america": "USD", "europe": "EUR"}
    assert {one["key"]: one["currency"] for one in answer["channels"]} == currencies
    own = {one.slug for one in shop_content().products}  # other tests sell something there too
    variants = [
        variant for product in answer["products"] if product["slug"] in own for variant in product["variants"]
    ]
    assert len(variants) > 40
    assert {(one["currency"], one["priceIn"]["currency"]) for one in variants} == {("EUR", "USD")}
    listed = store.storefront("/api/products?channel=america&limit=100").json
    assert len(listed) == len(answer["products"])
    assert store.storefront("/api/products?channel=nowhere").json == []
