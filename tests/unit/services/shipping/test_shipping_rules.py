"""What delivery costs: bands, what is free, what is not sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokoa.services.shipping.model import Band, Basis, Method, Option, Parcel, Rate, options_of, price_of

NUMBERS = st.integers(0, 1_000_000)


def rate(basis: Basis, *bands: tuple[int, int], free_from: int | None = None, max_weight: int | None = None) -> Rate:
    return Rate("fi", "EUR", basis, tuple(Band(*band) for band in bands), free_from, max_weight)


@pytest.mark.parametrize(
    ("rate_", "parcel", "expected"),
    [
        (rate("FLAT", (0, 490)), Parcel(1, None, None), 490),
        (rate("FLAT", (0, 490), free_from=5_000), Parcel(4_999, None, None), 490),
        (rate("FLAT", (0, 490), free_from=5_000), Parcel(5_000, None, None), 0),
        (rate("TOTAL", (0, 900), (5_000, 500)), Parcel(4_999, None, None), 900),
        (rate("TOTAL", (0, 900), (5_000, 500)), Parcel(5_000, None, None), 500),
        (rate("TOTAL", (1_000, 900)), Parcel(999, None, None), None),
        (rate("WEIGHT", (0, 500), (2_000, 900)), Parcel(1, 2_000, None), 900),
        (rate("WEIGHT", (0, 500), (2_000, 900)), Parcel(1, None, 3), None),
        (rate("ITEMS", (1, 500), (3, 900)), Parcel(1, None, 2), 500),
        (rate("ITEMS", (1, 500)), Parcel(1, None, 0), None),
        (rate("ITEMS", (1, 500)), Parcel(1, 5, None), None),
        (rate("FLAT", (0, 490), max_weight=30_000), Parcel(1, 30_000, None), 490),
        (rate("FLAT", (0, 490), max_weight=30_000), Parcel(1, 30_001, None), None),
        (rate("FLAT", (0, 490), max_weight=30_000, free_from=0), Parcel(1, None, None), None),
        (rate("TOTAL", (1_000, 900), free_from=500), Parcel(600, None, None), None),
    ],
)
def test_what_it_costs(rate_: Rate, parcel: Parcel, expected: int | None) -> None:
    assert price_of(rate_, parcel) == expected


@given(
    st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=8, unique_by=lambda band: band[0]).map(sorted),
    NUMBERS,
    st.none() | NUMBERS,
)
def test_the_last_band_that_is_reached_decides(
    bands: list[tuple[int, int]], total: int, free_from: int | None
) -> None:
    found = price_of(rate("TOTAL", *bands, free_from=free_from), Parcel(total, None, None))
    prices = [price for start, price in bands if start <= total]
    if not prices:
        assert found is None
    elif free_from is not None and total >= free_from:
        assert found == 0
    else:
        assert found == prices[-1]


def test_options_keep_the_order_of_the_methods() -> None:
    post = Method("post", "Post", "By foot", True, 1, 2, 5, None, 1)
    courier = Method("courier", "Courier", None, True, 2, None, None, "standard", 1)
    never = Method("never", "Never", None, True, 3, None, None, None, 1)
    offers = [
        (post, rate("FLAT", (0, 900))),
        (courier, rate("FLAT", (0, 100))),
        (never, rate("WEIGHT", (0, 1))),
    ]
    assert options_of(offers, Parcel(1, None, None)) == [
        Option("post", "Post", "By foot", 900, "EUR", 2, 5, None),
        Option("courier", "Courier", None, 100, "EUR", None, None, "standard"),
    ]
