"""The demo shop as a visitor sees it: a German page, a price in dollars, a picture, a search, bundles."""

import re
from typing import Any
from urllib.parse import urlencode, urlsplit

from running import ROOT, RunningStore, until

from kokoa.roles.demo.content import shop_content

WITHIN_S = 60.0
GERMAN_PAGE = """{ localizedProduct(slug: "tischlampe-glut", locale: "de") { slug
  localized(locale: "de") { name description slug }
  seo(locale: "de") { title description noIndex }
  thumbnail { url(rendition: THUMBNAIL) } media { alt url(rendition: SMALL, format: JPEG) width height }
  category { path localized(locale: "de") { name } }
  variants { sku priceMinor currency priceIn(channel: "america") { priceMinor currency } } } }"""
SHOPPER = {"X-Tenant-ID": "demo"}


def data(store: RunningStore, query: str) -> Any:
    answer = store.graphql(query).json
    assert "errors" not in answer, answer
    return answer["data"]


def test_a_german_page_has_a_price_in_dollars_and_a_picture_that_loads(store: RunningStore) -> None:
    product = data(store, GERMAN_PAGE)["localizedProduct"]
    assert (product["slug"], product["localized"]["slug"]) == ("ember-table-lamp", "tischlampe-glut")
    assert (product["seo"]["title"], product["seo"]["noIndex"]) == ("Tischlampe Glut", False), "derived"
    assert product["localized"]["name"] == "Tischlampe Glut"
    assert "Bernsteinglas" in product["localized"]["description"]
    assert product["category"]["localized"]["name"] == "Tischlampen"
    (variant,) = product["variants"]
    assert (variant["priceMinor"], variant["currency"]) == (12_900, "EUR")
    assert variant["priceIn"] == {"priceMinor": 14_500, "currency": "USD"}
    (media,) = product["media"]
    assert (media["alt"], media["width"], media["height"]) == ("Ember table lamp", 480, 480)
    for url, content_type, begins in (
        (media["url"], "image/jpeg", b"\xff\xd8\xff"),
        (product["thumbnail"]["url"], "image/webp", b"RIFF"),
    ):
        shown = store.request(urlsplit(url).path, headers=SHOPPER)
        assert (shown.status, shown.headers["content-type"]) == (200, content_type)
        assert shown.body.startswith(begins)


def test_search_finds_the_published_products_of_each_shelf(store: RunningStore) -> None:
    """By category, and no drafts; the index is filled by the events of the seed."""
    shop = shop_content()
    published = [one for one in shop.products if one.status == "PUBLISHED"]
    chairs = [one for one in published if "chair" in one.slug and one.category == "seating/chairs"]

    def found(words: str, category: str = "") -> list[str]:
        query = urlencode({"q": words, **({"category": category} if category else {})})
        return [item["name"] for item in store.storefront(f"/api/search?{query}").json["items"]]

    names = {one.texts["en"].name for one in chairs}
    until(
        lambda: names <= set(found("chair", "seating/chairs")) and "Heron floor lamp" in found("heron", "lighting"),
        within_s=WITHIN_S,
        what="the index",
    )
    assert "Heron floor lamp" not in found("heron", "garden")
    for one in shop.products:
        if one.status == "DRAFT":
            assert one.texts["en"].name not in found(one.texts["en"].name or "")


def test_the_queries_of_the_page_about_the_shop_answer(store: RunningStore) -> None:
    page = (ROOT / "docs/explanation/demo-shop.md").read_text()
    queries = re.findall(r"```graphql\n(.*?)```", page, re.DOTALL)
    assert len(queries) == 3, "the page has changed; change this test with it"
    window, bundle, filtered = (data(store, query) for query in queries)
    assert len(window["products"]) == 12
    for one in window["products"]:
        assert one["thumbnail"]["url"].startswith("/media/")
        assert {variant["priceIn"]["currency"] for variant in one["variants"]} == {"USD"}
    assert [item["quantity"] for item in bundle["product"]["bundle"]["items"]] == [1, 1, 1]
    nodes = [edge["node"] for edge in filtered["productConnection"]["edges"]]
    assert len(nodes) == 10
    assert {"key": "material", "display": "Oak"} in nodes[0]["attributes"]
    assert [one["price"] for one in nodes] == sorted(one["price"] for one in nodes)
