"""What callers do to a store while it is hurt, and what must be true once they were told that it is done.

A journey is tried until it is acknowledged. Each attempt ends in an acknowledgement or in an error that says "again";
anything else fails the test. Doing it again is harmless, because each has a name of its own.
"""

import contextlib
import http.client
import io
import json
import os
import subprocess
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError
from hurt_store import PATIENCE_S, HurtStore, within
from partners import ROLE
from running import VENV_BIN, Answer, until

AGAIN = frozenset({429, 502, 503, 504})
"""Statuses that say: try it again. 500 is a bug, everything else is the caller's own fault."""

_CREATE = """mutation Create($sku: String!, $description: String!) {
  createProduct(input: {name: $sku, externalReference: $sku, description: $description,
                        variants: [{sku: $sku, priceMinor: 100, currency: "EUR"}]}) { id }
}"""
_FIND = "query Find($slug: String!) { product(slug: $slug) { id name variants { sku } } }"

_USE_TEST = """mutation Use($input: ConfigurePaymentProviderInput!) {
  configurePaymentProvider(input: $input) { provider { key } } }"""
_CREATE_PAYMENT = "mutation Create($input: CreatePaymentInput!) { createPayment(input: $input) { id } }"
_AUTHORIZE = """mutation Pay($input: AuthorizePaymentInput!) {
  authorizePayment(input: $input) { authorizationStatus amounts { authorizePending } } }"""
_PAYMENTS = """query Paid($reference: String!) { payments(reference: $reference) { items {
  id amounts { authorized } transactions { type } } } }"""
_CAPTURE = "mutation Capture($input: PaymentRequestInput!) { capturePayment(input: $input) { chargeStatus } }"

_COUNT = """mutation Count($sku: String!) {
  setStockPolicy(input: {sku: $sku, backorderLimit: 5}) { sku } }"""
_ADD = "mutation Add($input: AddCartLinesInput!) { addCartLines(input: $input) { id } }"
_PLACE = "mutation Place($input: PlaceOrderInput!) { placeOrder(input: $input) { state refusal { code message } } }"
_ORDERS = "{ orders(limit: 100) { id lines { sku } } }"
_STOCK = "query Stock($sku: String!) { stockItem(sku: $sku) { reserved } }"

_HANDLER = """
def handler(event, context):
    print(f"marker={{event.get('marker')}}" if isinstance(event, dict) else "no marker")
    return {{"statusCode": 200, "body": "{answer}"}}
"""


class Again(Exception):
    """The attempt was refused with an error that says that trying again may help."""


def package(answer: str) -> bytes:
    """A function that answers this text."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("handler.py", _HANDLER.format(answer=answer))
    return content.getvalue()


def asked(call: Callable[[], Answer]) -> Answer:
    """An HTTP answer that is no error. Raises Again."""
    try:
        answer = call()
    except (OSError, http.client.HTTPException) as error:  # nobody listens, or the connection ended half-way
        raise Again(repr(error)) from error
    if answer.status in AGAIN:
        if answer.status == 503:
            assert int(answer.headers["retry-after"]) >= 1, answer
        raise Again(repr(answer))
    assert answer.status < 500, answer
    return answer


def aws(call: Callable[..., Any], **arguments: Any) -> Any:
    """What an AWS call answers. Raises Again, ClientError for what is the caller's own fault, or a bug."""
    try:
        return call(**arguments)
    except ClientError as error:
        status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
        if status in AGAIN or code == "ServiceUnavailableException":  # CloudWatch Logs has it as a 500
            raise Again(str(error)) from error
        raise
    except BotoCoreError as error:  # nobody listens, or the connection ended half-way
        raise Again(repr(error)) from error


def graph(hurt: HurtStore, query: str, **variables: Any) -> Mapping[str, Any]:
    """The document of a GraphQL answer. Raises Again for errors that say so."""
    document: dict[str, Any] = asked(lambda: hurt.environment.graphql(query, **variables)).json
    for error in document.get("errors", ()):
        code = error["extensions"]["code"]
        if code.endswith("UNAVAILABLE") or code in ("DEADLINE_EXCEEDED", "DATABASE_FULL"):
            raise Again(str(error))
        assert code != "INTERNAL", error
    return document


