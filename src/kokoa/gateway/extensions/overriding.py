"""An extension as the gateway asks it: with policies for what it overrides.

What overrides and fails, is late or answers nonsense is asked of the native subgraph instead, where its policy says
so: for the same objects, by the same keys, with the same arguments and selections, and only for what is missing.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, cast

import structlog
from msgspec.structs import replace

from kokoa.gateway.execute.clients import SubgraphClient
from kokoa.gateway.extension import Extension
from kokoa.gateway.extensions.answers import Answer, AnswerCheck, Judgement, Place, failure, places_of
from kokoa.gateway.extensions.errors import ExtensionAnswerInvalid, ExtensionFailed
from kokoa.gateway.extensions.hoisting import gather, put_back
from kokoa.gateway.extensions.natives import Natives
from kokoa.gateway.extensions.served import Served
from kokoa.gateway.extensions.servers import Target
from kokoa.gateway.extensions.shadows import Shadows
from kokoa.gateway.extensions.shown import Shown
from kokoa.gateway.extensions.works import Hoist, Reader, Site, Work
from kokoa.graphql.result import NOT_KEPT, ExecutionResult
from kokoa.kernel.call import Call
from kokoa.kernel.errors import DeadlineExceeded, KokoaError
from kokoa.kernel.overrides import Observation, Outcome, OverrideReports, merged_answers

log = structlog.get_logger(__name__)

Judged = Mapping[tuple[Site, Place], Judgement]


class ExtensionClient:
    """A SubgraphClient. check: judges the answers of a target that does not do it itself."""

    trusted = False
    punctual = False

    def __init__(
        self,
        extension: Extension,
        target: Target,
        reader: Reader,
        natives: Mapping[str, SubgraphClient],
        reports: OverrideReports,
        check: AnswerCheck | None,
    ) -> None:
        self._extension = extension
        self._target = target
        self._reader = reader
        self._natives = Natives(natives, reader)
        self._reports = reports
        self._check = check
        self._shown = Shown(extension)
        self._shadows = Shadows(reports)

    async def execute(
        self, document: str, variables: Mapping[str, Any], call: Call, operation_name: str | None
    ) -> ExecutionResult:
        """Execute one operation that the planner wrote. Raises nothing: failures are entries of the result."""
        work = self._reader.work(document)
        if work is None:
            again = not document.startswith("mutation")
            result = await self._asked(document, variables, call, patience_ms=None, again=again)
            return self._shown.result(result, call)
        if work.is_mutation and work.shadows:
            return await self._native_mutation(work, variables, call)
        return await self._overriding(work, variables, call)

    async def stream(
        self, document: str, variables: Mapping[str, Any], call: Call, operation_name: str | None
    ) -> AsyncGenerator[ExecutionResult, None]:
        """Execute one operation of any kind. A subscription has no policies: nothing native could take its place."""
        if not document.startswith("subscription"):
            yield await self.execute(document, variables, call, operation_name)
            return
        async with aclosing(self._target.stream(document, variables, call)) as events:
            async for result in events:
                yield self._shown.result(result, call)

    async def settled(self) -> None:
        """Wait until no shadow is being asked any more."""
        await self._shadows.settled()

    async def _asked(
        self, document: str, variables: Mapping[str, Any], call: Call, *, patience_ms: int | None, again: bool
    ) -> ExecutionResult:
        """The extension's answer, or its failure as one."""
        try:
            return await self._target.execute(document, variables, call, patience_ms=patience_ms, again=again)
        except KokoaError as error:
            log.warning(
                "extension failed",
                extension=self._extension.name,
                environment_id=call.environment_id,
                code=error.code,
                detail=error.detail,
            )
            return failure(error)
        except Exception as error:
            log.error("extension failed", extension=self._extension.name, exc_info=error)
            return failure(ExtensionFailed(f"The extension {self._extension.name} could not be asked."))

    async def _checked(
        self, work: Work, document: str, variables: Mapping[str, Any], call: Call, patience_ms: int | None
    ) -> Answer:
        result = await self._asked(document, variables, call, patience_ms=patience_ms, again=not work.is_mutation)
        if self._check is not None:
            try:
                result = await self._check.check(work, document, variables, call, result)
            except (KokoaError, RecursionError) as error:
                name = self._extension.name
                result = failure(
                    ExtensionAnswerInvalid(f"{name} gave an answer that does not fit.", detail=str(error))
                )
        return Answer(work, result)

    async def _overriding(self, work: Work, variables: Mapping[str, Any], call: Call) -> ExecutionResult:
        shadowed = [(site, place) for site in work.shadows for place in places_of(work, site, variables)]
        native: asyncio.Future[Judged] | None = None
        if shadowed:
            asked = asyncio.ensure_future(self._natives.ask(work, shadowed, variables, call))
            native = cast("asyncio.Future[Judged]", asked)  # a future is invariant in its result
            self._start_shadow(work, variables, call, native)
        try:
            served = Served(work, variables)
            if work.text:
                await self._served_by_extension(served, work, variables, call)
            if native is not None:
                served.take(await native)
        finally:
            if native is not None:
                native.cancel()
        return await self._result(served, work, variables, call)

    async def _result(self, served: Served, work: Work, variables: Mapping[str, Any], call: Call) -> ExecutionResult:
        result = replace(served.result(self._shown, call), answered=served.answered(self._extension.name))
        return await self._with_hoisted(work, result, variables, call) if work.hoists else result

    async def _served_by_extension(
        self, served: Served, work: Work, variables: Mapping[str, Any], call: Call
    ) -> None:
        """Ask the extension, and the native subgraphs for what it left out."""
        patience_ms = max((site.policy.deadline_ms for site in work.sites), default=None)
        own = _own(work.text, variables, work)
        if self._target.checks or patience_ms is None or not work.plain:
            limit = None if self._target.checks else patience_ms
            answer = await self._checked(work, work.text, own, call, limit)
            judged = self._judge(work, answer, variables, call)
            served.take(await self._instead(work, judged, variables, call))
            served.keep(answer)
            return
        # What it adds to the graph has longer than what it overrides, and the two come in one answer.
        asked = asyncio.ensure_future(self._checked(work, work.text, own, call, None))
        try:
            done, _ = await asyncio.wait((asked,), timeout=patience_ms / 1000)
            early = asked.result() if done else Answer(work, failure(_late(self._extension.name, patience_ms)))
            judged = self._judge(work, early, variables, call)
            served.take(await self._instead(work, judged, variables, call))
            served.keep(await asked)
        finally:
            asked.cancel()

    def _judge(self, work: Work, answer: Answer, variables: Mapping[str, Any], call: Call) -> Judged:
        """What became of each override; reported."""
        judged = {
            (site, place): answer.judge(site, place)
            for site in work.sites
            for place in places_of(work, site, variables)
        }
        self._reports.note(observations(judged, call))
        return judged

    async def _instead(self, work: Work, judged: Judged, variables: Mapping[str, Any], call: Call) -> Judged:
        """The judgements, with native ones where the policy wants them instead."""
        missing = [
            where
            for where, judgement in judged.items()
            if judgement.entry is not None and where[0].policy.fallback and not work.is_mutation
        ]
        if not missing:
            return judged
        return {**judged, **await self._natives.ask(work, missing, variables, call)}

    def _start_shadow(
        self, work: Work, variables: Mapping[str, Any], call: Call, native: asyncio.Future[Judged]
    ) -> None:
        patience_ms = max(site.policy.deadline_ms for site in work.shadows)

        async def ask(bounded: Call) -> Judged:
            own = _own(work.shadow_text, variables, work)
            answer = await self._checked(work, work.shadow_text, own, bounded, patience_ms)
            return {
                (site, place): answer.judge(site, place)
                for site in work.shadows
                for place in places_of(work, site, variables)
            }

        self._shadows.start(ask, native, call, patience_ms)

    async def _native_mutation(self, work: Work, variables: Mapping[str, Any], call: Call) -> ExecutionResult:
        """A mutation in shadow is the native one: to run both would do it twice. In the order of the document."""
        served = Served(work, variables)
        for site in (*work.shadows, *work.sites):
            if site.policy.shadow:
                served.take(await self._natives.ask(work, [(site, ())], variables, call))
        if work.text:
            await self._served_by_extension(served, work, variables, call)
        return await self._result(served, work, variables, call)

    async def _with_hoisted(
        self, work: Work, result: ExecutionResult, variables: Mapping[str, Any], call: Call
    ) -> ExecutionResult:
        """The result, with what is asked by key afterwards."""
        if not isinstance(result.data, dict):
            return result
        errors = list(result.errors)
        brought = await asyncio.gather(
            *(self._hoisted(hoist, work, result.data, variables, call) for hoist in work.hoists)
        )
        answered = merged_answers(result.answered, *(one.answered for one in brought))
        for one in brought:
            errors += one.errors
        return ExecutionResult(result.data, errors, cache_control=NOT_KEPT, answered=answered)

    async def _hoisted(
        self, hoist: Hoist, work: Work, data: dict[str, Any], variables: Mapping[str, Any], call: Call
    ) -> ExecutionResult:
        """Only the errors, and who answered: the data is put where it belongs."""
        batch = gather(hoist, work, data)
        if not batch.representations:
            return ExecutionResult()
        own = {name: variables[name] for name in hoist.variables if name in variables}
        own[hoist.variables[0]] = batch.representations
        result = await self.execute(hoist.text, own, call, None)
        return ExecutionResult(errors=put_back(hoist, batch, result), answered=result.answered)


def _own(document: str, variables: Mapping[str, Any], work: Work) -> dict[str, Any]:
    """The variables that a document of a work declares."""
    names = {*work.declared, *work.groups.values()}
    return {name: value for name, value in variables.items() if name in names and f"${name}: " in document}


def _late(name: str, patience_ms: int) -> DeadlineExceeded:
    return DeadlineExceeded(f"The extension {name} did not answer within {patience_ms} ms.")


def observations(judged: Judged, call: Call) -> list[Observation]:
    """One for each field and outcome."""
    counts: dict[tuple[str, Outcome], list[Any]] = {}
    for (site, _), judgement in judged.items():
        found = counts.setdefault((site.coordinate, judgement.outcome), [0, judgement.reason])
        found[0] += 1
    return [
        Observation(call.environment_id, subject, outcome, call.correlation_id, count, reason)
        for (subject, outcome), (count, reason) in counts.items()
    ]
