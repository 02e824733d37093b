"""Taxes, delivery and promotion codes through the running store, and answered by a partner instead."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from partners import Environment, new_environment
from running import ROOT, RunningStore, until

PAGE = ROOT / "docs" / "how-to" / "set-up-taxes-and-delivery.md"
EXPECTED = {
    "promotionDiscounts": {"totalDiscountMinor": 1_255, "codes": [{"accepted": True, "reason": None}]},
    "shippingOptions": [{"key": "post", "priceMinor": 0}, {"key": "courier", "priceMinor": 1_490}],
    # 112.95 and 14.90 with 25.5 % within: 90.00 + 22.95, 11.87 + 3.03.
    "taxes": {"zone": "fi", "netMinor": 10_187, "taxMinor": 2_598, "grossMinor": 12_785},
}
SDL = """
type Query { shippingOptions(input: ShippingOptionsInput!): [ShippingOption!]! @override(from: "shipping") }
input ShippingOptionsInput {
  destination: ShippingDestinationInput!  currency: String!  totalMinor: Int!  weightGrams: Int  itemCount: Int
}
input ShippingDestinationInput { country: String!  region: String  postalCode: String }
type ShippingOption @shareable {
  key: String!  name: String!  description: String  priceMinor: Int!  currency: String!
  minDays: Int  maxDays: Int  taxCategory: String
}
"""
HANDLER = """
def handler(event, context):
    given = event["arguments"]["input"]
    return [[{"key": "drone", "name": "Drone to " + given["destination"]["country"],
              "priceMinor": given["totalMinor"] // 10, "currency": given["currency"]}] for _ in event["parents"]]
"""


def shopper(environment: Environment, query: str) -> Any:
    answer = environment.store.request(
        "/graphql",
        method="POST",
        body=json.dumps({"query": query}).encode(),
        headers={**environment.shopper, "Content-Type": "application/json"},
    )
    assert answer.status == 200, answer
    return answer.json


def test_the_page_sets_a_shop_up_and_a_shopper_is_told_everything_in_one_request(store: RunningStore) -> None:
    environment, other = new_environment(store), new_environment(store)
    *tables, checkout = re.findall(r"```graphql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(tables) == 3
    for document in [*tables, *tables]:
        made = environment.graphql(document).json
        assert "errors" not in made, made
    answer = shopper(environment, checkout)
    assert "errors" not in answer, answer
    assert answer["data"] == EXPECTED
    elsewhere = shopper(other, checkout.replace(', taxCategory: "standard"', ""))["data"]
    assert (elsewhere["taxes"]["zone"], elsewhere["shippingOptions"]) == (None, [])
    assert elsewhere["promotionDiscounts"]["codes"] == [{"accepted": False, "reason": "UNKNOWN_CODE"}]
    for hidden in ("taxConfiguration { settings { version } }", "promotions { code }"):
        assert "errors" in shopper(environment, f"{{ {hidden} }}")


@pytest.fixture
def overridden(store: RunningStore, tmp_path: Path) -> Iterator[RunningStore]:
    """The demo store, whose partner answers for delivery."""
    (tmp_path / "handler.py").write_text(HANDLER)
    (tmp_path / "drone.graphql").write_text(SDL)
    store.run(f"cd {tmp_path} && python3 -m zipfile -c fn.zip handler.py")
    store.aws(
        "lambda", "create-function", "--function-name", "drone", "--runtime", "python3.11",
        "--handler", "handler.handler", "--role", "arn:aws:iam::000000000000:role/any",
        "--zip-file", f"fileb://{tmp_path}/fn.zip",
    )  # fmt: skip
    store.aws("lambda", "wait", "function-active-v2", "--function-name", "drone")
    store.run("kokoa grants add demo Query.shippingOptions --tenant demo")
    store.run(f"kokoa graph publish drones {tmp_path}/drone.graphql --fields drone")
    yield store
    store.run("kokoa graph withdraw drones")


def test_a_partner_answers_for_delivery(overridden: RunningStore) -> None:
    asked = """{ shippingOptions(input: {destination: {country: "FI"}, currency: "EUR", totalMinor: 12550}) {
      key name priceMinor minDays } }"""

    def offered() -> Any:
        body = json.dumps({"query": asked}).encode()
        headers = {"Content-Type": "application/json"}
        answer = overridden.storefront("/graphql", method="POST", body=body, headers=headers).json
        return (answer.get("data") or {}).get("shippingOptions")

    drone = [{"key": "drone", "name": "Drone to FI", "priceMinor": 1_255, "minDays": None}]
    until(lambda: offered() == drone, within_s=60, what="the partner's answer in every process")
