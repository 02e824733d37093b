"""What codes take off: exact, shared without a rest, never more than there is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokoa.services.promotions.discounts.model import Discounts, Known, Line, Order, Refusal, discounts
from kokoa.services.promotions.model import Amount, Kind, Promotion, Rule

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
SOON = NOW + timedelta(seconds=1)


def promotion(code: str, kind: Kind = "PERCENT", **more: Any) -> Promotion:
    rule = {name: more.pop(name) for name in Rule.__struct_fields__ if name in more}
    if kind == "PERCENT":
        rule.setdefault("basis_points", 1_000)
    given_fields = {
        "active": True,
        "valid_from": None,
        "valid_to": None,
        "uses_max": None,
        "uses_per_customer_max": None,
        "stackable": False,
        "used": 0,
        **more,
    }
    return Promotion(code=code, name=code.title(), kind=kind, rule=Rule(**rule), version=1, **given_fields)


def order(*lines: Line, codes: tuple[str, ...] = ("A",), **more: Any) -> Order:
    return Order(codes, more.pop("currency", "EUR"), lines or (Line("1", "S1", 10_000),), **more)


def decided(wanted: Order, *known: Promotion | None, used_by_customer: int = 0) -> Discounts:
    return discounts(wanted, [None if one is None else Known(one, used_by_customer) for one in known], NOW)


EUROS = (Amount("EUR", 1_000),)


@pytest.mark.parametrize(
    ("one", "wanted", "reason"),
    [
        (None, order(), "UNKNOWN_CODE"),
        (promotion("A", active=False, valid_to=NOW), order(), "UNKNOWN_CODE"),
        (promotion("A", valid_from=NOW), order(), None),
        (promotion("A", valid_from=SOON), order(), "NOT_YET_VALID"),
        (promotion("A", valid_to=SOON), order(), None),
        (promotion("A", valid_to=NOW), order(), "EXPIRED"),
        (promotion("A", customer_groups=("vip",)), order(), "NOT_FOR_YOU"),
        (promotion("A", customer_groups=("vip", "b2b")), order(customer_groups=("b2b",)), None),
        (promotion("A", uses_per_customer_max=1), order(), "NOT_FOR_YOU"),
        (promotion("A", uses_per_customer_max=4), order(customer_id="c"), None),
        (promotion("A", uses_per_customer_max=3), order(customer_id="c"), "USED_UP"),
        (promotion("A", uses_max=5, used=4), order(), None),
        (promotion("A", uses_max=5, used=5), order(), "USED_UP"),
        (promotion("A", "FIXED", amounts=EUROS), order(), None),
        (promotion("A", "FIXED", amounts=EUROS), order(currency="USD"), "WRONG_CURRENCY"),
        (promotion("A", minimums=EUROS), order(currency="USD"), "WRONG_CURRENCY"),
        (promotion("A", minimums=EUROS), order(Line("1", None, 1_000)), None),
        (promotion("A", minimums=EUROS), order(Line("1", None, 999)), "MINIMUM_NOT_REACHED"),
        (promotion("A", skus=("S2",)), order(), "NOTHING_TO_DISCOUNT"),
        (promotion("A", "FIXED", amounts=EUROS, skus=("S2",)), order(), "NOTHING_TO_DISCOUNT"),
        (promotion("A"), order(Line("1", None, 4)), "NOTHING_TO_DISCOUNT"),
        (promotion("A"), order(Line("1", None, 0)), "NOTHING_TO_DISCOUNT"),
        (promotion("A", "FREE_SHIPPING"), order(), None),
    ],
)
def test_who_may_use_a_code_when_and_for_what(one: Promotion | None, wanted: Order, reason: Refusal | None) -> None:
    found = decided(wanted, one, used_by_customer=3)
    assert found.codes[0].reason == reason
    assert found.codes[0].accepted is (reason is None)
    assert (found.codes[0].name is None) is (reason is not None), "a refused code tells no more than why"
    if reason is not None:
        assert found.total_discount_minor == 0


def test_lines_by_article_and_by_category_with_what_is_below_it() -> None:
    one = promotion("A", skus=("S1",), category_paths=("furniture/chairs",))
    lines = (
        Line("sku", "S1", 1_000),
        Line("other", "s1", 1_000),
        Line("category", None, 1_000, 1, ("lamps", "furniture/chairs")),
        Line("below", None, 1_000, 1, ("furniture/chairs/oak",)),
        Line("above", None, 1_000, 1, ("furniture",)),
        Line("beside", None, 1_000, 1, ("furniture/chairsets",)),
    )
    found = decided(order(*lines), one)
    assert [one.discount_minor for one in found.lines] == [100, 0, 100, 100, 0, 0]


def test_a_fixed_amount_is_shared_without_a_rest() -> None:
    lines = (Line("1", None, 1_000), Line("2", None, 1_000), Line("3", None, 1_000))
    found = decided(order(*lines), promotion("A", "FIXED", amounts=EUROS))
    assert [one.discount_minor for one in found.lines] == [334, 333, 333]
    more = decided(order(Line("1", None, 700)), promotion("A", "FIXED", amounts=EUROS))
    assert more.discount_minor == 700, "never more than there is"


def test_delivery_is_free_and_lines_are_not() -> None:
    found = decided(order(shipping_minor=490), promotion("A", "FREE_SHIPPING"))
    assert (found.shipping_discount_minor, found.discount_minor, found.total_discount_minor) == (490, 0, 490)
    assert found.codes[0].shipping_discount_minor == 490


def test_the_first_codes_keep_out_those_that_cannot_be_combined() -> None:
    alone, one, two = promotion("ALONE"), promotion("ONE", stackable=True), promotion("TWO", stackable=True)

    def reasons(*known: Promotion | None) -> list[Refusal | None]:
        codes = tuple(known_.code if known_ else "NONE" for known_ in known)
        return [result.reason for result in decided(order(codes=codes), *known).codes]

    assert reasons(one, two) == [None, None]
    assert reasons(one, alone, two) == [None, "NOT_COMBINABLE", None]
    assert reasons(alone, one, two) == [None, "NOT_COMBINABLE", "NOT_COMBINABLE"]
    assert reasons(None, alone) == ["UNKNOWN_CODE", None], "what is refused keeps nobody out"


def test_percentages_come_first_and_are_of_the_full_amount() -> None:
    fixed = promotion("A", "FIXED", amounts=EUROS, stackable=True)
    ten, half = promotion("B", stackable=True), promotion("C", basis_points=5_000, stackable=True)
    found = decided(order(codes=("A", "C", "B")), fixed, half, ten)
    assert [one.discount_minor for one in found.codes] == [1_000, 5_000, 1_000]
    whole = promotion("B", basis_points=10_000, stackable=True)
    nothing_left = decided(order(codes=("A", "B")), fixed, whole)
    assert [one.reason for one in nothing_left.codes] == ["NOTHING_TO_DISCOUNT", None]
    assert nothing_left.discount_minor == 10_000


PROMOTIONS = st.builds(
    lambda kind, points, fixed, skus, stackable: promotion(
        "X",
        kind,
        stackable=stackable,
        **({"basis_points": points} if kind == "PERCENT" else {}),
        **({"amounts": (Amount("EUR", fixed),)} if kind == "FIXED" else {}),
        **({"skus": tuple(skus)} if kind != "FREE_SHIPPING" else {}),
    ),
    st.sampled_from(["PERCENT", "FIXED", "FREE_SHIPPING"]),
    st.integers(1, 10_000),
    st.integers(1, 50_000),
    st.lists(st.sampled_from("abc"), unique=True, max_size=2),
    st.booleans(),
)
LINES = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 20_000)), min_size=1, max_size=8)


@given(st.lists(PROMOTIONS, min_size=1, max_size=5), LINES, st.integers(0, 2_000))
def test_it_adds_up_and_nothing_is_below_zero(
    known: list[Promotion], given_lines: list[tuple[str, int]], shipping: int
) -> None:
    named = [msgspec.structs.replace(one, code=f"CODE{index}") for index, one in enumerate(known)]
    lines = tuple(Line(str(index), sku, amount) for index, (sku, amount) in enumerate(given_lines))
    wanted = order(*lines, codes=tuple(one.code for one in named), shipping_minor=shipping)
    found = decided(wanted, *named)
    for line, cut in zip(lines, found.lines, strict=True):
        assert 0 <= cut.discount_minor <= line.amount_minor
    assert 0 <= found.shipping_discount_minor <= shipping
    assert found.discount_minor == sum(one.discount_minor for one in found.lines)
    assert found.discount_minor == sum(one.discount_minor for one in found.codes)
    assert found.shipping_discount_minor == sum(one.shipping_discount_minor for one in found.codes)
    assert found.total_discount_minor == found.discount_minor + found.shipping_discount_minor
    accepted = [one for one, result in zip(named, found.codes, strict=True) if result.accepted]
    assert len(accepted) <= 1 or all(one.stackable for one in accepted)


@given(st.lists(PROMOTIONS, min_size=1, max_size=4), LINES, st.randoms(use_true_random=False))
def test_the_order_of_codes_that_combine_changes_no_amount(
    known: list[Promotion], given_lines: list[tuple[str, int]], random: Any
) -> None:
    named = [msgspec.structs.replace(one, code=f"CODE{index}", stackable=True) for index, one in enumerate(known)]
    lines = tuple(Line(str(index), sku, amount) for index, (sku, amount) in enumerate(given_lines))
    shuffled = list(named)
    random.shuffle(shuffled)
    first = decided(order(*lines, codes=tuple(one.code for one in named)), *named)
    second = decided(order(*lines, codes=tuple(one.code for one in shuffled)), *shuffled)
    assert first.lines == second.lines
    assert sorted(first.codes, key=lambda one: one.code) == sorted(second.codes, key=lambda one: one.code)
