"""queries.sql ⇄ model."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from kokoa.postgres import Database, Row, load_queries
from kokoa.services.promotions.discounts.model import Known
from kokoa.services.promotions.model import Promotion, Redemption, Rule

queries = load_queries(Path(__file__).with_name("queries.sql"))


class PromotionsStore:
    """Reads of one environment each; one statement a call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def known(self, environment_id: str, codes: Sequence[str], customer_id: str | None) -> dict[str, Known]:
        """codes: in capitals. By code, each with how often the customer uses it."""
        rows = await self._database.fetch(environment_id, queries.promotions_for, list(codes), customer_id)
        return {row["code"]: Known(promotion_of(row), row["used_by_customer"]) for row in rows}

    async def find(self, environment_id: str, code: str) -> Promotion | None:
        """code: in capitals."""
        row = await self._database.fetchrow(environment_id, queries.promotion, code)
        return None if row is None else promotion_of(row)

    async def page(self, environment_id: str, after: str, limit: int) -> list[Promotion]:
        """By code.  after: one in capitals."""
        rows = await self._database.fetch(environment_id, queries.promotions_page, after, limit)
        return [promotion_of(row) for row in rows]

    async def redemption(self, environment_id: str, key: str) -> Redemption | None:
        row = await self._database.fetchrow(environment_id, queries.redemption, key)
        return None if row is None else redemption_of(row)


def promotion_of(row: Row) -> Promotion:
    """A row of any of the promotion statements."""
    return Promotion(
        row["shown_code"],
        row["name"],
        row["active"],
        row["kind"],
        msgspec.json.decode(row["rule"], type=Rule),
        row["valid_from"],
        row["valid_to"],
        row["uses_max"],
        row["uses_per_customer_max"],
        row["stackable"],
        row["version"],
        row["used"],
    )


def redemption_of(row: Row) -> Redemption:
    """A row of any of the redemption statements."""
    customer = row["customer_id"]
    return Redemption(
        row["key"],
        row["code"],
        None if customer is None else str(customer),
        row["redeemed_at"],
        row["released_at"],
    )
