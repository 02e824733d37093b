"""Synonyms and boosts: what a merchant says about words and products, in one environment."""

from typing import Any

import pytest

from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.ids import new_correlation_id, new_id
from kokoa.services.search.model import BOOSTS_MAX, SYNONYMS_MAX, Document, Search
from kokoa.services.search.service import SearchService

MANAGEMENT = ("storefront", "management")
ADD = """mutation($word: String!, $meanings: [String!]!, $both: Boolean! = false) {
  addSearchSynonyms(word: $word, meanings: $meanings, bothWays: $both) { word meaning } }"""
REMOVE = "mutation($word: String!, $m: [String!]) { removeSearchSynonyms(word: $word, meanings: $m) { meaning } }"
BOOST = """mutation($id: ID, $category: String, $factor: Float!) {
  boostSearch(productId: $id, category: $category, factor: $factor) { productId category factor } }"""
FILL = """INSERT INTO synonyms (environment_id, word, meaning)
  SELECT $1, 'word' || n, 'x' FROM generate_series(1, $2::integer) n"""
FILL_BOOSTS = """INSERT INTO boosts (environment_id, kind, subject, factor)
  SELECT $1, 'category', 'path-' || n, 2 FROM generate_series(1, $2::integer) n"""


class Shop:
    """One environment's index, asked as its owner and as a shopper."""

    def __init__(self, service: SearchService) -> None:
        self.service = service
        self.environment = new_id()
        self.names: dict[str, str] = {}

    async def ask(self, document: str, scopes: tuple[str, ...] = MANAGEMENT, **variables: Any) -> Any:
        caller = Caller("server", scopes=frozenset(scopes))
        call = Call(self.environment, caller, new_correlation_id(), now_ms() + 60_000)
        return await self.service.subgraph.execute(document, variables, call)

    async def data(self, document: str, **variables: Any) -> Any:
        result = await self.ask(document, **variables)
        assert not result.errors, result.errors
        return next(iter(result.data.values()))

    async def put(self, name: str, path: str = "") -> str:
        document = Document(new_id(), 1, name, "", "", "", path)
        self.names[document.product_id] = name
        await self.service.store.put(self.environment, [document], [])
        return document.product_id

    async def found(self, q: str) -> list[str]:
        page = await self.service.store.search(self.environment, Search(q, 50))
        return [self.names[one] for one in page.product_ids]


@pytest.fixture
def shop(search_index: SearchService) -> Shop:
    return Shop(search_index)


async def test_synonyms_are_found_one_way_or_both_and_by_phrases(shop: Shop) -> None:
    for name in (
        "Big television set",
        "Sofa",
        "Grand couch",
        "Setting of a television",
        "Set beside television lamp",
    ):
        await shop.put(name)
    assert await shop.found("telly") == []
    assert await shop.data(ADD, word="Telly", meanings=["Television set"]) == [
        {"word": "telly", "meaning": "television set"}
    ]
    assert await shop.found("telly") == ["Big television set"]
    assert await shop.found("big telly") == ["Big television set"]
    await shop.data(ADD, word="sofa", meanings=["couch"])
    assert set(await shop.found("sofa")) == {"Sofa", "Grand couch"}
    assert await shop.found("couch") == ["Grand couch"]
    await shop.data(ADD, word="sofa", meanings=["couch"], both=True)
    assert set(await shop.found("couch")) == {"Sofa", "Grand couch"}
    assert await shop.data("{ searchSynonyms { word meaning } }") == [
        {"word": "couch", "meaning": "sofa"},
        {"word": "sofa", "meaning": "couch"},
        {"word": "telly", "meaning": "television set"},
    ]
    assert await shop.data(REMOVE, word="couch", m=["sofa"]) == []
    assert await shop.found("couch") == ["Grand couch"]
    await shop.data(REMOVE, word="telly")
    assert await shop.found("telly") == []


async def test_another_environment_has_its_own(shop: Shop, search_index: SearchService) -> None:
    other = Shop(search_index)
    await other.put("Couch")
    await shop.data(ADD, word="divan", meanings=["couch"])
    await shop.data(BOOST, category="lamps", factor=2)
    assert await other.found("divan") == []
    assert await other.data("{ searchSynonyms { word } }") == []
    assert await other.data("{ searchBoosts { factor } }") == []


