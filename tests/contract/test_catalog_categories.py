"""The tree of categories on a real server, asked through catalog's subgraph."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from contract.catalog_shop import STOREFRONT, Shop
from kokoa.kernel.ids import new_id
from kokoa.messaging import Bus
from kokoa.messaging.feed import Feed
from kokoa.postgres import Database, ServiceSchema, migrate, service_dsn
from kokoa.services.catalog.categories import model
from kokoa.services.catalog.categories.store import queries
from kokoa.services.catalog.media.objects import MediaObjects
from kokoa.services.catalog.service import FOLDER, CatalogService
from servers import SERVICE_PASSWORD

CREATE = "mutation($input: CreateCategoryInput!) { c: createCategory(input: $input) { id path version depth } }"
RENAME = "mutation($input: RenameCategoryInput!) { c: renameCategory(input: $input) { path name version } }"
MOVE = "mutation($input: MoveCategoryInput!) { c: moveCategory(input: $input) { path depth version position } }"
ORDER = "mutation($parent: ID, $ids: [ID!]!) { c: orderCategories(parentId: $parent, ids: $ids) { slug position } }"
DELETE = "mutation($id: ID!, $version: Int!) { deleteCategory(id: $id, version: $version) }"


@pytest.fixture
def database(catalog: tuple[CatalogService, Database]) -> Database:
    return catalog[1]


@pytest.fixture
def shop(catalog: tuple[CatalogService, Database]) -> Shop:
    return Shop(catalog[0])


async def plant(shop: Shop, *paths: str) -> dict[str, str]:
    """Categories with these paths, parents first; path → id."""
    ids: dict[str, str] = {}
    for path in paths:
        parent, _, slug = path.rpartition("/")
        given = {"name": slug.title(), "slug": slug, "parentId": ids.get(parent)}
        ids[path] = (await shop.data(CREATE, input=given))["c"]["id"]
    return ids


async def paths(shop: Shop) -> list[str]:
    return sorted(one["path"] for one in (await shop.data("{ categories { path } }"))["categories"])


async def move(shop: Shop, category_id: str, parent_id: str | None, version: int = 1) -> Any:
    return (await shop.data(MOVE, input={"id": category_id, "version": version, "parentId": parent_id}))["c"]


async def test_a_tree_is_read_up_and_down(shop: Shop) -> None:
    await plant(shop, "home", "home/light", "home/light/lamps", "home/beds", "garden")
    found = await shop.data(
        """{ category(path: "home/light/lamps") {
               slug depth parent { path parent { path parent { path } } } ancestors { path } breadcrumbs { name } }
             roots: categories(depth: 1) { path children { path children { path } } } }""",
        STOREFRONT,
    )
    assert found == {
        "category": {
            "slug": "lamps",
            "depth": 3,
            "parent": {"path": "home/light", "parent": {"path": "home", "parent": None}},
            "ancestors": [{"path": "home"}, {"path": "home/light"}],
            "breadcrumbs": [{"name": "Home"}, {"name": "Light"}, {"name": "Lamps"}],
        },
        "roots": [
            {
                "path": "home",
                "children": [
                    {"path": "home/light", "children": [{"path": "home/light/lamps"}]},
                    {"path": "home/beds", "children": []},
                ],
            },
            {"path": "garden", "children": []},
        ],
    }


async def test_a_slug_is_unique_among_siblings_only(shop: Shop) -> None:
    ids = await plant(shop, "women", "men", "women/shoes", "men/shoes")
    again = {"name": "Shoes", "parentId": ids["men"]}
    assert await shop.error(CREATE, input=again) == ("ALREADY_TAKEN", "A category beside it has the slug 'shoes'.")
    assert await shop.code(MOVE, input={"id": ids["men/shoes"], "version": 1, "parentId": ids["women"]}) == (
        "ALREADY_TAKEN"
    )
    rename = {"id": ids["men"], "version": 1, "slug": "women"}
    assert await shop.code(RENAME, input=rename) == "ALREADY_TAKEN"
    assert await paths(shop) == ["men", "men/shoes", "women", "women/shoes"]


async def test_a_category_moves_with_its_subtree_and_their_products(shop: Shop, database: Database) -> None:
    ids = await plant(shop, "home", "home/light", "home/light/lamps", "home/light-bulbs", "shop")
    lamp = await shop.create("Lamp", category="home/light/lamps")
    bulb = await shop.create("Bulb", category="home/light-bulbs")
    moved = await move(shop, ids["home/light"], ids["shop"])
    assert moved == {"path": "shop/light", "depth": 2, "version": 2, "position": 0}
    assert await paths(shop) == ["home", "home/light-bulbs", "shop", "shop/light", "shop/light/lamps"]
    query = "query($id: ID!) { product(id: $id) { version category { path parent { path } } } }"
    found = (await shop.data(query, id=lamp["id"]))["product"]
    assert found == {"version": 1, "category": {"path": "shop/light/lamps", "parent": {"path": "shop/light"}}}
    assert (await shop.data(query, id=bulb["id"]))["product"]["category"]["path"] == "home/light-bulbs"
    assert (await move(shop, ids["home/light"], None, 2))["path"] == "light"
    assert (await move(shop, ids["home/light"], None, 3))["version"] == 3  # it is there already
    told = "SELECT event_type FROM outbox WHERE environment_id = $1 AND event_type LIKE 'CategoryM%'"
    assert len(await database.fetch(shop.environment_id, told)) == 2


async def test_a_new_slug_changes_the_paths_below_and_a_new_name_does_not(shop: Shop) -> None:
    ids = await plant(shop, "light", "light/lamps")
    lamp = await shop.create("Lamp", category="light/lamps")
    renamed = await shop.data(RENAME, input={"id": ids["light"], "version": 1, "name": "Lighting"})
    assert renamed["c"] == {"path": "light", "name": "Lighting", "version": 2}
    renamed = await shop.data(RENAME, input={"id": ids["light"], "version": 2, "slug": "lighting"})
    assert renamed["c"] == {"path": "lighting", "name": "Lighting", "version": 3}
    found = await shop.data("query($id: ID!) { product(id: $id) { category { path } } }", id=lamp["id"])
    assert found["product"]["category"]["path"] == "lighting/lamps"


async def test_a_cycle_is_refused(shop: Shop) -> None:
    ids = await plant(shop, "a", "a/b", "a/b/c")
    for inside in ("a", "a/b", "a/b/c"):
        wanted = {"id": ids["a"], "version": 1, "parentId": ids[inside]}
        assert await shop.code(MOVE, input=wanted) == "CATEGORY_INSIDE_ITSELF"


async def test_two_moves_at_once_that_would_make_a_cycle_go_one_after_the_other(
    shop: Shop, database: Database
) -> None:
    ids = await plant(shop, "a", "a/b", "d")
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND $1::uuid IS NOT NULL"
    async with database.transaction(shop.environment_id) as tx:
        await tx.execute(queries.lock_tree)
        moves = [
            asyncio.ensure_future(
                shop.ask(MOVE, variables={"input": {"id": moved, "version": 1, "parentId": parent}})
            )
            for moved, parent in ((ids["a"], ids["d"]), (ids["d"], ids["a/b"]))
        ]
        async with asyncio.timeout(30):
            while await database.fetchval(shop.environment_id, waiting) < len(moves):
                await asyncio.sleep(0.02)
    results = await asyncio.gather(*moves)
    codes = [result.errors[0]["extensions"]["code"] for result in results if result.errors]
    assert codes == ["CATEGORY_INSIDE_ITSELF"]
    assert len(await paths(shop)) == 3


async def test_a_move_that_waits_for_a_product_which_waits_for_it_is_a_conflict(
    shop: Shop, database: Database, postgres: str
) -> None:
    """The move holds the category and waits for product A; B waits for the category; A is let go: the move meets B.

    PostgreSQL gives up whoever looks first, so the other two look for deadlocks only after a minute.
    """
    ids = await plant(shop, "home", "shop")
    first, second = [(await shop.create(name, category="home"))["id"] for name in ("A", "B")]
    name = await database.fetchval(shop.environment_id, "SELECT current_database() WHERE $1::uuid IS NOT NULL")
    dsn = postgres.replace("/postgres?", f"/{name}?")
    patience = {"search_path": "catalog", "deadlock_timeout": "60s"}
    one, other, watcher = [await asyncpg.connect(dsn, server_settings=patience) for _ in range(3)]
    touch = "UPDATE products SET description = 'x' WHERE environment_id = $1 AND id = $2"
    put = "UPDATE products SET category = 'shop' WHERE environment_id = $1 AND id = $2"
    back = "UPDATE products SET category = 'home' WHERE environment_id = $1 AND id = $2"
    begun, held = one.transaction(), other.transaction()
    await begun.start()
    await one.execute(touch, shop.environment_id, first)
    move_home = {"input": {"id": ids["home"], "version": 1, "parentId": ids["shop"]}}
    moving = asyncio.ensure_future(shop.ask(MOVE, variables=move_home))
    await waiters(watcher, 1)
    await held.start()
    await other.execute(put, shop.environment_id, second)
    putting = asyncio.ensure_future(other.execute(back, shop.environment_id, second))
    await waiters(watcher, 2)
    await begun.rollback()
    moved = await asyncio.wait_for(moving, 60)
    await asyncio.wait_for(putting, 60)
    await held.rollback()
    await asyncio.gather(one.close(), other.close(), watcher.close())
    assert moved.errors[0]["extensions"]["code"] == "CHANGED_CONCURRENTLY"
    assert await paths(shop) == ["home", "shop"]


async def waiters(watcher: asyncpg.Connection, wanted: int) -> None:
    """Until so many connections of this database wait for a row."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(30):
        while await watcher.fetchval(waiting) < wanted:
            await asyncio.sleep(0.02)