class Journey(ABC):
    """One piece of work.  number: makes its names its own."""

    def __init__(self, hurt: HurtStore, number: int) -> None:
        self.hurt = hurt
        self.name = f"fault{number:04d}"

    def prepare(self) -> None:  # noqa: B027 - most need nothing
        """What must be so before the attempt. Raises Again."""

    @abstractmethod
    def attempt(self) -> None:
        """Returns once it is acknowledged. Raises Again."""

    @abstractmethod
    def verify(self) -> None:
        """What was acknowledged is there. Raises Again, AssertionError."""

    def finish(self) -> None:
        """Try until it is acknowledged, then until it is seen to be there."""
        for step in (self.attempt, self.verify):
            tried_until_done(step, what=f"{type(self).__name__} {self.name}: {step.__name__}")


def tried_until_done(step: Callable[[], None], *, what: str) -> None:
    """Call until it does not raise Again."""
    reason = ""
    for _ in within(PATIENCE_S):
        try:
            return step()
        except Again as again:
            reason = str(again)
    raise AssertionError(f"{what} was not done within {PATIENCE_S:.0f} s; the last answer: {reason}")


class Write(Journey):
    """A product by GraphQL: a row, an event, and in time a document of the search index."""

    description = ""

    def attempt(self) -> None:
        document = graph(self.hurt, _CREATE, sku=self.name, description=self.description)
        errors = document.get("errors", [])
        assert not errors or errors[0]["extensions"]["code"] == "ALREADY_TAKEN", errors

    def verify(self) -> None:
        product = graph(self.hurt, _FIND, slug=self.name)["data"]["product"]
        assert product is not None, f"{self.name} was acknowledged, and is lost"
        assert [variant["sku"] for variant in product["variants"]] == [self.name]
        found = asked(lambda: self.hurt.environment.get(f"/api/search?q={self.name}"))
        # Names that are spelt nearly so are found beside it.
        if [item["slug"] for item in found.json["items"]].count(self.name) != 1:
            raise Again(f"the index does not know it yet: {found}")

    def product_id(self) -> str:
        """Of the product, which must be there."""
        return str(graph(self.hurt, _FIND, slug=self.name)["data"]["product"]["id"])


class Import(Journey):
    """A file of some batches by `kokoa import`, gone on with until it is in the store."""

    ROWS = 2_500

    def attempt(self) -> None:
        file = self.hurt.state_dir.parent / f"{self.name}.jsonl"
        if not file.exists():
            rows = ({"externalReference": f"{self.name}-{n}", "name": f"Import {n}"} for n in range(self.ROWS))
            file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        resume = ("--resume",) if file.with_name(f"{file.name}.import-journal").exists() else ()
        done = self.kokoa("import", "products", str(file), "--patience", "20", *resume)
        if done.returncode == 1:
            raise Again(done.stderr)
        assert done.returncode == 0, done.stderr

    def verify(self) -> None:
        done = self.kokoa("export", "products", "-", "--format", "jsonl")
        if done.returncode == 1:
            raise Again(done.stderr)
        references = [json.loads(line)["externalReference"] for line in done.stdout.splitlines()]
        mine = [reference for reference in references if reference and reference.startswith(f"{self.name}-")]
        assert sorted(mine) == sorted(f"{self.name}-{n}" for n in range(self.ROWS))

    def kokoa(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """The command as the tenant's own server runs it; nothing stops it at a step."""
        environment = self.hurt.environment
        secrets = environment.secrets
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "KOKOA_"))}
        settings = {
            "KOKOA_URL": environment.store.url,
            "KOKOA_TENANT_ID": secrets["X-Tenant-ID"],
            "KOKOA_TENANT_SECRET": secrets["X-Tenant-Secret"],
            "KOKOA_GRAPHQL_SECRET": secrets["X-GraphQL-Secret"],
        }
        return subprocess.run(
            [str(VENV_BIN / "kokoa"), *words],
            env={**clean, **settings},
            capture_output=True,
            text=True,
            timeout=4 * PATIENCE_S,
        )


class Create(Journey):
    """A new function, by boto3."""

    def attempt(self) -> None:
        functions = self.hurt.partner.lambda_
        with contextlib.suppress(functions.exceptions.ResourceConflictException):  # an earlier attempt's
            aws(
                functions.create_function,
                FunctionName=self.name,
                Runtime="python3.11",
                Handler="handler.handler",
                Role=ROLE,
                Code={"ZipFile": package(self.name)},
            )

    def verify(self) -> None:
        assert invoked(self.hurt, self.name) == self.name


class Update(Journey):
    """New code for a function that has a warm sandbox with the old one."""

    FUNCTION = "updated"

    def prepare(self) -> None:
        invoked(self.hurt, self.FUNCTION)

    def attempt(self) -> None:
        functions = self.hurt.partner.lambda_
        aws(functions.update_function_code, FunctionName=self.FUNCTION, ZipFile=package(self.name))
        invoked(self.hurt, self.FUNCTION)

    def verify(self) -> None:
        if invoked(self.hurt, self.FUNCTION) != self.name:
            raise Again("a web process may know the old code for less than a second")


