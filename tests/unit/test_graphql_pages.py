"""The pages about GraphQL: their Python runs as it stands there, and their numbers are the program's."""

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import msgspec

from kokoa.edge.graph import STREAMS_MAX, STREAMS_OF_ENVIRONMENT_MAX
from kokoa.graphql import DEFAULT_LIMITS
from kokoa.graphql.document import SHORT_CHARACTERS
from kokoa.graphql.http import BODY_BYTES_MAX
from kokoa.graphql.lane import WAITING_MAX, WAITING_OF_KEY_MAX
from kokoa.graphql.persisted import AUTOMATIC_CHARACTERS_MAX, AUTOMATIC_MAX
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.messaging import feed

DOCS = Path(__file__).parents[2] / "docs"


async def test_the_python_of_add_a_field_runs_from_top_to_bottom() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "how-to" / "add-a-field.md").read_text(), re.DOTALL)
    assert len(blocks) == 5
    call = Call("environment", Caller("server"), "0" * 32, now_ms() + 10_000)
    room: dict[str, Any] = {"call": call}
    for block in blocks:
        compiled = compile(block, "add-a-field.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        awaiting = eval(compiled, room)  # noqa: S307 (to run it is the test)
        if inspect.isawaitable(awaiting):
            await awaiting
    assert room["result"].errors == ()


def test_the_reference_has_every_limit_with_its_value() -> None:
    page = (DOCS / "reference" / "graphql.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", page, re.MULTILINE))
    limits = msgspec.structs.asdict(DEFAULT_LIMITS)
    assert {name: int(value.replace(",", "")) for name, value in rows.items()} == limits


def test_the_reference_s_other_numbers_are_the_program_s() -> None:
    page = (DOCS / "reference" / "graphql.md").read_text()
    for number in (
        BODY_BYTES_MAX,
        STREAMS_MAX,
        STREAMS_OF_ENVIRONMENT_MAX,
        feed.WAITING_MAX,
        AUTOMATIC_MAX,
        AUTOMATIC_CHARACTERS_MAX,
        WAITING_MAX,
        WAITING_OF_KEY_MAX,
        SHORT_CHARACTERS,
    ):
        assert re.search(rf"(?<![\d,]){number:,}(?![\d,])", page), number
