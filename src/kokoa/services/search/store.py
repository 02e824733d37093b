"""queries.sql ⇄ model."""

from collections.abc import Hashable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import orjson

from kokoa.graphql.lru import Lru
from kokoa.postgres import Database, Row, Transaction, load_queries
from kokoa.services.search.errors import TooManyBoosts, TooManySynonyms
from kokoa.services.search.model import (
    BOOSTS_MAX,
    MEANINGS_MAX,
    NO_FACETS,
    SYNONYMS_MAX,
    TOTAL_MAX,
    WAITING_MAX,
    WORDS_MAX,
    Boost,
    CategoryCount,
    Counted,
    Document,
    Facets,
    KeptChunks,
    Page,
    Rebuild,
    Search,
    Status,
    Synonym,
    Unfinished,
    beginning_of,
    price_band,
    vocabulary_of,
    whole_name_of,
    words_of,
)

queries = load_queries(Path(__file__).with_name("queries.sql"))

_NOTHING = Page(0, [])
_UNFINISHED_MAX = 100
_COUNTED_MAX = 500
_REMOVED_AT_ONCE = 2_000
_REMOVED_LAST = (
    queries.remove_vocabulary,
    queries.remove_lexemes,
    queries.remove_forgotten,
    queries.remove_generation,
)


