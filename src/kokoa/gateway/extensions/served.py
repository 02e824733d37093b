"""What is served: the extension's own fields and each override's answer, native ones among them, as one result."""

from collections.abc import Iterator, Mapping
from typing import Any

from kokoa.gateway.extensions.answers import Answer, Judgement, Place
from kokoa.gateway.extensions.shown import Shown
from kokoa.gateway.extensions.works import Site, Work
from kokoa.graphql.errors import ErrorEntry, PathKey
from kokoa.graphql.result import NOT_KEPT, ExecutionResult
from kokoa.kernel.call import Call
from kokoa.kernel.overrides import Answered


class Served:
    """variables: of the document, with its representations."""

    def __init__(self, work: Work, variables: Mapping[str, Any]) -> None:
        self._work = work
        self._variables = variables
        self._answer = Answer(work, ExecutionResult({}))
        self._by_place: dict[Place, list[tuple[Site, Judgement]]] = {}
        self._whole = True

    def keep(self, answer: Answer) -> None:
        """What the extension answered; of it only the fields that override nothing are used."""
        self._answer = answer

    def take(self, judged: Mapping[tuple[Site, Place], Judgement]) -> None:
        """What became of overrides."""
        for (site, place), judgement in judged.items():
            self._by_place.setdefault(place, []).append((site, judgement))
            if judgement.entry is not None or judgement.native:
                self._whole = False

    def result(self, shown: Shown, call: Call) -> ExecutionResult:
        """The result of the document, as the gateway and the client may see it."""
        if self._whole and not self._answer.result.errors and self._answer.result.data:
            return self._answer.result
        data: dict[str, Any] = {}
        if not self._work.groups:
            data = self._object(()) or {}
        for alias, variable in self._work.groups.items():
            data[alias] = [self._object((alias, index)) for index in range(len(self._variables[variable]))]
        errors = [shown.entry(entry, call) for entry in self._own_entries()]
        for place, found in self._by_place.items():
            for site, judgement in found:
                if judgement.entry is None:
                    continue
                path = [*place, site.key]
                errors.append(
                    judgement.entry if judgement.native else shown.override(site, judgement.entry, path, call)
                )
        # Natives answered in the extension's place: its own hints do not hold for them.
        return ExecutionResult(data, errors, cache_control=NOT_KEPT)

    def answered(self, extension: str) -> Answered:
        """Who answered what is overridden. What is in shadow is not: the native answer is the one that is meant."""
        found: dict[str, dict[str, str]] = {}
        for place, judged in self._by_place.items():
            for site, judgement in judged:
                if judgement.entry is None and not site.policy.shadow:
                    of_objects = found.setdefault(site.coordinate, {})
                    of_objects[self._object_id(place)] = judgement.native or extension
        return found

    def _object_id(self, place: Place) -> str:
        if not place:
            return ""
        representation = self._variables[self._work.groups[str(place[0])]][place[1]]
        return str(representation.get("id", ""))

    def _object(self, place: Place) -> dict[str, Any] | None:
        """The root or an entity; None for an entity of which nothing is known."""
        holder = self._answer.holder(place)
        found = self._by_place.get(place, ())
        known = any(judgement.value is not None or judgement.entry is not None for _, judgement in found)
        if holder is None and not known and self._answer.broad(place) is None:
            return None
        out = dict.fromkeys(self._plain(place)) | (holder or {})
        for site, judgement in found:
            out[site.key] = judgement.value
        return out

    def _plain(self, place: Place) -> tuple[str, ...]:
        if not place:
            return tuple(key for keys in self._work.plain.values() for key in keys)
        alias, index = str(place[0]), place[1]
        representation = self._variables[self._work.groups[alias]][index]
        return self._work.plain.get((alias, representation["__typename"]), ())

    def _own_entries(self) -> Iterator[ErrorEntry]:
        """What the extension reported of fields that override nothing; each at a field."""
        groups = self._work.groups
        for path, entry in self._answer.entries():
            depth = 2 if path and path[0] in groups else 0
            if len(path) > depth:
                overriding = self._by_place.get(path[:depth], ())
                if not any(site.key == path[depth] for site, _ in overriding):
                    yield entry
                continue
            for place in self._places(path):
                holder = self._answer.holder(place) or {}
                for key in self._plain(place):
                    if holder.get(key) is None:
                        yield {**entry, "path": [*place, key]}

        for place in self._places(()):
            climbed = self._answer.taken_by(place)
            if climbed is not None:
                for key in self._plain(place):
                    yield {**climbed, "path": [*place, key]}

    def _places(self, above: tuple[PathKey, ...]) -> Iterator[Place]:
        if not self._work.groups:
            yield ()
        for alias, variable in self._work.groups.items():
            for index in range(len(self._variables[variable])):
                if (alias, index)[: len(above)] == above:
                    yield (alias, index)
