"""Filters become statements: bounded, of known parts only, every value a parameter."""

import re
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kokoa.kernel.errors import Invalid
from kokoa.services.catalog.lists.filters import CONDITIONS_MAX, read_filter
from kokoa.services.catalog.lists.model import AllOf, Filter, Sort, beyond
from kokoa.services.catalog.lists.statements import count_statement, list_statement
from kokoa.services.catalog.lists.store import shown

HOSTILE = "'; DROP TABLE products; -- {0} {conditions} $9"
TEXTS = st.sampled_from([HOSTILE, "lamp", "", "ab", "a\x00", "\ud800", "x" * 500]) | st.text(max_size=10)
LISTS = st.lists(TEXTS, max_size=3)
PLAIN = st.fixed_dictionaries(
    {},
    optional={
        "ids": LISTS,
        "status": st.lists(st.sampled_from(["DRAFT", "PUBLISHED", "ARCHIVED"]), max_size=3),
        "category": TEXTS,
        "category_id": TEXTS,
        "include_subcategories": st.booleans(),
        "name_contains": TEXTS,
        "name_prefix": TEXTS,
        "currency": st.sampled_from(["EUR", "eur", "E'R", ""]),
        "min_price_minor": st.integers(-5, 5),
        "max_price_minor": st.integers(-5, 5),
        "skus": LISTS,
        "external_references": LISTS,
    },
)
FILTERS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    PLAIN,
    lambda inner: st.fixed_dictionaries(
        {}, optional={"and": st.lists(inner, max_size=3), "or": st.lists(inner, max_size=3), "not": inner}
    ),
    max_leaves=12,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no finding
@given(FILTERS, st.booleans())
def test_any_filter_is_refused_or_becomes_a_statement_whose_values_are_parameters(
    wanted: dict[str, Any], published_only: bool
) -> None:
    read = read_or_refused(wanted)
    if isinstance(read, Invalid):
        assert read.field.startswith("filter")
        return
    read = shown(read, published_only=published_only)
    for text, values in statements_of(read):
        assert "environment_id = $1 AND " in text
        assert ("status = 'PUBLISHED'" in text) == published_only
        assert "DROP" not in text
        assert not re.search(r"[{}]", text)
        parameters = {int(number) for number in re.findall(r"\$(\d+)", text)}
        assert parameters == set(range(1, len(values) + 2))
        assert text.count("/*") <= 9 * CONDITIONS_MAX


def read_or_refused(wanted: dict[str, Any]) -> Filter | Invalid:
    try:
        return read_filter(wanted)
    except Invalid as error:
        return error


def statements_of(read: Filter) -> list[tuple[str, list[Any]]]:
    from_here = AllOf((read, beyond((HOSTILE, "an id"), Sort())))
    return [
        list_statement(read, Sort("PRICE"), backwards=True, limit=5, offset=0),
        list_statement(from_here, Sort(), backwards=False, limit=5, offset=0),
        count_statement(read),
        list_statement(read, Sort("CREATED"), backwards=False, limit=5, offset=5_000),
    ]