async def test_the_tree_has_a_bounded_depth(shop: Shop) -> None:
    deep = ["/".join("abcdefgh"[: n + 1]) for n in range(8)]
    ids = await plant(shop, *deep, "x", "x/y")
    assert await shop.code(CREATE, input={"name": "i", "parentId": ids[deep[7]]}) == "CATEGORY_TOO_DEEP"
    wanted = {"id": ids["x"], "version": 1, "parentId": ids[deep[6]]}
    assert await shop.code(MOVE, input=wanted) == "CATEGORY_TOO_DEEP"
    assert (await move(shop, ids["x"], ids[deep[5]]))["depth"] == 7


async def test_numbers_of_categories_are_bounded(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = await plant(shop, "a", "b", "a/one")
    monkeypatch.setattr(model, "CHILDREN_MAX", 2)
    assert await shop.code(CREATE, input={"name": "c"}) == "TOO_MANY_CATEGORIES"
    assert await shop.code(MOVE, input={"id": ids["a/one"], "version": 1}) == "TOO_MANY_CATEGORIES"
    monkeypatch.setattr(model, "CATEGORIES_MAX", 3)
    assert await shop.code(CREATE, input={"name": "two", "parentId": ids["a"]}) == "TOO_MANY_CATEGORIES"


async def test_children_have_the_order_that_the_merchant_gives_them(shop: Shop) -> None:
    ids = await plant(shop, "home", "home/a", "home/b", "home/c")
    wanted = [ids["home/c"], ids["home/a"], ids["home/b"]]
    ordered = (await shop.data(ORDER, parent=ids["home"], ids=wanted))["c"]
    assert ordered == [{"slug": "c", "position": 0}, {"slug": "a", "position": 1}, {"slug": "b", "position": 2}]
    found = await shop.data(
        '{ category(slug: "home") { children { slug } next: children(limit: 1, offset: 2) { slug } } }'
    )
    assert [one["slug"] for one in found["category"]["children"]] == ["c", "a", "b"]
    assert found["category"]["next"] == [{"slug": "b"}]
    for wrong in (wanted[:2], [*wanted, ids["home"]], [wanted[0], *wanted[:2]], [new_id(), *wanted[:2]]):
        assert await shop.code(ORDER, parent=ids["home"], ids=wrong) == "INVALID_CATEGORY"


async def test_only_an_empty_category_is_deleted(shop: Shop) -> None:
    ids = await plant(shop, "home", "home/lamps")
    made = await shop.create("Lamp", category="home/lamps", status="DRAFT")
    empty = "CATEGORY_NOT_EMPTY", "The category still has subcategories; move or delete them first."
    assert await shop.error(DELETE, id=ids["home"], version=1) == empty
    full = "CATEGORY_NOT_EMPTY", "The category still has products; move or delete them first."
    assert await shop.error(DELETE, id=ids["home/lamps"], version=1) == full
    await shop.data("mutation($id: ID!) { deleteProduct(id: $id, version: 1) }", id=made["id"])
    assert await shop.code(DELETE, id=ids["home/lamps"], version=2) == "CATEGORY_CHANGED"
    await shop.data(DELETE, id=ids["home/lamps"], version=1)
    await shop.data(DELETE, id=ids["home"], version=1)
    assert await paths(shop) == []


async def test_products_of_a_category_may_come_from_everything_below(shop: Shop) -> None:
    await plant(shop, "home", "home/light", "home/light/lamps", "home-office", "garden")
    for name, category in {"D": "home", "A": "home/light/lamps", "C": "home/light", "X": "home-office"}.items():
        await shop.create(f"Product {name}", category=category)
    await shop.create("Product B", category="home/light", status="DRAFT")
    query = """query($deep: Boolean!) { categories(depth: 1) {
                 path products(includeSubcategories: $deep) { name } } }"""

    def names(found: Any) -> dict[str, list[str]]:
        return {one["path"]: [p["name"][-1] for p in one["products"]] for one in found["categories"]}

    shallow = names(await shop.data(query, STOREFRONT, deep=False))
    assert shallow == {"home": ["D"], "home-office": ["X"], "garden": []}
    assert names(await shop.data(query, STOREFRONT, deep=True)) == {**shallow, "home": ["A", "C", "D"]}
    assert names(await shop.data(query, deep=True)) == {**shallow, "home": ["A", "B", "C", "D"]}


@pytest.mark.parametrize(
    ("document", "variables", "code"),
    [
        (CREATE, {"input": {"name": ""}}, "INVALID_CATEGORY"),
        (CREATE, {"input": {"name": "x" * 201}}, "INVALID_CATEGORY"),
        (CREATE, {"input": {"name": "a\x00b", "slug": "a"}}, "INVALID_CATEGORY"),
        (CREATE, {"input": {"name": "***"}}, "INVALID_CATEGORY"),
        (CREATE, {"input": {"name": "a", "slug": "a/b"}}, "INVALID_CATEGORY"),
        (CREATE, {"input": {"name": "a", "slug": "x" * 101}}, "INVALID_CATEGORY"),
        (CREATE, {"input": {"name": "a", "parentId": "root"}}, "INVALID_ID"),
        (CREATE, {"input": {"name": "a", "parentId": new_id()}}, "CATEGORY_NOT_FOUND"),
        (RENAME, {"input": {"id": new_id(), "version": 1}}, "INVALID_CATEGORY"),
        (RENAME, {"input": {"id": new_id(), "version": 1, "name": "a"}}, "CATEGORY_NOT_FOUND"),
        (MOVE, {"input": {"id": new_id(), "version": 1}}, "CATEGORY_NOT_FOUND"),
        (DELETE, {"id": new_id(), "version": 1}, "CATEGORY_NOT_FOUND"),
        (ORDER, {"ids": [new_id()] * 501}, "INVALID_CATEGORY"),
        ("{ categories(depth: 9) { id } }", {}, "INVALID_PAGE"),
        ("{ category { id } }", {}, "INVALID_PAGE"),
        ('{ category(slug: "a", path: "a") { id } }', {}, "INVALID_PAGE"),
        ('{ category(path: "a\\u0000") { id } }', {}, "INVALID_TEXT"),
        ('{ products(category: "a\\u0000") { id } }', {}, "INVALID_TEXT"),
        ('{ product(slug: "a\\u0000") { id } }', {}, "INVALID_TEXT"),
    ],
)
async def test_what_is_wrong_is_named(shop: Shop, document: str, variables: dict[str, Any], code: str) -> None:
    assert await shop.code(document, **variables) == code
    assert await paths(shop) == []


async def test_neither_a_storefront_nor_another_environment_changes_or_finds_a_category(shop: Shop) -> None:
    ids = await plant(shop, "home", "home/lamps")
    other, home = Shop(shop.service), ids["home"]
    attempts: list[tuple[str, dict[str, Any]]] = [
        (CREATE, {"input": {"name": "Mine", "parentId": home}}),
        (RENAME, {"input": {"id": home, "version": 1, "name": "Mine"}}),
        (MOVE, {"input": {"id": ids["home/lamps"], "version": 1}}),
        (ORDER, {"parent": home, "ids": [ids["home/lamps"]]}),
        (DELETE, {"id": ids["home/lamps"], "version": 1}),
    ]
    for document, variables in attempts:
        assert await shop.code(document, STOREFRONT, **variables) == "FORBIDDEN"
        assert await other.code(document, **variables) == "CATEGORY_NOT_FOUND"
    own = (await plant(other, "home"))["home"]
    assert await other.code(MOVE, input={"id": own, "version": 1, "parentId": home}) == "CATEGORY_NOT_FOUND"
    assert (await other.data("query($id: ID!) { category(id: $id) { id } }", id=home))["category"] is None
    assert await paths(shop) == ["home", "home/lamps"]
    assert await paths(other) == ["home"]


async def test_what_was_there_before_the_tree_stays(postgres: str, bus: Bus, tmp_path: Path) -> None:
    """The older program's rows of two environments, written while row-level security was forced already."""
    admin = await asyncpg.connect(postgres)
    await admin.execute("CREATE DATABASE before_the_tree")
    await admin.close()
    dsn = postgres.replace("/postgres?", "/before_the_tree?")
    shutil.copy(FOLDER / "migrations" / "0001_products.sql", tmp_path)
    await migrate(dsn, [ServiceSchema("catalog", tmp_path, SERVICE_PASSWORD)])
    old = await Database.connect(service_dsn(dsn, "catalog", SERVICE_PASSWORD), service="catalog", pool_size=1)
    environments = [new_id(), new_id()]
    for environment in environments:
        put = "INSERT INTO categories (environment_id, slug, name) VALUES ($1, 'lamps', 'Lamps')"
        await old.execute(environment, put)
        made = "INSERT INTO products (environment_id, id, slug, name, category) VALUES ($1, $2, 'a', 'A', 'lamps')"
        await old.execute(environment, made, new_id())
    await old.close()
    await migrate(dsn, [ServiceSchema("catalog", FOLDER / "migrations", SERVICE_PASSWORD)])
    new = await Database.connect(service_dsn(dsn, "catalog", SERVICE_PASSWORD), service="catalog", pool_size=1)
    for environment in environments:
        shop = Shop(
            CatalogService(new, Feed(bus, "catalog"), MediaObjects.in_folder(tmp_path / "objects")), environment
        )
        found = await shop.data("{ categories { slug path depth products { status name } } }", STOREFRONT)
        assert found["categories"] == [
            {"slug": "lamps", "path": "lamps", "depth": 1, "products": [{"status": "PUBLISHED", "name": "A"}]}
        ]
    await new.close()
