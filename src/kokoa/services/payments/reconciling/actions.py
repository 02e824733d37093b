"""What ended half-way is finished: of each overdue request the provider is asked, by its key, what became of it.

Whoever asks has claimed the request for longer than an answer takes, so of several workers one asks, and no lock is
held meanwhile.
"""

import asyncio

import structlog

from kokoa.kernel.errors import KokoaError
from kokoa.postgres import Database
from kokoa.services.payments.actions import ASK_AFTER_S, CALL_TIMEOUT_MS, Cause, asked, settle
from kokoa.services.payments.providers.actions import Providers
from kokoa.services.payments.providers.model import Order, provider_key
from kokoa.services.payments.store import OpenRequest, PaymentsStore, queries

SWEPT_MAX = 100
SWEPT_OF_ONE_MAX = 10
AT_ONCE_MAX = 8

_FIRST_WAIT_S = 2.0
_LONGEST_WAIT_S = 30.0
_SWEEPER = Cause(actor="service:payments", correlation_id="")

_log = structlog.get_logger(__name__)


class Reconciler:
    """Of all environments."""

    def __init__(
        self, database: Database, store: PaymentsStore, providers: Providers, call_timeout_ms: int = CALL_TIMEOUT_MS
    ) -> None:
        self._database = database
        self._store = store
        self._providers = providers
        self._call_timeout_ms = call_timeout_ms

    async def sweep(self) -> int:
        """Ask about a batch of overdue requests; how many. Raises what our database does."""
        overdue = await self._store.overdue(SWEPT_MAX, SWEPT_OF_ONE_MAX)
        free = asyncio.Semaphore(AT_ONCE_MAX)

        async def one_of_some(one: OpenRequest) -> bool:
            async with free:
                try:
                    return await self._reconcile(one)
                except KokoaError:
                    raise
                except Exception:
                    # A bug, or an answer that is none: of this request only, which is asked about again in a while.
                    _log.exception("request_not_reconciled", payment=one.payment_id)
                    return False

        done = await asyncio.gather(*map(one_of_some, overdue), return_exceptions=True)
        for one in done:  # once all are through: what ends one ends no other
            if isinstance(one, BaseException):
                raise one
        return sum(map(bool, done))

    async def _reconcile(self, one: OpenRequest) -> bool:
        row = await self._database.fetchrow(
            one.environment_id, queries.claim_request, one.payment_id, one.key, ASK_AFTER_S
        )
        if row is None:
            return False
        order = Order(
            environment_id=one.environment_id,
            payment_id=one.payment_id,
            reference=row["reference"],
            operation=row["operation"],
            amount_minor=row["amount_minor"],
            currency=row["currency"],
            key=provider_key(one.payment_id, one.key),
            method=row["method"],
            return_url=row["return_url"],
            provider_reference=row["provider_reference"],
            left_minor=row["left_minor"],
            deadline_ms=self._call_timeout_ms,
        )
        answer = await asked(self._providers.find(row["provider"]).reconcile, order)
        wait_s = min(_FIRST_WAIT_S * row["asked"], _LONGEST_WAIT_S)
        await settle(self._database, order, one.key, answer, wait_s, _SWEEPER)
        return True
