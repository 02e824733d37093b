"""GraphQL ⇄ lists: filtered pages and connections of products."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kokoa.kernel.call import Call
from kokoa.services.catalog.lists.cursors import read_cursor, write_cursor
from kokoa.services.catalog.lists.filters import read_filter, read_sort
from kokoa.services.catalog.lists.model import (
    AllOf,
    Condition,
    Filter,
    Not,
    Sort,
    ahead_of,
    beyond,
    key_of,
    require_window,
)
from kokoa.services.catalog.lists.store import ListStore, shown
from kokoa.services.catalog.model import Product, require_plain, sees_unpublished

Arguments = Mapping[str, Any]
Key = tuple[Any, ...]


class Edge(msgspec.Struct, frozen=True):
    """A product at its place."""

    node: Product
    sort: Sort
    environment_id: str

    @property
    def cursor(self) -> str:
        return write_cursor(self.environment_id, self.sort, key_of(self.node, self.sort))


class Connection(msgspec.Struct, frozen=True):
    """A page of a list and what it is a page of.

    wanted: the list, without the cursors.  more_before, more_behind: None when it takes a statement to know.
    """

    edges: list[Edge]
    wanted: Filter
    sort: Sort
    after: Key | None
    before: Key | None
    more_before: bool | None
    more_behind: bool | None

    @property
    def nodes(self) -> list[Product]:
        return [edge.node for edge in self.edges]

    @property
    def page_info(self) -> "Connection":
        return self

    @property
    def start_cursor(self) -> str | None:
        return self.edges[0].cursor if self.edges else None

    @property
    def end_cursor(self) -> str | None:
        return self.edges[-1].cursor if self.edges else None

    def before_it(self) -> Filter:
        """The part of the list before this page."""
        if self.edges:
            return AllOf((self.wanted, ahead_of(key_of(self.edges[0].node, self.sort), self.sort)))
        assert self.after is not None, "an empty page from the beginning has nothing before it"
        return AllOf((self.wanted, Not(beyond(self.after, self.sort))))

    def behind_it(self) -> Filter:
        """The part of the list behind this page."""
        if self.edges:
            return AllOf((self.wanted, beyond(key_of(self.edges[-1].node, self.sort), self.sort)))
        assert self.before is not None, "an empty page to the end has nothing behind it"
        return AllOf((self.wanted, Not(ahead_of(self.before, self.sort))))


class ListResolvers:
    """Field resolvers of schema.graphql that are about lists of products."""

    def __init__(self, store: ListStore) -> None:
        self._store = store

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Query.productConnection": self.connection,
            "ProductConnection.totalCount": self.total_counts,
            "PageInfo.hasNextPage": self.has_next,
            "PageInfo.hasPreviousPage": self.has_previous,
        }

    async def page(self, wanted: Filter, sort: Sort, limit: int, offset: int, call: Call) -> list[Product]:
        """A page of what the caller may see."""
        return await self._store.page(call.environment_id, _visible(wanted, call), sort, limit=limit, offset=offset)

    async def pages_of_subtrees(
        self, categories: Sequence[str], limit: int, offset: int, channel: str | None, call: Call
    ) -> dict[str, list[Product]]:
        """A page of what the caller may see of each category with all below it, by its path."""
        return await self._store.pages_of_subtrees(
            call.environment_id,
            categories,
            limit=limit,
            offset=offset,
            published_only=not sees_unpublished(call.caller.scopes),
            channel=channel,
        )

    async def connection(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        window = require_window(args.get("first"), args.get("last"))
        sort = read_sort(args.get("sort"))
        given = _sold(read_filter(args.get("filter")), args.get("channel"))
        after, before = (self._key(args, name, sort, call) for name in ("after", "before"))
        wanted = _visible(given, call)
        ends = [wanted]
        if after is not None:
            ends.append(beyond(after, sort))
        if before is not None:
            ends.append(ahead_of(before, sort))
        found = await self._store.page(
            call.environment_id, AllOf(tuple(ends)), sort, backwards=window.from_end, limit=window.size + 1
        )
        more = len(found) > window.size
        kept = found[len(found) - window.size :] if more and window.from_end else found[: window.size]
        return [
            Connection(
                edges=[Edge(product, sort, call.environment_id) for product in kept],
                wanted=wanted,
                sort=sort,
                after=after,
                before=before,
                more_before=_known(more, reached=window.from_end, bounded=after is not None),
                more_behind=_known(more, reached=not window.from_end, bounded=before is not None),
            )
        ]

    def _key(self, args: Arguments, name: str, sort: Sort, call: Call) -> Key | None:
        text = args.get(name)
        return None if text is None else read_cursor(text, call.environment_id, sort, field=name)

    async def total_counts(self, parents: Sequence[Connection], _: Arguments, call: Call) -> Sequence[Any]:
        counts = (self._store.count(call.environment_id, parent.wanted) for parent in parents)
        return list(await asyncio.gather(*counts))

    async def has_previous(self, parents: Sequence[Connection], _: Arguments, call: Call) -> Sequence[Any]:
        return [
            await self._any(parent.before_it(), parent.sort, call, backwards=True)
            if parent.more_before is None
            else parent.more_before
            for parent in parents
        ]

    async def has_next(self, parents: Sequence[Connection], _: Arguments, call: Call) -> Sequence[Any]:
        return [
            await self._any(parent.behind_it(), parent.sort, call)
            if parent.more_behind is None
            else parent.more_behind
            for parent in parents
        ]

    async def _any(self, wanted: Filter, sort: Sort, call: Call, *, backwards: bool = False) -> bool:
        """Whether there is a product, which is likely to be found next to the page.  backwards: as for a page."""
        return bool(await self._store.page(call.environment_id, wanted, sort, backwards=backwards, limit=1))


def _visible(wanted: Filter, call: Call) -> Filter:
    """What the caller may see of a list."""
    return shown(wanted, published_only=not sees_unpublished(call.caller.scopes))


def _sold(wanted: Filter, channel: str | None) -> Filter:
    """What of a list is sold in a channel; None: all. Raises InvalidText."""
    if channel is None:
        return wanted
    require_plain(channel, "channel")
    return AllOf((Condition("channel", (channel,)), wanted))


def _known(more: bool, *, reached: bool, bounded: bool) -> bool | None:
    """Whether there is more at one end of a page.  reached: the page was read towards it.  bounded: by a cursor."""
    if reached and more:
        return True
    return None if bounded else False
