"""What subgraphs become: types merged, directives kept, overrides and interface objects in the model."""

import pytest
from gateway_fakes import FEDERATION, composed
from graphql import GraphQLSchema, get_named_type, is_input_object_type, is_interface_type, is_object_type, print_ast
from graphql.utilities import print_schema, print_type

from kokoa.gateway.compose import CompositionFailed, compose
from kokoa.gateway.compose.rules import satisfiability
from kokoa.gateway.supergraph import SubgraphDefinition

COST = FEDERATION.replace('"@tag"', '"@tag", "@cost", "@listSize"')


def shown(schema: GraphQLSchema, name: str) -> str:
    named = schema.get_type(name)
    assert named is not None
    return " ".join(print_type(named).split())


def directives_on_field(schema: GraphQLSchema, type_name: str, field_name: str) -> list[str]:
    named = schema.get_type(type_name)
    assert is_object_type(named) or is_interface_type(named) or is_input_object_type(named)
    node = named.fields[field_name].ast_node
    assert node is not None
    return [print_ast(one) for one in node.directives or ()]


def test_what_is_inaccessible_is_in_the_full_schema_only() -> None:
    graph = composed(
        a="""type Query { p(by: Int @inaccessible): P  e: E }
             type P @key(fields: "id") { id: ID! hidden: H @inaccessible }
             type H @inaccessible { x: Int }
             enum E { A B @inaccessible }
             union U = P | H""",
    )
    assert "hidden" not in print_schema(graph.schema)
    assert graph.schema.get_type("H") is None
    assert shown(graph.schema, "E") == "enum E { A }"
    assert shown(graph.schema, "U") == "union U = P"
    assert shown(graph.schema, "Query") == "type Query { p: P e: E }"
    assert shown(graph.full, "P") == "type P { id: ID! hidden: H }"
    assert shown(graph.full, "Query") == "type Query { p(by: Int): P e: E }"


def test_the_full_schema_is_the_schema_where_nothing_is_hidden() -> None:
    graph = composed(a="type Query { x: Int }")
    assert graph.full is graph.schema


def test_an_interface_object_gives_its_fields_to_every_object_of_the_interface() -> None:
    graph = composed(
        a="""type Query { media: [Media] }
             interface Media @key(fields: "id") { id: ID! }
             type Book implements Media @key(fields: "id") { id: ID! pages: Int }
             type Film implements Media @key(fields: "id") { id: ID! }""",
        b='type Media @key(fields: "id") @interfaceObject { id: ID! likes: Int! } type Query { top: Media }',
    )
    assert shown(graph.schema, "Media") == "interface Media { id: ID! likes: Int! }"
    assert shown(graph.schema, "Book") == "type Book implements Media { id: ID! pages: Int likes: Int! }"
    assert graph.subgraphs["b"].interface_objects == {"Media"}
    assert graph.interface_object_fields["Film", "likes"] == (("b", "Media"),)
    assert ("Book", "pages") not in graph.interface_object_fields


def test_an_override_takes_a_field_for_good_or_while_a_label_is_on() -> None:
    graph = composed(
        a='type Query { p: P } type P @key(fields: "id") { id: ID! x: Int y: Int }',
        b="""type P @key(fields: "id") {
               id: ID! x: Int @override(from: "a") y: Int @override(from: "a", label: "percent(5)") }""",
    )
    old, new = graph.subgraphs["a"].joins, graph.subgraphs["b"].joins
    assert (old["P", "x"].resolvable, new["P", "x"].resolvable) == (False, True)
    assert (old["P", "y"].resolvable, old["P", "y"].overridden_label) == (True, "percent(5)")
    assert (new["P", "y"].resolvable, new["P", "y"].override_label) == (True, "percent(5)")
    assert graph.override_labels == ("percent(5)",)


def test_an_override_of_what_is_not_there_changes_nothing() -> None:
    graph = composed(a='type Query { x: Int @override(from: "gone") }')
    assert graph.subgraphs["a"].resolves("Query", "x")


def test_federation_1_needs_no_directives_to_share_and_may_mention_fields_for_nothing() -> None:
    graph = compose(
        [
            SubgraphDefinition(
                "a", 'type Query { p: P v: V } type P @key(fields: "id") { id: ID! w: Int } type V { n: Int }'
            ),
            SubgraphDefinition(
                "b",
                """extend type P @key(fields: "id") { id: ID! @external w: Int @external rated: V }
                   type V { n: Int }
                   extend type Query { best: P }""",
            ),
        ]
    )
    joins = graph.subgraphs["b"].joins
    assert joins["P", "id"].resolvable
    assert ("P", "w") not in joins
    assert shown(graph.schema, "P") == "type P { id: ID! w: Int rated: V }"


