"""Destinations and places, as zones compare them."""

import pytest

from kokoa.kernel.places import InvalidPlace, Place, Precision, read_destination, read_places


def test_spelling_does_not_matter() -> None:
    found = read_destination("US", " ca ", "900 12-1234")
    assert (found.region, found.postal_code) == ("CA", "900121234")
    assert found.prefixes[:4] == ["", "9", "90", "900"]
    assert found.prefixes[-1] == "900121234"
    assert read_destination("FI", None, None).prefixes == [""]
    assert len(read_destination("FI", None, "9" * 200).prefixes) == 13


def test_places_are_sorted_and_each_is_there_once() -> None:
    assert read_places([("SE", None, None), ("FI", "01", "22 1")]) == (Place("FI", "01", "221"), Place("SE", "", ""))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ([], "places"),
        ([("FI", None, None)] * 1_001, "places"),
        ([("fi", None, None)], "places.0.country"),
        ([("FI", None, None), ("FI", "", "")], "places.1"),
        ([("FI", "x" * 65, None)], "places.0.region"),
        ([("FI", "\x00", None)], "places.0.region"),
        ([("FI", None, "%")], "places.0.postalCodePrefix"),
        ([("FI", None, "1" * 13)], "places.0.postalCodePrefix"),
    ],
)
def test_what_is_no_place_is_said(given: list[tuple[str, str | None, str | None]], field: str) -> None:
    with pytest.raises(InvalidPlace) as raised:
        read_places(given)
    assert raised.value.field == field


def test_what_decides_nothing_is_left_out_of_a_destination() -> None:
    found = read_destination("US", "ca", "90012-1234")
    assert Precision(False, 0).of(found) == read_destination("US", None, None)
    assert Precision(True, 2).of(found) == read_destination("US", "CA", "90")
    assert Precision(True, 12).of(found) == found
