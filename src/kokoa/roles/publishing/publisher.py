"""Publishing: check, change, look once more, tell. Implements Publishing."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import msgspec
import structlog

from kokoa.gateway.compose import CompositionFailed
from kokoa.kernel.errors import Conflict, KokoaError, Unavailable
from kokoa.messaging import Bus
from kokoa.roles.extensions import EgressDirectory
from kokoa.roles.publishing.checks import NAMED_MAX, Standing, SubgraphChecks, Verdict
from kokoa.roles.publishing.errors import (
    PublishUndone,
    SubgraphBreaksOperations,
    SubgraphNotComposable,
    SubgraphUrlNotAllowed,
    TooManyPublishes,
)
from kokoa.roles.publishing.seam import Order, Report
from kokoa.roles.schemas import StateMoved, tell
from kokoa.roles.seams import SubgraphChange, SubgraphOutcome, Subgraphs, SubgraphSource
from kokoa.services.tenants.subgraphs import model
from kokoa.services.tenants.subgraphs.errors import SubgraphNotFound, SubgraphNotGranted, SubgraphsChanged

_log = structlog.get_logger(__name__)

ATTEMPTS_MAX = 8
AT_ONCE_MAX = 4  # of an account, in a process


class Publisher:
    """heard: of this process, which has the new graph before the partner is answered; all others by a notice."""

    def __init__(self, subgraphs: Subgraphs, checks: SubgraphChecks, egress: EgressDirectory, bus: Bus) -> None:
        self._subgraphs = subgraphs
        self._checks = checks
        self._egress = egress
        self._bus = bus
        self._at_once: Counter[str] = Counter()
        self.heard: Callable[[str], Awaitable[None]] | None = None

    async def check(self, order: Order) -> Report:
        """Raises InvalidSubgraph, SubgraphUrlNotAllowed, TooManyPublishes."""
        with self._turn(order):
            await self._require_form(order)
            verdict = await self._verdict(order)
        return Report(order.name, verdict.needs, verdict.findings, verdict.operations)

    async def publish(self, order: Order, correlation_id: str) -> Report:
        """Raises InvalidSubgraph, SubgraphNotGranted, SubgraphNotComposable, SubgraphBreaksOperations,
        SubgraphUrlNotAllowed, PublishUndone, and what tenants raises.
        """
        with self._turn(order):
            await self._require_form(order)
            return await self._carried_out(order, correlation_id)

    async def withdraw(self, order: Order, correlation_id: str) -> Report:
        """Raises SubgraphNotFound, SubgraphNotComposable where others need it, and what `publish` raises."""
        with self._turn(order):
            return await self._carried_out(order, correlation_id)

    async def rollback(self, order: Order, version: int, correlation_id: str) -> Report:
        """Raises SubgraphNotFound, and what `publish` raises."""
        source = await self._subgraphs.source(order.environment_id, order.account_id, order.name, version)
        if source is None:
            raise SubgraphNotFound(
                f"{order.name[:80]} has no version {version} to go back to; `kokoa graph versions` lists them."
            )
        return await self.publish(_with_source(order, source), correlation_id)

    @contextmanager
    def _turn(self, order: Order) -> Iterator[None]:
        """Checking takes a processor: an account has few at once. Raises TooManyPublishes."""
        if self._at_once[order.account_id] >= AT_ONCE_MAX:
            raise TooManyPublishes(
                f"{AT_ONCE_MAX} subgraphs of this account are being checked. Try again when one is done."
            )
        self._at_once[order.account_id] += 1
        try:
            yield
        finally:
            self._at_once[order.account_id] -= 1
            if not self._at_once[order.account_id]:
                del self._at_once[order.account_id]

    async def _require_form(self, order: Order) -> None:
        """Raises InvalidSubgraph, SubgraphUrlNotAllowed."""
        source = order.source
        assert source is not None
        model.require_name(order.name)
        model.require_source(model.Source(source.sdl, source.target, source.function, source.url))
        if source.target == "url":
            destination = str(model.destination_of(source.url))
            if destination not in await self._egress.egress(order.environment_id):
                where = f"--tenant {order.tenant} --environment {order.environment}"
                raise SubgraphUrlNotAllowed(
                    f"This environment does not allow connections to {destination}. The store's owner can allow it: "
                    f"kokoa egress allow {destination} {where}"
                )

    async def _verdict(self, order: Order) -> Verdict:
        """Raises SubgraphsChanged when the environment changes faster than it can be looked at."""
        for _ in range(ATTEMPTS_MAX):
            granted = await self._subgraphs.granted(order.environment_id, order.account_id)
            try:
                standing = await self._checks.standing(order.environment_id)
            except StateMoved:
                continue
            return await self._checks.verdict(order, standing, granted)
        raise _busy()

    async def _carried_out(self, order: Order, correlation_id: str) -> Report:
        for _ in range(ATTEMPTS_MAX):
            verdict = await self._verdict(order)
            _require(order, verdict)
            try:
                outcome = await self._subgraphs.change(_change(order, verdict), correlation_id)
            except Conflict as error:
                if error.code != SubgraphsChanged.code:
                    raise
                continue
            if outcome.changed:
                await self._require_still_fits(order, verdict, outcome, correlation_id)
                await self._tell(order.environment_id)
            return Report(
                order.name,
                verdict.needs,
                operations=verdict.operations,
                version=outcome.version,
                changed=outcome.changed,
            )
        raise _busy()

    async def _require_still_fits(
        self, order: Order, verdict: Verdict, outcome: SubgraphOutcome, correlation_id: str
    ) -> None:
        """Catalog's schema may have changed since the check: then what does not fit is undone.

        Raises PublishUndone.
        """
        try:
            standing = await self._standing_after(order.environment_id)
            if standing is None or standing.state.catalog == verdict.state.catalog:
                return
            await self._checks.composes(order.environment_id, standing)
        except CompositionFailed as failed:
            await self._undo(order, verdict, outcome, correlation_id)
            raise PublishUndone(
                "The store's custom fields changed at the same moment, and both do not fit together. The subgraph is "
                f"as it was before. {failed.message}"
            ) from failed
        except Unavailable as error:
            # It was checked before; should it not fit after all, the graph before serves, and the log says so.
            _log.warning("publish_not_checked_again", environment_id=order.environment_id, reason=error.message)

    async def _standing_after(self, environment_id: str) -> Standing | None:
        """None when others go on changing it: they check what they make of it."""
        for _ in range(ATTEMPTS_MAX):
            try:
                return await self._checks.standing(environment_id)
            except StateMoved:
                continue
        return None

    async def _undo(self, order: Order, verdict: Verdict, outcome: SubgraphOutcome, correlation_id: str) -> None:
        previous = verdict.previous
        source = None
        if previous is not None:
            source = SubgraphSource(previous.sdl, previous.target, previous.function, previous.url)
        change = SubgraphChange(
            environment_id=order.environment_id,
            account_id=order.account_id,
            name=order.name,
            by=order.by,
            based_on=outcome.digest,
            source=source,
            needs=previous.needs if previous is not None else (),
            if_version=outcome.version,
        )
        try:
            await self._subgraphs.change(change, correlation_id)
        except KokoaError as error:
            _log.error("publish_not_undone", environment_id=order.environment_id, reason=error.message)
        await self._tell(order.environment_id)

    async def _tell(self, environment_id: str) -> None:
        await tell(self._bus, environment_id)
        if self.heard is not None:
            await self.heard(environment_id)


def _require(order: Order, verdict: Verdict) -> None:
    """Raises SubgraphNotGranted, SubgraphNotComposable, SubgraphBreaksOperations."""
    told = "\n".join(f"{one.code}: {one.message}" for one in verdict.findings)
    if verdict.missing:
        raise SubgraphNotGranted(told)
    if verdict.findings:
        raise SubgraphNotComposable(f"{order.name} cannot be {_done(order)}:\n{told}", field="sdl")
    if verdict.operations and not order.allow_breaking:
        named = "\n".join(verdict.operations[:NAMED_MAX])
        more = "\nand more" if len(verdict.operations) >= NAMED_MAX else ""
        raise SubgraphBreaksOperations(
            f"These operations would be refused when {order.name} is {_done(order)}:\n{named}{more}\n"
            "Keep what they ask for, or use --allow-breaking."
        )


def _done(order: Order) -> str:
    return "withdrawn" if order.source is None else "published so"


def _change(order: Order, verdict: Verdict) -> SubgraphChange:
    return SubgraphChange(
        environment_id=order.environment_id,
        account_id=order.account_id,
        name=order.name,
        by=order.by,
        based_on=verdict.state.subgraphs,
        source=order.source,
        needs=verdict.needs,
        if_version=order.if_version,
    )


def _with_source(order: Order, source: SubgraphSource) -> Order:
    return msgspec.structs.replace(order, source=source)


def _busy() -> SubgraphsChanged:
    return SubgraphsChanged("Others publish in this environment right now; try again.")