class Override(Journey):
    """A grant, an HTTP API with a route at the root, and a shopper who comes by it."""

    FUNCTION = "kept"

    def attempt(self) -> None:
        environment, partner = self.hurt.environment, self.hurt.partner
        body = json.dumps({"partner": partner.name, "pattern": f"/granted/{self.name}/*"}).encode()
        asked(lambda: operator(self.hurt, "POST", "/grants", body))
        if self.name not in {api["Name"] for api in aws(partner.gateway.get_apis, MaxResults="500")["Items"]}:
            arn = aws(partner.lambda_.get_function, FunctionName=self.FUNCTION)["Configuration"]["FunctionArn"]
            route = f"GET /granted/{self.name}/it"
            aws(partner.gateway.create_api, Name=self.name, ProtocolType="HTTP", RouteKey=route, Target=arn)
        for _ in range(8):  # so that each web process looks
            asked(lambda: environment.get(f"/granted/{self.name}/it"))

    def verify(self) -> None:
        apis = [api["Name"] for api in aws(self.hurt.partner.gateway.get_apis, MaxResults="500")["Items"]]
        assert apis.count(self.name) == 1
        answer = asked(lambda: self.hurt.environment.get(f"/granted/{self.name}/it"))
        if answer.body != self.FUNCTION.encode():
            raise Again(f"the table is not the new one yet: {answer}")


class Publish(Journey):
    """A version of a subgraph with a type of the journey's own."""

    @property
    def type_name(self) -> str:
        return f"{self.hurt.partner.name.capitalize()}{self.name.capitalize()}"

    def attempt(self) -> None:
        order = {"sdl": f"type {self.type_name} {{ a: Int }}", "target": "fields", "function": "kept"}
        path = "/_kokoa/partner/graph/hurt"
        body = json.dumps({**order, "allow_breaking": True}).encode()
        partner = self.hurt.partner
        request = AWSRequest(
            "PUT", self.hurt.store.url + path, headers={"Content-Type": "application/json"}, data=body
        )
        SigV4Auth(Credentials(partner.key_id, partner.secret), "kokoa", "us-east-1").add_auth(request)
        headers = dict(request.headers.items())
        answer = asked(lambda: self.hurt.store.request(path, method="PUT", body=body, headers=headers))
        assert answer.status == 200, answer

    def verify(self) -> None:
        for _ in range(8):  # so that each web process is asked
            found = graph(self.hurt, f'{{ __type(name: "{self.type_name}") {{ name }} }}')
            if found["data"]["__type"] is None:
                raise Again("a process has the graph before still")


class Pay(Journey):
    """A payment of the test provider, authorised, then captured by a webhook. Whatever dies, money moves once.

    A request that never arrived fails in the end, and its key with it: then it is asked for with another.
    """

    key = 0

    def attempt(self) -> None:
        self.asked(_USE_TEST, input={"key": "test", "active": True})
        new = {"reference": self.name, "amountMinor": 700, "currency": "EUR", "provider": "test"}
        payment = self.asked(_CREATE_PAYMENT, input={**new, "idempotencyKey": self.name})["createPayment"]["id"]
        request = {"id": payment, "idempotencyKey": f"{self.name}-{self.key}", "method": "ok;capture=delayed"}
        done = self.asked(_AUTHORIZE, input=request)["authorizePayment"]
        if done["amounts"]["authorizePending"]:
            raise Again("the authorisation is pending")
        if done["authorizationStatus"] != "FULL":
            self.key += 1
            raise Again("the authorisation failed")

    def verify(self) -> None:
        found = self.asked(_PAYMENTS, reference=self.name)["payments"]["items"]
        assert [one["amounts"]["authorized"] for one in found] == [700]
        types = [one["type"] for one in found[0]["transactions"]]
        assert types.count("AUTHORIZE_SUCCESS") == 1
        if "CHARGE_REQUEST" not in types:
            self.asked(_CAPTURE, input={"id": found[0]["id"], "idempotencyKey": "capture"})
        if "CHARGE_SUCCESS" not in types:
            assert "CHARGE_FAILURE" not in types, types
            raise Again("the provider's webhook has not come yet")

    def asked(self, query: str, **variables: Any) -> Any:
        """The data of an answer without errors."""
        document = graph(self.hurt, query, **variables)
        assert "errors" not in document, document
        return document["data"]


