"""GraphQL ⇄ actions and store, for categories."""

from collections.abc import Mapping, Sequence
from typing import Any

from kokoa.kernel.call import Call
from kokoa.kernel.ids import require_id
from kokoa.services.catalog.categories.actions import CategoryActions
from kokoa.services.catalog.categories.model import CategoryNode, ancestors_of, require_depth
from kokoa.services.catalog.categories.store import CategoryStore
from kokoa.services.catalog.errors import InvalidPage
from kokoa.services.catalog.model import require_page, require_plain, slug_of

Arguments = Mapping[str, Any]


class CategoryResolvers:
    """Field resolvers of schema.graphql that are about categories, but for their products."""

    def __init__(self, store: CategoryStore, actions: CategoryActions) -> None:
        self._store = store
        self._actions = actions

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Query.categories": self.categories,
            "Query.category": self.category,
            "Category": self.references,
            "Category.parent": self.parents,
            "Category.ancestors": self.ancestors,
            "Category.breadcrumbs": self.breadcrumbs,
            "Category.children": self.children,
            "Mutation.createCategory": self.create,
            "Mutation.renameCategory": self.rename,
            "Mutation.moveCategory": self.move,
            "Mutation.orderCategories": self.order,
            "Mutation.deleteCategory": self.delete,
        }

    async def categories(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        require_page(args["limit"], args["offset"])
        depth = args.get("depth")
        if depth is not None:
            require_depth(depth)
        page = self._store.page(call.environment_id, limit=args["limit"], offset=args["offset"], depth=depth)
        return [await page]

    async def category(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = {name: args[name] for name in ("id", "path", "slug") if args.get(name) is not None}
        if len(given) != 1:
            raise InvalidPage("Give one of id, path and slug.", field="id")
        return await self.references([given], call)

    async def references(self, representations: Sequence[Arguments], call: Call) -> Sequence[Any]:
        """By id, or by path; a root's path is its slug."""
        ids = [require_id(one["id"], field="id") for one in representations if "id" in one]
        paths = [_path_of(one) for one in representations if "id" not in one]
        by_id = await self._store.by_ids(call.environment_id, ids)
        by_path = await self._store.by_paths(call.environment_id, paths)
        found_ids, found_paths = iter(ids), iter(paths)
        return [
            by_id.get(next(found_ids)) if "id" in one else by_path.get(next(found_paths)) for one in representations
        ]

    async def parents(self, parents: Sequence[CategoryNode], _: Arguments, call: Call) -> Sequence[Any]:
        wanted = [one.parent_id for one in parents if one.parent_id]
        found = await self._store.by_ids(call.environment_id, wanted)
        return [found.get(one.parent_id or "") for one in parents]

    async def ancestors(self, parents: Sequence[CategoryNode], _: Arguments, call: Call) -> Sequence[Any]:
        return await self._ways(parents, call)

    async def breadcrumbs(self, parents: Sequence[CategoryNode], _: Arguments, call: Call) -> Sequence[Any]:
        return [[*way, one] for way, one in zip(await self._ways(parents, call), parents, strict=True)]

    async def _ways(self, nodes: Sequence[CategoryNode], call: Call) -> list[list[CategoryNode]]:
        """The ancestors of each, roots first."""
        ways = [ancestors_of(node.path) for node in nodes]
        found = await self._store.by_paths(call.environment_id, [path for way in ways for path in way])
        return [[found[path] for path in way if path in found] for way in ways]

    async def children(self, parents: Sequence[CategoryNode], args: Arguments, call: Call) -> Sequence[Any]:
        limit, offset = args["limit"], args["offset"]
        require_page(limit, offset)
        ids = [parent.id for parent in parents]
        found = await self._store.children_of(call.environment_id, ids, limit=limit, offset=offset)
        return [found.get(parent_id, []) for parent_id in ids]

    async def create(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        created = self._actions.create(
            call.environment_id,
            given["name"],
            given.get("slug") or slug_of(given["name"]),
            _optional_id(given, "parent_id"),
            correlation_id=call.correlation_id,
        )
        return [await created]

    async def rename(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        renamed = self._actions.rename(
            call.environment_id,
            require_id(given["id"], field="id"),
            given["version"],
            name=given.get("name"),
            slug=given.get("slug"),
            correlation_id=call.correlation_id,
        )
        return [await renamed]

    async def move(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        moved = self._actions.move(
            call.environment_id,
            require_id(given["id"], field="id"),
            given["version"],
            _optional_id(given, "parent_id"),
            correlation_id=call.correlation_id,
        )
        return [await moved]

    async def order(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        ids = [require_id(text, field="ids") for text in args["ids"]]
        ordered = self._actions.order(
            call.environment_id, _optional_id(args, "parent_id"), ids, correlation_id=call.correlation_id
        )
        return [await ordered]

    async def delete(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        category_id = require_id(args["id"], field="id")
        await self._actions.delete(
            call.environment_id, category_id, args["version"], correlation_id=call.correlation_id
        )
        return [category_id]


def _path_of(named: Arguments) -> str:
    path = named["path"] if "path" in named else named["slug"]
    if not isinstance(path, str):
        raise InvalidPage("A category's path is text.", field="path")
    require_plain(path, "path")
    return path


def _optional_id(given: Arguments, name: str) -> str | None:
    value = given.get(name)
    return None if value is None else require_id(value, field=name)
