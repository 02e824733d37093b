"""Every field of the graph, every native route and every AWS operation, asked by who has no right to the answer.

Two stores are alike, each of whose texts bears a mark (`walk_seed`). Strangers ask with the one's ids, keys, e-mail
addresses, cart tokens and passwords, in the other's name or in none: no mark of the one is in any answer, and no row
of it is another afterwards. `walk_questions` makes what is asked, of the schema: a field that is added tomorrow is
asked for as well.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from event_stream import events_of
from partners import Partner, new_environment
from running import RunningStore, until
from walk_books import Caller, added, changed, code_of, rows_of
from walk_questions import Questions, store_schema
from walk_seed import Store

from kokoa.functions.aws.apigatewayv2.provider import ApiGatewayProvider
from kokoa.functions.aws.lambda_.provider import LambdaProvider
from kokoa.functions.aws.logs.provider import LogsProvider
from kokoa.functions.aws.sts.provider import StsProvider
from told_events import check_message

# Root fields that shoppers may ask for. Whoever adds one decides here that it is for them, and what of it.
FOR_SHOPPERS = {
    "what is published": {
        "store", "products", "productConnection", "product", "categories", "category", "countries",
        "productTypes", "productType", "variant", "variants", "locales", "localizedProduct", "channels", "search",
        "searchSuggestions",
    },
    "what it would cost": {"taxes", "taxCategories", "shippingOptions", "promotionDiscounts"},
    "who is signed in, and what they prove": {
        "me", "registerCustomer", "signIn", "refreshSession", "signOut", "signOutEverywhere",
        "requestEmailVerification", "verifyEmail", "requestPasswordReset", "resetPassword", "changePassword",
        "updateMe", "addAddress", "updateAddress", "removeAddress",
    },
    "one's own company": {"company", "updateCompany", "setCompanyRole", "removeFromCompany"},
    "one's own cart": {
        "cart", "createCart", "addCartLines", "changeCartLines", "removeCartLines", "setCartAddresses",
        "setCartEmail", "setCartNote", "setCartShippingMethod", "addCartCode", "removeCartCode", "mergeCarts",
    },
    "one's own orders": {
        "order", "myOrders", "placeOrder", "continuePlacement", "cancelOrder", "requestReturn", "cancelReturn",
    },
}  # fmt: skip
# Root fields that made-up arguments do not lead to anything, and why.
NOT_REACHED = {
    "orderCategories": "takes all siblings, each once",
    "addMedia": "an upload is used up by the route that makes it, which is walked",
}
# What anybody may change of somebody else in their own store, without any right to it.
CHANGED_BY_ANYBODY = {
    'customers."customers"': "wrong passwords are counted",
    'customers."proofs"': "who forgot a password is sent a token",
}
# Queries of management whose answers bear the mark of what nobody else may see.
MARKED = {
    "product", "bulkProducts", "productChanges", "productHistory", "customFields", "searchSynonyms", "stockLocations",
    "stockItem", "customer", "customers", "customerGroups", "company", "companies", "cart", "carts", "order",
    "orders", "taxConfiguration", "shippingConfiguration", "orderStatusMapping", "variant", "products",
}  # fmt: skip
# A SKU is anybody's word: what stock knows by it in one's own store is one's own.
WORDS = ("/api/stock/{sku}",)
ERRORS_BEFORE_ANYTHING = {"GRAPHQL_VALIDATION_FAILED", "LIMIT_EXCEEDED", "BAD_REQUEST", "NOT_SIGNED_IN", "FORBIDDEN"}
QUESTIONS = Questions(store_schema())


@pytest.fixture(scope="module")
def theirs(store: RunningStore) -> Store:
    """The store that is attacked."""
    return with_tokens(Store(new_environment(store), "qxa7").fill())


@pytest.fixture(scope="module")
def mine(store: RunningStore) -> Store:
    """The strangers'."""
    return with_tokens(Store(new_environment(store), "jkb9").fill())


def with_tokens(shop: Store) -> Store:
    """And what was sent to ann by mail; products are found."""
    shop.shop("requestPasswordReset", "", email=shop.known["Email"][0])
    wanted = {"EmailVerificationRequested": "VerifyToken", "PasswordResetRequested": "ResetToken"}

    def sent() -> dict[str, str]:
        found = {}
        for event in events_of(shop.environment.store.state_dir):
            if event["data"].get("customer_id") == shop.known["Customer"][0] and event["type"] in wanted:
                found[wanted[event["type"]]] = event["data"]["token"]
        return found if len(found) == len(wanted) else {}

    for kind, token in until(sent, within_s=30, what="the mails").items():
        shop.learn(kind, token)
    search = "/api/search?q=lamp"
    until(lambda: shop.open in shop.environment.get(search).body.decode(), within_s=120, what="the search index")
    return shop


