"""How customers are divided, what stands for policies, and how a sample is cut."""

import itertools
from typing import Any

import pytest

from kokoa.kernel.call import Call, Caller
from kokoa.kernel.overrides import OverridePolicy, digest_of_fields, is_field, is_on, sample_text

CUSTOMERS = [f"visitor-{number}" for number in range(10_000)]


def chosen(percent: float, salt: str = "GET /api/search", environment_id: str = "prod") -> set[str]:
    calls = {one: Call(environment_id, Caller("storefront"), "c" * 32, 0, session=one) for one in CUSTOMERS}
    return {one for one, call in calls.items() if is_on(percent, salt, call)}


def test_ten_percent_of_ten_thousand_are_ten_percent_and_the_same_ones_each_time() -> None:
    first = chosen(10)
    assert 900 <= len(first) <= 1_100
    assert chosen(10) == first


def test_a_growing_share_keeps_those_who_had_it() -> None:
    shares = [chosen(percent) for percent in (0, 1, 10, 50, 99.5, 100)]
    for smaller, larger in itertools.pairwise(shares):
        assert smaller < larger
    assert (shares[0], shares[-1]) == (set(), set(CUSTOMERS))


def test_each_subject_and_each_environment_divides_by_itself() -> None:
    whole = chosen(50)
    for other in (chosen(50, salt="Product.price"), chosen(50, environment_id="dev")):
        assert 2_000 < len(whole & other) < 3_000


def test_the_digest_is_of_fields_alone_and_the_same_for_the_same() -> None:
    price, name = OverridePolicy(percent=10), OverridePolicy(shadow=True)
    digest = digest_of_fields({"Product.price": price, "Product.name": name})
    assert digest == digest_of_fields({"Product.name": name, "GET /api/a.b": price, "Product.price": price})
    assert digest != digest_of_fields({"Product.price": name, "Product.name": price})
    assert digest_of_fields({"GET /api/search": price, "$default": price}) == ""


@pytest.mark.parametrize(
    ("subject", "field"), [("Product.price", True), ("GET /a.b", False), ("$default", False), ("ANY /{p+}", False)]
)
def test_a_subject_is_a_field_or_a_route(subject: str, field: bool) -> None:
    assert is_field(subject) is field


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ({"a": [1, None]}, '{"a":[1,null]}'),
        (b"plain", "plain"),
        (b"\xff\x00", "\ufffd\ufffd"),
        ("\ud800", "<class 'str'>"),
        ("x" * 60, '"' + "x" * 45 + " …"),
        (b"\xc3\xa4" * 60, "ä" * 23 + " …"),
    ],
)
def test_a_sample_is_text_of_bounded_size(value: Any, text: str) -> None:
    found = sample_text(value, bytes_max=50)
    assert found == text
    assert len(found.encode()) <= 50
