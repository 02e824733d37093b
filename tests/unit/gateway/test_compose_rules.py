"""Each rule of composition: subgraphs that break it and, beside them, the same subgraphs put right.

The cases are in compose/*.graphql.txt. Each has the code, what the message says, the subgraphs, and the change that
puts them right. A subgraph marked `plain` stands as it is; the others link to federation v2.9.
"""

from pathlib import Path

import msgspec
import pytest
from gateway_fakes import FEDERATION

from kokoa.gateway.compose import CompositionFailed, compose
from kokoa.gateway.supergraph import SubgraphDefinition

CODES = """
NO_QUERIES INVALID_GRAPHQL INVALID_SUBGRAPH_NAME TYPE_KIND_MISMATCH TYPE_DEFINITION_INVALID
DIRECTIVE_DEFINITION_INVALID DIRECTIVE_COMPOSITION_ERROR LINK_IMPORT_NAME_MISMATCH EXTENSION_WITH_NO_BASE
ROOT_QUERY_USED ROOT_MUTATION_USED ROOT_SUBSCRIPTION_USED SATISFIABILITY_ERROR
FIELD_TYPE_MISMATCH FIELD_ARGUMENT_TYPE_MISMATCH FIELD_ARGUMENT_DEFAULT_MISMATCH INPUT_FIELD_DEFAULT_MISMATCH
REQUIRED_ARGUMENT_MISSING_IN_SOME_SUBGRAPH REQUIRED_INPUT_FIELD_MISSING_IN_SOME_SUBGRAPH ENUM_VALUE_MISMATCH
EMPTY_MERGED_ENUM_TYPE EMPTY_MERGED_INPUT_TYPE
INVALID_FIELD_SHARING INVALID_SHAREABLE_USAGE EXTERNAL_TYPE_MISMATCH EXTERNAL_MISSING_ON_BASE
EXTERNAL_ARGUMENT_MISSING EXTERNAL_ARGUMENT_TYPE_MISMATCH EXTERNAL_ARGUMENT_DEFAULT_MISMATCH EXTERNAL_UNUSED
MERGED_DIRECTIVE_APPLICATION_ON_EXTERNAL TYPE_WITH_ONLY_UNUSED_EXTERNAL
KEY_INVALID_FIELDS KEY_INVALID_FIELDS_TYPE KEY_FIELDS_HAS_ARGS KEY_FIELDS_SELECT_INVALID_TYPE
KEY_DIRECTIVE_IN_FIELDS_ARG KEY_UNSUPPORTED_ON_INTERFACE
PROVIDES_INVALID_FIELDS PROVIDES_INVALID_FIELDS_TYPE PROVIDES_FIELDS_HAS_ARGS PROVIDES_FIELDS_MISSING_EXTERNAL
PROVIDES_ON_NON_OBJECT_FIELD PROVIDES_DIRECTIVE_IN_FIELDS_ARG PROVIDES_UNSUPPORTED_ON_INTERFACE
REQUIRES_INVALID_FIELDS REQUIRES_INVALID_FIELDS_TYPE REQUIRES_FIELDS_MISSING_EXTERNAL
REQUIRES_DIRECTIVE_IN_FIELDS_ARG REQUIRES_UNSUPPORTED_ON_INTERFACE
OVERRIDE_SOURCE_HAS_OVERRIDE OVERRIDE_FROM_SELF_ERROR OVERRIDE_ON_INTERFACE OVERRIDE_LABEL_INVALID
OVERRIDE_COLLISION_WITH_ANOTHER_DIRECTIVE
INTERFACE_KEY_MISSING_IMPLEMENTATION_TYPE INTERFACE_KEY_NOT_ON_IMPLEMENTATION INTERFACE_OBJECT_USAGE_ERROR
INTERFACE_FIELD_NO_IMPLEM
DEFAULT_VALUE_USES_INACCESSIBLE DISALLOWED_INACCESSIBLE ONLY_INACCESSIBLE_CHILDREN REFERENCED_INACCESSIBLE
REQUIRED_INACCESSIBLE QUERY_ROOT_TYPE_INACCESSIBLE IMPLEMENTED_BY_INACCESSIBLE
"""


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


def _subgraph(title: str, body: str) -> tuple[str, str]:
    if title.endswith(" plain"):
        return title.removesuffix(" plain"), body
    return title, FEDERATION + body


def read_cases() -> list[Case]:
    found = []
    for path in sorted((Path(__file__).parent / "compose").glob("*.graphql.txt")):
        for block in path.read_text().split("### ")[1:]:
            head, *sections = block.split("\n## ")
            code, says = head.strip().split(" says ", 1)
            named = {name: body for name, _, body in (one.partition("\n") for one in sections)}
            new, old = named.pop("with").strip("\n"), named.pop("replace")
            found.append(Case(code, says, dict(_subgraph(*one) for one in named.items()), old, new))
    return found


def problems(**sdls: str) -> dict[str, list[str]]:
    """Code → messages of everything that composing these reports."""
    found: dict[str, list[str]] = {}
    try:
        compose([SubgraphDefinition(name, sdl) for name, sdl in sdls.items()])
    except CompositionFailed as failed:
        for one in failed.problems:
            found.setdefault(one.code, []).append(one.message)
    return found


@pytest.mark.parametrize("case", read_cases(), ids=lambda one: f"{one.code}: {one.says}")
def test_a_broken_rule_is_reported_and_its_remedy_is_accepted(case: Case) -> None:
    found = problems(**case.subgraphs)
    assert case.code in found
    assert any(case.says in message for message in found[case.code]), found[case.code]
    mended = case.mended()
    assert mended != case.subgraphs
    assert not problems(**mended)


@pytest.mark.parametrize("code", CODES.split())
def test_every_standard_code_has_a_case(code: str) -> None:
    assert any(case.code == code for case in read_cases())


def test_every_problem_is_reported_at_once() -> None:
    found = problems(
        a=FEDERATION + 'type Query { x: Int y(n: Int!): Int @shareable } type P @key(fields: "nope") { id: ID! }',
        b=FEDERATION + "type Query { x: String y: Int @shareable }",
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
