"""Long documents are read by another process: the same answers, and it is replaced when it dies."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from graph_fakes import make_call
from graphql import build_schema

from kokoa.graphql import DEFAULT_LIMITS, DocumentRefused, Limits
from kokoa.graphql.document import read_document
from kokoa.graphql.lane import Admission, Lane, TooManyNewDocuments
from kokoa.graphql.preparing import Preparation
from kokoa.graphql.schema import executable
from kokoa.graphql.screening import ScreeningFailed, ScreeningProcess
from kokoa.graphql.subgraph import _Resolvers

SDL = "type Query { leaf(x: Int): Int  child: Query }"
LONG = "query ($y: Boolean!) {\n" + " ".join(f"a{n}: child {{ leaf @include(if: $y) }}" for n in range(45)) + "}"


def preparation(screening: ScreeningProcess) -> Preparation:
    parts = executable(build_schema(SDL), _Resolvers({}))
    return Preparation(parts, DEFAULT_LIMITS, Lane(), screening)


@pytest.fixture
async def screening() -> AsyncIterator[ScreeningProcess]:
    process = ScreeningProcess()
    yield process
    await process.close()


async def test_a_long_document_comes_back_ready_to_run(screening: ScreeningProcess) -> None:
    prepared = preparation(screening)
    ready = await prepared.prepare(LONG, None, {"y": True}, make_call(), read_only=False)
    assert [field.key for field in ready.program.root.fields] == [f"a{n}" for n in range(45)]
    assert ready.program.root.fields[0].locations == [{"line": 2, "column": 1}]
    here = read_document(executable(build_schema(SDL), _Resolvers({})), LONG)
    assert [field.locations for field in ready.program.root.fields] == [
        field.locations for field in here.compile(here.operation(None), (True,)).root.fields
    ]


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("{" + " leaf" * 300 + " nope }", "LIMIT_EXCEEDED", "overlapping selections"),
        ("{ " + "#" * 400 + "\n nope }", "GRAPHQL_VALIDATION_FAILED", "Cannot query field 'nope'"),
        ("{ " + "#" * 400 + "\n leaf(x: }", "GRAPHQL_PARSE_FAILED", "Syntax Error"),
    ],
)
async def test_a_refusal_is_the_same_as_from_this_process(
    screening: ScreeningProcess, text: str, code: str, said: str
) -> None:
    with pytest.raises(DocumentRefused) as refused:
        await preparation(screening).prepare(text, None, {}, make_call(), read_only=False)
    with pytest.raises(DocumentRefused) as here:
        read_document(executable(build_schema(SDL), _Resolvers({})), text)
    assert refused.value.entries == here.value.entries
    assert refused.value.entries[0]["extensions"]["code"] == code
    assert said in refused.value.entries[0]["message"]


async def test_a_wrong_variable_is_reported_with_its_place(screening: ScreeningProcess) -> None:
    with pytest.raises(DocumentRefused) as refused:
        await preparation(screening).prepare(LONG, None, {}, make_call(), read_only=False)
    assert refused.value.entries[0]["locations"] == [{"line": 1, "column": 8}]


async def test_two_schemas_are_told_apart(screening: ScreeningProcess) -> None:
    other = Preparation(
        executable(build_schema("type Query { other: Int }"), _Resolvers({})), DEFAULT_LIMITS, Lane(), screening
    )
    text = "{ other " + "#" * 400 + "\n}"
    for _ in range(2):
        assert await other.prepare(text, None, {}, make_call(), read_only=False)
        with pytest.raises(DocumentRefused, match="Cannot query field 'other'"):
            await preparation(screening).prepare(text, None, {}, make_call(), read_only=False)


async def test_a_process_that_dies_fails_one_document_and_is_replaced(screening: ScreeningProcess) -> None:
    prepared = preparation(screening)
    await prepared.prepare(LONG, None, {"y": True}, make_call(), read_only=False)
    assert screening.pid is not None
    os.kill(screening.pid, signal.SIGSTOP)
    os.kill(screening.pid, signal.SIGKILL)
    with pytest.raises(ScreeningFailed, match="Send it again"):
        await prepared.prepare(LONG + "#", None, {"y": True}, make_call(), read_only=False)
    assert await prepared.prepare(LONG + "#", None, {"y": True}, make_call(), read_only=False)


async def test_it_admits_no_more_than_its_part(monkeypatch: pytest.MonkeyPatch) -> None:
    screening = ScreeningProcess(Admission(waiting_max=0))
    with pytest.raises(TooManyNewDocuments):
        await preparation(screening).prepare(LONG, None, {"y": True}, make_call(), read_only=False)
    assert screening.pid is None


async def test_limits_travel(screening: ScreeningProcess) -> None:
    prepared = Preparation(executable(build_schema(SDL), _Resolvers({})), Limits(aliases=10), Lane(), screening)
    with pytest.raises(DocumentRefused, match="has 45 aliases; at most 10"):
        await prepared.prepare(LONG, None, {"y": True}, make_call(), read_only=False)


PARENT = """
import asyncio, sys
from graphql import build_schema
from kokoa.graphql import DEFAULT_LIMITS
from kokoa.graphql.lane import Lane
from kokoa.graphql.preparing import Preparation
from kokoa.graphql.schema import executable
from kokoa.graphql.screening import ScreeningProcess
from kokoa.graphql.subgraph import _Resolvers

async def main():
    screening = ScreeningProcess()
    prepared = Preparation(executable(build_schema("type Query { a: Int }"), _Resolvers({})), DEFAULT_LIMITS, Lane())
    await screening.read("key", prepared, "{ a }", DEFAULT_LIMITS)
    print(screening.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_it_ends_when_its_parent_is_killed() -> None:
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    child = int(await asyncio.wait_for(parent.stdout.readline(), 30))
    assert alive(child)
    parent.kill()
    await parent.wait()
    async with asyncio.timeout(15):
        while alive(child):
            await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
