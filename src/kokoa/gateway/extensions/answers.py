"""What became of each override in one answer: whether it was answered, late, invalid, or failed, and why.

A *place* is what a field belongs to in the data of a document: () at the root, (alias, index) for an entity.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from graphql import GraphQLInterfaceType

from kokoa.gateway.extensions.values import INVALID, JUDGED, AnswerReporter, Reading, allow_null
from kokoa.gateway.extensions.works import Site, Work
from kokoa.graphql.errors import ErrorEntry, PathKey, ResolverContractBroken, entry_of_kokoa_error
from kokoa.graphql.federation import federated_schema
from kokoa.graphql.lane import Lane
from kokoa.graphql.preparing import Preparation
from kokoa.graphql.resolvers import Entity
from kokoa.graphql.result import ExecutionResult
from kokoa.graphql.run import Run
from kokoa.graphql.schema import executable
from kokoa.graphql.sdl import read_subgraph
from kokoa.kernel.call import Call
from kokoa.kernel.errors import KokoaError
from kokoa.kernel.overrides import Outcome

Place = tuple[PathKey, ...]
LATE = "DEADLINE_EXCEEDED"
_OUTCOMES: Mapping[str, Outcome] = {LATE: "late", INVALID: "invalid"}


class Judgement(NamedTuple):
    """outcome: answered, failed, late or invalid.  entry: what was reported, None where it was answered.

    native: the native subgraph that it comes from; empty for the extension.
    """

    outcome: Outcome
    value: Any
    entry: ErrorEntry | None = None
    native: str = ""

    @property
    def reason(self) -> str:
        """For the override's owner."""
        if self.entry is None:
            return ""
        given = self.entry.get("extensions")
        extensions = given if isinstance(given, Mapping) else {}
        return str(extensions.get("reason") or self.entry.get("message") or extensions.get("code"))[:1_000]


def places_of(work: Work, site: Site, variables: Mapping[str, Any]) -> list[Place]:
    """Where the site's field stands: once at the root, or once for each representation of its type."""
    if not site.group:
        return [()]
    representations = variables[work.groups[site.group]]
    return [
        (site.group, index) for index, one in enumerate(representations) if one.get("__typename") == site.type_name
    ]


def path_of(entry: ErrorEntry) -> tuple[PathKey, ...]:
    """The path of an entry, as far as it is one."""
    path = entry.get("path")
    return tuple(key for key in path if isinstance(key, str | int)) if isinstance(path, list | tuple) else ()


def failure(error: KokoaError) -> ExecutionResult:
    """A result that says that nothing was answered, and to the account why."""
    entry = entry_of_kokoa_error(error)
    if error.detail:
        entry["extensions"]["reason"] = error.detail
    return ExecutionResult(None, [entry])


class Answer:
    """An execution result, by place."""

    def __init__(self, work: Work, result: ExecutionResult) -> None:
        self.result = result
        self.data: Mapping[str, Any] = result.data if isinstance(result.data, dict) else {}
        self._exact: dict[Place, ErrorEntry] = {}
        self._broad: dict[Place, ErrorEntry] = {}
        self._within: dict[Place, ErrorEntry] = {}
        for entry in result.errors:
            path = path_of(entry)
            depth = 2 if path and path[0] in work.groups else 0
            if len(path) > depth:
                self._exact.setdefault(path[: depth + 1], entry)
                self._within.setdefault(path[:depth], entry)
            else:
                self._broad.setdefault(path, entry)

    def holder(self, place: Place) -> dict[str, Any] | None:
        """The object at a place, if there is one."""
        if not place:
            return self.data if isinstance(self.data, dict) else None
        found = self.data.get(str(place[0]))
        if isinstance(found, list) and isinstance(place[1], int) and place[1] < len(found):
            entity = found[place[1]]
            return entity if isinstance(entity, dict) else None
        return None

    def broad(self, place: Place) -> ErrorEntry | None:
        """What was reported for the place as a whole, or for more."""
        for length in range(len(place), -1, -1):
            entry = self._broad.get(place[:length])
            if entry is not None:
                return entry
        return None

    def taken_by(self, place: Place) -> ErrorEntry | None:
        """What was reported of one field, and took the whole object at the place with it: its null climbed."""
        return self._within.get(place) if self.holder(place) is None else None

    def judge(self, site: Site, place: Place) -> Judgement:
        """What became of an override."""
        exact = self._exact.get((*place, site.key))
        if exact is not None:
            return _judged(exact)
        holder = self.holder(place)
        value = holder.get(site.key) if holder is not None else None
        if value is not None:
            return Judgement("answered", value)
        broad = self.broad(place)
        if broad is not None:
            return _judged(broad)
        if site.required or holder is None:
            what = "null, and must not be" if holder is not None else "of an object that it does not have"
            return _judged(_invalid(f"{site.coordinate} is {what}."))
        return Judgement("answered", None)

    def entries(self) -> Iterator[tuple[tuple[PathKey, ...], ErrorEntry]]:
        for entry in self.result.errors:
            yield path_of(entry), entry


def _invalid(reason: str) -> ErrorEntry:
    return {"message": "The answer does not fit the graph.", "extensions": {"code": INVALID, "reason": reason}}


def _judged(entry: ErrorEntry) -> Judgement:
    given = entry.get("extensions")
    code = str(given.get("code")) if isinstance(given, Mapping) else ""
    return Judgement(_OUTCOMES.get(code, "failed"), None, entry)


class AnswerCheck:
    """Whether what a GraphQL server answered fits its own SDL. may_be_null: fields of which that is judged later."""

    def __init__(self, name: str, sdl: str, may_be_null: Sequence[str]) -> None:
        schema = federated_schema(read_subgraph(sdl))
        allow_null(schema, may_be_null)
        self._name = name
        parts = executable(schema, Reading(schema, {}, by_response_key=True))
        self._preparation = Preparation(parts, JUDGED, Lane())

    async def check(
        self, work: Work, document: str, variables: Mapping[str, Any], call: Call, result: ExecutionResult
    ) -> ExecutionResult:
        """The result with only what fits, and an error for each thing that does not."""
        if not isinstance(result.data, dict):
            return result
        data = dict(result.data)
        for alias, variable in work.groups.items():
            if f"${variable}:" in document:
                found = _entities(data.get(alias), variables[variable], excused=bool(result.errors))
                data[alias] = [self._typed(one) if type(one) is Entity else one for one in found]
        ready = await self._preparation.prepare(document, None, variables, call, read_only=False, trusted=True)
        reporter = partial(AnswerReporter, self._name)
        fitting = Run(ready.program, ready.variables, call, JUDGED, reporter).execute_at_once(data)
        return ExecutionResult(fitting.data, [*result.errors, *fitting.errors])

    def _typed(self, entity: Entity) -> Entity:
        """An entity that was asked for by its interface is of the type that the answer says."""
        if isinstance(self._preparation.schema.get_type(entity.type_name), GraphQLInterfaceType):
            return Entity(entity.value.get("__typename"), entity.value)
        return entity


def _entities(found: Any, representations: Sequence[Mapping[str, Any]], *, excused: bool) -> list[Any]:
    """One entity for each representation, of the type that it names."""
    if not isinstance(found, list) or len(found) != len(representations):
        if found is None and excused:
            return [None] * len(representations)
        return [ResolverContractBroken(f"_entities must be a list with {len(representations)} items.")] * len(
            representations
        )
    return [
        None if one is None
        else Entity(asked["__typename"], one) if isinstance(one, dict)
        else ResolverContractBroken("An entity must be an object or null.")
        for one, asked in zip(found, representations, strict=True)
    ]  # fmt: skip