class Buy(Journey):
    """A cart that is ordered. Whatever dies, there is one order, and its goods are reserved once."""

    method = "ok"
    state = "PLACED"
    orders = 1
    cart = ""

    def prepare(self) -> None:
        graph(self.hurt, _USE_TEST, input={"key": "test", "active": True})
        graph(self.hurt, _CREATE, sku=self.name, description="")
        graph(self.hurt, _COUNT, sku=self.name)
        if not self.cart:
            self.cart = self.asked('mutation { createCart(input: {currency: "EUR"}) { cartToken } }')["createCart"][
                "cartToken"
            ]
        lines = [{"sku": self.name, "quantity": 1}]
        given = {"cartToken": self.cart, "lines": lines, "idempotencyKey": self.name}
        self.asked(_ADD, input=given)

    def attempt(self) -> None:
        given = {"cartToken": self.cart, "paymentProvider": "test", "paymentMethod": self.method}
        placed = self.asked(_PLACE, input={**given, "idempotencyKey": self.name})["placeOrder"]
        if placed["state"] == "IN_PROGRESS":
            raise Again("it is being ordered")
        assert placed["state"] == self.state, placed

    def verify(self) -> None:
        placed = self.asked(_ORDERS)["orders"]
        mine = [one["id"] for one in placed if one["lines"][0]["sku"] == self.name]
        assert len(mine) == self.orders
        reserved = self.asked(_STOCK, sku=self.name)["stockItem"]["reserved"]
        if reserved > self.orders:
            raise Again("it is refused, and its goods are not given back yet")
        assert reserved == self.orders

    def asked(self, query: str, **variables: Any) -> Any:
        """The data of an answer without errors."""
        document = graph(self.hurt, query, **variables)
        assert "errors" not in document, document
        return document["data"]


class BuyInVain(Buy):
    """One whose payment is declined: there is no order, and nothing is reserved."""

    method = "declined"
    state = "REFUSED"
    orders = 0


class Invoke(Journey):
    """An invocation that prints a marker."""

    FUNCTION = "kept"

    def attempt(self) -> None:
        assert invoked(self.hurt, self.FUNCTION, marker=self.name) == self.FUNCTION

    def verify(self) -> None:
        assert invoked(self.hurt, self.FUNCTION) == self.FUNCTION


class Log(Invoke):
    """An invocation, and what it printed. A host that dies takes along what it had not shipped."""

    def verify(self) -> None:
        printed = f"marker={self.name}\n"
        events = aws(
            self.hurt.partner.client("logs").filter_log_events,
            logGroupName=f"/aws/lambda/{self.FUNCTION}",
            filterPattern=f'"marker={self.name}"',
        )["events"]
        if not events:
            self.attempt()
            raise Again("the marker is not written down yet")
        assert {event["message"] for event in events} == {printed}
        assert len({event["eventId"] for event in events}) == len(events)


JOURNEYS: Mapping[str, type[Journey]] = {
    "write": Write,
    "import": Import,
    "relay": Write,
    "index": Write,
    "create": Create,
    "aws": Create,
    "update": Update,
    "override": Override,
    "publish": Publish,
    "payment": Pay,
    "order": Buy,
    "refusal": BuyInVain,
    "invoke": Invoke,
    "log": Log,
}
"""The part of a step's name before the dot → the work that comes by it."""


def invoked(hurt: HurtStore, name: str, **event: str) -> str:
    """The text that a function answers. Raises Again, also when its sandbox was killed in the middle."""
    answer = aws(hurt.partner.lambda_.invoke, FunctionName=name, Payload=json.dumps(event).encode())
    document = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        assert document["errorType"] == "Runtime.ExitError", document
        raise Again(str(document))
    return str(document["body"])


def operator(hurt: HurtStore, method: str, path: str, body: bytes) -> Answer:
    """The operator's API below the environment."""
    environment = hurt.environment
    token = (hurt.state_dir / "operator.token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    address = f"/_kokoa/operator/tenants/{environment.tenant}/{environment.name}{path}"
    return environment.store.request(address, method=method, body=body, headers=headers)


def prepare(hurt: HurtStore) -> None:
    """The functions that journeys work on, warm; route tables that web processes know."""
    partner = hurt.partner
    for name in (Update.FUNCTION, Invoke.FUNCTION):
        arn = partner.deploy_package(name, package(name))
        partner.permit(name)
        until(lambda name=name: invoked(hurt, name) == name, within_s=PATIENCE_S, what=f"the function {name}")
    partner.route("first", "GET /kept/first", arn, permit=False)
    for _ in range(20):
        hurt.environment.get("/kept/first")
