"""Indexing: what catalog's events name is read through the graph, so that overrides are searchable too."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from kokoa.kernel.call import Call
from kokoa.kernel.transaction import refuse_in_transaction
from kokoa.services.search.errors import IndexingFailed
from kokoa.services.search.model import Document
from kokoa.services.search.store import SearchStore

BATCH_MAX = 100

DOCUMENTS = """
query SearchDocuments($ids: [ID!]!, $limit: Int!) {
  products(ids: $ids, limit: $limit) { id version name description variants { sku } category { name } }
}
"""


class Graph(Protocol):
    """The environment's composed graph; kokoa.roles fills it."""

    async def query(self, document: str, variables: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """The data. Raises a KokoaError when there are errors."""
        ...


class SearchActions:
    """Keeps the index in step with the graph."""

    def __init__(self, store: SearchStore, graph: Graph) -> None:
        self._store = store
        self._graph = graph

    async def index(self, product_ids: Sequence[str], call: Call) -> None:
        """Index the products as the graph shows them now; those it does not show are forgotten.

        At most BATCH_MAX ids; safe to repeat. Raises IndexingFailed and what the graph raises.
        """
        if len(product_ids) > BATCH_MAX:
            raise IndexingFailed(f"At most {BATCH_MAX} products are indexed at once, not {len(product_ids)}.")
        refuse_in_transaction("graph call")
        variables = {"ids": list(product_ids), "limit": BATCH_MAX}
        data = await self._graph.query(DOCUMENTS, variables, call)
        documents = [_document(product) for product in data["products"]]
        found = {document.product_id for document in documents}
        gone = [product_id for product_id in product_ids if product_id not in found]
        await self._store.put(call.environment_id, documents, gone)


def _document(product: Mapping[str, Any]) -> Document:
    category = product["category"]
    return Document(
        product_id=product["id"],
        version=product["version"],
        name=product["name"],
        skus=" ".join(variant["sku"] for variant in product["variants"]),
        category=category["name"] if category else "",
        description=product["description"],
    )
