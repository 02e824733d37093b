"""Details of products change inside the transactions of whoever changes the products."""

from collections.abc import Mapping, Sequence

import msgspec

from kokoa.postgres import Transaction
from kokoa.services.catalog.types import store
from kokoa.services.catalog.types.details import (
    NO_DETAILS,
    Details,
    DetailsChange,
    changed_details,
    differ,
    type_after,
)
from kokoa.services.catalog.types.model import ProductType

NewDetails = tuple[str, Mapping[str, str], DetailsChange]
"""A new product's id, the ids of its variants by SKU, and what it gets."""


async def create_details(tx: Transaction, created: Sequence[NewDetails]) -> None:
    """Of new products. Takes no statement when they have none. Raises what `changed_details` does."""
    some = [one for one in created if not one[2].says_nothing()]
    if not some:
        return
    keys = {change.product_type for _, _, change in some if change.product_type}
    types = {one.key: one for one in await store.types_for_products(tx, keys, ())}
    references = await store.products_there(tx, set().union(*(change.possible_references() for _, _, change in some)))
    written = []
    for product_id, variant_ids, change in some:
        kind = type_after(NO_DETAILS, change, types)
        after = changed_details(NO_DETAILS, change, kind, list(variant_ids), references)
        written.append(store.Written(product_id, NO_DETAILS, after, variant_ids))
    await store.write_details(tx, written)


class Changing(msgspec.Struct, frozen=True):
    """A product's details, and a change of them that is to come."""

    product_id: str
    before: Details
    change: DetailsChange
    references: frozenset[str]
    types: Mapping[str, ProductType]

    async def write(
        self,
        tx: Transaction,
        variant_ids: Mapping[str, str],
        *,
        before: Details | None = None,
        gone: Sequence[str] = (),
    ) -> bool:
        """Whether anything differs. Raises what `changed_details` does.

        variant_ids: by SKU, of all variants after the change, in their order.  before: when SKUs have changed.
        gone: ids of variants that were removed.
        """
        before = before or self.before
        kind = type_after(before, self.change, self.types)
        after = changed_details(before, self.change, kind, list(variant_ids), self.references)
        if not differ(before, after):
            return False
        await store.write_details(tx, [store.Written(self.product_id, before, after, variant_ids, gone)])
        return True


async def changing(tx: Transaction, product_id: str, change: DetailsChange) -> Changing:
    """What is to be known of a product's details before a change; asked before the product itself is locked.

    Who changes a type locks it before its products; in this order nobody waits for the other.
    """
    keys = [change.product_type] if change.product_type else []
    found, types = await store.load_details(tx, [product_id], keys)
    references = await store.products_there(tx, change.possible_references())
    return Changing(product_id, found.get(product_id, NO_DETAILS), change, references, types)
