"""How PostgreSQL reads lists: under forced row-level security, two environments of 20,000 products side by side."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from contract.catalog_shop import Shop
from contract.plan_rows import (
    BUNDLE_ROWS,
    CATEGORIES,
    CATEGORY_HISTORY_ROWS,
    CHANNEL_ROWS,
    DETAIL_ROWS,
    LIMIT_ROWS,
    PRODUCT_ROWS,
    PRODUCTS,
    RELATION_ROWS,
    START,
    SUBCATEGORIES,
    TOMBSTONE_ROWS,
    TYPE_ROWS,
    VALUE_ROWS,
    VARIANT_ROWS,
)
from kokoa.kernel.ids import new_id
from kokoa.postgres import Database
from kokoa.services.catalog.audit.acting import queries as history_queries
from kokoa.services.catalog.bulk.store import queries as bulk_queries
from kokoa.services.catalog.channels.store import queries as channel_queries
from kokoa.services.catalog.lists.filters import read_filter
from kokoa.services.catalog.lists.model import AllOf, Filter, Sort, SortField, ahead_of, beyond
from kokoa.services.catalog.lists.statements import count_statement, list_statement, subtree_statement
from kokoa.services.catalog.lists.store import shown
from kokoa.services.catalog.lists.ways import BOUNDS, Bounds
from kokoa.services.catalog.relations.store import queries as relation_queries
from kokoa.services.catalog.service import CatalogService
from kokoa.services.catalog.store import queries
from kokoa.services.catalog.variants.store import queries as variant_queries


def executed(plan: str) -> str:
    """What of a plan PostgreSQL has executed: of several ways to a page it takes one."""
    kept: list[str] = []
    skipped: int | None = None
    for line in plan.splitlines():
        indent = len(line) - len(line.lstrip())
        if skipped is None or indent <= skipped:
            skipped = indent if "(never executed)" in line else None
            if skipped is None:
                kept.append(line)
    return "\n".join(kept)


def sorts(plan: str) -> bool:
    """Whether anything is sorted."""
    return re.search(r"Sort  ?\(.*actual.* rows=(?!0(?:\.00)? )", plan) is not None


class Reader:
    """Runs statements as the service does and keeps the plans that PostgreSQL took."""

    def __init__(self, connection: asyncpg.Connection, environment_id: str) -> None:
        self.environment_id = environment_id
        self._connection = connection
        self._plans: list[str] = []
        connection.add_log_listener(lambda _, message: self._plans.append(str(message)))

    async def plan(self, text: str, *values: Any, mode: str) -> str:
        """mode: force_custom_plan as for a new statement, force_generic_plan as for one that is used often."""
        await self._connection.execute(f"SET plan_cache_mode = {mode}")
        self._plans.clear()
        await self._connection.fetch(text, self.environment_id, *values)
        await self._connection.execute("RESET plan_cache_mode")  # ends the statement; then it is logged
        return "\n".join(executed(plan) for plan in self._plans if "typeinfo_tree" not in plan)

    async def blocks(self, text: str, *values: Any, mode: str) -> int:
        """How many blocks of tables and indexes a statement reads, whatever the machine is doing."""
        plan = await self.plan(text, *values, mode=mode)
        read = re.search(r"^ +Buffers: shared (?:hit=(\d+))?(?: ?read=(\d+))?", plan, re.MULTILINE)
        assert read is not None, plan
        return sum(int(blocks or 0) for blocks in read.groups())

    @asynccontextmanager
    async def knowing(self, statistics: bool) -> AsyncIterator[None]:
        """statistics: False as right after an import: nobody has counted yet."""
        transaction = self._connection.transaction()
        await transaction.start()
        try:
            if not statistics:
                await self._connection.execute(
                    """RESET ROLE;
                       DELETE FROM pg_statistic WHERE starelid IN (
                           SELECT oid FROM pg_class WHERE relnamespace = 'catalog'::regnamespace);
                       SET ROLE kokoa_catalog"""
                )
            yield
        finally:
            await transaction.rollback()

    async def row(self, text: str) -> Any:
        """The first row of a statement of the environment."""
        return await self._connection.fetchrow(text, self.environment_id)

    async def ids(self, most: int) -> list[str]:
        """Of products, in the order of their names."""
        rows = await self._connection.fetch("SELECT id FROM products ORDER BY name LIMIT $1", most)
        return [str(row["id"]) for row in rows]


@pytest.fixture(scope="module")
async def reader(catalog: tuple[CatalogService, Database], postgres: str) -> AsyncIterator[Reader]:
    database = catalog[1]
    environments = [new_id(), new_id()]
    name = await database.fetchval(environments[0], "SELECT current_database() WHERE $1::uuid IS NOT NULL")
    admin = await asyncpg.connect(postgres.replace("/postgres?", f"/{name}?"))
    await admin.execute("SET search_path = catalog")
    for environment in environments:
        await admin.execute(CATEGORIES, environment)
        await admin.execute(SUBCATEGORIES, environment)
        await admin.execute(PRODUCT_ROWS, environment, PRODUCTS)
        await admin.execute(VARIANT_ROWS, environment, PRODUCTS)
        await admin.execute(TYPE_ROWS, environment)
        await admin.execute(DETAIL_ROWS, environment, PRODUCTS)
        await admin.execute(VALUE_ROWS, environment, PRODUCTS)
        await admin.execute(CHANNEL_ROWS, environment)
        await admin.execute(LIMIT_ROWS, environment, PRODUCTS)
        await admin.execute(RELATION_ROWS, environment, PRODUCTS)
        await admin.execute(BUNDLE_ROWS, environment)
        await admin.execute(CATEGORY_HISTORY_ROWS, environment)
        await admin.execute(TOMBSTONE_ROWS, environment)
    await admin.execute("VACUUM (ANALYZE) products, variants, categories, product_types, product_details")
    await admin.execute("VACUUM (ANALYZE) attribute_values, channels, product_channels")
    await admin.execute("VACUUM (ANALYZE) product_relations, bundle_items, category_history, product_tombstones")
    await admin.execute(
        """LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_level = notice;
           SET auto_explain.log_analyze = on; SET auto_explain.log_timing = off; SET auto_explain.log_buffers = on;
           SET auto_explain.log_nested_statements = on; SET enable_seqscan = off; SET ROLE kokoa_catalog"""
    )
    await admin.execute("SELECT set_config('kokoa.environment_id', $1, false)", environments[0])
    assert await admin.fetchval("SELECT count(*) FROM products") == PRODUCTS
    yield Reader(admin, environments[0])
    await admin.close()


def moment(minutes: int) -> str:
    return (START + timedelta(minutes=minutes)).isoformat()


def read(given: dict[str, Any] | None = None) -> Filter:
    """A filter as the graph hands it on."""
    moments = {
        key: datetime.fromisoformat(one) for key, one in (given or {}).items() if key.endswith(("_from", "_to"))
    }
    return read_filter({**(given or {}), **moments})


# Of a large subtree the planner may rather walk the names and stop early.
SUBTREE = {"category": "shelf-3/box-4", "include_subcategories": True}
PRICES = {"currency": "EUR", "min_price_minor": 500, "max_price_minor": 520}
FILTERS: list[tuple[dict[str, Any], str]] = [
    ({"ids": [new_id(), new_id()]}, "products_pkey"),
    ({"category": "shelf-3/box-4"}, r"products_(published_)?by_category"),
    (SUBTREE, r"products_(published_)?by_category"),
    ({"name_prefix": "thing 1234"}, "products_by_folded_name"),
    (PRICES, "products_by_price"),
    ({"skus": ["SKU-1", "SKU-2"]}, "variants_sku"),
    ({"external_references": ["erp-1", "erp-2"]}, "products_external_reference"),
    # Where the planner does not know how many types are asked for, it may walk the products and look at each one's.
    ({"product_type": ["kind7"]}, r"product_details_(by_type|pkey)"),
    ({"attributes": [{"key": "ean", "equals": "77"}]}, "attribute_values_by_value"),
    ({"attributes": [{"key": "power", "min": 500, "max": 500.5}]}, "attribute_values_by_value"),
    ({"created_from": moment(100), "created_to": moment(200)}, "products_by_created"),
    ({"updated_from": moment(100), "updated_to": moment(200)}, "products_by_updated"),
]
MODES = ["force_custom_plan", "force_generic_plan"]


def assert_read_by(plan: str, index: str) -> None:
    assert re.search(rf"(Index( Only)? Scan|Bitmap Index Scan)( Backward)?.* (using|on) {index}\b", plan), plan
    assert "Index Cond" in plan, plan
    assert "Seq Scan on products" not in plan, plan
    assert "Seq Scan on variants" not in plan, plan
    assert "Seq Scan on attribute_values" not in plan, plan
    assert "Seq Scan on product_details" not in plan, plan


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("published_only", [True, False], ids=["storefront", "management"])
async def test_each_filter_reads_an_index(reader: Reader, published_only: bool, mode: str) -> None:
    for given, index in FILTERS:
        wanted = shown(read(given), published_only=published_only)
        text, values = list_statement(
            wanted, Sort("UPDATED" if "updated_from" in given else "NAME"), backwards=False, limit=21, offset=0
        )
        assert_read_by(await reader.plan(text, *values, mode=mode), index)
        text, values = count_statement(wanted)
        assert_read_by(await reader.plan(text, *values, mode=mode), index)


@pytest.mark.parametrize("mode", MODES)
async def test_a_value_that_many_have_reads_values_by_their_index(reader: Reader, mode: str) -> None:
    """Which way the page itself is read is the planner's choice."""
    tests = [{"key": "material", "in": ["oak"]}, {"key": "power", "max": 4000}]
    text, values = list_statement(read({"attributes": tests}), Sort(), backwards=False, limit=21, offset=0)
    plan = await reader.plan(text, *values, mode=mode)
    assert re.search(
        r"Index( Only)? Scan.* using attribute_values_(by_value|pkey)\b|Bitmap Index Scan on attribute_", plan
    )
    assert "Seq Scan" not in plan, plan


