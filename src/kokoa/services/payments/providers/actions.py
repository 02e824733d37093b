"""How an environment uses each provider; secrets are sealed."""

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from kokoa.postgres import Database, Row, Transaction, load_queries
from kokoa.postgres.vault import Vault
from kokoa.services.payments.errors import (
    InvalidPaymentProvider,
    PaymentProviderChanged,
    PaymentProviderInactive,
    PaymentProviderNotFound,
)
from kokoa.services.payments.providers.model import (
    ConfiguredProvider,
    Provider,
    ProviderSettings,
)
from kokoa.services.payments.providers.secrets import SecretKeys
from kokoa.services.payments.webhooks.signatures import new_secret

queries = load_queries(Path(__file__).with_name("queries.sql"))

_SECRET_BYTES = 32


class Providers:
    """All there are, and how environments use them."""

    def __init__(self, database: Database, vault: Vault, providers: Sequence[Provider]) -> None:
        self._database = database
        self._vault = vault
        self._keys = SecretKeys(database, vault)
        self._by_key: Mapping[str, Provider] = {one.key: one for one in providers}

    def find(self, key: str) -> Provider:
        """Raises PaymentProviderNotFound."""
        found = self._by_key.get(key)
        if found is None:
            raise PaymentProviderNotFound(
                f"There is no payment provider {key[:64]!r}; there are {', '.join(sorted(self._by_key))}."
            )
        return found

    async def all(self, environment_id: str) -> list[ProviderSettings]:
        """By key."""
        rows = {row["key"]: row for row in await self._database.fetch(environment_id, queries.settings_all)}
        return [_settings(one, rows.get(key)) for key, one in sorted(self._by_key.items())]

    async def require_active(self, tx: Transaction, provider: Provider) -> None:
        """Raises PaymentProviderInactive."""
        _require_active(provider, await tx.fetchrow(queries.settings_of, provider.key))

    async def require_active_now(self, environment_id: str, provider: Provider) -> None:
        """The same outside of any transaction."""
        _require_active(provider, await self._database.fetchrow(environment_id, queries.settings_of, provider.key))

    async def webhook_secret(self, environment_id: str, key: str) -> str | None:
        """None for one without."""
        row = await self._database.fetchrow(environment_id, queries.settings_of, key)
        if row is None or row["webhook_secret_sealed"] is None:
            return None
        return self._vault.open(row["webhook_secret_sealed"], place=_place(environment_id, key)).decode()

    async def configure(
        self,
        environment_id: str,
        key: str,
        *,
        active: bool | None,
        webhook_secret: str | None,
        rotate_secret: bool,
        secret_key: str | None,
        version: int | None,
    ) -> ConfiguredProvider:
        """What is None stays.  rotate_secret: make a new one.  version: None for whatever it is.

        One whose secrets are made here gets one when it has none, unless it is given.
        Raises PaymentProviderNotFound, InvalidPaymentProvider, PaymentProviderChanged.
        """
        provider = self.find(key)
        _require_given(provider, webhook_secret, rotate_secret, secret_key)
        async with self._database.transaction(environment_id) as tx:
            await tx.execute(queries.lock_settings)
            row = await tx.fetchrow(queries.settings_of, key)
            before = _settings(provider, row)
            if version is not None and version != before.version:
                raise PaymentProviderChanged(f"The provider is at version {before.version}, not {version}.")
            made = None
            missing = provider.makes_webhook_secrets and not before.has_secret
            if webhook_secret is None and (rotate_secret or missing):
                made = webhook_secret = new_secret(secrets.token_bytes(_SECRET_BYTES))
            sealed = None if row is None else row["webhook_secret_sealed"]
            if webhook_secret is not None:
                sealed = self._vault.seal(webhook_secret.encode(), place=_place(environment_id, key))
            known = None if row is None else row["secret_key_sealed"]
            if secret_key is not None:
                known = self._keys.seal(environment_id, key, secret_key)
            wanted = before.active if active is None else active
            after = ProviderSettings(
                key, wanted, sealed is not None, known is not None, before.version + 1, before.operations
            )
            _require_whole(provider, after)
            await tx.execute(queries.put_settings, key, wanted, sealed, known, after.version)
        return ConfiguredProvider(after, made)


def _require_given(
    provider: Provider, webhook_secret: str | None, rotate_secret: bool, secret_key: str | None
) -> None:
    """Whether the provider takes what is given. Raises InvalidPaymentProvider."""
    if webhook_secret is not None:
        provider.require_webhook_secret(webhook_secret)
    if rotate_secret and not provider.makes_webhook_secrets:
        where = "makes its secrets itself: roll it there" if provider.sends_webhooks else "sends no webhooks"
        raise InvalidPaymentProvider(f"{provider.key!r} {where}.", field="rotateSecret")
    if secret_key is not None:
        provider.require_secret_key(secret_key)


def _require_whole(provider: Provider, settings: ProviderSettings) -> None:
    """Whether payments can begin with an active one. Raises InvalidPaymentProvider."""
    if not settings.active:
        return
    if provider.needs_secret_key and not settings.has_secret_key:
        raise InvalidPaymentProvider(f"{provider.key!r} needs a secretKey before it is active.", field="secretKey")
    if provider.sends_webhooks and not settings.has_secret:
        raise InvalidPaymentProvider(
            f"{provider.key!r} needs the webhookSecret of its endpoint before it is active.", field="webhookSecret"
        )


def _require_active(provider: Provider, row: Row | None) -> None:
    if not _settings(provider, row).active:
        raise PaymentProviderInactive(
            f"The payment provider {provider.key!r} is not active here; configurePaymentProvider makes it so."
        )


def _settings(provider: Provider, row: Row | None) -> ProviderSettings:
    operations: list[str] = sorted(provider.operations)
    if row is None:
        return ProviderSettings(provider.key, provider.active_by_default, False, False, 0, operations)
    return ProviderSettings(
        row["key"],
        row["active"],
        row["webhook_secret_sealed"] is not None,
        row["secret_key_sealed"] is not None,
        row["version"],
        operations,
    )


def _place(environment_id: str, key: str) -> str:
    return f"payments/{environment_id}/{key}/webhook_secret"
