"""Asking native subgraphs for what an extension overrides: by their own keys, for as few objects as needed."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kokoa.gateway.execute.clients import SubgraphClient
from kokoa.gateway.extensions.answers import Answer, Judgement, Place, failure, path_of
from kokoa.gateway.extensions.works import Reader, Site, Work, write
from kokoa.graphql.errors import ErrorEntry
from kokoa.graphql.lru import Lru
from kokoa.graphql.result import ExecutionResult
from kokoa.kernel.call import Call
from kokoa.kernel.errors import DeadlineExceeded, KokoaError, Unavailable

TEXTS_MAX = 500
Where = tuple[Site, Place]


class NoNativeKey(Unavailable):
    """The subgraph that a field was taken from knows its objects by no key that the override's subgraph has."""


class Natives:
    """clients: by the subgraph's name."""

    def __init__(self, clients: Mapping[str, SubgraphClient], reader: Reader) -> None:
        self._clients = clients
        self._reader = reader
        self._texts: Lru[tuple[Site, ...], tuple[str, tuple[str, ...]]] = Lru(TEXTS_MAX)

    async def ask(
        self, work: Work, wanted: Iterable[Where], variables: Mapping[str, Any], call: Call
    ) -> dict[Where, Judgement]:
        """The native value, or error, of each; several subgraphs are asked at once. Raises nothing."""
        by_native: dict[str, list[Where]] = {}
        found: dict[Where, Judgement] = {}
        for where in wanted:
            if where[0].native_node is None:
                found[where] = _failed(where[0], where[0].native)
            else:
                by_native.setdefault(where[0].native, []).append(where)
        asked = [self._ask(native, work, wheres, variables, call) for native, wheres in by_native.items()]
        for brought in [await asked[0]] if len(asked) == 1 else await asyncio.gather(*asked):
            found.update(brought)
        return found

    async def _ask(
        self, native: str, work: Work, wanted: Sequence[Where], variables: Mapping[str, Any], call: Call
    ) -> dict[Where, Judgement]:
        chosen = {site for site, _ in wanted}
        sites = tuple(one for one in (*work.sites, *work.shadows) if one in chosen)
        text, names = self._texts.get_or_make(sites, lambda: _text(work, sites))
        own: dict[str, Any] = {name: variables[name] for name in names if name in variables}
        moved = self._representations(native, work, wanted, variables, own)
        result = ExecutionResult({})
        if any(own.get(work.groups[group]) for group in {site.group for site in sites} if group) or any(
            not site.group for site in sites
        ):
            result = await self._execute(native, text, own, call)
        answer = Answer(work, result)
        found: dict[Where, Judgement] = {}
        for where in wanted:
            site, place = where
            there = moved.get(place, place) if place else ()
            judgement = answer.judge(site, there) if there is not None else _failed(site, native)
            found[where] = _as_native(native, site, place, judgement)
        return found

    async def _execute(self, native: str, text: str, own: Mapping[str, Any], call: Call) -> ExecutionResult:
        try:
            async with asyncio.timeout(call.remaining_ms() / 1000):
                return await self._clients[native].execute(text, own, call, None)
        except TimeoutError:
            return failure(DeadlineExceeded(f"The subgraph {native} did not answer before the deadline."))
        except KokoaError as error:
            return failure(error)

    def _representations(
        self, native: str, work: Work, wanted: Sequence[Where], variables: Mapping[str, Any], own: dict[str, Any]
    ) -> dict[Place, Place | None]:
        """Put the representations of what is wanted into `own`; say where each place is in them. None: nowhere."""
        moved: dict[Place, Place | None] = {}
        for site, place in wanted:
            if not place or place in moved:
                continue
            variable = work.groups[site.group]
            given = variables[variable][place[1]]
            known = own.setdefault(variable, [])
            representation = self._by_native_key(native, site.type_name, given)
            moved[place] = None if representation is None else (site.group, len(known))
            if representation is not None:
                known.append(representation)
        return moved

    def _by_native_key(self, native: str, type_name: str, given: Mapping[str, Any]) -> dict[str, Any] | None:
        for names in self._reader.key_names(type_name, native):
            if all(given.get(name) is not None for name in names):
                return {"__typename": type_name} | {name: given[name] for name in names}
        return None


def _text(work: Work, sites: Sequence[Site]) -> tuple[str, tuple[str, ...]]:
    selected: dict[tuple[str, str], list[Any]] = {}
    for site in sites:
        selected.setdefault((site.group, site.type_name), []).append(site.native_node)
    return write(work.kind, work.groups, selected, work.declared)


def _failed(site: Site, native: str) -> Judgement:
    error = NoNativeKey(f"{site.coordinate} cannot be had from {native} for these objects.")
    entry: ErrorEntry = {"message": error.message, "extensions": {"code": error.code}}
    return Judgement("failed", None, entry)


def _as_native(native: str, site: Site, place: Place, judgement: Judgement) -> Judgement:
    """A native answer is as good as it is: null is for the gateway to judge. Its error names the native subgraph."""
    if judgement.entry is None or judgement.outcome == "invalid":
        return Judgement("answered", judgement.value, None, native)
    entry = dict(judgement.entry)
    given = entry.get("extensions")
    kept: dict[str, Any] = {name: value for name, value in (given or {}).items() if name != "reason"}
    entry["extensions"] = {**kept, "subgraph": native}
    path = path_of(judgement.entry)
    depth = len(place) + 1
    entry["path"] = [*place, site.key, *path[depth:]]
    return Judgement(judgement.outcome, None, entry, native)
