"""tenants on a real server: who is who, and that secrets are stored as digests or sealed."""

import asyncio

import pytest

from kokoa.kernel.ids import new_correlation_id
from kokoa.postgres import Database
from kokoa.postgres.vault import Vault
from kokoa.roles.directory import TenantsDirectory
from kokoa.services.tenants.errors import (
    AccessKeyNotFound,
    DestinationNotFound,
    DomainTaken,
    EnvironmentExists,
    GrantNotFound,
    InvalidAlias,
    InvalidDestination,
    InvalidDomain,
    InvalidGrant,
    InvalidOperation,
    OperationIdTaken,
    PartnerExists,
    RegisteredOperationNotFound,
    TooManyAccessKeys,
    TooManyDestinations,
    TooManyOperations,
)
from kokoa.services.tenants.model import Environment, Operation, digest_of
from kokoa.services.tenants.service import FOLDER, TenantsService
from servers import ConnectService

CORRELATION = new_correlation_id()


@pytest.fixture
async def database(connect_service: ConnectService) -> Database:
    return await connect_service("tenants", FOLDER / "migrations")


@pytest.fixture
async def tenants(database: Database) -> TenantsService:
    return TenantsService(database, Vault(bytes(32)))


async def made(tenants: TenantsService, alias: str = "boeing", name: str = "prod") -> Environment:
    await tenants.actions.create_environment(alias, name, correlation_id=CORRELATION)
    found = await tenants.store.by_alias(alias, name)
    assert found is not None
    return found


async def account_in(tenants: TenantsService, environment: Environment, partner: str = "acme") -> str:
    return await tenants.actions.add_partner(environment.id, partner, correlation_id=CORRELATION)


async def test_secrets_open_one_environment_and_are_not_stored(tenants: TenantsService, database: Database) -> None:
    ids = {}
    for name in ("prod", "dev"):
        ids[name], secrets = await tenants.actions.create_environment("boeing", name, correlation_id=CORRELATION)
        found = await tenants.store.by_secret("boeing", digest_of(secrets.tenant_secret))
        assert found is not None
        assert (found.id, found.name) == (ids[name], name)
        row = await database.fetchrow(ids[name], "SELECT * FROM environments WHERE environment_id = $1")
        assert secrets.tenant_secret not in str(row)
    assert await tenants.store.by_secret("airbus", digest_of(secrets.tenant_secret)) is None
    with pytest.raises(EnvironmentExists):
        await tenants.actions.create_environment("boeing", "dev", correlation_id=CORRELATION)


async def test_rotated_secrets_replace_the_old_ones(tenants: TenantsService) -> None:
    environment = await made(tenants)
    fresh = await tenants.actions.rotate_secrets(environment, correlation_id=CORRELATION)
    assert await tenants.store.by_secret("boeing", environment.tenant_secret_digest) is None
    assert await tenants.store.by_secret("boeing", digest_of(fresh.tenant_secret)) is not None


@pytest.mark.parametrize("alias", ["", "A", "1boeing", "boeing-", "bo eing", "x" * 41, "b/../c"])
async def test_names_have_a_form(tenants: TenantsService, alias: str) -> None:
    with pytest.raises(InvalidAlias):
        await tenants.actions.create_environment(alias, "prod", correlation_id=CORRELATION)


async def test_a_domain_leads_to_one_environment(tenants: TenantsService) -> None:
    prod, dev = await made(tenants), await made(tenants, name="dev")
    assert (
        await tenants.actions.add_domain(prod, "Shop.Example.com.", correlation_id=CORRELATION) == "shop.example.com"
    )
    found = await tenants.store.by_domain("shop.example.com")
    assert found is not None
    assert found.id == prod.id
    with pytest.raises(DomainTaken):
        await tenants.actions.add_domain(dev, "shop.example.com", correlation_id=CORRELATION)
    for wrong in ("", "shop..com", "-a.com", "a b.com", "http://a.com", "a.com:80"):
        with pytest.raises(InvalidDomain):
            await tenants.actions.add_domain(dev, wrong, correlation_id=CORRELATION)


