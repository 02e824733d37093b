"""Indexing: what catalog's events name is read through the graph, so that overrides are searchable too."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from kokoa.kernel.call import Call
from kokoa.kernel.errors import KokoaError
from kokoa.kernel.money import exponent_of
from kokoa.kernel.transaction import refuse_in_transaction
from kokoa.services.search.errors import IndexingFailed
from kokoa.services.search.model import Document
from kokoa.services.search.store import SearchStore

BATCH_MAX = 500
_PAGE = 100  # of one list; a batch asks for several at once
_FAILURES_MAX = 24

_PARTS = range(BATCH_MAX // _PAGE)
_LIMIT = f"limit: {_PAGE}"
DOCUMENTS = f"""
query SearchDocuments({", ".join(f"$ids{part}: [ID!]!" for part in _PARTS)}) {{
  {" ".join(f"part{part}: products(ids: $ids{part}, {_LIMIT}) {{ ...Searched }}" for part in _PARTS)}
}}
fragment Searched on Product {{
  id version name description price currency variants {{ sku }} category {{ path name }} createdAt
  translations {{ name }}
}}
"""

PAGE = """
query SearchBuild($after: String, $limit: Int!) {
  bulkProducts(after: $after, limit: $limit) { products { id } cursor }
}
"""
_BUILD_PAGE = 250

Write = Callable[[list[Document], list[str]], Awaitable[None]]
"""Takes what the graph shows, and the ids of what it does not show."""


class Graph(Protocol):
    """The environment's composed graph; kokoa.roles fills it."""

    async def query(self, document: str, variables: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """The data. Raises a KokoaError when there are errors."""
        ...


class SearchActions:
    """Keeps the index in step with the graph."""

    def __init__(self, store: SearchStore, graph: Graph) -> None:
        self.store = store
        self._graph = graph

    async def index(self, product_ids: Sequence[str], call: Call) -> frozenset[str]:
        """Index the products as the graph shows them now; those it does not show are forgotten.

        At most BATCH_MAX ids; safe to repeat. Raises IndexingFailed and what the graph raises. When the graph fails
        for a few of many, the batch is halved until they stand alone, and the answer is which these are.
        """

        async def put(documents: list[Document], gone: list[str]) -> None:
            await self.store.put(call.environment_id, documents, gone)

        return await self._each(product_ids, call, put)

    async def build(self, generation: int, manager: Call, reader: Call) -> bool:
        """Put the next page of products into a building generation, or let it serve; whether that was the last step.

        manager: may list all products.  reader: sees what storefronts see. Products that the graph cannot show are
        left out, as they are when events name them. Raises what the graph raises; then the step is to be repeated.
        """
        environment_id = reader.environment_id
        building, cursor = await self.store.cursor(environment_id, generation)
        if not building:
            return True
        data = await self._graph.query(PAGE, {"after": cursor, "limit": _BUILD_PAGE}, manager)
        page = data["bulkProducts"]
        ids = [product["id"] for product in page["products"]]

        async def fill(documents: list[Document], _: list[str]) -> None:
            await self.store.fill(environment_id, generation, documents)

        if ids:
            await self._each(ids, reader, fill)
        if page["cursor"] is None:
            await self.store.swap(environment_id, generation)
            return True
        await self.store.advance(environment_id, generation, page["cursor"], len(ids))
        return False

    async def _each(self, product_ids: Sequence[str], call: Call, write: Write) -> frozenset[str]:
        if len(product_ids) > BATCH_MAX:
            raise IndexingFailed(f"At most {BATCH_MAX} products are indexed at once, not {len(product_ids)}.")
        refuse_in_transaction("graph call")
        waiting = [list(product_ids)]
        failed: list[str] = []
        failures = 0
        while waiting:
            part = waiting.pop()
            try:
                await write(*await self._read(part, call))
            except KokoaError:
                failures += 1
                call.remaining_ms()
                if failures == _FAILURES_MAX or len(part) == len(product_ids) == 1:
                    raise
                if len(part) > 1:
                    waiting += [part[: len(part) // 2], part[len(part) // 2 :]]
                else:
                    failed += part
        return frozenset(failed)

    async def _read(self, product_ids: Sequence[str], call: Call) -> tuple[list[Document], list[str]]:
        """What the graph shows of these, and which it does not show."""
        variables = {f"ids{part}": list(product_ids[part * _PAGE : (part + 1) * _PAGE]) for part in _PARTS}
        data = await self._graph.query(DOCUMENTS, variables, call)
        documents = [_document(product) for part in _PARTS for product in data[f"part{part}"]]
        found = {document.product_id for document in documents}
        return documents, [product_id for product_id in product_ids if product_id not in found]


def _document(product: Mapping[str, Any]) -> Document:
    category = product["category"]
    return Document(
        product_id=product["id"],
        version=product["version"],
        name=product["name"],
        skus=" ".join(variant["sku"] for variant in product["variants"]),
        category=category["name"] if category else "",
        description=" ".join([product["description"], *_translated_names(product)]),
        category_path=category["path"] if category else "",
        currency=product["currency"],
        price_minor=_minor_units(product["price"], product["currency"]),
        created_at=datetime.fromisoformat(product["createdAt"]),
    )


def _translated_names(product: Mapping[str, Any]) -> list[str]:
    """Names in other locales are found as if the description said them."""
    return [one["name"] for one in product["translations"] if one["name"]]


def _minor_units(price: float | None, currency: str | None) -> int | None:
    """The graph shows major units; an override may show what is no amount of the currency, which is rounded."""
    if price is None or currency is None:
        return None
    return round(price * float(10 ** exponent_of(currency)))