def bearer(shop: Store, name: str) -> dict[str, str]:
    return {**shop.environment.shopper, "Authorization": f"Bearer {shop.access[name]}"}


def asked(
    caller: Caller, known: Mapping[str, Sequence[Any]], *, management: bool
) -> Iterator[tuple[str, str, int, Any]]:
    """(field, document, status, answer) of all that a caller may ask; of what only management may, one document each.

    Without what ends the caller's own session, and is about nobody else.
    """
    for kind, field in QUESTIONS.roots():
        if field in ("signOut", "signOutEverywhere"):
            continue
        if QUESTIONS.of_management(kind, field) and not management:
            documents = QUESTIONS.ask(kind, field, known, management=True, depth=1)[:1]
        else:
            documents = affordable(caller, kind, field, known, management=management)
        for document in documents:
            status, answer = caller.graphql(document)
            assert code_of(answer) not in ("LIMIT_EXCEEDED", "GRAPHQL_VALIDATION_FAILED"), (document, answer)
            yield field, document, status, answer


def affordable(
    caller: Caller, kind: str, field: str, known: Mapping[str, Sequence[Any]], *, management: bool
) -> list[str]:
    """As deep as a document may be."""
    if kind == "mutation":
        return QUESTIONS.ask(kind, field, known, management=management, depth=2)
    for depth in (3, 2, 1):
        documents = QUESTIONS.ask(kind, field, known, management=management, depth=depth)
        if code_of(caller.graphql(documents[0])[1]) != "LIMIT_EXCEEDED":
            break
    return documents


def of_management(field: str) -> bool:
    return any(QUESTIONS.of_management(kind, name) for kind, name in QUESTIONS.roots() if name == field)


def require_untold(said: Any, marks: Sequence[str], what: str) -> None:
    text = said if isinstance(said, str) else json.dumps(said)
    for mark in marks:
        assert mark not in text, f"{what}\n{text[:2_000]}"


def test_each_root_field_is_for_management_or_was_decided_to_be_for_shoppers() -> None:
    shown = {field for kind, field in QUESTIONS.roots() if not QUESTIONS.of_management(kind, field)}
    assert shown == set().union(*FOR_SHOPPERS.values())


@pytest.mark.timeout(900)
@pytest.mark.parametrize("who", ["management", "a customer", "a shopper"])
def test_another_store_learns_nothing_and_changes_nothing(
    store: RunningStore, mine: Store, theirs: Store, who: str
) -> None:
    headers = {
        "management": mine.environment.secrets,
        "a customer": bearer(mine, "bob"),
        "a shopper": mine.environment.shopper,
    }[who]
    before = rows_of(store, theirs.environment.tenant)
    caller = Caller(store, headers)
    for field, document, status, answer in asked(caller, theirs.known, management=who == "management"):
        require_untold(answer, (theirs.secret, theirs.open), document)
        assert status < 500, (document, answer)
        if who != "management" and of_management(field):
            assert code_of(answer) == "FORBIDDEN", (document, answer)
    after = rows_of(store, theirs.environment.tenant)
    assert (changed(before, after), added(before, after)) == ({}, {})


@pytest.mark.timeout(600)
def test_credentials_that_do_not_fit_together_open_nothing(store: RunningStore, mine: Store, theirs: Store) -> None:
    before = rows_of(store, theirs.environment.tenant)
    strangers = {
        "no token": {},
        "a customer's token in another store": {
            **mine.environment.shopper, "Authorization": f"Bearer {theirs.access['ann']}"
        },
        "another store's secrets": {**mine.environment.secrets, "X-Tenant-ID": theirs.environment.tenant},
        "one secret of each": {
            **mine.environment.secrets, "X-GraphQL-Secret": theirs.environment.secrets["X-GraphQL-Secret"]
        },
    }  # fmt: skip
    for name, headers in strangers.items():
        caller = Caller(store, headers)
        for kind, field in QUESTIONS.roots():
            document = QUESTIONS.ask(kind, field, theirs.known, management=True, depth=1)[0]
            status, answer = caller.graphql(document)
            assert status in (400, 401, 404), (name, document, answer)
            assert "data" not in answer, (name, document, answer)
    after = rows_of(store, theirs.environment.tenant)
    assert (changed(before, after), added(before, after)) == ({}, {})