async def test_a_key_decides_account_and_environment_and_ends_when_revoked(
    tenants: TenantsService, database: Database
) -> None:
    environment = await made(tenants)
    account = await account_in(tenants, environment)
    key = await tenants.actions.create_key(environment.id, account, correlation_id=CORRELATION)
    found = await TenantsDirectory(tenants).access_key(key.access_key_id)
    assert found is not None
    assert (found.secret, found.account_id, found.environment_id, found.partner, found.tenant, found.environment) == (
        key.secret_access_key,
        account,
        environment.id,
        "acme",
        "boeing",
        "prod",
    )
    sealed = await database.fetchval(
        environment.id, "SELECT secret_sealed FROM access_keys WHERE environment_id = $1"
    )
    assert key.secret_access_key.encode() not in sealed
    await tenants.actions.revoke_key(environment.id, key.access_key_id, correlation_id=CORRELATION)
    assert await tenants.store.access_key(key.access_key_id) is None
    with pytest.raises(AccessKeyNotFound):
        await tenants.actions.revoke_key(environment.id, key.access_key_id, correlation_id=CORRELATION)


async def test_another_environment_cannot_revoke_a_key(tenants: TenantsService) -> None:
    environment, other = await made(tenants), await made(tenants, "airbus")
    key = await tenants.actions.create_key(
        environment.id, await account_in(tenants, environment), correlation_id=CORRELATION
    )
    with pytest.raises(AccessKeyNotFound):
        await tenants.actions.revoke_key(other.id, key.access_key_id, correlation_id=CORRELATION)
    assert await tenants.store.access_key(key.access_key_id) is not None


async def test_two_living_keys_at_most_also_when_asked_at_once(tenants: TenantsService) -> None:
    environment = await made(tenants)
    account = await account_in(tenants, environment)
    results = await asyncio.gather(
        *(tenants.actions.create_key(environment.id, account, correlation_id=CORRELATION) for _ in range(4)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, TooManyAccessKeys) for result in results) == 2


async def test_a_partner_has_one_account_in_each_environment(tenants: TenantsService) -> None:
    prod, dev = await made(tenants), await made(tenants, name="dev")
    assert await account_in(tenants, prod) != await account_in(tenants, dev)
    with pytest.raises(PartnerExists):
        await account_in(tenants, prod)


async def test_grants_are_added_once_and_taken_back(tenants: TenantsService) -> None:
    environment = await made(tenants)
    account = await account_in(tenants, environment)
    for _ in range(2):
        await tenants.actions.add_grant(environment.id, account, "/api/*", correlation_id=CORRELATION)
    grants = await TenantsDirectory(tenants).grants(environment.id)
    assert [(grant.account_id, grant.pattern) for grant in grants] == [(account, "/api/*")]
    await tenants.actions.revoke_grant(environment.id, account, "/api/*", correlation_id=CORRELATION)
    assert await TenantsDirectory(tenants).grants(environment.id) == []
    with pytest.raises(GrantNotFound):
        await tenants.actions.revoke_grant(environment.id, account, "/api/*", correlation_id=CORRELATION)


@pytest.mark.parametrize("pattern", ["", "api", "/a*", "/a/*/b", "/a/**", "//a", "/a b", "/a?x=1"])
async def test_grants_have_a_form(tenants: TenantsService, pattern: str) -> None:
    environment = await made(tenants)
    account = await account_in(tenants, environment)
    with pytest.raises(InvalidGrant):
        await tenants.actions.add_grant(environment.id, account, pattern, correlation_id=CORRELATION)


LISTING = Operation("product-page", "query ProductPage { products { id } }")


async def test_operations_are_registered_once_and_found_by_id_and_by_hash(tenants: TenantsService) -> None:
    environment = await made(tenants)
    hashed = Operation(LISTING.digest, LISTING.document)
    for new in (2, 0):
        got = await tenants.actions.register_operations(environment.id, [LISTING, hashed], correlation_id=CORRELATION)
        assert got == new
    assert await tenants.store.operation(environment.id, "product-page") == LISTING.document
    assert await tenants.store.operation(environment.id, LISTING.digest) == LISTING.document
    assert [one.id for one in await tenants.store.operations(environment.id)] == sorted([hashed.id, LISTING.id])
    assert [one.id for one in await tenants.store.operations(environment.id, after=hashed.id)] == [LISTING.id]
    other = await made(tenants, "acme")
    assert await tenants.store.operation(other.id, "product-page") is None


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (Operation("product-page", "{ another }"), OperationIdTaken),
        (Operation("no spaces", "{ a }"), InvalidOperation),
        (Operation("f" * 64, "{ a }"), InvalidOperation),
        (Operation("long", "{ a " + "#" * 100_000 + "\n}"), InvalidOperation),
    ],
)
async def test_a_wrong_operation_is_refused_and_nothing_of_its_batch_stays(
    tenants: TenantsService, wrong: Operation, error: type[Exception]
) -> None:
    environment = await made(tenants)
    await tenants.actions.register_operations(environment.id, [LISTING], correlation_id=CORRELATION)
    batch = [Operation("fine", "{ fine }"), wrong]
    with pytest.raises(error):
        await tenants.actions.register_operations(environment.id, batch, correlation_id=CORRELATION)
    assert [one.id for one in await tenants.store.operations(environment.id)] == ["product-page"]