@pytest.mark.parametrize("mode", MODES)
async def test_a_part_of_a_name_is_looked_for_in_the_index_of_names_and_then_by_trigrams(
    reader: Reader, mode: str
) -> None:
    for part, by_trigrams in (("thing", False), ("ng 0a1", True)):
        text, values = list_statement(read({"name_contains": part}), Sort(), backwards=False, limit=21, offset=0)
        plan = await reader.plan(text, *values, mode=mode)
        assert_read_by(plan, "products_by_name")
        assert ("products_name_parts" in plan) == by_trigrams, plan
        assert sorts(plan) == by_trigrams, plan


# Filters that fit many, and how many blocks a page of theirs may read. All that fits would be 2,000 to 20,000.
MATERIAL = {"attributes": [{"key": "material", "equals": "oak"}]}
MANY: list[tuple[dict[str, Any], int]] = [
    (MATERIAL, 1_200),
    ({"attributes": [{"key": "power", "min": 10}]}, 1_200),
    ({**MATERIAL, "product_type": [f"kind{n}" for n in range(50)]}, 2_000),
    ({"product_type": [f"kind{n}" for n in range(50)]}, 1_200),
    ({"category": "shelf-1", "include_subcategories": True, "currency": "USD", "min_price_minor": 10}, 1_500),
    ({"name_contains": "thing"}, 500),
    ({"name_prefix": "thing"}, 500),
    ({"or": [{"category": "shelf-3/box-4"}, MATERIAL]}, 1_200),
    ({"not": MATERIAL}, 2_000),
    ({"channel": "rare"}, 2_000),
    ({"created_from": "2026-01-02T00:00:00+00:00", "currency": "EUR"}, 1_200),
]


