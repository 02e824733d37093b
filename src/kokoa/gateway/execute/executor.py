"""Running a plan: each fetch starts when the last of its inputs is there; there are no waves.

A chain of fetches is awaited as it is. Only where several can run at once do they become tasks.
"""

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from kokoa.gateway.execute.clients import SubgraphClient
from kokoa.gateway.execute.gathering import (
    GONE,
    Batch,
    Tree,
    make_batch,
    merge_into,
    objects_at,
    put_error,
    rename,
)
from kokoa.gateway.metrics import GraphMetrics
from kokoa.gateway.plan.model import Fetch, Plan, Rename
from kokoa.gateway.tracing import OperationSpan, code_of, outcome_of
from kokoa.graphql.errors import PathKey, UpstreamError
from kokoa.graphql.result import ExecutionResult
from kokoa.kernel.call import Call
from kokoa.kernel.errors import DeadlineExceeded, KokoaError
from kokoa.kernel.overrides import Answered, merged_answers

log = structlog.get_logger(__name__)

Clients = Mapping[str, SubgraphClient]


class Gathered:
    """What the fetches brought. errors: all that subgraphs reported, wherever they ended up in the data.

    is_kept: whether the answer may be kept as long as the plan says; not where one came from elsewhere than planned.
    answered: who answered what partners have taken over, if there is anything of it.
    """

    __slots__ = ("answered", "data", "errors", "is_kept")

    def __init__(self) -> None:
        self.data: Tree = {}
        self.errors: list[UpstreamError] = []
        self.is_kept = True
        self.answered: Answered | None = None


