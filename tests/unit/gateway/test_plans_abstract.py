"""Plans, as text, where objects of several types may stand, or where a subgraph does not know which."""

from textwrap import dedent

import pytest
from gateway_fakes import composed, planned

from kokoa.gateway.supergraph import Supergraph

MEDIA = """
type Query { media: [Media] }
interface Media @key(fields: "id") { id: ID! title: String }
type Film implements Media @key(fields: "id") { id: ID! title: String minutes: Int }
type Song implements Media @key(fields: "id") { id: ID! title: String beats: Int }
"""
RATINGS = """
type Query { best: [Media] }
type Media @key(fields: "id") @interfaceObject {
  id: ID! stars: Int title: String @external blurb: String @requires(fields: "title") }
"""
SHELF = composed(media=MEDIA, ratings=RATINGS)


def check(supergraph: Supergraph, text: str, expected: str) -> None:
    assert str(planned(supergraph, text)) == dedent(expected).strip("\n")


def test_an_interface_object_answers_for_all_members_at_once() -> None:
    check(
        SHELF,
        "{ media { stars ... on Film { minutes } } }",
        """
        0 media
          query {
            media {
              __typename
              id
              ... on Film {
                minutes
              }
            }
          }
        1 ratings after 0 at media
          Media by { id }
          query($representations: [_Any!]!) {
            _entities(representations: $representations) {
              ... on Media {
                stars
              }
            }
          }
        """,
    )


def test_types_are_not_asked_for_where_the_answer_does_not_depend_on_them() -> None:
    plan = planned(SHELF, "{ best { id stars } }")
    assert [fetch.subgraph for fetch in plan.fetches] == ["ratings"]
    assert "__typename" not in plan.fetches[0].document
    assert [(str(one.path[0]), one.type_name) for one in plan.assumed] == [("best", "Film")]


@pytest.mark.parametrize("selection", ["stars __typename", "stars ... on Film { minutes }", "... on Song { stars }"])
def test_types_are_found_out_where_the_answer_depends_on_them(selection: str) -> None:
    plan = planned(SHELF, f"{{ best {{ {selection} }} }}")
    assert [fetch.subgraph for fetch in plan.fetches] == ["ratings", "media"]
    assert "... on Media" in plan.fetches[1].document
    assert "__typename" in plan.fetches[1].document
    assert not plan.assumed


def test_what_an_interface_object_requires_is_gathered_from_the_interface() -> None:
    check(
        SHELF,
        "{ best { blurb } }",
        """
        0 ratings
          query {
            best {
              id
            }
          }
        1 media after 0 at best
          Media by { id }
          query($representations: [_Any!]!) {
            _entities(representations: $representations) {
              ... on Media {
                title
              }
            }
          }
        2 ratings after 1 at best
          Media by { id title }
          query($representations: [_Any!]!) {
            _entities(representations: $representations) {
              ... on Media {
                blurb
              }
            }
          }
        """,
    )


def test_an_interface_and_its_members_are_asked_about_in_lists_of_their_own() -> None:
    """Entities of the interface are of a member type too: in one list they would be asked for what is not theirs."""
    supergraph = composed(
        lists="""type Query { all: [Media] } interface Media { id: ID! }
                 type Film implements Media @key(fields: "id") { id: ID! cut: Int }
                 type Song implements Media @key(fields: "id") { id: ID! }""",
        media="""interface Media @key(fields: "id") { id: ID! title: String }
                 type Film implements Media @key(fields: "id") {
                   id: ID! title: String cut: Int @external label: String @requires(fields: "cut") }
                 type Song implements Media @key(fields: "id") { id: ID! title: String }""",
        ratings="""type Query { best: [Media] }
                   type Media @key(fields: "id") @interfaceObject { id: ID! stars: Int }""",
    )
    plan = planned(supergraph, "{ all { ... on Film { label } } best { title } }")
    (fetch,) = (one for one in plan.fetches if one.subgraph == "media")
    assert [[str(each) for each in group.entities] for group in fetch.groups] == [
        ["Film by { id cut } if Film"],
        ["Media by { id }"],
    ]


def test_lists_of_abstract_objects_are_read_from_one_subgraph_only() -> None:
    """Two subgraphs may know unlike members, so that their lists would not match item for item."""
    supergraph = composed(
        a="""type Query { all: [Thing] @shareable } union Thing = Cup | Pot
             type Cup @key(fields: "id") { id: ID! size: Int } type Pot @key(fields: "id") { id: ID! }""",
        b="""type Query { all: [Thing] @shareable } union Thing = Cup | Pot
             type Cup @key(fields: "id") { id: ID! } type Pot @key(fields: "id") { id: ID! lid: Int }""",
    )
    plan = planned(supergraph, "{ all { ... on Cup { size } ... on Pot { lid } } }")
    assert [(fetch.subgraph, bool(fetch.groups)) for fetch in plan.fetches] == [("a", False), ("b", True)]


def test_members_that_only_some_of_the_possible_subgraphs_know_are_left_out() -> None:
    """The answer must not depend on whom the gateway happens to ask."""
    supergraph = composed(
        a="""type Query { one: Thing @shareable } union Thing = Cup | Pot
             type Cup { x: Int @shareable } type Pot { y: Int }""",
        b="""type Query { one: Thing @shareable } union Thing = Cup | Jar
             type Cup { x: Int @shareable } type Jar { z: Int }""",
    )
    (fetch,) = planned(supergraph, "{ one { ... on Cup { x } ... on Pot { y } ... on Jar { z } } }").fetches
    assert "Cup" in fetch.document
    assert "Pot" not in fetch.document
    assert "Jar" not in fetch.document


def test_a_key_of_unlike_types_gets_another_name_and_is_renamed_when_it_arrives() -> None:
    supergraph = composed(
        a="type Query { cup: Cup } type Cup @shareable { id: ID }",
        b="""type Query { all: [Thing] } union Thing = Cup | Pot
             type Cup @shareable { id: ID! } type Pot { id: ID }""",
    )
    (fetch,) = planned(supergraph, "{ all { ... on Cup { id } ... on Pot { id } } }").fetches
    assert "_id_1: id" in fetch.document
    assert [(one.alias, one.key) for one in fetch.renames] == [("_id_1", "id")]


def test_a_requirement_may_name_interfaces_and_their_members() -> None:
    supergraph = composed(
        a="""type Query { e: E } type E @key(fields: "id") { id: ID! data: Shape }
             interface Shape { x: Int } type Dot implements Shape { x: Int @shareable }
             type Box implements Shape { x: Int @shareable w: Int @shareable }""",
        b="""type E @key(fields: "id") { id: ID! data: Shape @external
               text: String @requires(fields: "data { x ... on Box { w } }") }
             interface Shape { x: Int } type Dot implements Shape { x: Int @shareable }
             type Box implements Shape { x: Int @shareable w: Int @shareable }""",
    )
    plan = planned(supergraph, "{ e { text } }")
    (entities,) = plan.fetches[1].groups[0].entities
    assert str(entities) == "E by { id data { Box|Dot:x Box:w } }"
