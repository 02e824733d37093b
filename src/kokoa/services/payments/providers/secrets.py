"""What environments gave to be known by at their providers; sealed, and opened only to ask."""

from pathlib import Path

from kokoa.postgres import Database, load_queries
from kokoa.postgres.vault import Vault

queries = load_queries(Path(__file__).with_name("queries.sql"))


class SecretKeys:
    """Of all environments and providers."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def of(self, environment_id: str, provider: str) -> str | None:
        """None for one that was not given."""
        row = await self._database.fetchrow(environment_id, queries.settings_of, provider)
        if row is None or row["secret_key_sealed"] is None:
            return None
        return self._vault.open(row["secret_key_sealed"], place=_place(environment_id, provider)).decode()

    def seal(self, environment_id: str, provider: str, secret_key: str) -> bytes:
        """As it is kept."""
        return self._vault.seal(secret_key.encode(), place=_place(environment_id, provider))


def _place(environment_id: str, provider: str) -> str:
    return f"payments/{environment_id}/{provider}/secret_key"
