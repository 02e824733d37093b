"""Plans, as text: what each operation fetches, from whom, and what waits for what."""

import time
from textwrap import dedent

import pytest
from gateway_fakes import CATALOG, REVIEWS, SEARCH, composed, planned

from kokoa.gateway.plan import PlanTooComplex
from kokoa.gateway.supergraph import Supergraph

SHOP = composed(catalog=CATALOG, search=SEARCH, reviews=REVIEWS)


def check(text: str, expected: str, supergraph: Supergraph = SHOP, **assignment: bool) -> None:
    assert str(planned(supergraph, text, **assignment)) == dedent(expected).strip("\n")


def test_one_subgraph_is_asked_once_and_verbatim() -> None:
    plan = planned(SHOP, "query ($n: Int!) { products(limit: $n) { name id } }")
    assert plan.verbatim
    assert plan.fetches[0].variables == ("n",)
    check(
        "query ($n: Int!) { products(limit: $n) { name id } }",
        """
        0 catalog
          query($n: Int!) {
            products(limit: $n) {
              name
              id
            }
          }
        """,
    )


def test_an_entity_is_joined_by_its_key_and_root_fields_do_not_wait_for_each_other() -> None:
    check(
        '{ search(q: "lamp") { items { name } } products { id } }',
        """
        0 search
          query {
            search(q: "lamp") {
              items {
                id
              }
            }
          }
        1 catalog
          query {
            products {
              id
            }
          }
        2 catalog after 0 at search.items
          Product by { id }
          query($representations: [_Any!]!) {
            _entities(representations: $representations) {
              ... on Product {
                name
              }
            }
          }
        """,
    )


def test_fetches_for_the_same_objects_start_together_and_what_is_required_comes_first() -> None:
    check(
        '{ search(q: "x") { items { name rating variants { shipping } } } }',
        """
        0 search
          query {
            search(q: "x") {
              items {
                id
              }
            }
          }
        1 catalog after 0 at search.items
          Product by { id }
          query($representations: [_Any!]!) {
            _entities(representations: $representations) {
              ... on Product {
                name
                variants {
                  id
                  weight
                }
              }
            }
          }
        2 reviews after 0 at search.items
          Product by { id }
          query($representations: [_Any!]!) {
            _entities(representations: $representations) {
              ... on Product {
                rating
              }
            }
          }
        3 reviews after 1 at search.items.variants
          Variant by { id weight }
          query($representations: [_Any!]!) {
            _entities(representations: $representations) {
              ... on Variant {
                shipping
              }
            }
          }
        """,
    )


def test_conditions_are_decided_before_planning_so_nothing_is_fetched_in_vain() -> None:
    text = "query ($r: Boolean!) { products { name rating @include(if: $r) } }"
    assert [fetch.subgraph for fetch in planned(SHOP, text, r=True).fetches] == ["catalog", "reviews"]
    assert [fetch.subgraph for fetch in planned(SHOP, text, r=False).fetches] == ["catalog"]


def test_a_key_gets_another_name_where_the_client_uses_it_for_something_else() -> None:
    check(
        "{ products { id: name rating } }",
        """
        0 catalog
          query {
            products {
              id: name
              _id_1: id
            }
          }
        1 reviews after 0 at products
          Product by { _id_1 as id }
          query($representations: [_Any!]!) {
            _entities(representations: $representations) {
              ... on Product {
                rating
              }
            }
          }
        """,
    )


def test_a_client_may_call_its_own_variable_representations() -> None:
    plan = planned(SHOP, "query ($representations: ID!) { product(id: $representations) { rating } }")
    assert plan.fetches[1].groups[0].variable == "_representations"
    assert "$_representations: [_Any!]!" in plan.fetches[1].document


def test_mutations_wait_for_each_other_but_neighbours_of_one_subgraph_share_a_fetch() -> None:
    check(
        """mutation { a: rename(id: 1, name: "x") { name } b: rename(id: 2, name: "y") { rating } reindex
                      c: rename(id: 3, name: "z") { id } }""",
        """
        0 catalog
          mutation {
            a: rename(id: 1, name: "x") {
              name
            }
            b: rename(id: 2, name: "y") {
              id
            }
          }
        1 reviews after 0 at b
          Product by { id }
          query($representations: [_Any!]!) {
            _entities(representations: $representations) {
              ... on Product {
                rating
              }
            }
          }
        2 search after 1
          mutation {
            reindex
          }
        3 catalog after 2
          mutation {
            c: rename(id: 3, name: "z") {
              id
            }
          }
        """,
    )


def test_fetches_of_one_subgraph_and_stage_are_one_request_and_equal_ones_one_list() -> None:
    check(
        """{ product(id: 1) { rating } products { rating reviews { body } }
             search(q: "x") { items { rating } } }""",
        """
        0 catalog
          query {
            product(id: 1) {
              id
            }
            products {
              id
            }
          }
        1 search
          query {
            search(q: "x") {
              items {
                id
              }
            }
          }
        2 reviews after 0, 1
          _entities_0 at product, search.items
            Product by { id }
          _entities_1 at products
            Product by { id }
          query($representations_0: [_Any!]!, $representations_1: [_Any!]!) {
            _entities_0: _entities(representations: $representations_0) {
              ... on Product {
                rating
              }
            }
            _entities_1: _entities(representations: $representations_1) {
              ... on Product {
                rating
                reviews {
                  body
                }
              }
            }
          }
        """,
    )


