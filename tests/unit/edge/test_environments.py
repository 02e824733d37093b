"""Who asks and for which environment; above all, who is refused."""

import asyncio

import msgspec
import pytest

from kokoa.edge.customers import SignedInCustomers
from kokoa.edge.environments import Asker, Environments
from kokoa.edge.errors import (
    CredentialsMissing,
    CredentialsMixed,
    CredentialsWrong,
    InvalidSession,
    TenantContradiction,
    TenantMissing,
    TenantNotFound,
)
from kokoa.edge.model import Environment
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.web.customer_tokens import (
    CustomerTokenExpired,
    CustomerTokenInvalid,
    CustomerTokens,
    SessionEnded,
    SignedIn,
)
from kokoa.web.http import HeaderSentTwice, Request
from kokoa.web.tokens import CallTokenInvalid, CallTokens
from unit.edge.edge_fakes import BOEING, BOEING_DEV, CUSTOMER_TOKENS, SAAB, TOKENS, FakeDirectory, FakeSessions

SECRETS = {"x-tenant-id": "boeing", "x-tenant-secret": "ts-boeing-prod", "x-graphql-secret": "gs-boeing-prod"}


def request(*pairs: tuple[str, str], **headers: str) -> Request:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Request("GET", "/graphql", ("graphql",), "", (*pairs, *named), "1.1", "http", "1.2.3.4", "c" * 32)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def environments_of(
    directory: FakeDirectory | None = None, sessions: FakeSessions | None = None, clock: Clock | None = None
) -> Environments:
    customers = SignedInCustomers(CUSTOMER_TOKENS, sessions or FakeSessions())
    return Environments(directory or FakeDirectory(), TOKENS, customers, clock=clock or Clock())


async def identify(asked: Request, directory: FakeDirectory | None = None) -> Asker:
    return await environments_of(directory).identify(asked)


async def test_the_secrets_decide_the_environment() -> None:
    prod = await identify(request(*SECRETS.items()))
    dev = await identify(
        request(x_tenant_id="boeing", x_tenant_secret="ts-boeing-dev", x_graphql_secret="gs-boeing-dev")
    )
    assert (prod.environment.id, dev.environment.id) == (BOEING.id, BOEING_DEV.id)
    assert prod.call.caller.kind == "server"
    assert "management" in prod.call.caller.scopes
    assert prod.call.correlation_id == "c" * 32


@pytest.mark.parametrize("left_out", list(SECRETS))
async def test_a_missing_header_is_named(left_out: str) -> None:
    headers = {name: value for name, value in SECRETS.items() if name != left_out}
    if left_out == "x-tenant-id":
        headers["host"] = "shop.boeing.test"
    with pytest.raises(CredentialsMissing, match=f"(?i){left_out}"):
        await identify(request(*headers.items()))


@pytest.mark.parametrize(
    "changed",
    [
        {"x-tenant-secret": "ts-boeing-dev"},  # each secret of another environment
        {"x-graphql-secret": "gs-boeing-dev"},
        {"x-tenant-secret": "ts-saab-prod", "x-graphql-secret": "gs-saab-prod"},  # another tenant's
        {"x-tenant-id": "saab"},
        {"x-tenant-id": "nobody"},
        {"x-tenant-id": "bo\0eing"},
        {"x-tenant-secret": "x" * 10_000},
        {"x-graphql-secret": "gs-boeing-prod "[:-2]},
    ],
)
async def test_wrong_secrets_are_refused(changed: dict[str, str]) -> None:
    with pytest.raises(CredentialsWrong):
        await identify(request(*{**SECRETS, **changed}.items()))


async def test_a_domain_that_contradicts_the_secrets_is_refused() -> None:
    for host in ("shop.saab.test", "dev.boeing.test:8080", "SHOP.SAAB.TEST."):
        with pytest.raises(TenantContradiction):
            await identify(request(*SECRETS.items(), host=host))
    for host in ("shop.boeing.test", "unknown.test", "127.0.0.1:8080", "[::1]:8080"):
        assert (await identify(request(*SECRETS.items(), host=host))).environment.id == BOEING.id


