"""The end of most changes of a product's part: its next version, and the event."""

from kokoa.postgres import Transaction
from kokoa.services.catalog.model import Product
from kokoa.services.catalog.parts.actions import advance, tell


async def next_version(tx: Transaction, product: Product, *, correlation_id: str) -> Product:
    """The product with its next version, of which others are told; it is locked, and its version was looked at."""
    changed = await advance(tx, product, product.version)
    await tell(tx, changed, correlation_id)
    return changed
