"""Custom values of many products at once: one transaction, an outcome for each row, an event for each change."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kokoa.kernel.errors import KokoaError
from kokoa.kernel.text import is_plain
from kokoa.postgres import Database
from kokoa.services.catalog.bulk import store as bulk_store
from kokoa.services.catalog.bulk.errors import DuplicateReference, InvalidBatch
from kokoa.services.catalog.bulk.model import ROWS_MAX, Outcome, failure_of
from kokoa.services.catalog.custom_fields.errors import CustomFieldsChanged
from kokoa.services.catalog.custom_fields.model import CustomField, Definitions
from kokoa.services.catalog.custom_fields.store import current_digest, put_values_of_products, values_of_products
from kokoa.services.catalog.custom_fields.values import Document, merged
from kokoa.services.catalog.errors import ProductChanged, ProductNotFound
from kokoa.services.catalog.events import ProductUpdated
from kokoa.services.catalog.model import Product


class Planned(msgspec.Struct, frozen=True):
    """What a batch does.  documents: of the products that change, by their ids."""

    documents: dict[str, Document]
    changed: list[Product]
    outcomes: list[Outcome]


def planned(
    fields: Sequence[CustomField],
    rows: Sequence[Mapping[str, Any]],
    products: Mapping[str, Product],
    stored: Mapping[str, Document],
) -> Planned:
    """rows: as BulkProductCustomInput.  products: by reference.  stored: by product id. Pure."""
    plan = Planned({}, [], [])
    first: dict[str, int] = {}
    for index, row in enumerate(rows):
        reference = row["external_reference"]
        try:
            if first.setdefault(reference, index) != index:
                raise DuplicateReference(
                    f"Row {first[reference]} has this externalReference too.", field="externalReference"
                )
            outcome = _add(plan, fields, index, row, products.get(reference), stored)
        except KokoaError as error:
            outcome = failure_of(index, reference, error)
        plan.outcomes.append(outcome)
    return plan


def _add(
    plan: Planned,
    fields: Sequence[CustomField],
    index: int,
    row: Mapping[str, Any],
    product: Product | None,
    stored: Mapping[str, Document],
) -> Outcome:
    """Raises ProductNotFound, ProductChanged, InvalidCustomValue, CustomValueMissing."""
    reference, version = row["external_reference"], row.get("version")
    if product is None:
        raise ProductNotFound(f"There is no product {reference[:80]!r}.")
    before = stored.get(product.id, {})
    document = merged(fields, before, row["custom"], "custom")
    if document == before:
        return Outcome(index, reference, "UNCHANGED", product.id, product.version)
    if version not in (None, product.version):
        raise ProductChanged(f"The product is at version {product.version}, not {version}.")
    plan.documents[product.id] = document
    plan.changed.append(product)
    return Outcome(index, reference, "UPDATED", product.id, product.version + 1)


class BatchActions:
    """definitions: of the schema that the values were sent by."""

    def __init__(self, database: Database, definitions: Definitions) -> None:
        self._database = database
        self._definitions = definitions

    async def set_values(
        self, environment_id: str, rows: Sequence[Mapping[str, Any]], *, dry_run: bool, correlation_id: str
    ) -> list[Outcome]:
        """One outcome for each row, in order. Raises InvalidBatch, CustomFieldsChanged."""
        if len(rows) > ROWS_MAX:
            raise InvalidBatch(f"A batch has at most {ROWS_MAX} rows, not {len(rows)}. Send several.", field="input")
        references = list({row["external_reference"] for row in rows if is_plain(row["external_reference"])})
        async with self._database.transaction(environment_id) as tx:
            products, _ = await bulk_store.lock_known(tx, references)
            if await current_digest(tx) != self._definitions.digest:
                raise CustomFieldsChanged("The custom fields of this environment changed just now; try again.")
            stored = await values_of_products(tx, [one.id for one in products.values()])
            plan = planned(self._definitions.of("PRODUCT"), rows, products, stored)
            if plan.changed and not dry_run:
                await put_values_of_products(tx, plan.documents)
                told = [ProductUpdated(product_id=p.id, version=p.version + 1, status=p.status) for p in plan.changed]
                await tx.emit(*told, correlation_id=correlation_id)
        return plan.outcomes
