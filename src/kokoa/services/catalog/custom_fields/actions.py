"""Declaring fields and setting their values; one transaction each, with its events."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import structlog

from kokoa.kernel.errors import Unavailable
from kokoa.postgres import Database, Event, Transaction
from kokoa.services.catalog import events
from kokoa.services.catalog.categories.store import queries as category_queries
from kokoa.services.catalog.custom_fields.errors import (
    CustomFieldHasValues,
    CustomFieldInUse,
    CustomFieldsChanged,
    SchemaNotComposable,
)
from kokoa.services.catalog.custom_fields.events import (
    CategoryCustomized,
    CustomFieldChanged,
    CustomFieldDefined,
    CustomFieldEvent,
    CustomFieldRemoved,
)
from kokoa.services.catalog.custom_fields.model import (
    CustomField,
    Definitions,
    FieldChanges,
    Loss,
    Owner,
    takes_away,
    with_changes,
    with_field,
    without_field,
)
from kokoa.services.catalog.custom_fields.schemas import EnvironmentSchemas, StoreGraph
from kokoa.services.catalog.custom_fields.store import (
    CustomFieldStore,
    current_digest,
    drop_values,
    has_values,
    insert_revision,
    put_values,
    queries,
    values_of,
)
from kokoa.services.catalog.custom_fields.values import Document, merged
from kokoa.services.catalog.errors import CategoryChanged, CategoryNotFound, ProductChanged, ProductNotFound
from kokoa.services.catalog.variants.errors import VariantNotFound

_log = structlog.get_logger(__name__)

ATTEMPTS_MAX = 5
NAMED_MAX = 20

_Decided = tuple[Definitions, Loss | None]


class DefinitionActions:
    """graph: what the schema is a part of; without one (a catalog alone) it need not fit anything.

    correlation_id: of the request that caused the change; it travels with the events.
    """

    def __init__(
        self, database: Database, store: CustomFieldStore, schemas: EnvironmentSchemas, graph: StoreGraph | None
    ) -> None:
        self._database = database
        self._store = store
        self._schemas = schemas
        self._graph = graph

    async def define(self, environment_id: str, new: CustomField, *, correlation_id: str) -> CustomField:
        """The field, with its id.

        Raises InvalidCustomField, CustomFieldExists, TooManyCustomFields, SchemaNotComposable, CustomFieldsChanged.
        """
        event = CustomFieldDefined(on=new.on, field_key=new.key)
        after = await self._change(
            environment_id, lambda before: (with_field(before, new), None), event, False, correlation_id
        )
        return after.field(new.on, new.key)

    async def change(
        self,
        environment_id: str,
        owner: Owner,
        key: str,
        changes: FieldChanges,
        *,
        remove_values: bool,
        correlation_id: str,
    ) -> CustomField:
        """Raises CustomFieldNotFound, CustomFieldHasValues, CustomFieldInUse, and what `define` raises."""
        event = CustomFieldChanged(on=owner, field_key=key)
        after = await self._change(
            environment_id,
            lambda before: with_changes(before, owner, key, changes),
            event,
            remove_values,
            correlation_id,
        )
        return after.field(owner, key)

    async def remove(
        self, environment_id: str, owner: Owner, key: str, *, remove_values: bool, correlation_id: str
    ) -> None:
        """Raises CustomFieldNotFound, CustomFieldHasValues, CustomFieldInUse, CustomFieldsChanged."""
        event = CustomFieldRemoved(on=owner, field_key=key)
        await self._change(
            environment_id, lambda before: without_field(before, owner, key), event, remove_values, correlation_id
        )

    async def _change(
        self,
        environment_id: str,
        decide: Callable[[Definitions], _Decided],
        event: CustomFieldEvent,
        remove_values: bool,
        correlation_id: str,
    ) -> Definitions:
        """The definitions after a change; the last look and the write are one step, so nobody's change is lost."""
        for _ in range(ATTEMPTS_MAX):
            number, before = await self._store.current(environment_id)
            after, loss = decide(before)
            if after == before:
                return after
            await self._require_fits(environment_id, before, after)
            async with self._database.transaction(environment_id) as tx:
                if not await insert_revision(tx, number + 1, after):
                    continue
                if loss is not None:
                    await _lose(tx, loss, event, remove_values)
                await tx.emit(event, correlation_id=correlation_id)
            if self._graph is not None:
                await self._require_still_fits(
                    self._graph, environment_id, number + 1, before, after, event, correlation_id
                )
                await self._graph.schema_changed(environment_id)
            return after
        raise CustomFieldsChanged("Others change the custom fields of this environment right now; try again.")

    async def _require_fits(self, environment_id: str, before: Definitions, after: Definitions) -> None:
        """Raises SchemaNotComposable, CustomFieldInUse."""
        then = await self._schemas.made(environment_id, after)
        if self._graph is None:
            return
        await self._graph.require_composes(environment_id, then.sdl)
        if not takes_away(before, after):
            return
        now = await self._schemas.made(environment_id, before)
        broken = await self._graph.broken_operations(environment_id, now.sdl, then.sdl)
        if broken:
            more = f" and {len(broken) - NAMED_MAX} more" if len(broken) > NAMED_MAX else ""
            raise CustomFieldInUse(
                f"These registered operations would be refused then: {', '.join(broken[:NAMED_MAX])}{more}. "
                "Register others, remove these, and try again."
            )

    async def _require_still_fits(
        self,
        graph: StoreGraph,
        environment_id: str,
        number: int,
        before: Definitions,
        after: Definitions,
        event: CustomFieldEvent,
        correlation_id: str,
    ) -> None:
        """A partner may have published since the change was checked: then what does not fit is undone.

        Ids of fields are not given again. Raises SchemaNotComposable.
        """
        then = await self._schemas.made(environment_id, after)
        try:
            await graph.require_composes(environment_id, then.sdl)
        except SchemaNotComposable as error:
            async with self._database.transaction(environment_id) as tx:
                undone = Definitions(before.fields, after.next_id)
                if await insert_revision(tx, number + 1, undone):
                    changed = CustomFieldChanged(on=event.on, field_key=event.field_key)
                    await tx.emit(changed, correlation_id=correlation_id)
            await graph.schema_changed(environment_id)
            raise SchemaNotComposable(
                f"A partner published a subgraph at the same moment, and both do not fit together. The field is as "
                f"it was before. {error.message}",
                field="input.key",
            ) from error
        except Unavailable as error:
            # It was checked before; should it not fit after all, the graph before serves, and the log says so.
            _log.warning("schema_not_checked_again", environment_id=environment_id, reason=error.message)