class _Running:
    """One run of one plan."""

    def __init__(
        self,
        plan: Plan,
        clients: Clients,
        variables: Mapping[str, Any],
        call: Call,
        metrics: GraphMetrics | None,
        trace: OperationSpan | None,
    ) -> None:
        self._plan = plan
        self._clients = clients
        self._variables = variables
        self._call = call
        self._metrics = metrics
        self._trace = trace
        self._missing = [len(fetch.after) for fetch in plan.fetches]
        self._tasks: dict[asyncio.Task[None], int] = {}
        self.gathered = Gathered()

    async def run(self) -> None:
        ready = [index for index, missing in enumerate(self._missing) if not missing]
        try:
            while ready or self._tasks:
                if len(ready) == 1 and not self._tasks:
                    index = ready.pop()
                    await self._fetch(self._plan.fetches[index])
                    ready = self._done(index)
                else:
                    ready = await self._several(ready)
        finally:
            for task in self._tasks:
                task.cancel()
        for one in self._plan.assumed:
            for found in objects_at(self.gathered.data, one.path):
                found.setdefault("__typename", one.type_name)

    async def _several(self, ready: Sequence[int]) -> list[int]:
        for index in ready:
            task = asyncio.ensure_future(self._fetch(self._plan.fetches[index]))
            self._tasks[task] = index
        finished, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        now: list[int] = []
        for task in finished:
            task.result()
            now += self._done(self._tasks.pop(task))
        return now

    def _done(self, index: int) -> list[int]:
        """The fetches for which this one was the last input."""
        ready = []
        for later, fetch in enumerate(self._plan.fetches):
            if index in fetch.after:
                self._missing[later] -= 1
                if not self._missing[later]:
                    ready.append(later)
        return ready

    async def _fetch(self, fetch: Fetch) -> None:
        try:
            await (self._fetch_entities(fetch) if fetch.groups else self._fetch_root(fetch))
        except RecursionError:
            self._error({"message": f"The subgraph {fetch.subgraph} answered data nested too deeply."}, fetch, None)

    async def _fetch_root(self, fetch: Fetch) -> None:
        result = await self._ask(fetch, {})
        if isinstance(result.data, dict):
            if fetch.renames:
                rename(result.data, fetch.renames)
            if self.gathered.data:
                merge_into(self.gathered.data, result.data)
            else:
                self.gathered.data = result.data
        else:
            for key in fetch.keys:
                self.gathered.data.setdefault(key, None)
        for entry in result.errors:
            path = _renamed(_path_of(entry), fetch.renames)
            error = self._error(entry, fetch, path or None)
            if path and put_error(self.gathered.data, path, error):
                continue
            if not isinstance(result.data, dict):
                self._fail_root(fetch, error)

    def _fail_root(self, fetch: Fetch, error: UpstreamError) -> None:
        for key in fetch.keys:
            if self.gathered.data.get(key) is None:
                self.gathered.data[key] = error

    async def _fetch_entities(self, fetch: Fetch) -> None:
        batches = [make_batch(self.gathered.data, group) for group in fetch.groups]
        if not any(batch.representations for batch in batches):
            return
        own = {batch.group.variable: batch.representations for batch in batches}
        result = await self._ask(fetch, own)
        brought = result.data if isinstance(result.data, dict) else {}
        for batch in batches:
            _merge_batch(batch, brought.get(batch.group.alias))
        if result.errors:
            self._place_entity_errors(fetch, batches, result)

    def _place_entity_errors(self, fetch: Fetch, batches: Sequence[Batch], result: ExecutionResult) -> None:
        by_alias = {batch.group.alias: batch for batch in batches}
        paths = {batch.group.alias: batch.paths(self.gathered.data) for batch in batches}
        for entry in result.errors:
            reported = _path_of(entry)
            batch = by_alias.get(str(reported[0])) if reported else None
            index = reported[1] if len(reported) > 1 else None
            if batch is None:
                self._fail_batches(fetch, entry, batches, paths)
            elif isinstance(index, int) and 0 <= index < len(batch.members):
                below = _renamed(reported[2:], batch.group.renames)
                for member in batch.members[index]:
                    path = [*paths[batch.group.alias][member], *below]
                    self._place_below(self._error(entry, fetch, path), batch, index, member, below)
            else:
                self._fail_batches(fetch, entry, [batch], paths)

    def _place_below(
        self, error: UpstreamError, batch: Batch, index: int, member: int, below: Sequence[PathKey]
    ) -> None:
        target = batch.targets[member]
        if below and put_error(target, below, error):
            return
        for key in batch.owners[index].keys:
            if target.get(key) is None:
                target[key] = error

    def _fail_batches(
        self,
        fetch: Fetch,
        entry: Mapping[str, Any],
        batches: Sequence[Batch],
        paths: Mapping[str, Sequence[tuple[PathKey, ...]]],
    ) -> None:
        """One error for all objects of the fetch, reported at the first of them."""
        places = [
            paths[batch.group.alias][min(member for members in batch.members for member in members)]
            for batch in batches
            if batch.members
        ]
        error = self._error(entry, fetch, places[0] if places else None)
        for batch in batches:
            for owner, members in zip(batch.owners, batch.members, strict=True):
                for member in members:
                    for key in owner.keys:
                        if batch.targets[member].get(key) is None:
                            batch.targets[member][key] = error

    def _error(self, entry: Mapping[str, Any], fetch: Fetch, path: Sequence[PathKey] | None) -> UpstreamError:
        given = entry.get("extensions")
        extensions = dict(given) if isinstance(given, dict) else {}
        extensions.setdefault("code", "SUBGRAPH_ERROR")
        extensions.setdefault("subgraph", fetch.subgraph)
        message = entry.get("message")
        text = message if isinstance(message, str) else f"The subgraph {fetch.subgraph} reported an error."
        error = UpstreamError(text, extensions, path)
        self.gathered.errors.append(error)
        return error

    def _ask(self, fetch: Fetch, own: Mapping[str, Any]) -> Awaitable[ExecutionResult]:
        """One request to a subgraph; a failure becomes a result with one error."""
        if self._trace is None:
            return self._measured(fetch, own, self._call)
        return self._traced(fetch, own, self._trace)

    async def _traced(self, fetch: Fetch, own: Mapping[str, Any], trace: OperationSpan) -> ExecutionResult:
        span = trace.fetch(fetch.subgraph, sum(len(representations) for representations in own.values()))
        outcome, code = "abandoned", ""
        try:
            result = await self._measured(fetch, own, msgspec.structs.replace(self._call, span_id=span.id))
            outcome, code = outcome_of(result), code_of(result)
            return result
        finally:
            span.end(outcome, code)

    async def _measured(self, fetch: Fetch, own: Mapping[str, Any], call: Call) -> ExecutionResult:
        if self._metrics is None:
            return await self._request(fetch, own, call)
        started = time.perf_counter()
        result = await self._request(fetch, own, call)
        self._metrics.fetch(fetch.subgraph, outcome_of(result), time.perf_counter() - started)
        return result

    async def _request(self, fetch: Fetch, own: Mapping[str, Any], call: Call) -> ExecutionResult:
        variables = {name: self._variables[name] for name in fetch.variables if name in self._variables}
        variables.update(own)
        client = self._clients[fetch.subgraph]
        try:
            remaining_ms = call.remaining_ms()
            if client.punctual:
                result = await client.execute(fetch.document, variables, call, None)
            else:
                async with asyncio.timeout(remaining_ms / 1000):
                    result = await client.execute(fetch.document, variables, call, None)
        except KokoaError as error:
            return _failed(fetch, error)
        except TimeoutError:
            return _failed(
                fetch, DeadlineExceeded(f"The subgraph {fetch.subgraph} did not answer before the deadline.")
            )
        except Exception as error:
            log.error("subgraph failed", subgraph=fetch.subgraph, exc_info=error)
            return ExecutionResult(
                errors=[_entry(fetch, f"The subgraph {fetch.subgraph} failed.", "SUBGRAPH_UNAVAILABLE")]
            )
        if result.cache_control is not None:
            self.gathered.is_kept = False
        if result.answered:
            self.gathered.answered = merged_answers(self.gathered.answered, result.answered)
        return result


