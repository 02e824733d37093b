"""What a partner may take of the graph: the table of the rule."""

import pytest

from kokoa.services.tenants.subgraphs.model import refusal_of, type_prefix, ungranted


@pytest.mark.parametrize(
    ("need", "granted", "partner", "covered"),
    [
        ("Product.price", (), "acme", False),
        ("Product.price", ("Product.price",), "acme", True),
        ("Product.price", ("Product.*",), "acme", True),
        ("Product.price", ("Product",), "acme", False),
        ("Product.price", ("Product.name", "Variant.*"), "acme", False),
        ("Product.priceOld", ("Product.price",), "acme", False),
        ("Query.recommended", ("Query.recommended",), "acme", True),
        ("Query.acmeThings", (), "acme", False),
        ("Review", (), "acme", False),
        ("Review", ("Review",), "acme", True),
        ("Review", ("Review.*",), "acme", False),
        ("AcmeReview", (), "acme", True),
        ("Acme", (), "acme", True),
        ("Acme2Review", (), "acme", True),
        ("Acme_Review", (), "acme", True),
        ("Acmeology", (), "acme", False),
        ("acmeReview", (), "acme", False),
        ("AcmeLabsReview", (), "acme-labs", True),
        ("AcmeReview", (), "acme-labs", False),
        ("AcmeReview.stars", (), "acme", False),
        ("AcmeReview.stars", ("AcmeReview.stars",), "acme", True),
        ("ProductCustom", (), "product", False),
        ("ProductCustomColourValue", (), "product", False),
        ("ProductCustom", ("ProductCustom",), "product", True),
        ("ProductThing", (), "product", True),
        ("_Any", ("_Any",), "acme", False),
        ("_Service.sdl", ("_Service.*",), "acme", False),
        ("join__Graph", ("join__Graph",), "acme", False),
    ],
)
def test_a_need_is_covered_by_a_grant_or_by_the_partners_own_prefix(
    need: str, granted: tuple[str, ...], partner: str, covered: bool
) -> None:
    assert ungranted((need,), granted, partner) == (() if covered else (need,))


def test_a_longer_name_is_the_other_partners() -> None:
    needs = ("AcmeLabsBox", "AcmeBox", "AcmeLabs")
    assert ungranted(needs, (), "acme", ("acme", "acme-labs", "rival")) == ("AcmeLabsBox", "AcmeLabs")
    assert ungranted(needs, (), "acme-labs", ("acme", "acme-labs")) == ("AcmeBox",)
    assert ungranted(needs, ("AcmeLabsBox",), "acme", ("acme", "acme-labs")) == ("AcmeLabs",)
    assert ungranted(needs, (), "acme", ("acme", "rival")) == ()


def test_prefixes_are_names_in_pascal_case() -> None:
    assert [type_prefix(one) for one in ("acme", "acme-labs", "a1-b2")] == ["Acme", "AcmeLabs", "A1B2"]


def test_a_refusal_has_the_commands_that_would_grant() -> None:
    told = refusal_of(("Product.price", "Review"), "acme", "boeing", "dev")
    assert "kokoa grants add acme Product.price --tenant boeing --environment dev\n" in told
    assert "kokoa grants add acme Review --tenant boeing --environment dev" in told
    assert "begin with Acme" in told
    assert "--environment" not in refusal_of(("Review",), "acme", "boeing", "prod")
    assert "kokoa grants add" not in refusal_of(("_Any", "Review"), "acme", "boeing", "prod")
    many = refusal_of(tuple(f"Type{number}" for number in range(70)), "acme", "boeing", "prod")
    assert "Type49" in many
    assert "Type50" not in many
    assert "and 20 more" in many