async def test_boosts_lift_and_lower_products_and_categories(shop: Shop) -> None:
    ids = {name: await shop.put(name, path) for name, path in (("Lamp", "a"), ("Lamp of oak wood", "b/c"))}
    assert await shop.found("lamp") == ["Lamp", "Lamp of oak wood"]
    assert await shop.data(BOOST, category="b", factor=1.5) == [{"productId": None, "category": "b", "factor": 1.5}]
    assert await shop.found("lamp") == ["Lamp of oak wood", "Lamp"]
    await shop.data(BOOST, category="b/c", factor=0.5)
    assert await shop.found("lamp") == ["Lamp", "Lamp of oak wood"], "the nearer category counts"
    await shop.data(BOOST, id=ids["Lamp of oak wood"], factor=3)
    assert await shop.found("lamp") == ["Lamp of oak wood", "Lamp"], "the product's own counts"
    await shop.data(BOOST, id=ids["Lamp of oak wood"], factor=1)
    assert len(await shop.data("{ searchBoosts { factor } }")) == 2


async def test_a_boosted_product_is_found_among_more_than_are_ranked(shop: Shop) -> None:
    documents = [Document(new_id(), 1, f"Lamp {number}", "", "", "") for number in range(1_500)]
    await shop.service.store.put(shop.environment, documents, [])
    for document in (documents[3], documents[-3]):
        await shop.data(BOOST, id=document.product_id, factor=2)
        page = await shop.service.store.search(shop.environment, Search("lamp", 1))
        assert (page.product_ids, page.total) == ([document.product_id], 1_500)
        await shop.data(BOOST, id=document.product_id, factor=1)
    misspelt = await shop.service.store.search(shop.environment, Search("lammp", 50))
    assert (len(set(misspelt.product_ids)), misspelt.total) == (50, 1_500)


@pytest.mark.parametrize(
    ("document", "variables", "code", "says"),
    [
        (ADD, {"word": "two words", "meanings": ["a"]}, "INVALID_SYNONYM", "one word"),
        (ADD, {"word": "&", "meanings": ["a"]}, "INVALID_SYNONYM", "one word"),
        (ADD, {"word": "a", "meanings": []}, "INVALID_SYNONYM", "1 to 20 meanings"),
        (ADD, {"word": "a", "meanings": ["!"]}, "INVALID_SYNONYM", "1 to 5 words"),
        (ADD, {"word": "a", "meanings": ["A"]}, "INVALID_SYNONYM", "itself"),
        (REMOVE, {"word": ""}, "INVALID_SYNONYM", "one word"),
        (BOOST, {"factor": 2}, "INVALID_BOOST", "either a productId or a category"),
        (BOOST, {"id": "x", "category": "y", "factor": 2}, "INVALID_BOOST", "either"),
        (BOOST, {"category": "y/", "factor": 2}, "INVALID_BOOST", "path"),
        (BOOST, {"category": "y", "factor": 11}, "INVALID_BOOST", "0.1 to 10"),
        (BOOST, {"id": "x", "factor": 2}, "INVALID_ID", "productId"),
        ("{ searchSynonyms(limit: 251) { word } }", {}, "INVALID_SEARCH", "not 251"),
    ],
)
async def test_what_cannot_be_is_refused(shop: Shop, document: str, variables: Any, code: str, says: str) -> None:
    result = await shop.ask(document, **variables)
    assert result.errors[0]["extensions"]["code"] == code
    assert says in result.errors[0]["message"] or says == result.errors[0]["extensions"].get("field")
    assert await shop.data("{ searchSynonyms { word } }") == []


async def test_their_number_is_bounded_and_shoppers_may_not(shop: Shop) -> None:
    database = shop.service.store.database
    await database.execute(shop.environment, FILL, SYNONYMS_MAX)
    await database.execute(shop.environment, FILL_BOOSTS, BOOSTS_MAX)
    for document, variables, code in (
        (ADD, {"word": "one", "meanings": ["more"]}, "TOO_MANY_SYNONYMS"),
        (BOOST, {"category": "one-more", "factor": 2}, "TOO_MANY_BOOSTS"),
    ):
        result = await shop.ask(document, **variables)
        assert result.errors[0]["extensions"]["code"] == code
        result = await shop.ask(document, ("storefront",), **variables)
        assert result.errors[0]["extensions"]["code"] == "FORBIDDEN"
    assert len(await shop.data("{ searchBoosts { factor } }")) == BOOSTS_MAX
