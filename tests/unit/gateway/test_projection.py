"""Projecting what was gathered: an object alone comes out as it does among others."""

from typing import Any

import pytest
from gateway_fakes import make_call
from graphql import build_schema
from graphql.execution.values import VariableValues

from kokoa.gateway.execute.executor import Gathered
from kokoa.gateway.execute.gathering import GONE
from kokoa.gateway.execute.projection import project, projecting
from kokoa.graphql.document import read_document
from kokoa.graphql.errors import UpstreamError
from kokoa.graphql.limits import DEFAULT_LIMITS
from kokoa.graphql.result import ExecutionResult

SDL = """
scalar JSON  enum Kind { A B }  union Any = Thing | Other
type Query { things: [Thing]  any: [Any] }
type Other { text: String }
type Thing { field: TYPE  promised: TYPE! }
"""
TYPES = ["String", "Boolean", "Int", "Float", "Kind", "JSON"]
VALUES: list[Any] = [
    None,
    "A",
    "C",
    True,
    7,
    2**31,
    1.5,
    float("nan"),
    [1],
    {"a": None},
    UpstreamError,
]
TEXT = "{ things { ...t } any { ...t } } fragment t on Thing { __typename f: field promised }"


def _parents(value: Any) -> list[Any]:
    """Objects with the value; an error is a new one wherever it stands, for each is reported once."""

    def new() -> Any:
        return UpstreamError("upstream", {"code": "OUT"}, None) if value is UpstreamError else value

    return [
        {"__typename": "Thing", "f": new(), "promised": new()},
        {"__typename": "Thing", "f": new(), "promised": new(), GONE: True},
        {"__typename": "Thing", "f": new(), GONE: True},
        {"__typename": "Thing", "field": new()},
        {"__typename": "Other", "promised": new()},
        [new()],
        "text",
    ]


def _projected(type_: str, data: dict[str, Any]) -> ExecutionResult:
    executable = projecting(build_schema(SDL.replace("TYPE", type_)))
    document = read_document(executable, TEXT, DEFAULT_LIMITS)
    gathered = Gathered()
    gathered.data = data
    program = document.compile(document.operation(None), ())
    return project(program, gathered, VariableValues({}, {}), make_call(), DEFAULT_LIMITS)


def _seen(result: ExecutionResult, key: str, index: int) -> str:
    assert isinstance(result.data, dict)
    errors = [
        (one["path"][2:], one["message"], one["extensions"]["code"])
        for one in result.errors
        if one["path"][:2] == [key, index]
    ]
    return repr((result.data[key][index], errors))


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("key", ["things", "any"])
def test_an_object_alone_is_projected_as_among_others(key: str, type_: str) -> None:
    for value in VALUES:
        for one, *others in zip(_parents(value), _parents(value), _parents(value), strict=True):
            alone, among = _projected(type_, {key: [one]}), _projected(type_, {key: others})
            assert _seen(alone, key, 0) == _seen(among, key, 0) == _seen(among, key, 1), (value, one)


def test_a_promised_field_of_an_object_that_is_gone_says_so() -> None:
    result = _projected("Int", {"things": [{"f": 1, GONE: True}], "any": None})
    assert result.data == {"things": [None], "any": None}
    assert result.errors[0]["message"] == "This Thing is not there any more; ask again."