def test_a_key_that_is_external_on_a_defined_type_is_not_answered_there() -> None:
    with pytest.raises(CompositionFailed, match=r"P\.id cannot be answered in `query \{ p \{ id \} \}`"):
        composed(
            a='type Query { p: P } type P @key(fields: "id") { id: ID! @external x: Int }',
            b='type P @key(fields: "id") { id: ID! }',
        )
    extended = composed(
        a='type Query { p: P } extend type P @key(fields: "id") { id: ID! @external x: Int }',
        b='type P @key(fields: "id") { id: ID! }',
    )
    assert extended.subgraphs["a"].resolves("P", "id")


def test_types_are_merged_so_that_every_answer_fits() -> None:
    graph = composed(
        a="""type Query { v: V! @shareable all(e: In, by: In2 = {a: 1}): U @shareable }
             type V @shareable { x: Int! list: [Int!]! e: Out }
             union U = V
             enum In { A B } enum Out { A B } input In2 { a: Int! b: Int = 1 onlyA: Int }""",
        b="""type Query { v: V @shareable all(e: In, by: In2): U @shareable }
             type V @shareable { x: Int list: [Int!] } type W { y: Int }
             union U = W
             enum In { B C } enum Out { B C } input In2 { a: Int b: Int = 1 onlyB: Int }""",
    )
    assert (
        shown(graph.schema, "Query") == "type Query { v: V all(e: In, by: In2): U }"
    )  # a default that not all have is none
    assert shown(graph.schema, "V") == "type V { x: Int list: [Int!] e: Out }"
    assert shown(graph.schema, "U") == "union U = V | W"
    assert shown(graph.schema, "In") == "enum In { B }"
    assert shown(graph.schema, "Out") == "enum Out { A B C }"
    assert shown(graph.schema, "In2") == "input In2 { a: Int! b: Int = 1 }"


def test_what_several_subgraphs_demand_of_a_caller_is_all_demanded() -> None:
    graph = composed(
        a='type Query { x: Int @shareable @requiresScopes(scopes: [["a"], ["b", "c"]]) }',
        b='type Query { x: Int @shareable @requiresScopes(scopes: [["c"], ["d"]]) @authenticated }',
    )
    found = directives_on_field(graph.schema, "Query", "x")
    assert found == ['@requiresScopes(scopes: [["a", "c"], ["a", "d"], ["b", "c"]])', "@authenticated"]


def test_costs_are_those_of_the_dearest_subgraph() -> None:
    link = COST.splitlines()[0] + "\n"
    graph = compose(
        [
            SubgraphDefinition(
                "a",
                link + "type Query { x(first: Int): [Int] @shareable @cost(weight: 2) "
                '@listSize(assumedSize: 5, slicingArguments: ["first"]) }',
            ),
            SubgraphDefinition(
                "b",
                link + "type Query { x(first: Int): [Int] @shareable @cost(weight: 7) @listSize(assumedSize: 9) }",
            ),
        ]
    )
    assert directives_on_field(graph.schema, "Query", "x") == [
        "@cost(weight: 7)",
        '@listSize(assumedSize: 9, slicingArguments: ["first"])',
    ]
    assert graph.schema.get_directive("cost") is None


def test_root_types_have_their_standard_names() -> None:
    graph = compose(
        [
            SubgraphDefinition(
                "a", "schema { query: Q mutation: M } type Q { x: M2 } type M { y: Int } type M2 { q: Q }"
            ),
            SubgraphDefinition("b", "type Mutation { z: Int }"),
        ]
    )
    assert shown(graph.schema, "Query") == "type Query { x: M2 }"
    assert shown(graph.schema, "Mutation") == "type Mutation { y: Int z: Int }"
    m2 = graph.schema.get_type("M2")
    assert is_object_type(m2)
    assert get_named_type(m2.fields["q"].type).name == "Query"


def test_subgraphs_that_did_not_change_are_not_read_again() -> None:
    one = SubgraphDefinition("a", FEDERATION + "type Query { x: Int }")
    first = compose([one, SubgraphDefinition("b", FEDERATION + "type Query { y: Int }")])
    second = compose([one, SubgraphDefinition("b", FEDERATION + "type Query { z: Int }")])
    assert first.subgraphs["a"].schema is second.subgraphs["a"].schema


def test_a_graph_too_tangled_to_check_is_refused() -> None:
    graph = composed(
        a='type Query { p: P } type P @key(fields: "id") { id: ID! q: Q } type Q { x: Int }',
    )
    assert not list(satisfiability.check(graph))
    (problem,) = satisfiability.check(graph, states_max=1)
    assert problem.code == "MAX_VALIDATION_SUBGRAPH_PATHS_EXCEEDED"
