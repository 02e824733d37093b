"""Each rule of composition: subgraphs that break it and, beside them, the same subgraphs put right.

The cases are in compose_cases.graphql.txt.
"""

from pathlib import Path

import msgspec
import pytest
from gateway_fakes import FEDERATION, problems

from kokoa.gateway.compose import CompositionFailed, compose
from kokoa.gateway.supergraph import SubgraphDefinition

# Codes whose remedy in the case leaves another problem, which has a case of its own.
TOLERATED = {"OVERRIDE_SOURCE_HAS_OVERRIDE", "OVERRIDE_COLLISION_WITH_ANOTHER_DIRECTIVE"}


class Case(msgspec.Struct):
    code: str
    says: str
    subgraphs: dict[str, str]
    old: str
    new: str

    def mended(self) -> dict[str, str]:
        return {
            name.replace(self.old, self.new): sdl.replace(self.old, self.new) for name, sdl in self.subgraphs.items()
        }


def read_cases() -> list[Case]:
    text = (Path(__file__).parent / "compose_cases.graphql.txt").read_text()
    found = []
    for block in text.split("### ")[1:]:
        head, *sections = block.split("## ")
        code, says = head.strip().split(" says ", 1)
        named = {name: body.removesuffix("\n") for name, _, body in (one.partition("\n") for one in sections)}
        new, old = named.pop("with").strip("\n"), named.pop("replace")
        found.append(Case(code, says, named, old, new))
    return found


@pytest.mark.parametrize("case", read_cases(), ids=lambda one: f"{one.code}: {one.says}")
def test_a_broken_rule_is_reported_and_its_remedy_is_accepted(case: Case) -> None:
    found = problems(**case.subgraphs)
    assert case.code in found
    assert case.says in found[case.code]
    mended = case.mended()
    assert mended != case.subgraphs
    left = problems(**mended)
    assert case.code not in left
    assert not left or case.code in TOLERATED


def test_every_problem_is_reported_at_once() -> None:
    found = problems(
        a='type Query { x: Int y(n: Int!): Int @shareable } type P @key(fields: "nope") { id: ID! }',
        b="type Query { x: String y: Int @shareable }",
    )
    assert set(found) == {
        "FIELD_TYPE_MISMATCH",
        "INVALID_FIELD_SHARING",
        "KEY_INVALID_FIELDS",
        "REQUIRED_ARGUMENT_MISSING_IN_SOME_SUBGRAPH",
    }


def test_a_name_is_given_once() -> None:
    twice = [SubgraphDefinition("a", FEDERATION + "type Query { x: Int @shareable }")] * 2
    with pytest.raises(CompositionFailed, match="2 subgraphs have this name"):
        compose(twice)
