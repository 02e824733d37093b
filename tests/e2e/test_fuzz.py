"""Made-up requests to every operation of both APIs: whatever is asked, the answer is no bug of ours.

`make test` makes the same few hundred each time; `make fuzz` makes 5,000 others.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from partners import Environment, new_environment
from running import RunningStore
from schemathesis.graphql import nodes
from schemathesis.schemas import APIOperation, BaseSchema

CASES = int(os.environ.get("FUZZ_CASES", "200"))
_PATIENCE_S = 30

ROW = """mutation { bulkUpsertProducts(input: [{externalReference: "a", name: "Oak lamp", category: ["Lamps"],
    variants: [{sku: "A", priceMinor: 100, currency: "EUR"}]}]) { failed } }"""

_MOMENTS = st.one_of(st.datetimes().map(lambda moment: moment.isoformat() + "Z"), st.text(max_size=30))
schemathesis.graphql.scalar("DateTime", _MOMENTS.map(nodes.String))


@pytest.fixture(scope="module")
def shop(store: RunningStore) -> Environment:
    """A store with a product, so that something is found."""
    shop = new_environment(store)
    assert shop.graphql(ROW).json["data"]["bulkUpsertProducts"]["failed"] == 0
    return shop


@pytest.fixture(scope="module", autouse=True)
def store_goes_on(shop: Environment) -> Iterator[None]:
    """What was asked has broken nothing."""
    yield
    assert shop.graphql("{ products { name } }").json["data"]["products"] is not None


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("scope", ["management", "storefront"])
def test_graphql(shop: Environment, store: RunningStore, scope: str) -> None:
    headers = shop.secrets if scope == "management" else shop.shopper
    schema = schemathesis.graphql.from_url(f"{store.url}/graphql", headers=dict(headers))
    answers = fuzz(schema, headers, CASES if scope == "management" else CASES // 4)
    assert answers["data"] > 0, "some of it makes sense"
    assert answers["errors"] > 0


@pytest.mark.timeout(3600)
def test_rest(shop: Environment, store: RunningStore) -> None:
    schema = schemathesis.openapi.from_url(f"{store.url}/openapi.json", headers=dict(shop.shopper))
    answers = fuzz(schema, shop.shopper, CASES // 4)
    assert answers["data"] > 0
    assert answers["errors"] > 0


def fuzz(schema: BaseSchema, headers: Mapping[str, str], cases: int) -> Counter[str]:
    """Ask each operation its share of `cases`; how many answers had data and how many errors."""
    operations = [found.ok() for found in schema.get_all_operations()]
    answers: Counter[str] = Counter()
    for operation in operations:
        ask(operation, headers, max(1, -(-cases // len(operations))), answers)
    return answers


def ask(operation: APIOperation, headers: Mapping[str, str], cases: int, answers: Counter[str]) -> None:
    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize="FUZZ_CASES" not in os.environ,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def one(case: schemathesis.Case) -> None:
        response = case.call(headers=dict(headers), timeout=_PATIENCE_S)
        assert response.status_code < 500, response.text
        assert "INTERNAL" not in response.text, (case.as_curl_command(), response.text)
        if response.status_code == 429:
            return  # it asks faster than this environment may
        failed = response.status_code >= 400 or '"errors"' in response.text
        answers["errors" if failed else "data"] += 1

    one()
