"""GraphQL ⇄ store."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from kokoa.graphql.resolvers import moments
from kokoa.kernel.call import Call
from kokoa.services.search.model import (
    Filter,
    Page,
    Search,
    require_boost,
    require_language,
    require_search,
    require_suggestions,
    require_synonym_page,
    require_synonym_word,
    synonyms_of,
)
from kokoa.services.search.store import SearchStore

Arguments = Mapping[str, Any]


class Asked:
    """A search that is sent when it is known what is wanted of it.

    The engine resolves all fields of a level before it awaits any, so each says first what it wants, and one
    statement answers them all.
    """

    __slots__ = ("_answer", "_environment_id", "_search", "_store", "counted", "faceted", "listed")

    def __init__(self, store: SearchStore, environment_id: str, search: Search) -> None:
        self._store = store
        self._environment_id = environment_id
        self._search = search
        self._answer: asyncio.Future[Page] | None = None
        self.listed = self.counted = self.faceted = False

    async def page(self) -> Page:
        """The answer to all that is wanted."""
        if self._answer is None:
            search = replace(
                self._search,
                limit=self._search.limit if self.listed else 0,
                counting=self.counted,
                facetting=self.faceted,
            )
            self._answer = asyncio.ensure_future(self._store.search(self._environment_id, search))
        return await self._answer


class SearchResolvers:
    """Field resolvers of schema.graphql."""

    def __init__(self, store: SearchStore) -> None:
        self._store = store

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Query.search": self.search,
            "Query.searchSuggestions": self.suggestions,
            "Query.searchStatus": self.status,
            "Query.searchSynonyms": self.synonyms,
            "Query.searchBoosts": self.boosts,
            "Mutation.rebuildSearch": self.rebuild,
            "Mutation.addSearchSynonyms": self.add_synonyms,
            "Mutation.removeSearchSynonyms": self.remove_synonyms,
            "Mutation.boostSearch": self.boost,
            "SearchStatus.indexedAt": moments("indexed_at"),
            "SearchRebuild.startedAt": moments("started_at"),
            "SearchResults.items": self.items,
            "SearchResults.total": self.total,
            "SearchResults.facets": self.facets,
        }

    def search(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args.get("filter") or {}
        wanted = Filter(
            given.get("category"), given.get("currency"), given.get("min_price_minor"), given.get("max_price_minor")
        )
        search = Search(args["q"], args["limit"], args["offset"], wanted, args["sort"])
        require_search(search)
        return [Asked(self._store, call.environment_id, search)]

    def items(self, parents: Sequence[Asked], _: Arguments, call: Call) -> Awaitable[Sequence[Any]]:
        for parent in parents:
            parent.listed = True
        return _items(parents)

    def total(self, parents: Sequence[Asked], _: Arguments, call: Call) -> Awaitable[Sequence[Any]]:
        for parent in parents:
            parent.counted = True
        return _totals(parents)

    def facets(self, parents: Sequence[Asked], _: Arguments, call: Call) -> Awaitable[Sequence[Any]]:
        for parent in parents:
            parent.faceted = True
        return _facets(parents)

    async def suggestions(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        require_suggestions(args["prefix"], args["limit"])
        return [await self._store.suggestions(call.environment_id, args["prefix"], args["limit"])]

    async def status(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        return [await self._store.status(call.environment_id)]

    async def rebuild(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        language = args.get("language")
        if language is not None:
            require_language(language)
        await self._store.begin_rebuild(call.environment_id, language)
        return [await self._store.status(call.environment_id)]

    async def synonyms(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        require_synonym_page(args["limit"], args["offset"])
        return [await self._store.synonyms(call.environment_id, args["limit"], args["offset"])]

    async def add_synonyms(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        synonyms = synonyms_of(args["word"], args["meanings"], both_ways=args["both_ways"])
        await self._store.add_synonyms(call.environment_id, synonyms)
        return [await self._store.synonyms_of(call.environment_id, require_synonym_word(args["word"]))]

    async def remove_synonyms(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        word, meanings = require_synonym_word(args["word"]), args.get("meanings")
        if meanings is not None:
            meanings = [one.meaning for one in synonyms_of(word, meanings, both_ways=False)]
        await self._store.remove_synonyms(call.environment_id, word, meanings)
        return [await self._store.synonyms_of(call.environment_id, word)]

    async def boosts(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        return [await self._store.boosts(call.environment_id)]

    async def boost(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        boost = require_boost(args.get("product_id"), args.get("category"), args["factor"])
        await self._store.put_boost(call.environment_id, boost)
        return [await self._store.boosts(call.environment_id)]


async def _items(parents: Sequence[Asked]) -> Sequence[Any]:
    return [[{"id": one} for one in (await parent.page()).product_ids] for parent in parents]


async def _totals(parents: Sequence[Asked]) -> Sequence[Any]:
    return [(await parent.page()).total for parent in parents]


async def _facets(parents: Sequence[Asked]) -> Sequence[Any]:
    return [(await parent.page()).facets for parent in parents]
