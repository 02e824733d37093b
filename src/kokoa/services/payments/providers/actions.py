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
    require_secret,
)
from kokoa.services.payments.webhooks.signatures import new_secret, secret_bytes

queries = load_queries(Path(__file__).with_name("queries.sql"))

_SECRET_BYTES = 32


class Providers:
    """All there are, and how environments use them."""

    def __init__(self, database: Database, vault: Vault, providers: Sequence[Provider]) -> None:
        self._database = database
        self._vault = vault
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
        if not _settings(provider, await tx.fetchrow(queries.settings_of, provider.key)).active:
            raise PaymentProviderInactive(
                f"The payment provider {provider.key!r} is not active here; configurePaymentProvider makes it so."
            )

    async def webhook_secret(self, environment_id: str, key: str) -> bytes | None:
        """None for one without."""
        row = await self._database.fetchrow(environment_id, queries.settings_of, key)
        if row is None or row["webhook_secret_sealed"] is None:
            return None
        return secret_bytes(
            self._vault.open(row["webhook_secret_sealed"], place=_place(environment_id, key)).decode()
        )

    async def configure(
        self,
        environment_id: str,
        key: str,
        *,
        active: bool | None,
        webhook_secret: str | None,
        rotate_secret: bool,
        version: int | None,
    ) -> ConfiguredProvider:
        """What is None stays.  rotate_secret: make a new one.  version: None for whatever it is.

        One that sends webhooks and has no secret gets one that is made here, unless it is given.
        Raises PaymentProviderNotFound, InvalidPaymentProvider, PaymentProviderChanged.
        """
        provider = self.find(key)
        require_secret(webhook_secret)
        if not provider.sends_webhooks and (rotate_secret or webhook_secret is not None):
            raise InvalidPaymentProvider(f"{key!r} sends no webhooks, so it has no secret.", field="webhookSecret")
        async with self._database.transaction(environment_id) as tx:
            await tx.execute(queries.lock_settings)
            row = await tx.fetchrow(queries.settings_of, key)
            before = _settings(provider, row)
            if version is not None and version != before.version:
                raise PaymentProviderChanged(f"The provider is at version {before.version}, not {version}.")
            made = None
            missing = provider.sends_webhooks and not before.has_secret
            if webhook_secret is None and (rotate_secret or missing):
                made = webhook_secret = new_secret(secrets.token_bytes(_SECRET_BYTES))
            sealed = None if row is None else row["webhook_secret_sealed"]
            if webhook_secret is not None:
                sealed = self._vault.seal(webhook_secret.encode(), place=_place(environment_id, key))
            wanted = before.active if active is None else active
            await tx.execute(queries.put_settings, key, wanted, sealed, before.version + 1)
        after = ProviderSettings(key, wanted, sealed is not None, before.version + 1, before.operations)
        return ConfiguredProvider(after, made)


def _settings(provider: Provider, row: Row | None) -> ProviderSettings:
    operations: list[str] = sorted(provider.operations)
    if row is None:
        return ProviderSettings(provider.key, provider.active_by_default, False, 0, operations)
    return ProviderSettings(
        row["key"], row["active"], row["webhook_secret_sealed"] is not None, row["version"], operations
    )


def _place(environment_id: str, key: str) -> str:
    return f"payments/{environment_id}/{key}/webhook_secret"
