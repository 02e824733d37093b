"""What must be true of a subgraph before it is published: it is granted, composes, and harms neither others nor
operations.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

from kokoa.gateway.compose import CompositionFailed
from kokoa.gateway.compose.composer import read_one
from kokoa.gateway.extending.completing import completed, native_keys
from kokoa.gateway.extending.differences import Loss, closed, losses, may_mind, opened
from kokoa.gateway.extending.taking import Taken, taken
from kokoa.gateway.extensions.client import fields_without_fallback
from kokoa.gateway.supergraph import SubgraphDefinition, SubgraphView, Supergraph
from kokoa.graphql.errors import DocumentRefused
from kokoa.graphql.limits import DEFAULT_LIMITS
from kokoa.graphql.reading import read
from kokoa.graphql.sdl import read_subgraph
from kokoa.roles.compositions import Compositions, Extended
from kokoa.roles.publishing.seam import Finding, Order
from kokoa.roles.schemas import GraphSources, State
from kokoa.roles.seams import GraphGrants, Operations, PublishedSubgraph, SubgraphSource, UsedOperations
from kokoa.services.tenants.subgraphs import model
from kokoa.services.tenants.used_operations.model import DAYS

PAGE = 100
NAMED_MAX = 20
SHOWN_CHARACTERS = 60
NOT_GRANTED = "NOT_GRANTED"
NO_NATIVE_KEY = "NO_NATIVE_KEY"

_OPERATION = re.compile(r"\b(query|mutation|subscription) ?([A-Za-z_][A-Za-z0-9_]*)")


class Verdict(NamedTuple):
    """state: what it was checked against.  previous: what is live by this name now."""

    state: State
    previous: PublishedSubgraph | None
    needs: tuple[str, ...]
    missing: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    operations: tuple[str, ...] = ()


class Standing(NamedTuple):
    """An environment as it is. sdl: catalog's."""

    state: State
    sdl: str
    published: list[PublishedSubgraph]


