"""What a graph would lose, and which documents may mind."""

import pytest
from graphql import build_schema

from kokoa.gateway.extending.differences import closed, losses, may_mind, opened
from unit.gateway.gateway_fakes import composed

BEFORE = """
type Query { a(x: Int, y: String): Thing  b: [Thing!]!  s(f: In): Int }
interface Node { id: ID! }
type Thing implements Node { id: ID!  name: String }
type Other { id: ID! }
union Both = Thing | Other
enum Kind { ONE TWO }
input In { p: Int  q: Kind }
extend type Query { both: Both }
"""


@pytest.mark.parametrize(
    ("old", "new", "coordinate", "name"),
    [
        ("  name: String }", "}", "Thing.name", "name"),
        ("name: String }", "name: Int }", "Thing.name", "name"),
        ("name: String }", "name: String! }", "Thing.name", "name"),
        ("name: String }", "name(of: Int!): String }", "Thing.name", "name"),
        (", y: String)", ")", "Query.a", "a"),
        ("y: String)", "y: String!)", "Query.a", "a"),
        ("ONE TWO", "ONE", "Kind.TWO", "TWO"),
        ("Thing | Other", "Thing", "Both.Other", "Other"),
        ("type Thing implements Node", "type Thing", "Thing.Node", "Thing"),
        ("p: Int  q", "q", "In.p", "p"),
        ("p: Int  q", "p: Float  q", "In.p", "p"),
        ("p: Int  q", "p: Int r: Int! q", "In.r", ""),
        ("enum Kind { ONE TWO }", "scalar Kind", "Kind", ""),
    ],
)
def test_losses(old: str, new: str, coordinate: str, name: str) -> None:
    assert old in BEFORE
    (loss,) = losses(build_schema(BEFORE), build_schema(BEFORE.replace(old, new)))
    assert loss.coordinate == coordinate
    assert may_mind(f"{{ {name} }}", [loss])
    assert may_mind("{ zzz }", [loss]) == (not name)


def test_what_is_new_is_no_loss() -> None:
    more = (
        BEFORE + "extend type Thing { more(x: Int! = 1): Int } extend enum Kind { THREE } extend input In { r: Int }"
    )
    assert list(losses(build_schema(BEFORE), build_schema(more))) == []


SCOPED = 'type Query { a: Int @requiresScopes(scopes: [["management"], ["a", "b"]])  b: Int  c: Int @authenticated }'


@pytest.mark.parametrize(
    ("sdl", "more_open", "more_closed"),
    [
        (SCOPED, [], []),
        (SCOPED.replace('["management"], ', ""), [], ["Query.a"]),
        (SCOPED.replace('["management"]', '["management"], ["storefront"]'), ["Query.a"], []),
        (SCOPED.replace('a: Int @requiresScopes(scopes: [["management"], ["a", "b"]])', "a: Int"), ["Query.a"], []),
        (SCOPED.replace("b: Int ", "b: Int @authenticated"), [], ["Query.b"]),
        (SCOPED.replace("@authenticated", ""), ["Query.c"], []),
        ("type Query { b: Int }", [], []),
    ],
)
def test_scopes(sdl: str, more_open: list[str], more_closed: list[str]) -> None:
    before, after = composed(catalog=SCOPED).schema, composed(catalog=sdl).schema
    assert list(opened(before, after)) == more_open
    assert list(closed(before, after)) == more_closed