async def test_an_environment_header_that_contradicts_the_secrets_is_refused() -> None:
    with pytest.raises(TenantContradiction, match="x-environment"):
        await identify(request(*SECRETS.items(), x_environment="dev"))


async def test_a_storefront_asks_by_name_or_by_domain() -> None:
    by_name = await identify(request(x_tenant_id="boeing"))
    by_both_names = await identify(request(x_tenant_id="boeing", x_environment="dev"))
    by_domain = await identify(request(host="Dev.Boeing.Test:8080"))
    by_domain_and_name = await identify(request(host="dev.boeing.test", x_tenant_id="boeing"))
    found = [asker.environment.id for asker in (by_name, by_both_names, by_domain, by_domain_and_name)]
    assert found == [BOEING.id, BOEING_DEV.id, BOEING_DEV.id, BOEING_DEV.id]
    assert by_name.call.caller == Caller("storefront", "", frozenset({"storefront"}))


async def test_a_storefront_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(TenantContradiction):
        await identify(request(host="shop.boeing.test", x_tenant_id="saab"))
    with pytest.raises(TenantContradiction):
        await identify(request(host="shop.boeing.test", x_environment="dev"))


@pytest.mark.parametrize("headers", [{"x_tenant_id": "nobody"}, {"x_tenant_id": "boeing", "x_environment": "test"}])
async def test_an_unknown_tenant_is_not_found(headers: dict[str, str]) -> None:
    with pytest.raises(TenantNotFound):
        await identify(request(**headers))


@pytest.mark.parametrize("host", ["", "unknown.test", "127.0.0.1:8080", "a b", "x" * 300, "\0"])
async def test_nobody_named_at_all_is_told_the_ways(host: str) -> None:
    with pytest.raises(TenantMissing, match="X-Tenant-ID"):
        await identify(request(host=host))


@pytest.mark.parametrize("name", ["x-tenant-id", "x-tenant-secret", "x-kokoa-call", "x-environment"])
async def test_credentials_sent_twice_are_refused(name: str) -> None:
    with pytest.raises(HeaderSentTwice):
        await identify(request(*SECRETS.items(), (name, "a"), (name, "b")))


def call_of(environment_id: str) -> Call:
    return Call(environment_id, Caller("account", "123456789012"), "d" * 32, now_ms() + 5000, 3, ("a", "b", "c"))


async def test_a_call_token_decides_everything() -> None:
    call = call_of(SAAB.id)
    asker = await identify(request(x_kokoa_call=TOKENS.sign(call, 60), host="shop.boeing.test"))
    assert asker.environment.id == SAAB.id
    assert asker.call == call
    assert asker.internal


@pytest.mark.parametrize("name", ["x-tenant-secret", "x-graphql-secret", "authorization"])
async def test_a_call_token_travels_alone(name: str) -> None:
    with pytest.raises(CredentialsMixed):
        await identify(request((name, "x"), x_kokoa_call=TOKENS.sign(call_of(SAAB.id), 60)))


async def test_a_call_token_for_another_tenant_than_named_is_refused() -> None:
    with pytest.raises(TenantContradiction):
        await identify(request(x_kokoa_call=TOKENS.sign(call_of(SAAB.id), 60), x_tenant_id="boeing"))


async def test_forged_and_orphaned_tokens_are_refused() -> None:
    with pytest.raises(CallTokenInvalid):
        await identify(request(x_kokoa_call=CallTokens(b"x" * 32).sign(call_of(SAAB.id), 60)))
    with pytest.raises(CallTokenInvalid):
        await identify(request(x_kokoa_call=""))
    with pytest.raises(CredentialsWrong):
        await identify(request(x_kokoa_call=TOKENS.sign(call_of("gone/prod"), 60)))


async def test_the_directory_is_asked_once_a_second_however_many_come() -> None:
    directory = FakeDirectory()
    environments = environments_of(directory)
    await asyncio.gather(*(environments.identify(request(x_tenant_id="boeing")) for _ in range(50)))
    assert directory.questions == 1