class SubgraphChecks:
    """today: the day by UTC, from which the operations of the last days count."""

    def __init__(
        self,
        sources: GraphSources,
        compositions: Compositions,
        operations: Operations,
        used: UsedOperations,
        *,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self._sources = sources
        self._compositions = compositions
        self._operations = operations
        self._used = used
        self._today = today

    async def standing(self, environment_id: str) -> Standing:
        """What there is now. Raises StateMoved when it changed meanwhile."""
        state = await self._sources.state(environment_id)
        if not state.subgraphs:  # the first one is composed by its policies too
            state = state._replace(policies=await self._sources.policies.policies(environment_id))
        sdl = await self._sources.sdl(environment_id, state.catalog, self._compositions)
        return Standing(state, sdl, await self._sources.published(environment_id, state))

    async def composes(self, environment_id: str, standing: Standing) -> None:
        """Raises CompositionFailed."""
        await self._compositions.extended(environment_id, standing.sdl, standing.published, standing.state.policies)

    async def verdict(self, order: Order, standing: Standing, granted: GraphGrants) -> Verdict:
        """Everything that keeps the order from being carried out. It goes on as far as what is wrong lets it."""
        previous = next((one for one in standing.published if one.name == order.name), None)
        rest = [one for one in standing.published if one.name != order.name]
        verdict = Verdict(standing.state, previous, ())
        base = await self._base(order, standing, rest)
        wanted = rest
        if order.source is not None:
            try:
                wants = await self._take(order, order.source, base, rest)
            except CompositionFailed as failed:
                return verdict._replace(findings=_findings(failed))
            missing = model.ungranted(wants.needs, granted.patterns, order.partner, granted.partners)
            refused = tuple(Finding(one.code, one.message) for one in wants.problems)
            if missing:
                told = model.refusal_of(missing, order.partner, order.tenant, order.environment)
                refused = (Finding(NOT_GRANTED, told), *refused)
            verdict = verdict._replace(needs=wants.needs, missing=missing, findings=refused)
            if wants.problems:
                return verdict
            wanted = [*rest, _published(order, order.source)]
        try:
            extended = await self._extended(order, standing, wanted)
        except CompositionFailed as failed:
            found = _findings(failed)
            if order.source is None:
                known = await self._standing_problems(order, standing)
                found = tuple(one for one in found if one not in known)
            return verdict._replace(findings=(*verdict.findings, *found))
        after = extended.supergraph
        harm = await self._compositions.in_turn(
            order.environment_id,
            lambda: (*_harm(base, after, frozenset(verdict.needs)), *_without_fallback(extended, order.name)),
        )
        operations = await self._broken_operations(order, standing, after)
        return verdict._replace(findings=(*verdict.findings, *harm), operations=operations)

    async def _standing_problems(self, order: Order, standing: Standing) -> tuple[Finding, ...]:
        """What is wrong already, as after an upgrade: it keeps nobody from withdrawing."""
        try:
            await self._graph(order, standing, standing.published)
        except CompositionFailed as failed:
            return _findings(failed)
        return ()

    async def _base(self, order: Order, standing: Standing, rest: Sequence[PublishedSubgraph]) -> Supergraph:
        """The graph without this subgraph; without all others too, where it does not compose without this one."""
        try:
            return await self._graph(order, standing, rest)
        except CompositionFailed:
            return await self._graph(order, standing, [])

    async def _graph(self, order: Order, standing: Standing, published: Sequence[PublishedSubgraph]) -> Supergraph:
        return (await self._extended(order, standing, published)).supergraph

    async def _extended(self, order: Order, standing: Standing, published: Sequence[PublishedSubgraph]) -> Extended:
        return await self._compositions.extended(
            order.environment_id, standing.sdl, published, standing.state.policies
        )

    async def _take(
        self, order: Order, source: SubgraphSource, base: Supergraph, rest: Sequence[PublishedSubgraph]
    ) -> Taken:
        """Raises CompositionFailed if it cannot be read."""
        own = {one.name for one in rest if one.account_id == order.account_id}

        def work() -> Taken:
            sdl = completed(source.sdl, source.target, native_keys(base))
            view = read_one(SubgraphDefinition(order.name, sdl))
            if not isinstance(view, SubgraphView):
                raise CompositionFailed(view)
            others = [one for name, one in base.subgraphs.items() if name not in own]
            return taken(read_subgraph(sdl), view, others)

        return await self._compositions.in_turn(order.environment_id, work)

    async def _broken_operations(self, order: Order, standing: Standing, after: Supergraph) -> tuple[str, ...]:
        """What would be refused then and is not refused now: named, with the reason; at most NAMED_MAX and a bit."""
        environment_id = order.environment_id
        try:
            before = await self._graph(order, standing, standing.published)
        except CompositionFailed:
            return ()  # nothing new is served now, so nothing can be lost against it
        found = await self._compositions.in_turn(environment_id, lambda: list(losses(before.schema, after.schema)))
        if not found:
            return ()
        broken: list[str] = []
        await self._sift(environment_id, self._registered, before, after, found, broken)
        await self._sift(environment_id, self._lately, before, after, found, broken)
        return tuple(broken)

    async def _sift(
        self,
        environment_id: str,
        page_of: Callable[[str, str], Awaitable[Mapping[str, tuple[str, str]]]],
        before: Supergraph,
        after: Supergraph,
        found: Sequence[Loss],
        broken: list[str],
    ) -> None:
        last = ""
        while len(broken) < NAMED_MAX:
            page = await page_of(environment_id, last)

            def check(page: Mapping[str, tuple[str, str]] = page) -> list[str]:
                texts = ((told, text) for told, text in page.values() if may_mind(text, found))
                return [f"{told}: {why}" for told, text in texts if (why := _newly_refused(before, after, text))]

            broken += await self._compositions.in_turn(environment_id, check)
            if len(page) < PAGE:
                return
            last = max(page)

    async def _registered(self, environment_id: str, after: str) -> dict[str, tuple[str, str]]:
        found = await self._operations.mentioning(environment_id, "", after, PAGE)
        return {one.id: (f"{one.id} (registered)", one.document) for one in found}

    async def _lately(self, environment_id: str, after: str) -> dict[str, tuple[str, str]]:
        day = self._today() - timedelta(days=DAYS)
        found = await self._used.since(environment_id, day, after, PAGE)
        return {
            sha256(one.document.encode()).hexdigest(): (
                f"{_called(one.document)} (used {one.last_used.isoformat()})",
                one.document,
            )
            for one in found
        }


def _called(document: str) -> str:
    """How people know an operation."""
    named = _OPERATION.search(document)
    if named:
        return f"{named[1]} {named[2]}"
    return document[:SHOWN_CHARACTERS] + ("…" if len(document) > SHOWN_CHARACTERS else "")


def _newly_refused(before: Supergraph, after: Supergraph, document: str) -> str:
    """Why a document does not fit any more; empty if it does, or never did."""
    why = _refusal(after, document)
    return why if why and not _refusal(before, document) else ""


def _refusal(supergraph: Supergraph, document: str) -> str:
    try:
        read(supergraph.schema, document, DEFAULT_LIMITS)
    except DocumentRefused as refused:
        return str(refused.entries[0]["message"])
    return ""


def _without_fallback(extended: Extended, name: str) -> Iterator[Finding]:
    """Overrides of a subgraph that are to fall back to the native answer, and could not."""
    for extension in extended.extensions:
        if extension.name == name:
            for field, why in fields_without_fallback(extended.supergraph, extension).items():
                yield Finding(
                    NO_NATIVE_KEY,
                    f"{field}: {why} Or its owner lets it be without the native answer: "
                    f"kokoa overrides set {field} --no-fallback",
                )


def _harm(base: Supergraph, after: Supergraph, needs: frozenset[str]) -> list[Finding]:
    """What a subgraph does to parts of others that it has no grant for, or that nobody may do."""
    found = [
        Finding("TAKES_AWAY", f"{loss.what}. A subgraph may not change what others answer: it is no part of its own.")
        for loss in losses(base.schema, after.schema)
        if loss.coordinate not in needs
    ]
    for coordinate in opened(base.schema, after.schema):
        told = f"{coordinate} needs a scope, and callers without it could ask for it then. Keep its @requiresScopes."
        found.append(Finding("SCOPES_OPENED", told))
    for coordinate in closed(base.schema, after.schema):
        if coordinate not in needs:
            told = f"{coordinate} would need a scope that it does not need now."
            found.append(Finding("SCOPES_CLOSED", told))
    return found[: model.NAMED_MAX]


def _findings(failed: CompositionFailed) -> tuple[Finding, ...]:
    return tuple(Finding(one.code, one.message) for one in failed.problems)


def _published(order: Order, source: SubgraphSource) -> PublishedSubgraph:
    return PublishedSubgraph(
        name=order.name,
        account_id=order.account_id,
        partner=order.partner,
        version=0,
        sdl=source.sdl,
        target=source.target,
        function=source.function,
        url=source.url,
    )
