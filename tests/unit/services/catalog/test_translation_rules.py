"""Locales, their chains, and what is shown of texts and to search engines."""

import pytest

from kokoa.kernel.errors import Invalid
from kokoa.services.catalog.translations.errors import InvalidLocale, InvalidLocales, InvalidSeo
from kokoa.services.catalog.translations.model import (
    CHAIN_MAX,
    LOCALES_MAX,
    Chosen,
    Texts,
    Translation,
    candidates,
    canonical_locale,
    locales_of,
    localized,
    require_texts,
)
from kokoa.services.catalog.translations.seo import EXCERPT_MAX, Level, OwnSeo, excerpt, require_seo, seo_of


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("de", "de"), ("DE-ch", "de-CH"), ("zh-hant-tw", "zh-Hant-TW"), ("es-419", "es-419"), ("gsw", "gsw")],
)
def test_a_locale_is_written_as_bcp_47_does(given: str, wanted: str) -> None:
    assert canonical_locale(given) == wanted


@pytest.mark.parametrize(
    "given", ["", "d", "de_CH", "de-", "-de", "de-CH-x-private", "de\n", "d€", "english", "x" * 999]
)
def test_what_is_no_locale_is_refused(given: str) -> None:
    with pytest.raises(InvalidLocale):
        canonical_locale(given)


def test_a_shoppers_locale_is_served_by_itself_or_a_less_specific_one() -> None:
    assert candidates("zh-Hant-TW") == ["zh-Hant-TW", "zh-Hant", "zh"]
    assert candidates("de") == ["de"]


def test_a_locale_falls_back_to_what_is_named_or_to_the_nearest_above_it() -> None:
    found = locales_of("en", [("de", None), ("de-CH", None), ("rm", "de-CH"), ("en-GB", None), ("fr", "en")])
    assert {one.code: one.chain for one in found} == {
        "en": (),
        "de": ("de",),
        "de-CH": ("de-CH", "de"),
        "rm": ("rm", "de-CH", "de"),
        "en-GB": ("en-GB",),
        "fr": ("fr",),
    }
    assert [one.code for one in found if one.is_default] == ["en"]


@pytest.mark.parametrize(
    "others",
    [
        [("de", None), ("DE", None)],
        [("en", None)],
        [("de", "nl")],
        [("de", "fr"), ("fr", "de")],
        [("de", "de")],
        [(f"a{letter}", f"a{chr(ord(letter) - 1)}" if letter > "a" else None) for letter in "abcdefghijk"],
        [(f"{first}{second}", None) for first in "abcde" for second in "abcdefghij"],
    ],
    ids=["twice", "the default again", "to nowhere", "a circle", "to itself", "a long chain", "too many"],
)
def test_locales_that_do_not_fit_together_are_refused(others: list[tuple[str, str | None]]) -> None:
    with pytest.raises(InvalidLocales):
        locales_of("en", others)


def test_the_bounds_themselves_are_taken() -> None:
    codes = [f"{first}{second}" for first in "abcde" for second in "abcdefghij"]
    assert len(locales_of("zz", [(code, None) for code in codes[: LOCALES_MAX - 1]])) == LOCALES_MAX
    row = [(code, codes[index - 1] if index else None) for index, code in enumerate(codes[:CHAIN_MAX])]
    assert len(locales_of("zz", row)[-1].chain) == CHAIN_MAX


def test_each_text_comes_from_the_nearest_translation_that_has_it() -> None:
    swiss = Translation("de-CH", Texts(description="Velo"))
    german = Translation("de", Texts(name="Fahrrad", description="Rad", slug="fahrrad"))
    chosen = Chosen("de-CH", {"1": [swiss, german]})
    found = localized(chosen, "1", name="Bike", description="Own", slug="bike")
    assert (found.name, found.name_locale, found.description, found.slug) == ("Fahrrad", "de", "Velo", "fahrrad")
    other = localized(chosen, "2", name="Car", description="Own", slug="car")
    assert (other.locale, other.name, other.name_locale, other.slug) == ("de-CH", "Car", None, "car")


@pytest.mark.parametrize(
    "texts",
    [
        Texts(),
        Texts(name=""),
        Texts(name=" \n"),
        Texts(name="x" * 201),
        Texts(description="x" * 20_001),
        Texts(name="a\x00b"),
        Texts(name="\ud800"),
        Texts(slug="Not A Slug"),
        Texts(slug="über"),
        Texts(seo_title="x" * 201),
        Texts(seo_description="x" * 501),
    ],
)
def test_a_translation_that_is_no_text_is_refused(texts: Texts) -> None:
    with pytest.raises(Invalid):
        require_texts(texts)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Short.", "Short."),
        ("<p>Solid <b>oak</b>&nbsp;&amp; glue</p>", "Solid oak & glue"),
        ("a <script>alert(1)</script> b<style>p{}</style><!-- no --> c", "a b c"),
        ("2 < 3 and 4 > 3", "2 < 3 and 4 > 3"),
        ("<script>never closed", ""),
        ("cut <a href='x", "cut"),
        ("", ""),
    ],
)
def test_an_excerpt_has_no_markup(text: str, wanted: str) -> None:
    assert excerpt(text) == wanted


def test_an_excerpt_is_cut_at_a_word() -> None:
    assert excerpt("one two three", 11) == "one two…"
    assert excerpt("one two three", 13) == "one two three"
    assert excerpt("one, two", 5) == "one…"
    assert excerpt("x" * 500) == "x" * (EXCERPT_MAX - 1) + "…"
    assert len(excerpt("word " * 500)) <= EXCERPT_MAX


@pytest.mark.parametrize("text", ["<" * 20_000, "<a" * 10_000, "<!--" * 5_000, "<script>" * 2_500, "&" * 20_000])
def test_hostile_markup_is_read_in_no_time_and_to_a_bounded_text(text: str) -> None:
    assert len(excerpt(text)) <= EXCERPT_MAX


def test_texts_of_the_nearer_language_win_over_a_title_of_a_farther_one() -> None:
    own = OwnSeo(title="Buy a chair", description="Chairs in English", canonical_path="/chair", no_index=True)
    english = Level("Chair", "A chair.", own.title, own.description)
    german = Level("Stuhl", "<p>Ein Stuhl.</p>", None, None)
    found = seo_of(own, [german, english])
    assert (found.title, found.description) == ("Stuhl", "Ein Stuhl.")
    assert (found.canonical_path, found.no_index) == ("/chair", True)
    assert seo_of(own, [english]).title == "Buy a chair"
    assert seo_of(OwnSeo(), [Level("Chair", "", None, None)]).description == ""


@pytest.mark.parametrize("path", ["/", "/products/chair", "/a/b/", "/%C3%BC"])
def test_a_canonical_path_is_one_of_the_stores_own(path: str) -> None:
    require_seo(OwnSeo(canonical_path=path))


@pytest.mark.parametrize(
    "path",
    [
        "",
        "chair",
        "//evil.example/x",
        "https://evil.example",
        "/a b",
        "/a?x=1",
        "/a#x",
        "/\\evil",
        "/ü",
        "/a\n",
        "/" + "x" * 500,
    ],
)
def test_a_canonical_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(InvalidSeo):
        require_seo(OwnSeo(canonical_path=path))
