"""Which e-mail addresses, telephone numbers, locales and postal addresses have a form that can be right."""

from typing import Any

import pytest

from kokoa.kernel.contact import InvalidAddress, email_of, is_locale, is_phone, require_postal_address
from kokoa.kernel.text import camel_case

HOME = {"line1": "Aleksanterinkatu 1", "city": "Helsinki", "country": "FI"}


@pytest.mark.parametrize("text", ["ada@example.com", " Ada@Example.COM ", "a.b+c@sub.example.co.uk"])
def test_an_email_is_compared_in_small_letters(text: str) -> None:
    assert email_of(text) == text.strip().lower()


@pytest.mark.parametrize(
    "text", ["", "ada", "ada@example", "a b@example.com", "ada@example.com\0", f"{'a' * 250}@b.co"]
)
def test_what_is_no_email_is_none(text: str) -> None:
    assert email_of(text) is None


def test_telephone_numbers_and_locales_have_their_forms() -> None:
    assert [is_phone(one) for one in ("+358 9 1234567", "(0)40", "none", "+", "1" * 40)] == [
        True, False, False, False, False,
    ]  # fmt: skip
    assert [is_locale(one) for one in ("fi", "en-GB", "zh-Hant-TW", "english", "en_GB", "")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip


def test_an_address_is_kept_as_it_is_given_and_what_is_empty_is_nothing() -> None:
    found = require_postal_address({**HOME, "first_name": None, "line2": "", "phone": "+358 9 1234567"})
    assert (found.first_name, found.line1, found.line2, found.city, found.country, found.phone) == (
        "", "Aleksanterinkatu 1", None, "Helsinki", "FI", "+358 9 1234567",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"city": "  "}, "city"),
        ({"line1": ""}, "line1"),
        ({"country": "Finland"}, "country"),
        ({"country": "fi"}, "country"),
        ({"phone": "call me"}, "phone"),
        ({"postal_code": "0\0"}, "postalCode"),
        ({"first_name": "x" * 201}, "firstName"),
        ({"company_name": "\ud800"}, "companyName"),
    ],
)
def test_a_wrong_field_is_named_with_its_path(wrong: dict[str, Any], field: str) -> None:
    for path in ("", "shippingAddress."):
        with pytest.raises(InvalidAddress) as raised:
            require_postal_address({**HOME, **wrong}, path)
        assert raised.value.field == path + field


def test_names_are_called_as_in_graphql() -> None:
    assert [camel_case(one) for one in ("city", "unit_price_minor")] == ["city", "unitPriceMinor"]