async def test_registered_operations_are_bounded(tenants: TenantsService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kokoa.services.tenants.actions.OPERATIONS_MAX", 2)
    environment = await made(tenants)
    batch = [Operation(f"op{number}", f"{{ a{number} }}") for number in range(3)]
    with pytest.raises(TooManyOperations, match="0 documents are registered, and 3 more"):
        await tenants.actions.register_operations(environment.id, batch, correlation_id=CORRELATION)
    assert await tenants.actions.register_operations(environment.id, batch[:2], correlation_id=CORRELATION) == 2


async def test_an_operation_is_removed_once_and_the_policy_holds_until_it_is_changed(tenants: TenantsService) -> None:
    environment = await made(tenants)
    await tenants.actions.register_operations(environment.id, [LISTING], correlation_id=CORRELATION)
    await tenants.actions.remove_operation(environment.id, "product-page", correlation_id=CORRELATION)
    with pytest.raises(RegisteredOperationNotFound):
        await tenants.actions.remove_operation(environment.id, "product-page", correlation_id=CORRELATION)
    assert not await tenants.store.registered_only(environment.id)
    for required in (True, True, False):
        await tenants.actions.require_registered(environment.id, required, correlation_id=CORRELATION)
        assert await tenants.store.registered_only(environment.id) is required


async def test_destinations_are_allowed_once_and_taken_back(tenants: TenantsService) -> None:
    environment, other = await made(tenants), await made(tenants, name="dev")
    for text in ("ERP.Example.com.:443", "erp.example.com:443", "10.1.2.3:5432"):
        await tenants.actions.allow_egress(environment.id, text, correlation_id=CORRELATION)
    directory = TenantsDirectory(tenants)
    assert await directory.egress(environment.id) == ("10.1.2.3:5432", "erp.example.com:443")
    assert await directory.egress(other.id) == ()
    with pytest.raises(DestinationNotFound):
        await tenants.actions.remove_egress(other.id, "erp.example.com:443", correlation_id=CORRELATION)
    await tenants.actions.remove_egress(environment.id, "erp.example.com:443", correlation_id=CORRELATION)
    assert await directory.egress(environment.id) == ("10.1.2.3:5432",)


async def test_destinations_are_bounded(tenants: TenantsService) -> None:
    environment = await made(tenants)
    for number in range(50):
        await tenants.actions.allow_egress(environment.id, f"h{number}.example.com:443", correlation_id=CORRELATION)
    with pytest.raises(TooManyDestinations, match="at most 50"):
        await tenants.actions.allow_egress(environment.id, "one-more.example.com:443", correlation_id=CORRELATION)
    assert len(await TenantsDirectory(tenants).egress(environment.id)) == 50


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("erp.example.com", "names no port"),
        ("erp.example.com:", "names no port"),
        ("erp.example.com:0", "names no port"),
        ("erp.example.com:65536", "names no port"),
        ("erp.example.com:443x", "names no port"),
        ("erp.example.com:９９", "names no port"),
        (":443", "no host name"),
        ("https://erp.example.com:443", "IPv6"),
        ("[::1]:443", "IPv6"),
        ("*.example.com:443", "no wildcards"),
        ("erp example.com:443", "no host name"),
        ("erp_example.com/x:443", "no host name"),
        ("a..b:443", "no host name"),
        ("1.2.3:443", "no host name"),
        ("1.2.3.256:443", "no host name"),
        ("0.0.0.0:443", "no host name"),
        ("224.0.0.1:443", "no host name"),
        ("x" * 64 + ".com:443", "no host name"),
        ("erp\x00.example.com:443", "no host name"),
        ("localhost:9001", "the platform's own"),
    ],
)
async def test_destinations_have_a_form(tenants: TenantsService, text: str, why: str) -> None:
    environment = await made(tenants)
    with pytest.raises(InvalidDestination, match=why):
        await tenants.actions.allow_egress(environment.id, text, correlation_id=CORRELATION)
    assert await TenantsDirectory(tenants).egress(environment.id) == ()
