"""An object alone is answered as it is among others: what lies ready in it is read without asking its resolvers."""

from collections import UserDict
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from types import SimpleNamespace
from typing import Any

import pytest
from graph_fakes import FEDERATION, make_call, make_subgraph, run

from kokoa.graphql.scalars import DATE_TIME

TYPES = ["String", "ID", "Boolean", "Int", "Float", "Kind", "JSON", "DateTime", "[Int!]", "[String]", "Inner"]
FIELDS = "aText aText2: aText promised inner { aText }"


class Kind(Enum):
    """As a service may have it."""

    A = "A"


class _Loud:
    @property
    def a_text(self) -> Any:
        raise KeyError("loud")


VALUES: list[Any] = [
    None,
    "",
    "A",
    "C",
    True,
    0,
    2**31 - 1,
    2**31,
    -(2**31),
    -(2**31) - 1,
    1.0,
    1.5,
    float("inf"),
    float("nan"),
    Kind.A,
    datetime(2026, 1, 2, tzinfo=UTC),
    datetime(2026, 1, 2),  # no moment
    [],
    [1, None],
    (1,),
    {"aText": "inner"},
    {"a_text": 7},
    object(),
    ValueError("a value"),
]


def _parents(value: Any) -> list[Any]:
    return [
        {"aText": value, "promised": value, "inner": {"aText": value}},
        {"a_text": value, "promised": value},
        {"aText": value, "a_text": "other"},
        UserDict({"aText": value, "promised": "here"}),
        SimpleNamespace(a_text=value, promised=value, inner=SimpleNamespace(a_text=value)),
        SimpleNamespace(aText=value),
        _Loud(),
        {},
    ]


def _sdl(type_: str) -> str:
    return f"""
    scalar JSON  scalar DateTime  enum Kind {{ A B }}  type Inner {{ aText: String! }}
    type Query {{ alone: [Thing]  both: [Thing] }}
    type Thing {{ aText: {type_}  promised: {type_}!  inner: Inner }}
    """


def _seen(response: Mapping[str, Any], key: str, index: int) -> tuple[str, list[str]]:
    """What the response has at that object, errors and all, wherever it stands."""
    errors = [str((one["path"][2:], one["message"])) for one in response.get("errors", ()) if one["path"][0] == key]
    of_index = [one["path"][1] for one in response.get("errors", ()) if one["path"][0] == key]
    return repr(response["data"][key][index]), [e for e, i in zip(errors, of_index, strict=True) if i == index]


@pytest.mark.parametrize("type_", TYPES)
async def test_an_object_alone_is_answered_as_among_others(type_: str) -> None:
    fields = FIELDS.replace("aText2: aText promised", "same: aText { aText } promised { aText }")
    fields = fields.replace("aText same", "aText { aText } same") if type_ == "Inner" else FIELDS
    text = f"{{ alone {{ __typename {fields} }} both {{ __typename {fields} }} }}"
    for value in VALUES:
        for parent in _parents(value):
            subgraph = make_subgraph(
                _sdl(type_),
                {"Query.alone": lambda *_, one=parent: [[one]], "Query.both": lambda *_, one=parent: [[one, one]]},
                scalars={"DateTime": DATE_TIME},
            )
            response = await run(subgraph, text)
            seen = _seen(response, "alone", 0)
            assert seen == _seen(response, "both", 0) == _seen(response, "both", 1), (type_, value, parent)


async def test_what_lies_ready_still_needs_its_scope_and_its_arguments() -> None:
    sdl = (
        FEDERATION
        + """
        type Query { thing: Thing }
        type Thing { open: Int  secret: Int @requiresScopes(scopes: [["see"]])  of(size: Int!): Int }
        """
    )
    subgraph = make_subgraph(sdl, {"Query.thing": lambda *_: [{"open": 1, "secret": 2, "of": 3}]})
    text = "query ($size: Int = 1) { thing { open secret of(size: $size) } }"
    refused = await run(subgraph, text, {"size": None})
    assert refused["data"] == {"thing": {"open": 1, "secret": None, "of": None}}
    assert [one["path"] for one in refused["errors"]] == [["thing", "secret"], ["thing", "of"]]
    granted = await run(subgraph, text, call=make_call(scopes=("see",)))
    assert granted == {"data": {"thing": {"open": 1, "secret": 2, "of": 3}}}


async def test_fields_are_still_answered_in_their_order() -> None:
    """A resolver that changes its parent is seen by the fields after it, and by no other."""

    def change(parents: Any, _args: Any, _call: Any) -> list[int]:
        for parent in parents:
            parent["count"] += 1
        return [parent["count"] for parent in parents]

    subgraph = make_subgraph(
        "type Query { thing: Thing } type Thing { count: Int  change: Int }",
        {"Query.thing": lambda *_: [{"count": 1}], "Thing.change": change},
    )
    response = await run(subgraph, "{ thing { before: count change after: count } }")
    assert response == {"data": {"thing": {"before": 1, "change": 2, "after": 2}}}
