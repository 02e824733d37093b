"""Changes of the tree, one at a time for an environment; one function a mutation, one transaction, its events."""

from collections.abc import Sequence

import asyncpg

from kokoa.kernel.ids import new_id
from kokoa.postgres import Database, Event, Transaction
from kokoa.services.catalog import events
from kokoa.services.catalog.categories.model import (
    CHILDREN_MAX,
    MOVED_PRODUCTS_MAX,
    CategoryNode,
    Place,
    place_below,
    require_move,
    require_name,
    require_order,
    require_room,
    require_room_beside,
    require_slug,
)
from kokoa.services.catalog.categories.store import node_of, queries
from kokoa.services.catalog.errors import (
    AlreadyTaken,
    CategoryChanged,
    CategoryNotEmpty,
    CategoryNotFound,
    CategoryTooLarge,
    InvalidCategory,
)


class CategoryActions:
    """correlation_id: of the request that caused the change; it travels with the events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, environment_id: str, name: str, slug: str, parent_id: str | None, *, correlation_id: str
    ) -> CategoryNode:
        """A new category, the last among its siblings.

        Raises InvalidCategory, CategoryNotFound, AlreadyTaken, CategoryTooDeep, TooManyCategories.
        """
        require_name(name)
        require_slug(slug)
        try:
            async with self._database.transaction(environment_id) as tx:
                parent = await _locked_parent(tx, parent_id)
                place = place_below(parent, slug)
                counted = await tx.fetchrow(queries.count_all, parent_id)
                assert counted is not None, "it counts"
                require_room(counted["in_all"], counted["beside"])
                row = await tx.fetchrow(
                    queries.insert_category,
                    new_id(),
                    parent_id,
                    slug,
                    name,
                    place.path,
                    place.depth,
                    counted["next_position"],
                )
                assert row is not None, "it was inserted"
                node = node_of(row)
                await tx.emit(_told(events.CategoryCreated, node), correlation_id=correlation_id)
        except asyncpg.UniqueViolationError as error:
            raise _taken(slug) from error
        return node

    async def rename(
        self,
        environment_id: str,
        category_id: str,
        version: int,
        *,
        name: str | None,
        slug: str | None,
        correlation_id: str,
    ) -> CategoryNode:
        """Another name, another slug or both; with the slug all paths of the subtree change.

        Raises InvalidCategory, CategoryNotFound, CategoryChanged, CategoryTooLarge, AlreadyTaken.
        """
        if name is None and slug is None:
            raise InvalidCategory("There is nothing to change: give name or slug.", field="input")
        if name is not None:
            require_name(name)
        if slug is not None:
            require_slug(slug)
        async with self._database.transaction(environment_id) as tx:
            before = await _locked(tx, category_id, version)
            if slug is not None and slug != before.slug:
                stem = before.path.removesuffix(before.slug)
                await _relocate(tx, before, Place(before.parent_id, stem + slug, before.depth), slug, before.position)
            if name is not None:
                await tx.execute(queries.rename_category, category_id, name)
            after = await _one(tx, category_id)
            await tx.emit(_told(events.CategoryRenamed, after), correlation_id=correlation_id)
        return after

    async def move(
        self, environment_id: str, category_id: str, version: int, parent_id: str | None, *, correlation_id: str
    ) -> CategoryNode:
        """Below another parent, or to the roots, with its subtree; the last among its new siblings.

        Raises CategoryNotFound, CategoryChanged, CategoryInsideItself, CategoryTooDeep, CategoryTooLarge,
        TooManyCategories, AlreadyTaken.
        """
        async with self._database.transaction(environment_id) as tx:
            before = await _locked(tx, category_id, version)
            if before.parent_id == parent_id:
                return before
            parent = await _one(tx, parent_id) if parent_id else None
            place = require_move(before, parent, await tx.fetchval(queries.subtree_height, before.path))
            counted = await tx.fetchrow(queries.count_all, parent_id)
            assert counted is not None, "it counts"
            require_room_beside(counted["beside"])
            await _relocate(tx, before, place, before.slug, counted["next_position"])
            after = await _one(tx, category_id)
            await tx.emit(_told(events.CategoryMoved, after), correlation_id=correlation_id)
        return after

    async def order(
        self, environment_id: str, parent_id: str | None, ids: Sequence[str], *, correlation_id: str
    ) -> list[CategoryNode]:
        """The children of a parent (None: the roots) in this order. Raises InvalidCategory, CategoryNotFound."""
        if len(ids) > CHILDREN_MAX:
            raise InvalidCategory(f"At most {CHILDREN_MAX} categories are put in order at once.", field="ids")
        async with self._database.transaction(environment_id) as tx:
            await _locked_parent(tx, parent_id)
            children = [str(row["id"]) for row in await tx.fetch(queries.children_ids, parent_id)]
            require_order(list(ids), children)
            await tx.execute(queries.order_categories, list(ids))
            found = {node.id: node for node in map(node_of, await tx.fetch(queries.categories_by_ids, list(ids)))}
            if ids:
                event = events.CategoriesOrdered(parent_id=parent_id)
                await tx.emit(event, correlation_id=correlation_id)
        return [found[category_id] for category_id in ids]

    async def delete(self, environment_id: str, category_id: str, version: int, *, correlation_id: str) -> None:
        """Raises CategoryNotFound, CategoryChanged, CategoryNotEmpty."""
        try:
            async with self._database.transaction(environment_id) as tx:
                before = await _locked(tx, category_id, version)
                await tx.execute(queries.delete_category, category_id)
                await tx.emit(_told(events.CategoryDeleted, before), correlation_id=correlation_id)
        except asyncpg.ForeignKeyViolationError as error:
            what = "products" if error.constraint_name == "products_category" else "subcategories"
            raise CategoryNotEmpty(f"The category still has {what}; move or delete them first.") from error


def _told(kind: type[events.CategoryEvent], node: CategoryNode) -> Event:
    return kind(category_id=node.id, version=node.version, path=node.path)


def _taken(slug: str) -> AlreadyTaken:
    return AlreadyTaken(f"A category beside it has the slug {slug!r}.")


async def _one(tx: Transaction, category_id: str) -> CategoryNode:
    rows = await tx.fetch(queries.categories_by_ids, [category_id])
    if not rows:
        raise CategoryNotFound(f"There is no category {category_id}.")
    return node_of(rows[0])


async def _locked_parent(tx: Transaction, parent_id: str | None) -> CategoryNode | None:
    await tx.execute(queries.lock_tree)
    return await _one(tx, parent_id) if parent_id else None


async def _locked(tx: Transaction, category_id: str, version: int) -> CategoryNode:
    await tx.execute(queries.lock_tree)
    found = await _one(tx, category_id)
    if found.version != version:
        raise CategoryChanged(
            f"The category is at version {found.version}, not {version}. Read it again and repeat the change."
        )
    return found


async def _relocate(tx: Transaction, before: CategoryNode, place: Place, slug: str, position: int) -> None:
    products = await tx.fetchval(queries.subtree_products, before.path, MOVED_PRODUCTS_MAX + 1)
    if products > MOVED_PRODUCTS_MAX:
        raise CategoryTooLarge(
            f"More than {MOVED_PRODUCTS_MAX} products would get another path. Move its subcategories one by one."
        )
    try:
        await tx.execute(
            queries.relocate_category,
            before.id,
            before.path,
            place.path,
            place.depth - before.depth,
            slug,
            place.parent_id,
            position,
        )
    except asyncpg.UniqueViolationError as error:
        raise _taken(slug) from error
