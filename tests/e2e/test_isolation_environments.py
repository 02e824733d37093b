"""Two environments of one tenant, each with its own partner account: neither sees or touches what the other has."""

import json
from typing import Any, NamedTuple

import pytest
from partners import REGION, Environment, Partner, new_environment, problem, refused
from running import RunningStore, until

SPEAKING = """
import json, os, urllib.request
def handler(event, context):
    print("spoken in {name}")
    request = urllib.request.Request(
        os.environ["APP_LOAD_BALANCER_URL"] + "/graphql",
        headers={{"Content-Type": "application/json", "X-Environment": "{other}"}},
        data=json.dumps({{"query": "{{ store {{ environment }} products {{ name }} }}"}}).encode())
    with urllib.request.urlopen(request) as response:
        return {{"statusCode": 200, "body": response.read().decode()}}
"""
CREATE = """mutation Create($name: String!) {
  createProduct(input: {name: $name, variants: []}) { id version }
}"""


class Side(NamedTuple):
    """One environment with its goods and its partner.  product: id and version."""

    environment: Environment
    partner: Partner
    product: dict[str, Any]
    domain: str

    @property
    def name(self) -> str:
        """prod or dev."""
        return self.environment.name


def side(store: RunningStore, tenant: str, name: str, other: str) -> Side:
    environment = new_environment(store, tenant, name)
    made = environment.graphql(CREATE, name=f"Lamp of {name}").json
    partner = environment.partner("acme", "/api/*")
    arn = partner.deploy("speaking", SPEAKING.format(name=name, other=other))
    partner.route("speaking", f"GET /api/{name}", arn)
    domain = f"{name}.{environment.tenant}.example.com"
    environment.operate("POST", "/domains", {"domain": domain})
    return Side(environment, partner, made["data"]["createProduct"], domain)


@pytest.fixture(scope="module")
def prod(store: RunningStore) -> Side:
    """The tenant's prod."""
    return side(store, "", "prod", "dev")


@pytest.fixture(scope="module")
def dev(store: RunningStore, prod: Side) -> Side:
    """The same tenant's dev."""
    return side(store, prod.environment.tenant, "dev", "prod")


@pytest.fixture(params=["prod", "dev"])
def mine(request: pytest.FixtureRequest, prod: Side, dev: Side) -> Side:
    """Each side in turn."""
    return prod if request.param == "prod" else dev


@pytest.fixture
def theirs(mine: Side, prod: Side, dev: Side) -> Side:
    """The other side."""
    return dev if mine is prod else prod


def test_goods_are_seen_in_their_own_environment_only(mine: Side, theirs: Side) -> None:
    def found() -> Any:
        return mine.environment.get("/api/search?q=lamp").json["items"]

    own = [f"Lamp of {mine.name}"]
    assert [item["name"] for item in mine.environment.get("/api/products").json] == own
    assert [item["name"] for item in until(found, what="the search index")] == own
    foreign = theirs.product["id"]
    assert problem(mine.environment.get(f"/api/products/{foreign}"), 404, "NOT_FOUND")
    asked = mine.environment.graphql("query A($ids: [ID!]) { products(ids: $ids) { name } }", ids=[foreign])
    assert asked.json == {"data": {"products": []}}


def test_goods_are_changed_by_their_own_secrets_only(mine: Side, theirs: Side) -> None:
    change = "mutation C($input: UpdateProductInput!) { updateProduct(input: $input) { id } }"
    delete = "mutation D($id: ID!, $version: Int!) { deleteProduct(id: $id, version: $version) }"
    for answer in (
        mine.environment.graphql(change, input={**theirs.product, "name": "Taken over"}),
        mine.environment.graphql(delete, **theirs.product),
    ):
        assert answer.json["errors"][0]["extensions"]["code"] == "PRODUCT_NOT_FOUND"
    assert [item["name"] for item in theirs.environment.get("/api/products").json] == [f"Lamp of {theirs.name}"]