async def test_revoked_secrets_end_with_their_second_however_often_they_were_used() -> None:
    directory, clock = FakeDirectory(), Clock()
    environments = environments_of(directory, clock=clock)
    await environments.identify(request(*SECRETS.items(), host="else.test"))
    directory.environments = [msgspec.structs.replace(BOEING, tenant_secret_digest="0" * 64)]
    for _ in range(9):
        clock.now_s += 0.11
        assert (await environments.identify(request(*SECRETS.items(), host="else.test"))).environment is BOEING
    clock.now_s += 0.011
    with pytest.raises(CredentialsWrong):
        await environments.identify(request(*SECRETS.items(), host="else.test"))


async def test_what_was_found_of_secrets_is_no_fresher_than_what_was_found_of_the_domain() -> None:
    directory, clock = FakeDirectory(), Clock()
    environments = environments_of(directory, clock=clock)
    storefront = request(x_tenant_id="boeing", host="new.test")
    await environments.identify(storefront)  # so the domain's second begins before that of the secrets
    clock.now_s += 0.6
    await environments.identify(request(*SECRETS.items(), host="new.test"))
    directory.environments.append(msgspec.structs.replace(SAAB, domains=frozenset({"new.test"})))
    clock.now_s += 0.3
    assert (await environments.identify(storefront)).environment is BOEING
    clock.now_s += 0.11
    for asked in (storefront, request(*SECRETS.items(), host="new.test")):
        with pytest.raises(TenantContradiction):
            await environments.identify(asked)


async def test_a_renamed_environment_is_gone_after_a_second() -> None:
    directory, clock = FakeDirectory(), Clock()
    environments = environments_of(directory, clock=clock)
    storefront = request(x_tenant_id="boeing", x_environment="dev")
    assert (await environments.identify(storefront)).environment is BOEING_DEV
    directory.environments = [BOEING]
    clock.now_s += 0.9
    assert (await environments.identify(storefront)).environment is BOEING_DEV
    clock.now_s += 0.11
    with pytest.raises(TenantNotFound):
        await environments.identify(storefront)


@pytest.mark.parametrize(
    ("header", "value", "error"),
    [
        ("x-tenant-id", "saab", CredentialsWrong),
        ("x-tenant-secret", "ts-boeing-dev", CredentialsWrong),
        ("x-tenant-secret", "ts-boeing-prod ts", CredentialsWrong),
        ("x-graphql-secret", "gs-boeing-dev", CredentialsWrong),
        ("x-graphql-secret", "", CredentialsMissing),
        ("x-environment", "dev", TenantContradiction),
        ("host", "shop.saab.test", TenantContradiction),
        ("authorization", "Bearer kokoa_customer_x", CredentialsMixed),
        ("x-session-id", "with space", InvalidSession),
        ("x-kokoa-call", "forged", CredentialsMixed),
    ],
)
async def test_what_was_found_serves_no_request_that_differs(header: str, value: str, error: type[Exception]) -> None:
    environments = environments_of()
    good = {**SECRETS, "host": "shop.boeing.test", "x-environment": "prod"}
    for _ in range(2):
        assert (await environments.identify(request(*good.items()))).environment is BOEING
    with pytest.raises(error):
        await environments.identify(request(*{**good, header: value}.items()))
    doubled = request(*good.items(), (header, value))
    with pytest.raises(HeaderSentTwice if header in good else error):
        await environments.identify(doubled)
    assert (await environments.identify(request(*good.items()))).environment is BOEING


async def test_a_wrong_second_secret_is_refused_although_the_first_is_remembered() -> None:
    environments = environments_of()
    await environments.identify(request(*SECRETS.items()))
    with pytest.raises(CredentialsWrong):
        await environments.identify(request(*{**SECRETS, "x-graphql-secret": "wrong"}.items()))


async def test_a_shop_names_its_visitor_by_header_else_by_our_cookie() -> None:
    cookies = (("cookie", "a=1; kokoa_session=from-cookie"), ("cookie", "kokoa_session=second"))
    both = await identify(request(*cookies, x_tenant_id="boeing", x_session_id="from~header"))
    cookie = await identify(request(*cookies, x_tenant_id="boeing"))
    neither = await identify(request(("cookie", "xkokoa_session=a; kokoa_session=not/ours"), x_tenant_id="boeing"))
    assert [asker.call.session for asker in (both, cookie, neither)] == ["from~header", "from-cookie", ""]


