"""The search index on a real server: isolation, versions, and that its statement uses the index."""

from pathlib import Path

import asyncpg
import pytest

import kokoa.services.search as search
from kokoa.kernel.ids import new_id
from kokoa.postgres import Database
from kokoa.services.search.model import Document
from kokoa.services.search.store import SearchStore
from servers import ConnectService

FOLDER = Path(search.__file__).parent / "migrations"
CURRENT_DATABASE = "SELECT current_database() WHERE $1::uuid IS NOT NULL"


@pytest.fixture
async def database(connect_service: ConnectService) -> Database:
    return await connect_service("search", FOLDER)


def lamp(name: str = "Brass lamp", version: int = 1, product_id: str | None = None) -> Document:
    return Document(product_id or new_id(), version, name, "LMP-1", "Lighting", "Warm light for a desk")


async def test_words_prefix_and_category_find_a_product(database: Database) -> None:
    store, environment, document = SearchStore(database), new_id(), lamp()
    await store.put(environment, [document], [])
    for q in ("lamp", "lamps", "bras", "brass la", "lighting", "desk lamp", "LMP-1"):
        page = await store.search(environment, q, limit=10, offset=0)
        assert page.product_ids == [document.product_id], q
    for q in ("sofa", "brass sofa", "&|!", "'; DROP TABLE documents; --"):
        assert (await store.search(environment, q, limit=10, offset=0)).total == 0, q


async def test_another_environment_finds_nothing(database: Database) -> None:
    store = SearchStore(database)
    await store.put(new_id(), [lamp()], [])
    assert (await store.search(new_id(), "lamp", limit=10, offset=0)).total == 0


async def test_an_older_version_changes_nothing_and_a_page_beyond_the_end_has_the_total(database: Database) -> None:
    store, environment, product_id = SearchStore(database), new_id(), new_id()
    await store.put(environment, [lamp("Copper lamp", 2, product_id)], [])
    await store.put(environment, [lamp("Iron lamp", 1, product_id)], [])
    assert (await store.search(environment, "copper", limit=10, offset=0)).total == 1
    assert (await store.search(environment, "iron", limit=10, offset=0)).total == 0
    beyond = await store.search(environment, "lamp", limit=10, offset=5)
    assert (beyond.total, beyond.product_ids) == (1, [])
    await store.put(environment, [], [product_id])
    assert (await store.search(environment, "lamp", limit=10, offset=0)).total == 0


async def test_search_uses_its_index_under_row_level_security(database: Database, postgres: str) -> None:
    environment = new_id()
    documents = [lamp(f"Thing number {n}") for n in range(3000)]
    await SearchStore(database).put(environment, [*documents, lamp("Unicorn lamp")], [])
    dsn = postgres.replace("/postgres?", f"/{await database.fetchval(environment, CURRENT_DATABASE)}?")
    notices: list[str] = []
    admin = await asyncpg.connect(dsn)
    admin.add_log_listener(lambda _, message: notices.append(str(message)))
    await admin.execute("VACUUM (ANALYZE) search.documents")
    await admin.execute(
        """LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_level = notice;
           SET auto_explain.log_nested_statements = on; SET search_path = search; SET ROLE kokoa_search"""
    )
    await admin.fetch("SELECT * FROM search_documents($1, to_tsquery('unicorn'), 10, 0)", environment)
    await admin.close()
    assert any("documents_words" in notice and "Index Cond" in notice for notice in notices), notices
