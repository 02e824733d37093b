"""queries.sql ⇄ model. Values are read for many objects at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import orjson

from kokoa.postgres import Database, Transaction, load_queries
from kokoa.services.catalog.custom_fields.errors import SchemaOutdated
from kokoa.services.catalog.custom_fields.model import NO_FIELDS, Definitions, Loss, Owner

queries = load_queries(Path(__file__).with_name("queries.sql"))

REVISIONS_KEPT = 50
DROPPED_MAX = 100_000  # objects whose values go with a field; what is left can be read no more, and goes when written

_read_definitions = msgspec.json.Decoder(Definitions).decode


class _Statements(NamedTuple):
    values: str
    put: str
    used: str
    drop: str


_OF: dict[Owner, _Statements] = {
    "PRODUCT": _Statements(
        queries.product_values,
        queries.put_product_values,
        queries.product_has_values,
        queries.drop_product_values,
    ),
    "VARIANT": _Statements(
        queries.variant_values,
        queries.put_variant_values,
        queries.variant_has_values,
        queries.drop_variant_values,
    ),
    "CATEGORY": _Statements(
        queries.category_values,
        queries.put_category_values,
        queries.category_has_values,
        queries.drop_category_values,
    ),
}


class Revision(NamedTuple):
    """number: 0 before there was any."""

    number: int
    definitions: Definitions


class CustomFieldStore:
    """Reads of one environment each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def current(self, environment_id: str) -> Revision:
        """The definitions as they are now."""
        row = await self._database.fetchrow(environment_id, queries.current_revision)
        return Revision(row["revision"], _read_definitions(row["definitions"])) if row else Revision(0, NO_FIELDS)

    async def digest(self, environment_id: str) -> str:
        """Of the definitions as they are now; empty without any field."""
        return await self._database.fetchval(environment_id, queries.current_digest) or ""

    async def by_digest(self, environment_id: str, digest: str) -> Definitions:
        """Definitions that the environment has, or had not long ago. Raises SchemaOutdated."""
        text = await self._database.fetchval(environment_id, queries.definitions_by_digest, digest)
        if text is None:
            raise SchemaOutdated("The schema of this store has changed; send the request again.")
        return _read_definitions(text)

    async def values(self, environment_id: str, owner: Owner, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Documents by the id of their object; those that have none are missing."""
        rows = await self._database.fetch(environment_id, _OF[owner].values, sorted(set(ids)))
        return {str(owner_id): orjson.loads(document) for owner_id, document in rows}


async def insert_revision(tx: Transaction, number: int, definitions: Definitions) -> bool:
    """The environment's next revision; False when somebody else made it already."""
    text = msgspec.json.encode(definitions).decode()
    made = await tx.fetchval(queries.insert_revision, number, definitions.digest, text)
    if made is not None:
        await tx.execute(queries.forget_revisions, number - REVISIONS_KEPT)
    return made is not None


async def current_digest(tx: Transaction) -> str:
    """Of the definitions as they are now; empty without any field."""
    return await tx.fetchval(queries.current_digest) or ""


async def has_values(tx: Transaction, loss: Loss) -> bool:
    """Whether there is anything to lose."""
    options = list(loss.options) or None
    return bool(await tx.fetchval(_OF[loss.owner].used, str(loss.field_id), options))


async def drop_values(tx: Transaction, loss: Loss) -> None:
    """Take values away, of at most DROPPED_MAX objects."""
    options = list(loss.options) or None
    await tx.execute(_OF[loss.owner].drop, str(loss.field_id), options, DROPPED_MAX)


async def values_of_products(tx: Transaction, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Documents by the id of their product; those that have none are missing."""
    return {str(one): orjson.loads(text) for one, text in await tx.fetch(queries.product_values, ids)}


async def put_values_of_products(tx: Transaction, documents: Mapping[str, dict[str, Any]]) -> None:
    """All values of products, by their ids, and their next versions."""
    await put_documents(tx, documents)
    await tx.execute(queries.touch_products, list(documents))


async def put_documents(tx: Transaction, documents: Mapping[str, dict[str, Any]]) -> None:
    """All values of products, by their ids."""
    texts = [orjson.dumps(one).decode() for one in documents.values()]
    await tx.execute(queries.put_values_of_products, list(documents), texts)


async def current_definitions(tx: Transaction) -> Definitions:
    """The definitions as they are now."""
    row = await tx.fetchrow(queries.current_revision)
    return _read_definitions(row["definitions"]) if row else NO_FIELDS


async def values_of(tx: Transaction, owner: Owner, owner_id: str) -> dict[str, Any]:
    """The document of one object; empty if it has none."""
    row = await tx.fetchrow(_OF[owner].values, [owner_id])
    return orjson.loads(row[1]) if row else {}


async def put_values(tx: Transaction, owner: Owner, owner_id: str, document: dict[str, Any]) -> None:
    """All values of one object."""
    await tx.execute(_OF[owner].put, owner_id, orjson.dumps(document).decode())