async def test_a_server_names_the_visitor_by_header_alone() -> None:
    named = await identify(request(*SECRETS.items(), ("x-session-id", "visitor-1")))
    cookie = await identify(request(*SECRETS.items(), ("cookie", "kokoa_session=visitor-2")))
    assert (named.call.session, cookie.call.session) == ("visitor-1", "")


@pytest.mark.parametrize("session", ["", " ", "a b", "x" * 129, "caf\xe9", "a\x7f"])
async def test_a_session_has_a_form(session: str) -> None:
    with pytest.raises(InvalidSession, match="X-Session-ID"):
        await identify(request(x_tenant_id="boeing", x_session_id=session))
    with pytest.raises(HeaderSentTwice):
        await identify(request(("x-session-id", "a"), ("x-session-id", "b"), x_tenant_id="boeing"))


async def test_the_session_of_a_call_from_inside_is_its_tokens() -> None:
    call = Call(BOEING.id, Caller("account", "123456789012"), "c" * 32, now_ms() + 1_000, session="shopper")
    asked = request(x_kokoa_call=TOKENS.sign(call, 60), x_session_id="another", cookie="kokoa_session=a-third")
    assert (await identify(asked)).call.session == "shopper"


def shown(token: str, environment: Environment = BOEING, **headers: str) -> Request:
    return request(x_tenant_id=environment.tenant_alias, authorization=f"Bearer {token}", **headers)


async def test_a_customers_token_says_who_is_signed_in() -> None:
    token, _ = CUSTOMER_TOKENS.sign(SignedIn(BOEING.id, "ada", "s-1"))
    sessions = FakeSessions((BOEING.id, "s-1"))
    environments = environments_of(sessions=sessions)
    for _ in range(3):
        call = (await environments.identify(shown(token))).call
        assert (call.caller.kind, call.caller.subject, call.session) == ("storefront", "ada", "s-1")
        assert call.caller.scopes == {"storefront"}
    assert sessions.questions == 1
    sessions.standing.clear()
    with pytest.raises(SessionEnded):
        await environments_of(sessions=sessions).identify(shown(token))


async def test_a_customers_token_is_good_in_its_own_environment_only() -> None:
    token, _ = CUSTOMER_TOKENS.sign(SignedIn(BOEING.id, "ada", "s-1"))
    environments = environments_of(sessions=FakeSessions((BOEING.id, "s-1"), (SAAB.id, "s-1")))
    with pytest.raises(SessionEnded):
        await environments.identify(shown(token, SAAB))


async def test_forged_old_and_foreign_tokens() -> None:
    good, _ = CUSTOMER_TOKENS.sign(SignedIn(BOEING.id, "ada", "s-1"))
    old, _ = CUSTOMER_TOKENS.sign(SignedIn(BOEING.id, "ada", "s-1"), -5)
    forged, _ = CustomerTokens(b"x" * 32).sign(SignedIn(BOEING.id, "ada", "s-1"))
    call_token = TOKENS.sign(Call(BOEING.id, Caller("operator"), "c" * 32, now_ms() + 60_000), 60)
    environments = environments_of(sessions=FakeSessions((BOEING.id, "s-1")))
    with pytest.raises(CustomerTokenExpired):
        await environments.identify(shown(old))
    for token in (
        forged,
        good[:-2],
        "kokoa_customer_",
        "kokoa_customer_x.y.z",
        f"kokoa_customer_{call_token}",
        "kokoa_customer_" + "x" * 5_000,
    ):
        with pytest.raises(CustomerTokenInvalid):
            await environments.identify(shown(token))
    for other in ("Bearer kokoa_operator", "Bearer eyJhbGciOi.a.b", "Basic YTpi", "Bearer", ""):
        found = await environments.identify(request(x_tenant_id="boeing", authorization=other))
        assert found.call.caller.subject == "", "a partner's own token is none of ours"


async def test_a_servers_secrets_and_a_customers_token_do_not_go_together() -> None:
    token, _ = CUSTOMER_TOKENS.sign(SignedIn(BOEING.id, "ada", "s-1"))
    with pytest.raises(CredentialsMixed):
        await identify(request(*SECRETS.items(), authorization=f"Bearer {token}"))