def _merge_batch(batch: Batch, found: Any) -> None:
    """Put what a group brought into the objects that it stands for."""
    entities: Sequence[Any] = found if isinstance(found, list) else ()
    targets = batch.targets
    for entity, members in zip(entities, batch.members, strict=False):
        if type(entity) is dict:
            if batch.group.renames:
                rename(entity, batch.group.renames)
            for index in members:
                target = targets[index]
                if target.keys().isdisjoint(entity):
                    target.update(entity)
                else:
                    merge_into(target, entity)
        elif entity is None:
            for index in members:
                targets[index][GONE] = True


def _renamed(path: Sequence[PathKey], renames: Sequence[Rename]) -> list[PathKey]:
    keys = {one.alias: one.key for one in renames}
    return [keys.get(key, key) if isinstance(key, str) else key for key in path]


def _failed(fetch: Fetch, error: KokoaError) -> ExecutionResult:
    """The result of a fetch that was not answered."""
    log.warning("subgraph failed", subgraph=fetch.subgraph, code=error.code, detail=error.detail)
    return ExecutionResult(errors=[_entry(fetch, error.message, error.code)])


def _entry(fetch: Fetch, message: str, code: str) -> dict[str, Any]:
    return {"message": message, "extensions": {"code": code, "subgraph": fetch.subgraph}}


def _path_of(entry: Mapping[str, Any]) -> list[PathKey]:
    path = entry.get("path")
    return [key for key in path if isinstance(key, str | int)] if isinstance(path, list) else []


async def run_plan(
    plan: Plan,
    clients: Clients,
    variables: Mapping[str, Any],
    call: Call,
    metrics: GraphMetrics | None = None,
    trace: OperationSpan | None = None,
) -> Gathered:
    """Run all fetches of a plan. variables: the client's, as it sent them; defaults are the subgraphs' to apply."""
    running = _Running(plan, clients, variables, call, metrics, trace)
    await running.run()
    return running.gathered