@pytest.mark.timeout(900)
@pytest.mark.parametrize("who", ["a shopper", "another customer"])
def test_in_the_same_store_everybody_sees_what_is_open_and_their_own(
    store: RunningStore, theirs: Store, who: str
) -> None:
    """Who knows a cart's token or a password is whose it is; so these are left out here."""
    tokens = ("CartToken", "OrderCartToken", "RefreshToken", "VerifyToken", "ResetToken", "Password")
    known = {**theirs.known, **{kind: ["no-token-of-anybody"] for kind in tokens}}
    caller = Caller(store, theirs.environment.shopper if who == "a shopper" else bearer(theirs, "bob"))
    before = rows_of(store, theirs.environment.tenant)
    seen = ""
    for field, document, _, answer in asked(caller, known, management=False):
        require_untold(answer, (theirs.secret,), document)
        if of_management(field):
            assert code_of(answer) == "FORBIDDEN", (document, answer)
        seen += json.dumps(answer)
    assert theirs.open in seen, "what is published is shown"
    lost = changed(before, rows_of(store, theirs.environment.tenant))
    bobs = "" if who == "a shopper" else f"bob@{theirs.tag}.example.com"
    for table, rows in lost.items():
        foreign = [row for row in rows if not bobs or bobs not in row]
        assert not foreign or table in CHANGED_BY_ANYBODY, (table, foreign)


@pytest.mark.parametrize("who", ["theirs", "mine", "shopper"])
def test_fields_of_one_type_that_only_management_sees_are_refused_wherever_they_stand(
    store: RunningStore, theirs: Store, mine: Store, who: str
) -> None:
    """And no representation is taken from outside: subgraphs alone answer `_entities`, to the gateway alone."""
    headers = {
        "theirs": bearer(theirs, "bob"),
        "mine": mine.environment.secrets,
        "shopper": theirs.environment.shopper,
    }
    caller = Caller(store, headers[who])
    entities = {"Product": "Product", "Variant": "Variant", "Cart": "Cart", "Order": "Order", "Payment": "Payment"}
    for type_name, kind in {**entities, "Customer": "Customer", "Company": "Company"}.items():
        for found in theirs.known[kind]:
            one = f'{{__typename: "{type_name}", id: "{found}"}}'
            for document in (
                f"{{ _entities(representations: [{one}]) {{ ... on {type_name} {{ id }} }} }}",
                f'{{ node(id: "{found}") {{ id }} }}',
                "{ _service { sdl } }",
            ):
                status, answer = caller.graphql(document)
                assert code_of(answer) == "GRAPHQL_VALIDATION_FAILED", (document, answer)
                assert status in (200, 400)
    if who == "mine":
        return
    for place, needs in QUESTIONS.needs.items():
        type_name, _, field = place.partition(".")
        if type_name == "Product" and any("management" in scopes for one in needs for scopes in one):
            document = (
                f'{{ product(id: "{theirs.known["Product"][1]}") {{ id {QUESTIONS.field("Product", field)} }} }}'
            )
            assert "FORBIDDEN" in json.dumps(caller.graphql(document)[1]), document


@pytest.mark.timeout(600)
def test_the_questions_reach_what_they_are_about(store: RunningStore) -> None:
    """In one's own store, with one's own right, the same questions find what they name: else the rest is no proof."""
    own = with_tokens(Store(new_environment(store), "own5").fill())
    reached: dict[str, set[str]] = {field: set() for _, field in QUESTIONS.roots()}
    marked = set()
    ann, management = Caller(store, bearer(own, "ann")), Caller(store, own.environment.secrets)
    for kind, field in QUESTIONS.roots():
        callers = [management] if QUESTIONS.of_management(kind, field) else [management, ann]
        for caller in callers:
            for document in affordable(caller, kind, field, own.known, management=caller is management):
                answer = caller.graphql(document)[1]
                code = code_of(answer)
                before_anything = code in ERRORS_BEFORE_ANYTHING or code.startswith(("INVALID", "EMPTY"))
                if not before_anything and not code.endswith("NOT_FOUND"):
                    reached[field].add(code)
                if kind == "query" and own.secret in json.dumps(answer):
                    marked.add(field)
    assert MARKED - marked == set(), "what nobody else may see is there to be seen"
    assert {field for field, codes in reached.items() if not codes} == set(NOT_REACHED)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("who", ["management", "shopper", "nobody"])
def test_native_routes_tell_nothing_of_another_store(
    store: RunningStore, mine: Store, theirs: Store, who: str
) -> None:
    headers = {"management": mine.environment.secrets, "shopper": mine.environment.shopper, "nobody": {}}[who]
    caller = Caller(store, headers)
    before = rows_of(store, theirs.environment.tenant)
    described = store.request("/openapi.json").json
    values = {str(value) for found in theirs.known.values() for value in found if len(str(value)) < 200}
    asked_for = 0
    for template, operations in described["paths"].items():
        for method in operations:
            if method not in ("get", "post", "put", "patch", "delete"):
                continue
            for path in paths_of(template, values, theirs):
                body = None if method == "get" else b"{}"
                more = {} if body is None else {"Content-Type": "application/json", "Idempotency-Key": "walk"}
                status, said = caller.request(method.upper(), path, body, **more)
                require_untold(said, (theirs.secret, theirs.open), f"{method} {path}")
                assert status < 500, (path, said)
                assert status >= 400 or "{" not in template or template in WORDS, (path, said)
                asked_for += 1
    assert asked_for > 20
    after = rows_of(store, theirs.environment.tenant)
    assert (changed(before, after), added(before, after)) == ({}, {})