@pytest.mark.parametrize("statistics", [True, False], ids=["with statistics", "without"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("published_only", [True, False], ids=["storefront", "management"])
async def test_a_page_of_what_many_fit_does_not_read_all_of_them(
    reader: Reader, published_only: bool, mode: str, statistics: bool
) -> None:
    async with reader.knowing(statistics):
        for given, most in MANY:
            wanted = shown(read(given), published_only=published_only)
            for field in KEYS:
                for backwards in (False, True):
                    text, values = list_statement(wanted, Sort(field), backwards=backwards, limit=50, offset=0)
                    assert await reader.blocks(text, *values, mode=mode) <= most, (given, field, backwards)


@pytest.mark.parametrize("mode", MODES)
async def test_a_page_far_back_in_its_order_is_found_without_reading_what_is_before_it(
    reader: Reader, mode: str
) -> None:
    """Power and price go together here: what has the least power is the last of what is dearest."""
    weak = read({"attributes": [{"key": "power", "max": 4000}]})
    text, values = list_statement(weak, Sort("PRICE", descending=True), backwards=False, limit=50, offset=0)
    assert await reader.blocks(text, *values, mode=mode) <= 13_000  # 2,000 that were looked at, and indexes
    below = shown(weak, published_only=True)
    text, values = list_statement(below, Sort("PRICE", descending=True), backwards=False, limit=50, offset=5_000)
    assert await reader.blocks(text, *values, mode=mode) <= 40_000


KEYS: dict[SortField, tuple[tuple[Any, ...], str]] = {
    "NAME": (("Thing 8", new_id()), r"products_(published_)?by_name"),
    "PRICE": (("EUR", 4000, new_id()), "products_by_price"),
    "CREATED": ((START + timedelta(days=7), new_id()), "products_by_created"),
    "UPDATED": ((START + timedelta(days=14), new_id()), "products_by_updated"),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("published_only", [True, False], ids=["storefront", "management"])
@pytest.mark.parametrize("descending", [False, True], ids=["ascending", "descending"])
@pytest.mark.parametrize("field", KEYS)
async def test_each_sort_reads_its_index_in_order_and_begins_at_the_cursor(
    reader: Reader, field: SortField, descending: bool, published_only: bool, mode: str
) -> None:
    key, index = KEYS[field]
    sort = Sort(field, descending)
    for backwards in (False, True):
        seek = (ahead_of if backwards else beyond)(key, sort)
        for parts in (AllOf(), AllOf((seek,))):
            wanted = shown(parts, published_only=published_only)
            text, values = list_statement(wanted, sort, backwards=backwards, limit=21, offset=0)
            plan = await reader.plan(text, *values, mode=mode)
            assert_read_by(plan, index)
            assert not sorts(plan), plan
            assert not parts.parts or re.search(r"Index Cond: .*ROW\(", plan), plan


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("published_only", [True, False], ids=["storefront", "management"])
async def test_a_page_of_a_channel_reads_the_list_in_order_and_the_limits_by_key(
    reader: Reader, published_only: bool, mode: str
) -> None:
    wanted = shown(read({"channel": "rare"}), published_only=published_only)
    text, values = list_statement(wanted, Sort(), backwards=False, limit=50, offset=0)
    plan = await reader.plan(text, *values, mode=mode)
    assert_read_by(plan, r"products_(published_)?by_name")
    assert_read_by(plan, "product_channels_pkey")
    assert not sorts(plan), plan


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("published_only", [True, False], ids=["storefront", "management"])
async def test_pages_of_categories_in_a_channel_read_their_indexes(
    reader: Reader, published_only: bool, mode: str
) -> None:
    paths = ["shelf-1/box-1", "shelf-2/box-2"]
    of_categories = await reader.plan(
        queries.products_of_categories_sold, paths, 50, 0, "rare", published_only, mode=mode
    )
    assert not sorts(of_categories), of_categories
    text, values = subtree_statement(
        ["shelf-1", "shelf-2"], limit=50, offset=0, published_only=published_only, channel="rare"
    )
    of_subtrees = await reader.plan(text, *values, mode=mode)
    for plan in (of_categories, of_subtrees):
        assert_read_by(plan, r"products_(published_)?by_category")
        assert_read_by(plan, "product_channels_pkey")
        assert "Seq Scan on product_channels" not in plan, plan


@pytest.mark.parametrize("mode", MODES)
async def test_products_that_others_lead_to_are_looked_up_by_key_with_their_channels(
    reader: Reader, mode: str
) -> None:
    ids = await reader.ids(50)
    for text, values in (
        (relation_queries.related_sold, [ids, "RELATED", 10, True, "rare"]),
        (relation_queries.bundles_sold, [ids, "rare"]),
        (channel_queries.available, [ids, "rare"]),
    ):
        plan = await reader.plan(text, *values, mode=mode)
        assert_read_by(plan, "product_channels_pkey")
        assert "Seq Scan on product_channels" not in plan, plan
        assert "Seq Scan on products" not in plan, plan


@pytest.mark.parametrize("mode", MODES)
async def test_the_history_of_categories_is_read_in_order_from_its_place(reader: Reader, mode: str) -> None:
    moment = START + timedelta(minutes=500)
    plan = await reader.plan(history_queries.category_history_pages, await reader.ids(50), moment, 500, 21, mode=mode)
    assert re.search(r"Index Scan Backward using category_history_pkey", plan), plan
    assert re.search(r"Index Cond: .*ROW\(", plan), plan
    assert not sorts(plan), plan


@pytest.mark.parametrize("mode", MODES)
async def test_a_page_of_the_feed_begins_at_its_place(reader: Reader, mode: str) -> None:
    """Products all come of one transaction here, tombstones of many."""
    for place in ((0, new_id()), (900, new_id())):
        plan = await reader.plan(bulk_queries.changes_page, *place, 251, mode=mode)
        for index in ("products_by_change", "product_tombstones_pkey"):
            assert_read_by(plan, index)
        assert re.search(r"Index Cond: .*ROW\(", plan), plan
        assert "Seq Scan on product_tombstones" not in plan, plan


PARTS = {
    "category texts": """INSERT INTO category_seo (environment_id, category_id, title, no_index)
                         SELECT $1::uuid, md5($1::text || $2::integer)::uuid, 'Title', false""",
    "schedule": """INSERT INTO product_schedules (environment_id, product_id, publish_at)
                   SELECT $1::uuid, md5($1::text || $2::integer)::uuid, now()""",
    "custom": """INSERT INTO product_custom_values (environment_id, product_id, document)
                 SELECT $1::uuid, md5($1::text || $2::integer)::uuid, '{"1": 2}'""",
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("insert", PARTS.values(), ids=PARTS)
async def test_the_history_of_a_part_looks_its_owner_up_by_key(reader: Reader, insert: str, mode: str) -> None:
    """A trigger that read all products would make every change as slow as the catalogue is large."""
    plan = await reader.plan(insert, MODES.index(mode) + 1, mode=mode)
    assert re.search("INSERT INTO (product|category)_history", plan), plan
    looked_up = re.search(
        r"Index Scan using (?:products|categories)_pkey on (?:products p|categories g) .*\n\s*Index Cond: (.*)", plan
    )
    assert looked_up is not None, plan
    assert "(environment_id = " in looked_up[1]
    assert "(id = " in looked_up[1]


@pytest.mark.parametrize("mode", MODES)
async def test_the_usual_pages_read_their_indexes_in_order(reader: Reader, mode: str) -> None:
    pages: list[tuple[str, list[Any], str]] = [
        (queries.products_page, [50, 0], "products_by_name"),
        (queries.published_page, [50, 0], "products_published_by_name"),
        (queries.products_of_category, ["shelf-1/box-1", 50, 0], "products_by_category"),
        (queries.published_of_category, ["shelf-1/box-1", 50, 0], "products_published_by_category"),
        (queries.products_of_categories, [["shelf-1/box-1", "shelf-2/box-2"], 50, 0], "products_by_category"),
        (queries.published_of_categories, [["shelf-1/box-1"], 50, 0], "products_published_by_category"),
        (queries.product_by_slug, ["thing-7"], "products_slug"),
        (queries.published_variants_by_ids, [[new_id(), new_id()]], "variants_pkey"),
    ]
    for text, values, index in pages:
        plan = await reader.plan(text, *values, mode=mode)
        assert_read_by(plan, index)
        assert not sorts(plan), plan


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("statistics", [True, False])
async def test_variants_are_read_one_by_one_whoever_has_counted(reader: Reader, statistics: bool, mode: str) -> None:
    """Each line that is put into a cart reads them: what grows with the catalogue must not stand in its way."""
    row = await reader.row("SELECT id FROM variants WHERE environment_id = $1 AND sku = 'SKU-7'")
    reads: list[tuple[str, list[Any]]] = [
        (variant_queries.variants_by_keys, [[], ["SKU-1", "SKU-2"], True, True]),
        (variant_queries.variants_by_keys, [[row["id"]], ["SKU-1"], False, False]),
        (variant_queries.variant_by_key, ["SKU-1", None]),
    ]
    async with reader.knowing(statistics):
        for text, values in reads:
            assert await reader.blocks(text, *values, mode=mode) <= 20, await reader.plan(text, *values, mode=mode)


SUBTREE_WAYS = {"merged": BOUNDS, "sorted by keys": Bounds(merged=0), "walked": Bounds(merged=0, keyed=0)}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("published_only", [True, False], ids=["storefront", "management"])
@pytest.mark.parametrize("way", SUBTREE_WAYS)
async def test_a_page_of_a_category_with_all_below_reads_keys_and_then_the_page(
    reader: Reader, way: str, published_only: bool, mode: str
) -> None:
    """Each of the two has 1,000 products in ten categories below it."""
    text, values = subtree_statement(
        ["shelf-1", "shelf-2"],
        limit=50,
        offset=0,
        published_only=published_only,
        channel=None,
        bounds=SUBTREE_WAYS[way],
    )
    plan = await reader.plan(text, *values, mode=mode)
    by_name = way == "walked"
    index = r"products_(published_)?by_name" if by_name else r"products_(published_)?by_category"
    assert_read_by(plan, index)
    assert by_name or re.search(r"Index Only Scan using products_(published_)?by_category", plan), plan
    assert await reader.blocks(text, *values, mode=mode) <= (5_000 if by_name else 700), plan


async def test_what_is_read_is_of_one_environment(reader: Reader, catalog: tuple[CatalogService, Database]) -> None:
    shop = Shop(catalog[0], reader.environment_id)
    found = await shop.data(
        """{ deep: productConnection(
               first: 1, filter: {nameContains: "THING", category: "shelf-3", includeSubcategories: true}
             ) { totalCount }
             all: productConnection(first: 1) { totalCount } }"""
    )
    assert found["deep"]["totalCount"] == PRODUCTS // 20
    assert found["all"]["totalCount"] == 10_000
