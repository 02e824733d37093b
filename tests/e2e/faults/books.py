"""What a store says it has, read to the end: products by GraphQL, events from the stream's beginning."""

from collections import Counter
from typing import Any

from event_stream import created_products, events_of, require_each_once
from hurt_store import PATIENCE_S, HurtStore
from journeys import graph, tried_until_done
from running import until

_PAGE = 100
_PAGES_MAX = 1000
_LIST = """query ($offset: Int!, $limit: Int!) {
  products(limit: $limit, offset: $offset) { id externalReference }
}"""


def products_of(hurt: HurtStore) -> list[dict[str, Any]]:
    """Every product of the environment; each page is asked for until it comes."""
    found: list[dict[str, Any]] = []

    def next_page() -> None:
        document = graph(hurt, _LIST, offset=len(found), limit=_PAGE)
        assert not document.get("errors"), document
        page.extend(document["data"]["products"])

    for _ in range(_PAGES_MAX):
        page: list[dict[str, Any]] = []
        tried_until_done(next_page, what="a page of products")
        found += page
        if len(page) < _PAGE:
            return found
    raise AssertionError(f"more than {_PAGES_MAX} pages")


def require_the_books_agree(hurt: HurtStore, written: set[str]) -> None:
    """Every acknowledged product is there once; every product has exactly one event, every event its product."""
    products = products_of(hurt)
    references = Counter(product["externalReference"] for product in products)
    assert written - references.keys() == set(), "acknowledged, and lost"
    assert [reference for reference, count in references.items() if count > 1] == []
    ids = {product["id"] for product in products}
    environment_id = _environment_id(hurt)
    until(
        lambda: created_products(events_of(hurt.state_dir, environment_id)) >= ids,
        within_s=PATIENCE_S,
        what="an event for every product",
    )
    events = events_of(hurt.state_dir, environment_id)
    require_each_once(events)
    assert created_products(events) - ids == set(), "events for products that are not there"


def _environment_id(hurt: HurtStore) -> str:
    """By the events of the partner's account, which only this environment has."""
    return next(
        str(event["environment_id"])
        for event in events_of(hurt.state_dir)
        if event["data"].get("account_id") == hurt.partner.account_id
    )
