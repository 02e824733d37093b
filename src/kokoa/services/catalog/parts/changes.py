"""A change of a product's part, within the transaction of its action: lock, check the version, grow it, tell."""

from pathlib import Path

from kokoa.postgres import Transaction, load_queries
from kokoa.services.catalog import events
from kokoa.services.catalog.errors import ProductChanged, ProductNotFound
from kokoa.services.catalog.model import Product
from kokoa.services.catalog.store import product_of
from kokoa.services.catalog.store import queries as product_queries

queries = load_queries(Path(__file__).with_name("queries.sql"))


async def locked_product(tx: Transaction, product_id: str) -> Product:
    """The product, kept from other changes until the transaction ends. Raises ProductNotFound."""
    row = await tx.fetchrow(product_queries.product_for_update, product_id)
    if row is None:
        raise ProductNotFound(f"There is no product {product_id}.")
    return product_of(row)


def require_version(product: Product, version: int) -> None:
    """Raises ProductChanged when the change assumes another version than the current one."""
    if product.version != version:
        raise ProductChanged(
            f"The product is at version {product.version}, not {version}. Read it again and repeat the change."
        )


async def next_version(tx: Transaction, product: Product, *, correlation_id: str) -> Product:
    """The product with its next version, of which others are told; it must be locked."""
    row = await tx.fetchrow(queries.touch_product, product.id)
    assert row is not None, "it is locked"
    changed = product_of(row)
    event = events.ProductUpdated(product_id=changed.id, version=changed.version, status=changed.status)
    await tx.emit(event, correlation_id=correlation_id)
    return changed