async def _lose(tx: Transaction, loss: Loss, event: CustomFieldEvent, remove_values: bool) -> None:
    """Raises CustomFieldHasValues, unless values may be removed."""
    if remove_values:
        await drop_values(tx, loss)
    elif await has_values(tx, loss):
        what = f" {', '.join(loss.options)}" if loss.options else ""
        raise CustomFieldHasValues(
            f"{event.on} has values{what} of {event.field_key}, which would be lost. Say removeValues if they may."
        )


class _Holder(NamedTuple):
    """What has a version that a change of values needs.  changed: the error for another version."""

    version: int
    changed: Exception
    touch: str
    touched_id: str
    event: Event


class ValueActions:
    """definitions: of the schema that the values were sent by."""

    def __init__(self, database: Database, definitions: Definitions) -> None:
        self._database = database
        self._definitions = definitions

    async def set_values(
        self,
        environment_id: str,
        owner: Owner,
        owner_id: str,
        version: int,
        given: Mapping[str, Any],
        *,
        correlation_id: str,
    ) -> Document:
        """Values by the fields' names in Python, None for none. Nothing happens when they are so already.

        Raises InvalidCustomValue, CustomValueMissing, CustomFieldsChanged, and ProductNotFound, ProductChanged,
        VariantNotFound, CategoryNotFound or CategoryChanged.
        """
        fields = self._definitions.of(owner)
        async with self._database.transaction(environment_id) as tx:
            holder = await _locked(tx, owner, owner_id)
            if await current_digest(tx) != self._definitions.digest:
                raise CustomFieldsChanged("The custom fields of this environment changed just now; try again.")
            stored = await values_of(tx, owner, owner_id)
            document = merged(fields, stored, given)
            if document == stored:
                return document
            if holder.version != version:
                raise holder.changed
            await put_values(tx, owner, owner_id, document)
            await tx.execute(holder.touch, holder.touched_id)
            await tx.emit(holder.event, correlation_id=correlation_id)
        return document


async def _locked(tx: Transaction, owner: Owner, owner_id: str) -> _Holder:
    """Raises ProductNotFound, VariantNotFound, CategoryNotFound."""
    if owner == "CATEGORY":
        return await _locked_category(tx, owner_id)
    statement = queries.lock_product if owner == "PRODUCT" else queries.lock_product_of_variant
    row = await tx.fetchrow(statement, owner_id)
    if row is None:
        missing = ProductNotFound if owner == "PRODUCT" else VariantNotFound
        raise missing(f"There is no {owner.lower()} {owner_id}.")
    version, product_id = row["version"], str(row["product_id"])
    return _Holder(
        version,
        ProductChanged(f"The product is at version {version}. Read it again and repeat the change."),
        queries.touch_product,
        product_id,
        events.ProductUpdated(product_id=product_id, version=version + 1, status=row["status"]),
    )


async def _locked_category(tx: Transaction, category_id: str) -> _Holder:
    await tx.execute(category_queries.lock_tree)
    row = await tx.fetchrow(queries.lock_category, category_id)
    if row is None:
        raise CategoryNotFound(f"There is no category {category_id}.")
    version = row["version"]
    return _Holder(
        version,
        CategoryChanged(f"The category is at version {version}. Read it again and repeat the change."),
        queries.touch_category,
        category_id,
        CategoryCustomized(category_id=category_id, version=version + 1, path=row["path"]),
    )