def test_a_progressive_override_has_a_plan_for_each_side() -> None:
    new = """type Product @key(fields: "id") {
               id: ID! name: String! @override(from: "catalog", label: "percent(10)") }"""
    supergraph = composed(catalog=CATALOG, new=new)
    assert supergraph.override_labels == ("percent(10)",)
    on = planned(supergraph, "{ products { name } }", labels=frozenset({"percent(10)"}))
    assert [fetch.subgraph for fetch in on.fetches] == ["catalog", "new"]
    assert [fetch.subgraph for fetch in planned(supergraph, "{ products { name } }").fetches] == ["catalog"]


def test_a_choice_that_looks_worse_is_taken_if_the_whole_plan_is_better_for_it() -> None:
    """`p` alone is as cheap in `a` as in `b`; what is below it decides."""
    supergraph = composed(
        a='type Query { p: P @shareable } type P @key(fields: "id") { id: ID! }',
        b='type Query { p: P @shareable q: Int } type P @key(fields: "id") { id: ID! link: L } type L { deep: M }'
        ' type M @key(fields: "id") { id: ID! x: Int }',
    )
    assert [fetch.subgraph for fetch in planned(supergraph, "{ p { link { deep { x } } } q }").fetches] == ["b"]


def test_a_requirement_may_come_back_to_the_subgraph_that_requires_it() -> None:
    supergraph = composed(
        a="""type Query { feed: [Post] } type Post @key(fields: "id") {
               id: ID! isNew: Boolean @external isOld: Boolean @requires(fields: "isNew") }
             type Author @key(fields: "id") { id: ID! years: Int }""",
        b="""type Post @key(fields: "id") {
               id: ID! author: Author isNew: Boolean @requires(fields: "author { years }") }
             type Author @key(fields: "id") { id: ID! years: Int @external }""",
    )
    plan = planned(supergraph, "{ feed { isOld } }")
    assert [(fetch.subgraph, fetch.after) for fetch in plan.fetches] == [
        ("a", ()),
        ("b", (0,)),
        ("a", (1,)),
        ("b", (2,)),
        ("a", (3,)),
    ]


def test_a_subscription_is_a_root_fetch_and_what_each_event_needs() -> None:
    live = """type Subscription { changed: Product }
              type Product @key(fields: "id", resolvable: false) { id: ID! }"""
    supergraph = composed(catalog=CATALOG, reviews=REVIEWS, live=live)
    plan = planned(supergraph, "subscription { changed { id rating } }")
    assert [(fetch.subgraph, fetch.after) for fetch in plan.fetches] == [("live", ()), ("reviews", (0,))]
    assert plan.fetches[0].document.startswith("subscription {")


def test_hidden_fields_are_not_fetched() -> None:
    plan = planned(SHOP, "{ products { name rating } }", hidden=frozenset({"Product.rating"}))
    assert [fetch.subgraph for fetch in plan.fetches] == ["catalog"]
    assert not plan.verbatim


def test_an_override_takes_the_field_to_its_new_owner() -> None:
    pricing = 'type Product @key(fields: "id") { id: ID! name: String! @override(from: "catalog") }'
    supergraph = composed(catalog=CATALOG, pricing=pricing)
    plan = planned(supergraph, "{ products { id name } }")
    assert [fetch.subgraph for fetch in plan.fetches] == ["catalog", "pricing"]
    assert "name" not in plan.fetches[0].document


def test_what_is_provided_on_the_way_is_not_fetched_again() -> None:
    supergraph = composed(
        a="""type Query { best: P @provides(fields: "name") }
             type P @key(fields: "id") { id: ID! name: String @external }""",
        b='type Query { all: [P] } type P @key(fields: "id") { id: ID! name: String @shareable size: Int }',
    )
    assert [fetch.subgraph for fetch in planned(supergraph, "{ best { name } }").fetches] == ["a"]
    assert [fetch.subgraph for fetch in planned(supergraph, "{ best { name size } }").fetches] == ["a", "b"]


def test_a_key_may_lead_through_a_third_subgraph() -> None:
    supergraph = composed(
        a='type Query { p: P } type P @key(fields: "id") { id: ID! }',
        b='type P @key(fields: "id") @key(fields: "sku") { id: ID! sku: ID! }',
        c='type P @key(fields: "sku") { sku: ID! stock: Int }',
    )
    plan = planned(supergraph, "{ p { stock } }")
    assert [(fetch.subgraph, fetch.after) for fetch in plan.fetches] == [("a", ()), ("b", (0,)), ("c", (1,))]


