"""What a custom field must fit before it is saved, and who may ask catalog by an environment's schema."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.types import Message, Scope

from contract.catalog_shop import open_database
from contract.test_custom_fields import CHANGE, DEFINE, REMOVE, FieldShop
from kokoa.gateway.compose import compose
from kokoa.gateway.supergraph import SubgraphDefinition
from kokoa.kernel.errors import KokoaError
from kokoa.messaging import Bus
from kokoa.messaging.feed import Feed
from kokoa.postgres import Database
from kokoa.roles.compositions import Compositions
from kokoa.roles.schemas import NOTICE, ComposedGraph
from kokoa.roles.seams import OperationText, PublishedSubgraph, PublishedSubgraphs
from kokoa.roles.subgraph import SchemasGraphql
from kokoa.roles.subgraphs import NoPolicies
from kokoa.services.catalog.media.objects import MediaObjects
from kokoa.services.catalog.service import FOLDER, CatalogService
from kokoa.web.tokens import CallTokens

# Another subgraph of the graph, which has a type of a name that custom fields would have.
CLASHING = """
extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"])
type Query { reviews: Int }
type VariantCustom { ean: Int }
"""
TOKENS = CallTokens(b"k" * 32)


class FakeOperations:
    """Registered documents, in pages as tenants gives them."""

    def __init__(self) -> None:
        self.documents: dict[str, str] = {}

    async def mentioning(self, environment_id: str, text: str, after: str, limit: int) -> list[OperationText]:
        found = [OperationText(*one) for one in sorted(self.documents.items()) if text in one[1].lower()]
        return [one for one in found if one.id > after][:limit]


class FakeSubgraphs:
    """What partners have published. after: what is published then, from one look to the next."""

    def __init__(self) -> None:
        self.live: list[PublishedSubgraph] = []
        self.after: list[list[PublishedSubgraph]] = []

    def publish(self, sdl: str) -> None:
        self.live = [PublishedSubgraph("acme", "1" * 12, "acme", 1, sdl, "fields", "acme", "")]

    async def published(self, environment_id: str) -> PublishedSubgraphs:
        found = PublishedSubgraphs(str(len(self.live)), self.live)
        if self.after:
            self.live = self.after.pop(0)
        return found


@pytest.fixture
def subgraphs() -> FakeSubgraphs:
    return FakeSubgraphs()


@pytest.fixture(scope="module")
async def database(postgres: str) -> AsyncIterator[Database]:
    async with open_database(postgres, "catalog", FOLDER / "migrations") as opened:
        yield opened


@pytest.fixture
def operations() -> FakeOperations:
    return FakeOperations()


@pytest.fixture
async def shop(
    database: Database, bus: Bus, operations: FakeOperations, subgraphs: FakeSubgraphs, media_objects: MediaObjects
) -> FieldShop:
    sdl = FOLDER.joinpath("schema.graphql").read_text()
    common = compose([SubgraphDefinition("catalog", sdl), SubgraphDefinition("reviews", CLASHING)])
    graph = ComposedGraph(
        Compositions(common),
        operations,  # type: ignore[arg-type]  # only what it asks
        subgraphs,  # type: ignore[arg-type]
        NoPolicies(),
        bus,
    )
    return FieldShop(CatalogService(database, Feed(bus, "catalog"), media_objects, graph=graph))


async def test_a_field_that_does_not_compose_is_refused_before_it_is_saved(shop: FieldShop) -> None:
    await shop.define("months")
    wanted = {"on": "VARIANT", "key": "ean", "type": "STRING"}
    code, message, field = await shop.refused(DEFINE, input=wanted)
    assert (code, field) == ("SCHEMA_NOT_COMPOSABLE", "input.key")
    assert "VariantCustom.ean" in message
    assert (await shop.data("{ customFields { key } }"))["customFields"] == [{"key": "months"}]
    await shop.define("width")


async def test_registered_operations_keep_what_they_ask_for(shop: FieldShop, operations: FakeOperations) -> None:
    await shop.define("material", "ENUM", enumValues=["OAK", "STEEL"])
    await shop.define("months")
    for number in range(450):
        operations.documents[f"{number:03}"] = "{ products { custom { material } } }"
    operations.documents["old"] = "{ products { custom { gone } } }"
    operations.documents["set"] = """mutation Set($id: ID!) {
      setProductCustom(id: $id, version: 1, input: {material: OAK}) { id } }"""
    code, message, _ = await shop.refused(REMOVE, on="PRODUCT", key="material")
    assert code == "CUSTOM_FIELD_IN_USE"
    assert "000, 001" in message
    assert "and 431 more" in message, "450 and the mutation, of which 20 are named; a broken one does not count"
    operations.documents = {"set": operations.documents["set"]}
    fewer = {"on": "PRODUCT", "key": "material", "enumValues": ["STEEL"]}
    assert (await shop.refused(CHANGE, input=fewer))[0] == "CUSTOM_FIELD_IN_USE"
    await shop.data(CHANGE, input={**fewer, "enumValues": ["OAK", "STEEL", "BRASS"]})
    await shop.data(REMOVE, on="PRODUCT", key="months")


async def test_a_field_fits_what_partners_have_published(shop: FieldShop, subgraphs: FakeSubgraphs) -> None:
    subgraphs.publish("type CategoryCustom { rank: Int }")
    wanted = {"on": "CATEGORY", "key": "height", "type": "INT"}
    code, message, _ = await shop.refused(DEFINE, input=wanted)
    assert (code, "CategoryCustom" in message) == ("SCHEMA_NOT_COMPOSABLE", True)
    assert (await shop.data("{ customFields { key } }"))["customFields"] == []


async def test_a_field_that_a_publish_crossed_is_undone(
    shop: FieldShop, subgraphs: FakeSubgraphs, database: Database
) -> None:
    await shop.define("months")
    before = await shop.service.schemas.digest(shop.environment_id)
    subgraphs.publish("type CategoryCustom { rank: Int }")
    subgraphs.live, subgraphs.after = [], [subgraphs.live]
    code, message, _ = await shop.refused(DEFINE, input={"on": "CATEGORY", "key": "height", "type": "INT"})
    assert (code, "at the same moment" in message) == ("SCHEMA_NOT_COMPOSABLE", True)
    assert await shop.service.schemas.digest(shop.environment_id) == before
    events = await database.fetch(
        shop.environment_id, "SELECT event_type FROM outbox WHERE environment_id = $1 ORDER BY event_id"
    )
    assert [row["event_type"] for row in events] == ["CustomFieldDefined", "CustomFieldDefined", "CustomFieldChanged"]
    subgraphs.live = []
    await shop.define("width")
    newest = "SELECT definitions::text FROM custom_field_revisions WHERE environment_id = $1 ORDER BY revision DESC"
    assert '"id":3' in (await database.fetchval(shop.environment_id, newest)).replace(" ", ""), "ids never come again"


async def test_a_change_is_told_to_all_processes(shop: FieldShop, bus: Bus) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def hear(name: str, _: bytes) -> None:
        heard.put_nowait(name)

    await bus.listen(f"{NOTICE}.*", hear)
    await shop.define("months")
    assert await asyncio.wait_for(heard.get(), 30) == f"{NOTICE}.{shop.environment_id}"


async def ask(shop: FieldShop, digest: str, token: str) -> tuple[int, bytes]:
    """Catalog by a schema, as another process of ours asks it."""
    app = SchemasGraphql(shop.service.schemas, TOKENS)
    body = b'{"query": "{ __type(name: \\"ProductCustom\\") { fields { name } } }"}'
    headers = [(b"content-type", b"application/json"), (b"x-kokoa-call", token.encode())]
    sent: list[Message] = []
    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": f"/graphql/{digest}",
        "path_params": {"digest": digest},
        "query_string": b"",
        "headers": headers if token else headers[:1],
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], b"".join(one.get("body", b"") for one in sent[1:])


async def test_catalog_answers_our_own_processes_by_the_schemas_of_their_environment(
    shop: FieldShop, database: Database, bus: Bus, media_objects: MediaObjects
) -> None:
    await shop.define("months")
    digest = await shop.service.schemas.digest(shop.environment_id)
    mine = TOKENS.sign(shop.call(), 60)
    status, answer = await ask(shop, digest, mine)
    assert (status, b'"months"' in answer) == (200, True)
    stranger = FieldShop(CatalogService(database, Feed(bus, "catalog"), media_objects))
    _, answer = await ask(stranger, digest, TOKENS.sign(stranger.call(), 60))
    assert b"SCHEMA_OUTDATED" in answer
    for token in ("", "made-up"):
        with pytest.raises(KokoaError):
            await ask(shop, digest, token)