class SearchStore:
    """The index of each environment."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._kept = KeptChunks()
        self._counts: Lru[Hashable, Counted] = Lru(_COUNTED_MAX)

    async def search(self, environment_id: str, search: Search) -> Page:
        """A page of the products that fit, in one statement.

        To count costs as much again, so what was counted is remembered until the index changes. The next search then
        counts in a second statement.
        """
        words = words_of(search.q)[:WORDS_MAX]
        if not words:
            return _NOTHING
        wanted = search.counting or search.facetting
        if wanted and not search.limit:
            counted = await self._count(environment_id, words, search)
            return Page(counted.total, [], counted.facets)
        key = _counted_by(environment_id, words, search)
        known = self._counts.get(key) if wanted else None
        counting = wanted and known is None
        row = await self.database.fetchrow_of_function(
            environment_id,
            queries.search_page,
            words,
            whole_name_of(search.q),
            search.limit,
            search.offset,
            search.sort,
            *_filters(search),
            counting,
            counting and search.facetting,
        )
        assert row is not None
        ids = [str(one) for one in row["product_ids"]]
        if not wanted:
            return Page(len(ids) if row["total"] is None else min(row["total"], TOTAL_MAX), ids)
        if known is None:
            counted = self._remember(key, row, search)
        elif row["total"] is not None and not search.facetting:
            return Page(min(row["total"], TOTAL_MAX), ids)  # so few fit that they were counted by the way
        elif known.state == row["state"]:
            counted = known
        else:
            counted = await self._count(environment_id, words, search)
        return Page(counted.total, ids, counted.facets)

    async def _count(self, environment_id: str, words: Sequence[str], search: Search) -> Counted:
        key = _counted_by(environment_id, words, search)
        known = self._counts.get(key)
        row = await self.database.fetchrow_of_function(
            environment_id,
            queries.search_count,
            words,
            *_filters(search),
            search.facetting,
            None if known is None else known.state,
        )
        assert row is not None
        return known if known is not None and row["total"] is None else self._remember(key, row, search)

    def _remember(self, key: Hashable, row: Row, search: Search) -> Counted:
        facets = NO_FACETS
        if search.facetting:
            facets = Facets(
                row["total"] <= TOTAL_MAX,
                [CategoryCount(path, count) for path, count in orjson.loads(row["categories"])],
                [price_band(*band) for band in orjson.loads(row["prices"])],
            )
        counted = Counted(row["state"], min(row["total"], TOTAL_MAX), facets)
        self._counts.put(key, counted)
        return counted

    async def suggestions(self, environment_id: str, prefix: str, limit: int) -> list[str]:
        """Names of products, each once."""
        words = words_of(prefix)[:WORDS_MAX]
        if not words:
            return []
        rows = await self.database.fetch(environment_id, queries.suggestions, words, beginning_of(prefix), limit)
        return [row["name"] for row in rows]

    async def put(self, environment_id: str, documents: Sequence[Document], gone: Sequence[str]) -> None:
        """Index these, forget those. Older versions than the indexed ones change nothing."""
        new: set[bytes] = set()
        async with self.database.transaction(environment_id) as tx:
            generations = await _generations(tx)
            building = [generation for generation, state in generations.items() if state == "building"]
            if documents:
                new = await _put_documents(tx, list(generations), documents, self._kept)
                if building:
                    await tx.execute(queries.take_back, building, [document.product_id for document in documents])
            if gone:
                await tx.execute(queries.delete_documents, list(generations), list(gone))
                if building:
                    await tx.execute(queries.forget_for_good, building, list(gone))
            if documents or gone:
                await tx.execute(queries.note_changes, list(generations))
        self._kept.keep(generations, new)

    async def note_lag(self, environment_id: str, lag_ms: int) -> None:
        """lag_ms: from a change to its being indexed."""
        await self.database.execute(environment_id, queries.note_lag, lag_ms)

    async def status(self, environment_id: str) -> Status:
        """What serves, and what is building."""
        row = await self.database.fetchrow(environment_id, queries.status, WAITING_MAX)
        assert row is not None
        rebuild = None
        if row["building"] is not None:
            rebuild = Rebuild(str(row["building"]), row["building_language"], row["done"], row["started_at"])
        return Status(
            documents=row["documents"],
            generation=None if row["generation"] is None else str(row["generation"]),
            language=row["language"],
            waiting=row["waiting"],
            lag_seconds=None if row["lag_ms"] is None else row["lag_ms"] / 1000,
            indexed_at=row["indexed_at"],
            rebuild=rebuild,
        )

    async def synonyms(self, environment_id: str, limit: int, offset: int) -> list[Synonym]:
        """By word."""
        rows = await self.database.fetch(environment_id, queries.synonyms_page, limit, offset)
        return [Synonym(row["word"], row["meaning"]) for row in rows]

    async def synonyms_of(self, environment_id: str, word: str) -> list[Synonym]:
        """Of one word."""
        rows = await self.database.fetch(environment_id, queries.synonyms_of_word, word)
        return [Synonym(row["word"], row["meaning"]) for row in rows]

    async def add_synonyms(self, environment_id: str, synonyms: Sequence[Synonym]) -> None:
        """Known ones stay. Raises TooManySynonyms, and changes nothing then."""
        async with self.database.transaction(environment_id) as tx:
            await tx.execute(queries.lock_settings)
            await tx.execute(queries.add_synonyms, [one.word for one in synonyms], [one.meaning for one in synonyms])
            count = await tx.fetchrow(queries.count_synonyms)
            assert count is not None
            if count["most"] > MEANINGS_MAX:
                raise TooManySynonyms(f"A word has at most {MEANINGS_MAX} meanings.")
            if count["total"] > SYNONYMS_MAX:
                raise TooManySynonyms(f"There are at most {SYNONYMS_MAX} synonyms; remove some first.")
            await tx.execute(queries.note_meanings)

    async def remove_synonyms(self, environment_id: str, word: str, meanings: Sequence[str] | None) -> None:
        """meanings: None for all."""
        async with self.database.transaction(environment_id) as tx:
            await tx.execute(queries.lock_settings)
            await tx.execute(queries.remove_synonyms, word, meanings)
            await tx.execute(queries.note_meanings)

    async def boosts(self, environment_id: str) -> list[Boost]:
        """All of them, products first."""
        rows = await self.database.fetch(environment_id, queries.boosts)
        return [
            Boost(row["subject"], None, row["factor"])
            if row["kind"] == "product"
            else Boost(None, row["subject"], row["factor"])
            for row in rows
        ]

    async def put_boost(self, environment_id: str, boost: Boost) -> None:
        """A factor of 1 removes it. Raises TooManyBoosts, and changes nothing then."""
        kind, subject = ("category", boost.category) if boost.product_id is None else ("product", boost.product_id)
        async with self.database.transaction(environment_id) as tx:
            await tx.execute(queries.lock_settings)
            if boost.factor == 1:
                await tx.execute(queries.remove_boost, kind, subject)
                return
            await tx.execute(queries.put_boost, kind, subject, boost.factor)
            if len(await tx.fetch(queries.boosts)) > BOOSTS_MAX:
                raise TooManyBoosts(f"There are at most {BOOSTS_MAX} boosts. A factor of 1 removes one.")

    async def begin_rebuild(self, environment_id: str, language: str | None) -> None:
        """Let a new generation be built; one that is building is given up. language: from now on, None as before."""
        async with self.database.transaction(environment_id) as tx:
            await tx.execute(queries.lock_settings)
            if language is not None:
                await tx.execute(queries.choose_language, language)
            await tx.execute(queries.retire_building)
            await tx.execute(queries.begin_building, await tx.fetchval(queries.next_language))

    async def unfinished(self) -> list[Unfinished]:
        """Generations that are to be built or removed, of all environments; the oldest 100."""
        rows = await self.database.fetch_anywhere(queries.unfinished_generations, _UNFINISHED_MAX)
        return [Unfinished(str(row["environment_id"]), row["id"], row["state"]) for row in rows]

    async def cursor(self, environment_id: str, generation: int) -> tuple[bool, str | None]:
        """Whether it is building still, and where it goes on; None: from the start."""
        row = await self.database.fetchrow(environment_id, queries.building_generation, generation)
        return row is not None, None if row is None else row["cursor"]

    async def fill(self, environment_id: str, generation: int, documents: Sequence[Document]) -> None:
        """Put documents into a building generation, but none of which events have told more already."""
        async with self.database.transaction(environment_id) as tx:
            if await tx.fetchval(queries.hold_building, generation) is None:
                return
            ids = [document.product_id for document in documents]
            told = {str(row["product_id"]) for row in await tx.fetch(queries.already_told, generation, ids)}
            untold = [one for one in documents if one.product_id not in told]
            new = await _put_documents(tx, [generation], untold, self._kept)
            await tx.execute(queries.note_changes, [generation])
        self._kept.keep([generation], new)

    async def advance(self, environment_id: str, generation: int, cursor: str, done: int) -> None:
        """cursor: where it goes on.  done: how many products more were looked at."""
        await self.database.execute(environment_id, queries.advance_building, generation, cursor, done)

    async def swap(self, environment_id: str, generation: int) -> None:
        """Let the building generation serve from now on."""
        async with self.database.transaction(environment_id) as tx:
            if await tx.fetchval(queries.hold_building, generation) is None:
                return
            await tx.execute(queries.retire_serving)
            await tx.execute(queries.serve_building, generation)
            await tx.execute(queries.remove_forgotten, generation)

    async def remove(self, environment_id: str, generation: int) -> bool:
        """Remove a part of a retired generation; whether it is gone."""
        tag = await self.database.execute(environment_id, queries.remove_some_documents, generation, _REMOVED_AT_ONCE)
        if tag != "DELETE 0":
            return False
        for statement in _REMOVED_LAST:
            await self.database.execute(environment_id, statement, generation)
        return True

    def alone(self, generation: int) -> AbstractAsyncContextManager[bool]:
        """Whether this process alone works on a generation; as long as the block."""
        return self.database.exclusive(f"generation:{generation}")


def _counted_by(environment_id: str, words: Sequence[str], search: Search) -> Hashable:
    """What a count depends on, beside the index."""
    return environment_id, tuple(words), _filters(search), search.facetting


def _filters(search: Search) -> tuple[str | None, str | None, int | None, int | None]:
    wanted = search.filter
    return wanted.category, wanted.currency, wanted.min_price_minor, wanted.max_price_minor


async def _generations(tx: Transaction) -> dict[int, str]:
    """The indexes that changes go to; the environment's first is made."""
    rows = await tx.fetch(queries.written_generations)
    if not rows:
        await tx.execute(queries.first_generation)
        rows = await tx.fetch(queries.written_generations)
    return {row["id"]: row["state"] for row in rows}


async def _put_documents(
    tx: Transaction, generations: Sequence[int], documents: Sequence[Document], kept: KeptChunks
) -> set[bytes]:
    """Index documents, and their words, in each generation. The chunks whose words are kept once this commits."""
    if not documents:
        return set()
    # In one order, so that two batches with the same products wait for each other and do not deadlock.
    documents = sorted(documents, key=lambda document: document.product_id)
    skus = [" ".join(words_of(d.skus)) for d in documents]
    await tx.execute(
        queries.put_documents,
        generations,
        [d.product_id for d in documents],
        [d.version for d in documents],
        [d.name for d in documents],
        skus,
        [d.category for d in documents],
        [d.description for d in documents],
        [d.category_path for d in documents],
        [d.currency for d in documents],
        [d.price_minor for d in documents],
        [d.created_at for d in documents],
    )
    named = " ".join(f"{d.name} {d.category}" for d in documents)
    await tx.execute(queries.put_vocabulary, generations, sorted(vocabulary_of(named)))
    new = kept.new(generations, [named, *skus, *(d.description for d in documents)])
    if new:
        await tx.execute(queries.put_lexemes, generations, [chunk.decode() for chunk in new])
    return new