def test_a_subgraph_is_asked_again_where_its_answer_depends_on_anothers_that_depends_on_its_own() -> None:
    supergraph = composed(
        a="""type Query { p: P } type P @key(fields: "id") {
               id: ID! size: Int! weight: Int @external shipping: Int @requires(fields: "weight") label: String }""",
        b='type P @key(fields: "id") { id: ID! size: Int! @external weight: Int @requires(fields: "size") }',
        c='type Query { q: Q } type Q { p: P } type P @key(fields: "id", resolvable: false) { id: ID! }',
    )
    plan = planned(supergraph, "{ q { p { label shipping } } }")
    assert [(fetch.subgraph, fetch.after) for fetch in plan.fetches] == [
        ("c", ()),
        ("a", (0,)),
        ("b", (1,)),
        ("a", (2,)),
    ]


def test_of_several_keys_the_one_that_is_at_hand_is_used() -> None:
    supergraph = composed(
        a='type Query { p: P } type P @key(fields: "sku") { sku: ID! }',
        b='type P @key(fields: "id") @key(fields: "sku") { id: ID! sku: ID! size: Int }',
        c='type P @key(fields: "id") { id: ID! }',
    )
    plan = planned(supergraph, "{ p { size } }")
    assert [fetch.subgraph for fetch in plan.fetches] == ["a", "b"]
    assert str(plan.fetches[1].groups[0].entities[0].needs[0]) == "sku"


def test_nested_keys_and_compound_keys() -> None:
    supergraph = composed(
        a="""type Query { p: P } type Brand { id: ID! @shareable }
             type P @key(fields: "brand { id } sku") { sku: ID! brand: Brand! }""",
        b="""type P @key(fields: "sku brand { id }") { sku: ID! brand: Brand! stock: Int }
             type Brand { id: ID! @shareable }""",
    )
    check(
        "{ p { stock } }",
        """
        0 a
          query {
            p {
              sku
              brand {
                id
              }
            }
          }
        1 b after 0 at p
          P by { sku brand { id } }
          query($representations: [_Any!]!) {
            _entities(representations: $representations) {
              ... on P {
                stock
              }
            }
          }
        """,
        supergraph,
    )


def test_abstract_types_are_taken_apart_only_where_needed() -> None:
    supergraph = composed(
        a="""type Query { all: [Item!]! } interface Item { id: ID! name: String }
             type Book implements Item @key(fields: "id") { id: ID! name: String }
             type Film implements Item @key(fields: "id") { id: ID! name: String }""",
        b='type Book @key(fields: "id") { id: ID! pages: Int }',
    )
    check(
        "{ all { name ... on Book { pages } } }",
        """
        0 a
          query {
            all {
              __typename
              name
              ... on Book {
                id
              }
            }
          }
        1 b after 0 at all
          Book by { id } if Book
          query($representations: [_Any!]!) {
            _entities(representations: $representations) {
              ... on Book {
                pages
              }
            }
          }
        """,
        supergraph,
    )


def test_shared_values_are_asked_where_they_can_be_answered_whole() -> None:
    supergraph = composed(
        a="type Query { v: V @shareable } type V { x: Int @shareable }",
        b="type Query { v: V @shareable } type V { x: Int @shareable y: Int }",
    )
    assert [fetch.subgraph for fetch in planned(supergraph, "{ v { x y } }").fetches] == ["b"]
    split = composed(
        a="type Query { v: V @shareable } type V { x: Int }",
        b="type Query { v: V @shareable } type V { y: Int }",
    )
    plan = planned(split, "{ v { x y } }")
    assert [(fetch.subgraph, fetch.after) for fetch in plan.fetches] == [("a", ()), ("b", ())]


def test_the_number_of_fetches_is_bounded() -> None:
    """One client's request must not become a flood of requests to subgraphs."""
    text = "mutation {" + "".join(f' a{n}: rename(id: 1, name: "x") {{ id }} b{n}: reindex' for n in range(60)) + "}"
    with pytest.raises(PlanTooComplex, match="needs 120 requests to subgraphs; at most 100"):
        planned(SHOP, text)


def test_planning_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kokoa.gateway.plan.bounds.STEPS_MAX", 10)
    with pytest.raises(PlanTooComplex, match="more than 10 steps"):
        planned(SHOP, "{ products { name rating variants { shipping sku } } }")


def test_a_hostile_operation_is_refused_in_bounded_time() -> None:
    """Three levels of fragments on twenty types stand for 64,000 places to ask about."""
    names = [f"T{number}" for number in range(20)]
    own = [f'type {name} implements N @key(fields: "id") {{ id: ID! next: N }}' for name in names]
    more = [f'type {name} implements N @key(fields: "id") {{ id: ID! b{name}: N }}' for name in names]
    interface = "interface N { id: ID! }"
    supergraph = composed(a=" ".join(("type Query { n: N }", interface, *own)), b=" ".join((interface, *more)))
    fragments = ["fragment F0 on N { id }"]
    for level in range(3):
        branches = (f"... on {name} {{ next {{ ...F{level} }} b{name} {{ ...F{level} }} }}" for name in names)
        fragments.append(f"fragment F{level + 1} on N {{ {' '.join(branches)} }}")
    began = time.monotonic()
    with pytest.raises(PlanTooComplex, match="Ask for less at once"):
        planned(supergraph, f"{{ n {{ ...F3 }} }} {' '.join(fragments)}")
    assert time.monotonic() - began < 30