def paths_of(template: str, values: set[str], theirs: Store) -> Iterator[str]:
    """With every value in the place of each parameter; a picture's with those of a picture."""
    if template == "/media/{hash}/{file}":
        yield from (f"/media/{url.partition('/media/')[2]}" for url in theirs.known["File"])
        return
    if "{" not in template:
        yield template + ("?q=lamp" if template.endswith("search") else "")
        return
    for value in values:
        if "/" not in value and " " not in value:
            head, _, rest = template.partition("{")
            yield head + value + "".join(part.partition("}")[2] for part in rest.split("{"))


PROVIDERS = {
    "lambda": LambdaProvider, "apigatewayv2": ApiGatewayProvider, "logs": LogsProvider, "sts": StsProvider,
}  # fmt: skip


@pytest.mark.timeout(600)
@pytest.mark.parametrize("keys", ["of the account", "of a sandbox"])
def test_keys_of_another_account_reach_no_function(
    store: RunningStore, mine: Store, theirs: Store, keys: str
) -> None:
    """Every operation of AWS, by name, by ARN, and by the account's number."""
    assert mine.partner is not None
    assert theirs.partner is not None
    mine.partner.lambda_.get_waiter("function_active_v2").wait(FunctionName=mine.known["Function"][1])
    session = mine.partner.invoke(mine.known["Function"][1])[0] if keys == "of a sandbox" else None
    before = rows_of(store, theirs.environment.tenant)
    refusals = 0
    for service, provider in PROVIDERS.items():
        client = client_of(mine.partner, service, session)
        for operation in (name for name in vars(provider) if not name.startswith("_")):
            for given in parameters_of(client, operation, theirs):
                try:
                    said = getattr(client, operation)(**given)
                    body = said["Payload"].read().decode() if "Payload" in said else ""
                    require_untold(f"{said} {body}", (theirs.secret, theirs.open), f"{operation} {given}")
                except (ClientError, BotoCoreError) as error:
                    require_untold(str(error), (theirs.secret, theirs.open), f"{operation} {given}")
                    refusals += isinstance(error, ClientError)
    assert refusals > 30
    after = rows_of(store, theirs.environment.tenant)
    assert (changed(before, after), added(before, after)) == ({}, {})


def client_of(partner: Partner, service: str, session: Mapping[str, str] | None) -> Any:
    client = partner.client(service)
    if session is not None:
        credentials = client._request_signer._credentials
        credentials.access_key = session["AWS_ACCESS_KEY_ID"]
        credentials.secret_key = session["AWS_SECRET_ACCESS_KEY"]
        credentials.token = session["AWS_SESSION_TOKEN"]
    return client


def parameters_of(client: Any, operation: str, theirs: Store) -> Iterator[dict[str, Any]]:
    """What an operation needs, about what they have."""
    assert theirs.partner is not None
    arn, name = theirs.known["Function"]
    model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation])
    for function in (arn, name, f"{theirs.partner.account_id}:function:{name}"):
        named = {
            "FunctionName": function, "Resource": arn, "ApiId": theirs.known["Api"][0], "TargetArn": arn,
            "logGroupName": f"/aws/lambda/{name}", "logGroupIdentifier": f"/aws/lambda/{name}",
            "logGroupNamePrefix": f"/aws/lambda/{name}",
        }  # fmt: skip
        shape = model.input_shape
        members = {} if shape is None else shape.members
        yield {
            member: named[member] if member in named else made_up(one)
            for member, one in members.items()
            if member in named or member in shape.required_members
        }


def made_up(shape: Any) -> Any:
    """A value of the shape."""
    if shape.type_name == "structure":
        return {name: made_up(one) for name, one in shape.members.items() if name in shape.required_members}
    plain: dict[str, Any] = {
        "list": ["x"],
        "map": {"x": "y"},
        "integer": 1,
        "long": 1,
        "boolean": True,
        "blob": b"{}",
    }
    if shape.type_name in plain:
        return plain[shape.type_name]
    return shape.enum[0] if getattr(shape, "enum", None) else "walk"


def test_all_that_was_told_is_as_published(store: RunningStore, mine: Store, theirs: Store) -> None:
    """The stream itself, and not only what tests of services leave in their outboxes."""
    told = {check_message(json.dumps(event).encode()) for event in events_of(store.state_dir)}
    assert {"OrderPlaced", "CartOrdered", "PaymentAuthorized", "CustomerRegistered", "FulfillmentCreated"} <= told
    assert len(told) > 40
