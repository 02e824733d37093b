"""Amounts that are rounded and divided: nothing is lost, nothing is made."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokoa.kernel.rounding import divided, part_of, percentage_of, percentage_within, pieces_of

AMOUNTS = st.integers(0, 2_000_000_000)
WEIGHTS = st.lists(st.integers(0, 2_000_000_000), min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("amount", "numerator", "denominator", "expected"),
    [(5, 1, 10, 1), (4, 1, 10, 0), (15, 1, 10, 2), (25, 1, 10, 3), (-5, 1, 10, -1), (-4, 1, 10, 0), (0, 7, 3, 0)],
)
def test_a_half_goes_away_from_zero(amount: int, numerator: int, denominator: int, expected: int) -> None:
    assert part_of(amount, numerator, denominator) == expected


@given(st.integers(-(10**12), 10**12), st.integers(0, 10**6), st.integers(1, 10**6))
def test_a_part_is_the_nearest_whole_and_its_own_mirror(amount: int, numerator: int, denominator: int) -> None:
    exact = Fraction(amount * numerator, denominator)
    found = part_of(amount, numerator, denominator)
    assert abs(found - exact) <= Fraction(1, 2)
    assert found == -part_of(-amount, numerator, denominator)
    if abs(found - exact) == Fraction(1, 2):
        assert abs(found) > abs(exact)


@given(AMOUNTS, st.integers(0, 10_000))
def test_what_was_added_is_found_within_again(net: int, basis_points: int) -> None:
    tax = percentage_of(net, basis_points)
    assert percentage_within(net + tax, basis_points) == tax


@given(AMOUNTS, WEIGHTS)
def test_parts_add_up_and_are_fair(amount: int, weights: list[int]) -> None:
    parts = divided(amount, weights)
    assert sum(parts) == amount
    counted = weights if sum(weights) else [1] * len(weights)
    for part, weight in zip(parts, counted, strict=True):
        assert abs(part - Fraction(amount * weight, sum(counted))) < 1
        assert part >= 0


@given(WEIGHTS, st.data())
def test_no_part_is_larger_than_what_it_is_taken_from(weights: list[int], data: st.DataObject) -> None:
    amount = data.draw(st.integers(0, sum(weights)))
    if sum(weights):
        assert all(part <= weight for part, weight in zip(divided(amount, weights), weights, strict=True))


@given(AMOUNTS, WEIGHTS)
def test_the_order_of_lines_changes_nothing(amount: int, weights: list[int]) -> None:
    shuffled = sorted(weights)
    if not sum(weights):
        return
    together = sorted(zip(weights, divided(amount, weights), strict=True))
    assert together == sorted(zip(shuffled, divided(amount, shuffled), strict=True))


def test_what_cannot_be_divided_is_said() -> None:
    assert divided(0, []) == []
    assert divided(5, [0, 0]) == [3, 2]
    for amount, weights in ((1, []), (-1, [1]), (1, [-1])):
        with pytest.raises(ValueError, match=r"divide|or more"):
            divided(amount, list(weights))


@given(AMOUNTS, st.integers(1, 1_000), st.data())
def test_pieces_are_never_more_than_their_share_and_all_of_them_are_the_amount(
    amount: int, pieces: int, data: st.DataObject
) -> None:
    count = data.draw(st.integers(0, pieces))
    found = pieces_of(amount, count, pieces)
    assert 0 <= Fraction(amount * count, pieces) - found < 1
    assert (pieces_of(amount, 0, pieces), pieces_of(amount, pieces, pieces)) == (0, amount)


@pytest.mark.parametrize(("amount", "count", "pieces"), [(-1, 1, 2), (1, -1, 2), (1, 3, 2)])
def test_there_are_no_more_pieces_than_there_are(amount: int, count: int, pieces: int) -> None:
    with pytest.raises(ValueError, match="pieces"):
        pieces_of(amount, count, pieces)