def test_the_secrets_decide_and_a_domain_that_contradicts_is_refused(
    store: RunningStore, mine: Side, theirs: Side
) -> None:
    until(lambda: store.request("/api/products", headers={"Host": mine.domain}).status == 200, within_s=3)
    own = store.request("/api/products", headers={**mine.environment.secrets, "Host": mine.domain})
    assert [item["name"] for item in own.json] == [f"Lamp of {mine.name}"]
    for headers in (
        {**mine.environment.secrets, "Host": theirs.domain},
        {**mine.environment.secrets, "X-Environment": theirs.name},
        {**mine.environment.shopper, "Host": theirs.domain},
    ):
        answer = store.request("/api/products", headers=headers)
        assert theirs.name in problem(answer, 400, "TENANT_CONTRADICTION")
    mixed = {**mine.environment.secrets, "X-GraphQL-Secret": theirs.environment.secrets["X-GraphQL-Secret"]}
    assert problem(store.request("/api/products", headers=mixed), 401, "CREDENTIALS_WRONG")


def test_a_route_answers_in_its_own_environment_only(mine: Side, theirs: Side) -> None:
    spoken = mine.environment.get(f"/api/{mine.name}")
    assert json.loads(spoken.body)["data"] == {
        "store": {"environment": mine.name},
        "products": [{"name": f"Lamp of {mine.name}"}],
    }
    assert problem(mine.environment.get(f"/api/{theirs.name}"), 404, "ROUTE_NOT_FOUND")
    assert problem(mine.environment.get(f"/ext/speaking/api/{theirs.name}"), 404, "ROUTE_NOT_FOUND")
    listed = {row["path"] for row in mine.environment.routes()}
    assert f"/api/{mine.name}" in listed
    assert f"/api/{theirs.name}" not in listed
    (api,) = mine.partner.gateway.get_apis()["Items"]
    assert refused(theirs.partner.gateway.get_api, ApiId=api["ApiId"])[:2] == ("NotFoundException", 404)
    assert refused(theirs.partner.gateway.delete_api, ApiId=api["ApiId"])[:2] == ("NotFoundException", 404)


def test_a_key_reaches_the_functions_of_its_own_environment_only(mine: Side, theirs: Side) -> None:
    assert mine.partner.account_id != theirs.partner.account_id
    mine.partner.deploy(f"only-{mine.name}", "def handler(event, context):\n    return 'mine'\n")
    assert f"only-{theirs.name}" not in mine.partner.functions
    assert mine.partner.invoke(f"only-{mine.name}") == ("mine", None)
    arn = f"arn:aws:lambda:{REGION}:{mine.partner.account_id}:function:only-{mine.name}"
    stranger = theirs.partner.lambda_
    for call in (stranger.invoke, stranger.get_function, stranger.delete_function):
        assert refused(call, FunctionName=arn)[:2] == ("AccessDeniedException", 403)
        assert refused(call, FunctionName=f"only-{mine.name}")[:2] == ("ResourceNotFoundException", 404)
    identity = mine.partner.client("sts").get_caller_identity()
    assert identity["Arn"].endswith(f"/{mine.environment.tenant}/{mine.name}/acme")


def test_logs_are_read_in_their_own_environment_only(mine: Side) -> None:
    logs = mine.partner.client("logs")

    def spoken() -> set[str]:
        if not logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/speaking")["logGroups"]:
            return set()
        events = logs.filter_log_events(logGroupName="/aws/lambda/speaking", filterPattern="spoken")["events"]
        return {event["message"].strip() for event in events}

    mine.partner.invoke("speaking")
    assert until(spoken, what="the log") == {f"spoken in {mine.name}"}


def test_partners_keys_and_grants_are_managed_in_their_own_environment_only(mine: Side, theirs: Side) -> None:
    listed = mine.environment.operate("GET", "/partners/acme/keys")
    assert [key["access_key_id"] for key in listed] == [mine.partner.key_id]
    token = {"Authorization": f"Bearer {(mine.environment.store.state_dir / 'operator.token').read_text()}"}
    path = f"/_kokoa/operator/tenants/{mine.environment.tenant}/{mine.name}/keys/{theirs.partner.key_id}"
    answer = mine.environment.store.request(path, method="DELETE", headers=token)
    assert theirs.partner.key_id in problem(answer, 404, "ACCESS_KEY_NOT_FOUND")
    assert theirs.partner.client("sts").get_caller_identity()["Account"] == theirs.partner.account_id
    granted = {grant["account_id"] for grant in mine.environment.operate("GET", "/grants")}
    assert granted == {mine.partner.account_id}


def test_a_limit_holds_for_its_own_environment_only(store: RunningStore, prod: Side) -> None:
    small = new_environment(store, prod.environment.tenant, "small", limit=1)
    assert {small.get("/api/products").status for _ in range(4)} >= {429}
    assert prod.environment.get("/api/products").status == 200
