"""What every change of a product's part does inside its transaction: lock, compare, advance, tell.

A change that would leave everything as it is changes nothing, whatever the version, so that it may be sent again when
its answer was lost. Therefore the product is locked first, and its version is checked only when something is to be
done.
"""

from pathlib import Path

from kokoa.postgres import Transaction, load_queries
from kokoa.services.catalog import events
from kokoa.services.catalog.errors import ProductChanged, ProductNotFound
from kokoa.services.catalog.model import Product
from kokoa.services.catalog.store import product_of
from kokoa.services.catalog.store import queries as product_queries

queries = load_queries(Path(__file__).with_name("queries.sql"))


async def locked(tx: Transaction, product_id: str) -> Product:
    """The product, kept from other changes until the transaction ends. Raises ProductNotFound."""
    row = await tx.fetchrow(product_queries.product_for_update, product_id)
    if row is None:
        raise ProductNotFound(f"There is no product {product_id}.")
    return product_of(row)


def require_version(product: Product, version: int) -> None:
    """Raises ProductChanged, which names both versions."""
    if product.version != version:
        raise ProductChanged(
            f"The product is at version {product.version}, not {version}. Read it again and repeat the change."
        )


async def advance(tx: Transaction, product: Product, version: int) -> Product:
    """The next version of a locked product. Raises ProductChanged."""
    require_version(product, version)
    row = await tx.fetchrow(queries.advance_product, product.id, version)
    assert row is not None, "it is locked"
    return product_of(row)


async def tell(tx: Transaction, product: Product, correlation_id: str) -> None:
    """The event of a product of which a part has changed."""
    event = events.ProductUpdated(product_id=product.id, version=product.version, status=product.status)
    await tx.emit(event, correlation_id=correlation_id)
