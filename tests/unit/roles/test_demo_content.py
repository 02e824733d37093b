"""The demo shop is whole: every product in three languages and two currencies, with a category and a picture."""

from collections import Counter
from io import BytesIO

from PIL import Image

from kokoa.roles.demo import content
from kokoa.roles.demo.content import PICTURE_SIDE, picture, shop_content
from kokoa.services.catalog.media.model import FILE_NAMES
from kokoa.services.catalog.model import require_new_product, slug_of
from kokoa.services.catalog.translations.model import require_texts
from kokoa.services.catalog.types.definitions import read_definitions
from kokoa.services.catalog.types.details import NO_DETAILS, changed_details
from kokoa.services.catalog.types.model import ProductType

SHOP = shop_content()
LANGUAGES = {SHOP.default_locale, *SHOP.locales}
PICTURES_BYTES_MAX = 1_500_000


def test_there_are_about_150_products_and_most_are_published() -> None:
    assert 140 <= len(SHOP.products) <= 160
    drafts = [one for one in SHOP.products if one.status == "DRAFT"]
    assert 3 <= len(drafts) <= 10
    assert {"en", "fi", "de"} == LANGUAGES


def test_every_product_has_all_languages_currencies_and_a_category() -> None:
    categories = {one.path for one in SHOP.categories}
    currencies = {SHOP.currency, *(one.currency for one in SHOP.channels)}
    assert currencies == {"EUR", "USD"}
    for one in SHOP.products:
        assert one.category in categories, one.slug
        assert one.texts.keys() == LANGUAGES, one.slug
        for locale, texts in one.texts.items():
            assert texts.name, (one.slug, locale)
            assert texts.description, (one.slug, locale)
            assert (texts.slug is None) == (locale == SHOP.default_locale), (one.slug, locale)
            require_texts(texts)
        assert one.variants, one.slug
        for variant in one.variants:
            assert variant.prices.keys() == currencies, variant.sku
            assert min(variant.prices.values()) > 0, variant.sku


def test_products_are_as_the_catalogue_takes_them() -> None:
    types = {one.key: ProductType("t", one.key, one.name, read_definitions(one.attributes), 1) for one in SHOP.types}
    for one in SHOP.products:
        require_new_product(one.as_new(SHOP.default_locale, SHOP.currency))
        assert one.slug == slug_of(one.texts[SHOP.default_locale].name or ""), "slugs follow names"
        skus = [variant.sku for variant in one.variants]
        after = changed_details(NO_DETAILS, one.details(), types[one.type], skus, ())
        assert after.attributes.keys() == one.attributes.keys(), one.slug


def test_nothing_is_there_twice() -> None:
    skus = Counter(variant.sku for one in SHOP.products for variant in one.variants)
    assert skus.most_common(1)[0][1] == 1
    for locale in LANGUAGES:
        slugs = Counter(one.texts[locale].slug or one.slug for one in SHOP.products)
        names = Counter(one.texts[locale].name for one in SHOP.products)
        assert (slugs.most_common(1)[0][1], names.most_common(1)[0][1]) == (1, 1), locale


def test_the_category_tree_has_three_levels_and_names_in_all_languages() -> None:
    seen: set[str] = set()
    for one in SHOP.categories:
        parent = one.path.rpartition("/")[0]
        assert not parent or parent in seen, f"{one.path} comes before its parent"
        assert one.names.keys() == LANGUAGES, one.path
        assert all(one.names.values()), one.path
        seen.add(one.path)
    assert max(path.count("/") for path in seen) == 2


def test_bundles_and_related_products_name_what_is_on_sale() -> None:
    on_sale = {one.slug: one for one in SHOP.products if one.status == "PUBLISHED"}
    skus = {variant.sku for one in on_sale.values() if not one.bundle for variant in one.variants}
    assert sum(bool(one.bundle) for one in SHOP.products) >= 3
    for one in SHOP.products:
        assert {item.sku for item in one.bundle} <= skus, one.slug
        assert one.related, one.slug
        assert set(one.related) <= on_sale.keys() - {one.slug}, one.slug
        assert len(set(one.related)) == len(one.related), one.slug


def test_every_picture_is_there_in_all_renditions_and_none_is_left_over() -> None:
    named = {one.picture for one in SHOP.products}
    for name in sorted(named):
        upload, renditions = picture(name)
        assert {one.name for one in renditions} == FILE_NAMES
        with Image.open(BytesIO(upload)) as opened:
            assert (opened.format, opened.size) == ("WEBP", (PICTURE_SIDE, PICTURE_SIDE)), name
    files = list(content._PICTURES.iterdir())
    assert {file.name.split(".")[0] for file in files} == named
    assert sum(file.stat().st_size for file in files) <= PICTURES_BYTES_MAX
