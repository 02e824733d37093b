"""Putting, deleting, redeeming and releasing; one function a mutation, one transaction, its events."""

import asyncpg
import msgspec

from kokoa.kernel.clock import now_ms, to_datetime
from kokoa.postgres import Database, Transaction
from kokoa.services.promotions import events
from kokoa.services.promotions.errors import PromotionInUse, PromotionNotFound, RedemptionDiffers, RedemptionNotFound
from kokoa.services.promotions.model import (
    Promotion,
    Redemption,
    folded,
    require_key,
    require_promotion,
    require_redeemable,
    require_uses_left,
    require_version,
    the_same,
)
from kokoa.services.promotions.store import promotion_of, queries, redemption_of


class PromotionsActions:
    """Changes of one environment each. Whoever uses a promotion, or changes it, locks its row first."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(
        self, environment_id: str, wanted: Promotion, version: int | None, *, correlation_id: str
    ) -> Promotion:
        """version: what it must be at, 0 for new; None for whatever it is. What is so already stays as it is.

        Raises InvalidPromotion, InvalidPeriod, PromotionChanged.
        """
        require_promotion(wanted)
        code = wanted.code.upper()
        async with self._database.transaction(environment_id) as tx:
            await tx.execute(queries.lock_code, code)
            row = await tx.fetchrow(queries.lock_promotion, code)
            before = None if row is None else promotion_of(row)
            known, used = (before.version, before.used) if before else (0, 0)
            if before == msgspec.structs.replace(wanted, version=known, used=used):
                return before
            require_version(wanted.code, known, version)
            after = msgspec.structs.replace(wanted, version=known + 1, used=used)
            await tx.execute(
                queries.put_promotion,
                code,
                after.code,
                after.name,
                after.active,
                after.kind,
                msgspec.json.encode(after.rule).decode(),
                after.valid_from,
                after.valid_to,
                after.uses_max,
                after.uses_per_customer_max,
                after.stackable,
                after.version,
            )
            event = events.PromotionChanged(code=code, version=after.version)
            await tx.emit(event, correlation_id=correlation_id)
        return after

    async def delete(self, environment_id: str, code: str, version: int, *, correlation_id: str) -> None:
        """Raises PromotionNotFound, PromotionChanged, PromotionInUse."""
        try:
            async with self._database.transaction(environment_id) as tx:
                promotion = await _locked(tx, code)
                require_version(promotion.code, promotion.version, version)
                await tx.execute(queries.delete_promotion, promotion.code.upper())
                event = events.PromotionChanged(code=promotion.code.upper(), version=version + 1, deleted=True)
                await tx.emit(event, correlation_id=correlation_id)
        except asyncpg.ForeignKeyViolationError as error:
            raise PromotionInUse("It was redeemed; set it inactive instead.") from error

    async def redeem(
        self, environment_id: str, code: str, key: str, customer_id: str | None, *, correlation_id: str
    ) -> Redemption:
        """Use a code once. The same again is answered with what is there, also when the code is used up meanwhile.

        Raises InvalidRedemption, PromotionNotFound, PromotionNotRedeemable, PromotionUsedUp, RedemptionDiffers.
        """
        require_key(key)
        async with self._database.transaction(environment_id) as tx:
            promotion = await _locked(tx, code)
            code = promotion.code.upper()
            row = await tx.fetchrow(queries.redemption, key)
            if row is not None:
                return the_same(redemption_of(row), code, customer_id)
            require_redeemable(promotion, customer_id, to_datetime(now_ms()))
            limited = promotion.uses_per_customer_max is not None
            used_by_customer = await tx.fetchval(queries.used_by, code, customer_id) if limited else 0
            require_uses_left(promotion, used_by_customer)
            made = await tx.fetchrow(queries.insert_redemption, key, code, customer_id)
            if made is None:
                raise RedemptionDiffers(f"The key {key!r} has a redemption of another code already.")
            await tx.execute(queries.count_use, code, 1)
            event = events.PromotionRedeemed(
                code=code, redemption=key, customer_id=customer_id, used=promotion.used + 1
            )
            await tx.emit(event, correlation_id=correlation_id)
        return redemption_of(made)

    async def release(self, environment_id: str, key: str, *, correlation_id: str) -> Redemption:
        """Give a use back; again is no error. Raises InvalidRedemption, RedemptionNotFound."""
        require_key(key)
        async with self._database.transaction(environment_id) as tx:
            row = await tx.fetchrow(queries.redemption, key)
            if row is None:
                raise RedemptionNotFound(f"There is no redemption {key!r}.")
            promotion = await _locked(tx, row["code"])
            row = await tx.fetchrow(queries.redemption, key)
            assert row is not None, "nothing removes one"
            before = redemption_of(row)
            if before.released_at is not None:
                return before
            after = await tx.fetchrow(queries.release_redemption, key)
            assert after is not None
            await tx.execute(queries.count_use, before.code, -1)
            event = events.PromotionReleased(code=before.code, redemption=key, used=promotion.used - 1)
            await tx.emit(event, correlation_id=correlation_id)
        return redemption_of(after)


async def _locked(tx: Transaction, code: str) -> Promotion:
    """Raises PromotionNotFound."""
    known = folded(code)
    row = await tx.fetchrow(queries.lock_promotion, known) if known is not None else None
    if row is None:
        raise PromotionNotFound(f"There is no promotion {code[:80]!r}.")
    return promotion_of(row)
