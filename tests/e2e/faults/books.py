"""What a store says it has, read to the end: products by GraphQL, events from the stream's beginning."""

import asyncio
import json
from collections import Counter
from typing import Any

import asyncpg
from event_stream import created_products, events_of, require_each_once
from hurt_store import PATIENCE_S, HurtStore
from journeys import graph, tried_until_done
from running import until

_PAGE = 100
_OFFSET_MAX = 10_000  # catalog's own bound
_LIST = """query ($offset: Int!, $limit: Int!, $ids: [ID!]) {
  products(limit: $limit, offset: $offset, ids: $ids) { id externalReference }
}"""


def page_of(hurt: HurtStore, *, offset: int = 0, ids: list[str] | None = None) -> list[dict[str, Any]]:
    """A page of products; asked for until it comes."""
    page: list[dict[str, Any]] = []

    def read() -> None:
        document = graph(hurt, _LIST, offset=offset, limit=_PAGE, ids=ids)
        assert not document.get("errors"), document
        page.extend(document["data"]["products"])

    tried_until_done(read, what="a page of products")
    return page


def listed_ids(hurt: HurtStore) -> set[str]:
    """The products by name, as far as they can be listed."""
    found: set[str] = set()
    for offset in range(0, _OFFSET_MAX + 1, _PAGE):
        page = page_of(hurt, offset=offset)
        found |= {product["id"] for product in page}
        if len(page) < _PAGE:
            break
    return found


def require_the_books_agree(hurt: HurtStore, written: set[str]) -> None:
    """Every acknowledged product is there once; every product has exactly one event, every event its product."""
    environment_id = _environment_id(hurt)
    listed = listed_ids(hurt)
    until(
        lambda: listed <= created_products(events_of(hurt.state_dir, environment_id)) and not waiting(hurt),
        within_s=PATIENCE_S,
        what="an event for every product",
    )
    events = events_of(hurt.state_dir, environment_id)
    require_each_once(events)
    ids = sorted(created_products(events))
    products = [
        product for start in range(0, len(ids), _PAGE) for product in page_of(hurt, ids=ids[start : start + _PAGE])
    ]
    assert sorted(product["id"] for product in products) == ids, "an event for what is not there"
    references = Counter(product["externalReference"] for product in products)
    assert written - references.keys() == set(), "acknowledged, and lost"
    assert [reference for reference, count in references.items() if count > 1] == []


def waiting(hurt: HurtStore) -> int:
    """How many events of catalog wait in its outbox."""
    return asyncio.run(_waiting(hurt))


async def _waiting(hurt: HurtStore) -> int:
    address = json.loads((hurt.state_dir / "servers.json").read_text())["database_url"]
    password = (hurt.state_dir / "secrets" / "postgres").read_text()
    admin = await asyncpg.connect(address, user="kokoa", password=password, timeout=30)
    try:
        return int(await admin.fetchval("SELECT waiting FROM catalog.outbox_backlog()"))
    finally:
        await admin.close()


def _environment_id(hurt: HurtStore) -> str:
    """By the events of the partner's account, which only this environment has."""
    return next(
        str(event["environment_id"])
        for event in events_of(hurt.state_dir)
        if event["data"].get("account_id") == hurt.partner.account_id
    )
