"""Taxes of lines: exact, rounded once a line, and always adding up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokoa.kernel.places import Destination
from kokoa.services.taxes.errors import InvalidTaxInput
from kokoa.services.taxes.model import (
    Line,
    Percentage,
    Settings,
    Shipping,
    Table,
    is_reverse_charge,
    require_vat,
    tax,
    taxed,
)

AMOUNTS = st.integers(0, 1_000_000)
RATES = st.lists(st.integers(0, 10_000), max_size=4).map(
    lambda points: [Percentage(f"r{index}", f"Rate {index}", one) for index, one in enumerate(points)]
)
TABLES = st.builds(
    lambda standard, reduced, includes: Table(
        Settings("standard", includes), "z", includes, {"standard": standard, "reduced": reduced}
    ),
    RATES,
    RATES,
    st.booleans(),
)
LINES = st.lists(st.tuples(AMOUNTS, st.sampled_from(["standard", "reduced", "zero", None])), min_size=1, max_size=12)


@given(AMOUNTS, RATES, st.booleans(), st.booleans())
def test_net_and_tax_are_gross_and_rates_are_the_tax(
    amount: int, rates: list[Percentage], includes: bool, reverse: bool
) -> None:
    found = taxed(amount, rates, includes_tax=includes, reverse_charge=reverse)
    assert found.net_minor + found.tax_minor == found.gross_minor
    assert min(found.net_minor, found.tax_minor) >= 0
    assert sum(one.amount_minor for one in found.rates) == found.tax_minor
    assert all(one.amount_minor >= 0 for one in found.rates)
    if not reverse:
        assert amount == (found.gross_minor if includes else found.net_minor)
    else:
        assert found.tax_minor == 0
        assert found.net_minor == taxed(amount, rates, includes_tax=includes, reverse_charge=False).net_minor


@given(AMOUNTS, RATES)
def test_from_net_to_gross_and_back(amount: int, rates: list[Percentage]) -> None:
    added = taxed(amount, rates, includes_tax=False, reverse_charge=False)
    assert taxed(added.gross_minor, rates, includes_tax=True, reverse_charge=False) == added


@given(TABLES, LINES, st.one_of(st.none(), AMOUNTS), st.booleans())
def test_totals_are_sums_of_what_was_rounded(
    table: Table, given_lines: list[tuple[int, str | None]], shipping: int | None, reverse: bool
) -> None:
    lines = [Line(str(index), amount, None, None) for index, (amount, _) in enumerate(given_lines)]
    categories = [category for _, category in given_lines]
    delivery = None if shipping is None else Shipping(shipping, None)
    found = tax(table, lines, categories, delivery, currency="EUR", reverse_charge=reverse)
    parts = [*found.lines, found.shipping] if found.shipping is not None else list(found.lines)
    assert found.tax_minor == sum(one.tax_minor for one in parts)
    assert found.net_minor + found.tax_minor == found.gross_minor == sum(one.gross_minor for one in parts)
    assert sum(one.amount_minor for one in found.rates) == found.tax_minor
    if found.shipping is not None and not reverse:
        kept = found.shipping.gross_minor if table.includes_tax else found.shipping.net_minor
        assert kept == shipping, "what is shared over the lines adds up to what was given"


@given(TABLES, LINES, AMOUNTS)
def test_the_order_of_lines_changes_no_sum(
    table: Table, given_lines: list[tuple[int, str | None]], shipping: int
) -> None:
    alone = [(amount, category) for amount, category in dict(given_lines).items()]

    def totals(ordered: list[tuple[int, str | None]]) -> tuple[int, int, int]:
        lines = [Line(str(amount), amount, None, None) for amount, _ in ordered]
        found = tax(
            table,
            lines,
            [category for _, category in ordered],
            Shipping(shipping, None),
            currency="EUR",
            reverse_charge=False,
        )
        return found.net_minor, found.tax_minor, found.gross_minor

    assert totals(alone) == totals(alone[::-1]) == totals(sorted(alone, key=lambda one: one[0]))


def test_what_finland_takes() -> None:
    rates = {"standard": [Percentage("fi-s", "ALV 25,5 %", 2550)], "reduced": [Percentage("fi-r", "ALV 14 %", 1400)]}
    table = Table(Settings(), "fi", True, rates)
    lines = [Line("a", 12_550, None, None), Line("b", 1_140, None, None)]
    found = tax(table, lines, ["standard", "reduced"], Shipping(490, None), currency="EUR", reverse_charge=False)
    assert [(one.net_minor, one.tax_minor) for one in found.lines] == [(10_000, 2_550), (1_000, 140)]
    assert found.shipping is not None
    # 490 in proportion to 12,550 and 1,140: 449 at 25.5 %, 41 at 14 %.
    assert (found.shipping.net_minor, found.shipping.tax_minor) == (358 + 36, 91 + 5)
    assert [(one.key, one.amount_minor) for one in found.rates] == [("fi-r", 145), ("fi-s", 2_641)]


def test_a_state_and_a_county_are_rounded_together() -> None:
    rates = [Percentage("a", "State", 625), Percentage("b", "County", 300)]
    found = taxed(50, rates, includes_tax=False, reverse_charge=False)
    # 9.25 % of 50 is 4.625: 5, of which 2/3 the state's; each alone would be 3.125 and 1.5.
    assert (found.tax_minor, [one.amount_minor for one in found.rates]) == (5, [3, 2])


@pytest.mark.parametrize(
    ("seller", "destination", "number", "company", "expected"),
    [
        ("FI", "SE", "SE123456789012", None, True),
        ("FI", "GR", "EL123456789", None, True),
        ("FI", "DE", "SE123456789012", True, True),
        ("FI", "SE", "SE123456789012", False, False),
        ("FI", "SE", None, True, False),
        ("FI", "FI", "SE123456789012", None, False),
        ("FI", "SE", "FI12345678", None, False),
        ("FI", "NO", "NO123456789", None, False),
        ("FI", "SE", "NO123456789", None, False),
        ("NO", "SE", "SE123456789012", None, False),
        (None, "SE", "SE123456789012", None, False),
    ],
)
def test_who_owes_the_tax_across_a_border_of_the_eu(
    seller: str | None, destination: str, number: str | None, company: bool | None, expected: bool
) -> None:
    place = Destination(destination, "", "")
    assert is_reverse_charge(Settings(seller_country=seller), place, number, company) is expected


def test_the_form_of_vat_numbers() -> None:
    assert require_vat(" fi 1234-5678 ") == "FI12345678"
    assert require_vat(None) is None
    for bad in ("", "1", "12345678", "FI" + "1" * 30, "FI\x00123456"):
        with pytest.raises(InvalidTaxInput):
            require_vat(bad)


def test_more_than_can_be_told_is_refused() -> None:
    table = Table(Settings(), None, True, {})
    lines = [Line(str(index), 2_000_000_000, None, None) for index in range(2)]
    with pytest.raises(InvalidTaxInput):
        tax(table, lines, [None, None], None, currency="EUR", reverse_charge=False)
