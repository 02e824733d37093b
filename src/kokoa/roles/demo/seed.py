"""Makes the demo tenant. Every step may have been done before: a start that was killed half way is finished here."""

import os
import shlex
from pathlib import Path

import msgspec

from kokoa.kernel.ids import new_correlation_id
from kokoa.postgres import Database, service_dsn
from kokoa.postgres.vault import Vault
from kokoa.roles.demo.goods import seed_goods
from kokoa.roles.demo.stock import seed_stock
from kokoa.roles.parts import media_objects
from kokoa.roles.platform import require_servers, schema_password
from kokoa.roles.settings import Settings, load_settings, master_key
from kokoa.services.tenants.model import EnvironmentSecrets, NewAccessKey
from kokoa.services.tenants.service import TenantsService

TENANT, ENVIRONMENT, PARTNER, GRANT = "demo", "prod", "demo", "/api/*"


class _Secrets(msgspec.Struct):
    """What only the demo keeps in the clear, so that `demo.env` can be written again."""

    tenant_secret: str
    graphql_secret: str
    access_key_id: str
    secret_access_key: str


async def seed_demo(settings: Settings) -> None:
    """Make the tenant, partner, key, grant and goods that are missing, then write `demo.env`."""
    vault = Vault(master_key(settings))
    dsn, _ = require_servers(load_settings({"KOKOA_STATE_DIR": str(settings.state_dir), **_given(settings)}))
    tenants_db = await _connect(dsn, vault, "tenants")
    catalog_db = await _connect(dsn, vault, "catalog")
    inventory_db = await _connect(dsn, vault, "inventory")
    try:
        secrets = await _seed_tenant(TenantsService(tenants_db, vault), settings.state_dir)
        environment = await TenantsService(tenants_db, vault).store.by_alias(TENANT, ENVIRONMENT)
        assert environment is not None, "it was made just now"
        await seed_goods(catalog_db, media_objects(settings), environment.id)
        await seed_stock(inventory_db, catalog_db, environment.id)
    finally:
        await tenants_db.close()
        await catalog_db.close()
        await inventory_db.close()
    _write_private(settings.state_dir / "demo.env", _demo_env(settings, secrets))


async def _seed_tenant(tenants: TenantsService, state_dir: Path) -> _Secrets:
    correlation_id = new_correlation_id()
    kept = state_dir / "secrets" / "demo.json"
    environment = await tenants.store.by_alias(TENANT, ENVIRONMENT)
    if environment is not None and kept.exists():
        return msgspec.json.decode(kept.read_bytes(), type=_Secrets)
    opened: EnvironmentSecrets
    if environment is None:
        environment_id, opened = await tenants.actions.create_environment(
            TENANT, ENVIRONMENT, correlation_id=correlation_id
        )
    else:  # a start was killed before it could keep them
        environment_id = environment.id
        opened = await tenants.actions.rotate_secrets(environment, correlation_id=correlation_id)
    key = await _seed_partner(tenants, environment_id, correlation_id)
    secrets = _Secrets(opened.tenant_secret, opened.graphql_secret, key.access_key_id, key.secret_access_key)
    _write_private(kept, msgspec.json.encode(secrets).decode())
    return secrets


async def _seed_partner(tenants: TenantsService, environment_id: str, correlation_id: str) -> NewAccessKey:
    account = await tenants.store.account_of(environment_id, PARTNER)
    if account is None:
        account_id = await tenants.actions.add_partner(environment_id, PARTNER, correlation_id=correlation_id)
    else:
        account_id = account.account_id
        for entry in await tenants.store.access_keys(environment_id, account_id):
            if entry.revoked_at is None:  # its secret is lost
                await tenants.actions.revoke_key(environment_id, entry.access_key_id, correlation_id=correlation_id)
    await tenants.actions.add_grant(environment_id, account_id, GRANT, correlation_id=correlation_id)
    return await tenants.actions.create_key(environment_id, account_id, correlation_id=correlation_id)


async def _connect(dsn: str, vault: Vault, service: str) -> Database:
    own = service_dsn(dsn, service, schema_password(vault, service))
    return await Database.connect(own, service=service, pool_size=2)


def _given(settings: Settings) -> dict[str, str]:
    given = {"KOKOA_DATABASE_URL": settings.database_url, "KOKOA_NATS_URL": settings.nats_url}
    return {name: value for name, value in given.items() if value}


def _demo_env(settings: Settings, secrets: _Secrets) -> str:
    values = {
        "KOKOA_URL": settings.url,
        "KOKOA_TENANT_ID": TENANT,
        "KOKOA_TENANT_SECRET": secrets.tenant_secret,
        "KOKOA_GRAPHQL_SECRET": secrets.graphql_secret,
        "AWS_ACCESS_KEY_ID": secrets.access_key_id,
        "AWS_SECRET_ACCESS_KEY": secrets.secret_access_key,
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_REGION": settings.region,
        "AWS_ENDPOINT_URL": settings.url,
        "AWS_PAGER": "",
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in values.items()]
    head = "# The demo tenant and its partner. Written at each start of `kokoa up`; source it in a shell."
    return "\n".join([head, "unset AWS_PROFILE AWS_SESSION_TOKEN", *lines, ""])


def _write_private(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.partial")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
