"""Running a program breadth-first: one resolver call for each field of a level, levels as soon as they are known.

There is no barrier: a level starts when its parents are complete, whatever else is still waiting. Work that needs
no waiting runs straight through; one waiting resolver is awaited as it is; only several at once become tasks.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from inspect import isawaitable
from typing import Any

from graphql.execution.values import VariableValues

from kokoa.graphql.completion import Completion
from kokoa.graphql.errors import LimitExceeded, Reporter, entry_of_kokoa_error
from kokoa.graphql.limits import Limits
from kokoa.graphql.nulls import Settlement
from kokoa.graphql.program import Field, Program, Selection
from kokoa.graphql.resolvers import check_values
from kokoa.graphql.result import ExecutionResult
from kokoa.graphql.scopes import meets, missing_scope
from kokoa.kernel.call import Call
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import DeadlineExceeded
from kokoa.kernel.timing import TooLate, within

Outs = Sequence[dict[str, Any]]


class Run:
    """One execution of one program. reporter: made of a correlation id, says what failures look like."""

    __slots__ = (
        "_call",
        "_completion",
        "_done",
        "_limits",
        "_objects",
        "_program",
        "_ready",
        "_reporter",
        "_tasks",
        "_turn",
        "_variables",
        "_waiting",
    )

    def __init__(
        self,
        program: Program,
        variables: VariableValues,
        call: Call,
        limits: Limits,
        reporter: Callable[[str], Reporter] = Reporter,
    ) -> None:
        self._program = program
        self._reporter = reporter
        self._variables = variables
        self._call = call
        self._limits = limits
        self._objects = 0
        self._ready: deque[tuple[Selection, Sequence[Any], Outs]] = deque()
        self._waiting: list[tuple[Field, Outs, Awaitable[Any]]] = []
        self._tasks: dict[asyncio.Future[Any], tuple[Field, Outs]] = {}
        self._done: list[asyncio.Future[Any]] = []
        self._turn: asyncio.Future[None] | None = None
        self._completion = Completion(call, self._enter)

    async def execute(self, root: Any = None) -> ExecutionResult:
        """Run to the end. root: what the root fields get as their one parent."""
        out = self._program.root.template.copy()
        try:
            if self._program.is_mutation:
                return await self._serially(root, out)
            self._enter(self._program.root, [root], [out])
            await self._drain()
        except LimitExceeded as error:
            return ExecutionResult(None, [entry_of_kokoa_error(error)])
        return self._finish(out)

    def execute_at_once(self, root: Any) -> ExecutionResult:
        """Run a program whose resolvers never wait."""
        out = self._program.root.template.copy()
        try:
            self._enter(self._program.root, [root], [out])
            self._advance()
        except LimitExceeded as error:
            return ExecutionResult(None, [entry_of_kokoa_error(error)])
        return self._finish(out)

    async def _serially(self, root: Any, out: dict[str, Any]) -> ExecutionResult:
        """Root fields of a mutation, each to its end before the next begins (GraphQL §6.2.2)."""
        errors: list[Any] = []
        for field in self._program.root.fields:
            self._resolve(field, [root], [out])
            await self._drain()
            if self._completion.failed:
                settlement = self._settlement()
                whole = settlement.settle_field(field, out)
                errors = (errors + settlement.errors)[: self._limits.errors]
                self._completion.failed = False
                if not whole:
                    return ExecutionResult(None, errors)
        return ExecutionResult(out, errors)

    def _settlement(self) -> Settlement:
        reporter = self._reporter(self._call.correlation_id)
        return Settlement(self._completion.concrete(), reporter, self._limits.errors)

    def _finish(self, out: dict[str, Any]) -> ExecutionResult:
        if not self._completion.failed:
            return ExecutionResult(out)
        settlement = self._settlement()
        whole = settlement.settle(self._program.root, out)
        return ExecutionResult(out if whole else None, settlement.errors)

    def _enter(self, selection: Selection, parents: Sequence[Any], outs: Outs) -> None:
        self._objects += len(outs)
        if self._objects > self._limits.objects:
            raise LimitExceeded(
                f"The response holds more than {self._limits.objects} objects. Ask for shorter pages."
            )
        if selection.fields:
            self._ready.append((selection, parents, outs))

    def _advance(self) -> None:
        """Everything that needs no waiting."""
        ready = self._ready
        while ready:
            selection, parents, outs = ready.popleft()
            if len(parents) == 1:
                self._resolve_of_one(selection, parents, outs)
            else:
                for field in selection.fields:
                    self._resolve(field, parents, outs)

    def _resolve_of_one(self, selection: Selection, parents: Sequence[Any], outs: Outs) -> None:
        """The fields of a single object. What lies ready in it is taken; whatever is not is resolved as ever."""
        (parent,), (out,) = parents, outs
        is_dict = type(parent) is dict
        for field in selection.fields:
            glance = field.glance
            if glance is not None:
                key, attribute, ready, fits = glance
                try:
                    value = parent[key] if is_dict else getattr(parent, attribute)
                    if type(value) in ready and (fits is None or fits(value)):
                        out[field.key] = value
                        continue
                except Exception:  # noqa: S110  # the resolver will say what it is
                    pass
            self._resolve(field, parents, outs)

    async def _drain(self) -> None:
        try:
            self._advance()
            while self._waiting or self._tasks:
                if len(self._waiting) == 1 and not self._tasks:
                    await self._wait_for_one()
                else:
                    await self._wait_for_any()
                self._advance()
        finally:
            for task in self._tasks:
                task.cancel()
            for _, _, waiting in self._waiting:
                if isinstance(waiting, Coroutine):
                    waiting.close()

    def _resolve(self, field: Field, parents: Sequence[Any], outs: Outs) -> None:
        try:
            if field.requirement and not meets(self._call.caller, field.requirement):
                raise missing_scope(field.coordinate, field.requirement)
            values = field.resolve(parents, field.arguments(self._variables), self._call)
        except Exception as error:
            self._completion.column(field, outs, [error] * len(outs))
            return
        if type(values) is not list and isawaitable(values):
            self._waiting.append((field, outs, values))
        else:
            self._settle(field, outs, values)

    def _settle(self, field: Field, outs: Outs, values: Any) -> None:
        try:
            checked = check_values(values, len(outs), field.coordinate)
        except Exception as error:
            checked = [error] * len(outs)
        self._completion.column(field, outs, checked)

    async def _wait_for_one(self) -> None:
        field, outs, waiting = self._waiting.pop()
        values: Any
        try:
            values = await within(self._seconds_left(), waiting)
        except TooLate:
            values = [_late()] * len(outs)
        except Exception as error:
            values = [error] * len(outs)
        self._settle(field, outs, values)

    async def _wait_for_any(self) -> None:
        for field, outs, waiting in self._waiting:
            task: asyncio.Future[Any] = asyncio.ensure_future(waiting)
            self._tasks[task] = (field, outs)
            task.add_done_callback(self._note)
        self._waiting.clear()
        if not self._done:
            await self._first_done()
        done, self._done = self._done or list(self._tasks), []
        for one in done:
            if one in self._tasks:  # else it was given up, and has ended since
                field, outs = self._tasks.pop(one)
                self._settle(field, outs, _outcome(one, len(outs)))

    async def _first_done(self) -> None:
        """Until a task is done, or it is too late: asyncio.wait with half of its cost."""
        loop = asyncio.get_running_loop()
        self._turn = turn = loop.create_future()
        timer = loop.call_later(self._seconds_left(), _wake, turn)
        try:
            await turn
        finally:
            timer.cancel()

    def _note(self, task: asyncio.Future[Any]) -> None:
        self._done.append(task)
        if self._turn is not None:
            _wake(self._turn)

    def _seconds_left(self) -> float:
        return max(self._call.deadline_ms - now_ms(), 0) / 1000


def _wake(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)


def _outcome(task: asyncio.Future[Any], wanted: int) -> Any:
    if not task.done():
        task.cancel()
        return [_late()] * wanted
    if task.cancelled():
        return [_late()] * wanted
    error = task.exception()
    if error is None:
        return task.result()
    if not isinstance(error, Exception):
        raise error
    return [error] * wanted


def _late() -> DeadlineExceeded:
    return DeadlineExceeded("The deadline of this call passed before the field was answered.")
