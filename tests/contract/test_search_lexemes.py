"""The beginnings of words are found by the words that begin so, so each word of each document must be kept."""

from collections.abc import Mapping
from pathlib import Path

import pytest

import kokoa.services.search as search
from kokoa.kernel.ids import new_id
from kokoa.postgres import Database
from kokoa.services.search.model import Document, Search, Sort
from kokoa.services.search.store import SearchStore
from servers import ConnectService

FOLDER = Path(search.__file__).parent / "migrations"
TEXTS = (
    "See http://shop.example/lamp-table/x.html?q=1 or mail to bright@lamp.example",
    "A state-of-the-art lamp2, LMP-01/HB1234; the o'neil's <b>bold</b> <img alt='big chair'> one",
    "naïve café in the Straße, ÉCLAIR, हिन्दी शब्द, 日本語, ΑΒΓ, x², 1e5, v1.2.3, AT&amp;T, /usr/share/shade",
    "skies running happily\tand\nnew\u00a0lines, zero\u200bwidth, quo'te back\\slash, 4711 lamps",
)
MISSING = """
SELECT word FROM documents d, unnest(tsvector_to_array(d.words)) AS word
 WHERE d.environment_id = $1 AND word >= ':'
   AND NOT EXISTS (SELECT FROM lexemes l WHERE l.environment_id = $1 AND l.generation_id = d.generation_id
                                           AND l.lexeme = up_to_digit(word))
"""
KEPT = "SELECT count(*) FROM lexemes WHERE environment_id = $1"
GENERATION = "INSERT INTO generations (environment_id, state, language) VALUES ($1, 'serving', $2)"


@pytest.fixture
async def database(connect_service: ConnectService) -> Database:
    return await connect_service("search", FOLDER)


@pytest.mark.parametrize("language", ["simple", "english", "german", "russian"])
async def test_each_word_of_each_document_is_kept(database: Database, language: str) -> None:
    store, environment = SearchStore(database), new_id()
    await database.execute(environment, GENERATION, language)
    documents = [Document(new_id(), 1, f"{text} in a name", "SKU-1 AB12", text, text) for text in TEXTS]
    await store.put(environment, documents[:2], [])
    await store.put(environment, documents, [])
    newer = Document(documents[0].product_id, 2, "Wholly otherwise", "NEW-9", "Another place", "Unheard words here")
    await store.put(environment, [newer], [documents[1].product_id])
    # Another process knows nothing of what this one has kept.
    await SearchStore(database).put(environment, [Document(new_id(), 1, "Otherwise once more", "", "", "words")], [])
    assert await database.fetch(environment, MISSING) == []
    assert await database.fetchval(environment, KEPT) > 60


async def test_what_was_rolled_back_is_kept_the_next_time(database: Database) -> None:
    store, environment = SearchStore(database), new_id()
    broken = Document("no id", 1, "Chandelier", "", "", "")
    with pytest.raises(Exception, match="no id"):
        await store.put(environment, [broken], [])
    await store.put(environment, [Document(new_id(), 1, "Chandelier", "", "", "")], [])
    assert (await store.search(environment, Search("chan"))).total == 1


BEGINNINGS: Mapping[str, str] = {
    "l": "brass lamps shade", "lam": "brass lamps shade", "lamp": "brass lamps shade",
    "lamp2": "shade", "lamp20": "shade",
    "a": "lamps", "ab": "lamps", "ab1": "lamps", "ab12": "lamps", "1": "lamps", "12": "lamps",
    "many": "shade", "manyk": "shade", "brass lam": "brass", "b": "brass", "of th": "lamps",
}  # fmt: skip


@pytest.mark.parametrize("sort", ["RELEVANCE", "NAME"])
async def test_beginnings_find_words_with_digits_and_many_words(database: Database, sort: Sort) -> None:
    store, environment = SearchStore(database), new_id()
    many = " ".join(f"many{letter * 2}" for letter in "abcdefghijkm")
    ids = {name: new_id() for name in ("brass", "lamps", "shade")}
    documents = [
        Document(ids["brass"], 1, "Brass lamp", "", "", ""),
        Document(ids["lamps"], 1, "Lamps", "AB12", "", "12 of them"),
        Document(ids["shade"], 1, "Shade", "lamp20", "", many),
    ]
    await store.put(environment, documents, [])
    await store.put(new_id(), [Document(new_id(), 1, "Lampzilla manyzz ab", "", "", "")], [])
    for q, names in BEGINNINGS.items():
        found = set((await store.search(environment, Search(q, sort=sort))).product_ids)
        # Words that hardly anything fits are taken as misspelt too.
        assert {ids[name] for name in names.split()} <= found <= set(ids.values()), q
    for q in ("z", "1a", "13", "zx lamp"):
        assert (await store.search(environment, Search(q, sort=sort))).total == 0, q
    assert await store.suggestions(environment, "lam", 10) == ["Lamps", "Brass lamp"]
