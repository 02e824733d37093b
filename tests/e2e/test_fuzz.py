"""Made-up requests to every operation of both APIs: whatever is asked, the answer is no bug of ours.

`make test` makes the same few hundred each time; `make fuzz` makes 5,000 others.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from partners import Environment, new_environment
from running import RunningStore, until
from schemathesis.graphql import nodes
from schemathesis.schemas import APIOperation, BaseSchema

CASES = int(os.environ.get("FUZZ_CASES", "200"))
_PATIENCE_S = 30

TYPE = """mutation { createProductType(input: {key: "lamp", name: "Lamp", attributes: [
    {key: "power", name: "Power", type: NUMBER}
    {key: "ean", name: "EAN", type: TEXT, level: VARIANT, unique: true}]}) { id } }"""
ROWS = """mutation { bulkUpsertProducts(input: [
    {externalReference: "a", name: "Oak lamp", category: ["Lamps", "Desk"], productType: "lamp",
     attributes: [{key: "power", value: 9}], variants: [{sku: "A", priceMinor: 100, currency: "EUR"}]},
    {externalReference: "b", name: "Oak chair", variants: [{sku: "B", priceMinor: 100, currency: "EUR"}]}
    ]) { failed } }"""
MORE = """mutation { setLocales(input: {default: "en", locales: [{code: "de"}]}) { code }
    createChannel(input: {key: "web", name: "Web", currency: "USD"}) { id }
    defineCustomField(input: {on: PRODUCT, key: "months", type: INT}) { key } }"""
THERE = """{ products { id version variants { id } category { id } productType { id } } channels { id } }"""

# What names something in an argument, and the version that goes with it.
_ID = re.compile(r'\b((?:id|[a-z]+Id)\s*:\s*)"(?:\\.|[^"\\])*"')
_VERSION = re.compile(r"\b(version\s*:\s*)-?\d+")

_MOMENTS = st.one_of(st.datetimes().map(lambda moment: moment.isoformat() + "Z"), st.text(max_size=30))
schemathesis.graphql.scalar("DateTime", _MOMENTS.map(nodes.String))


@pytest.fixture(scope="module")
def shop(store: RunningStore) -> Environment:
    """A store with something of each kind, so that something is found."""
    shop = new_environment(store)
    for query in (TYPE, ROWS, MORE):
        answer = shop.graphql(query).json
        assert "errors" not in answer, answer
    until(lambda: "custom" in shop.graphql('{ __type(name: "Product") { fields { name } } }').body.decode())
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
    answers = fuzz(schema, shop, headers, CASES if scope == "management" else CASES // 4)
    assert answers["data"] > 0, "some of it makes sense"
    if scope == "management":  # whose mutations must name something; a storefront's queries may leave ids out
        assert answers["named"] > 0, "some of it is about what is there"
    assert answers["errors"] > 0


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("scope", ["management", "storefront"])
def test_rest(shop: Environment, store: RunningStore, scope: str) -> None:
    headers = shop.secrets if scope == "management" else shop.shopper
    schema = schemathesis.openapi.from_url(f"{store.url}/openapi.json", headers=dict(headers))
    answers = fuzz(schema, shop, headers, CASES // 4)
    assert answers["data"] > 0
    assert answers["errors"] > 0


def fuzz(schema: BaseSchema, shop: Environment, headers: Mapping[str, str], cases: int) -> Counter[str]:
    """Ask each operation its share of `cases`; how many answers had data and how many errors."""
    operations = [found.ok() for found in schema.get_all_operations()]
    answers: Counter[str] = Counter()
    for operation in operations:
        ask(operation, headers, max(1, -(-cases // len(operations))), things_of(shop), answers)
    assert answers["data"] + answers["errors"] >= min(cases, len(operations)), answers
    return answers


def things_of(shop: Environment) -> Sequence[tuple[str, int]]:
    """(id, version) of what is there now."""
    found = shop.graphql(THERE).json["data"]
    parts = [
        (part["id"], product["version"])
        for product in found["products"]
        for part in (product, *product["variants"], product["category"], product["productType"])
        if part
    ]
    return [*parts, *((channel["id"], 1) for channel in found["channels"])] or [("none", 1)]


def ask(
    operation: APIOperation,
    headers: Mapping[str, str],
    cases: int,
    things: Sequence[tuple[str, int]],
    answers: Counter[str],
) -> None:
    """things: what half of the made-up ids are replaced by, so that more than the first check is met."""

    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize="FUZZ_CASES" not in os.environ,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), thing=st.one_of(st.none(), st.sampled_from(things)))
    def one(case: schemathesis.Case, thing: tuple[str, int] | None) -> None:
        if thing and isinstance(case.body, str):
            named = _ID.sub(rf'\1"{thing[0]}"', case.body)
            case.body = _VERSION.sub(rf"\g<1>{thing[1]}", named)
            answers["named"] += case.body != named or thing[0] in named
        response = case.call(headers=dict(headers), timeout=_PATIENCE_S)
        assert response.status_code < 500, response.text
        assert "INTERNAL" not in response.text, (case.as_curl_command(), response.text)
        failed = response.status_code >= 400 or '"errors"' in response.text
        answers["errors" if failed else "data"] += 1

    one()
