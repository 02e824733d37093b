"""Pictures of products: from upload to page, their order, the walls between stores, and what is swept."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from obstore.store import MemoryStore

from contract.catalog_shop import MANAGEMENT, STOREFRONT, Shop
from contract.pictures import GREEN, RED, halves, near, opened, picture
from contract.test_catalog_statements import counting
from kokoa.kernel.ids import new_correlation_id, new_id
from kokoa.postgres import Database
from kokoa.services.catalog.media.errors import UploadNotFound
from kokoa.services.catalog.media.model import FILE_NAMES, MEDIA_OF_PRODUCT_MAX
from kokoa.services.catalog.media.objects import MediaObjects
from kokoa.services.catalog.media.results import Rendition
from kokoa.services.catalog.media.store import MediaStore
from kokoa.services.catalog.model import NewProduct
from kokoa.services.catalog.service import CatalogService

ADD = """mutation($input: AddMediaInput!) { m: addMedia(input: $input) {
  id alt position width height url product { id version } } }"""
ATTACH = "mutation($input: AttachMediaInput!) { m: attachMedia(input: $input) { id position product { version } } }"
ALT = "mutation($id: ID!, $v: Int!, $alt: String!) { m: updateMedia(id: $id, version: $v, alt: $alt) { alt } }"
ORDER = """mutation($id: ID!, $v: Int!, $ids: [ID!]!) {
  p: orderMedia(productId: $id, version: $v, ids: $ids) { version media { id } thumbnail { id } } }"""
DELETE = "mutation($id: ID!, $v: Int!) { p: deleteMedia(id: $id, version: $v) { version media { id } } }"
SHOWN = """query($id: ID) { product(id: $id) { version thumbnail { id }
  media { id alt position width height url(rendition: SMALL, format: JPEG) } } }"""
OUTBOX = "SELECT event_type FROM outbox WHERE environment_id = $1 ORDER BY id"
FILES = "SELECT content_hash, state FROM media_files WHERE environment_id = $1"


@pytest.fixture
def database(catalog: tuple[CatalogService, Database]) -> Database:
    return catalog[1]


@pytest.fixture
def shop(catalog: tuple[CatalogService, Database]) -> Shop:
    return Shop(catalog[0])


class Studio:
    """Sends pictures to one shop."""

    def __init__(self, shop: Shop, objects: MediaObjects) -> None:
        self.shop = shop
        self.objects = objects

    async def upload(self, content: bytes) -> str:
        return await self.objects.keep_upload(self.shop.environment_id, content)

    async def add(self, product: Any, content: bytes, **more: Any) -> Any:
        wanted = {"productId": product["id"], "upload": await self.upload(content), **more}
        return (await self.shop.data(ADD, input=wanted))["m"]

    async def code(self, product: Any, content: bytes, scopes: frozenset[str] = MANAGEMENT, **more: Any) -> str:
        wanted = {"productId": product["id"], "upload": await self.upload(content), **more}
        return await self.shop.code(ADD, scopes, input=wanted)

    async def file(self, url: str) -> bytes | None:
        _, _, content_hash, name = url.split("/")
        found = await self.objects.file(self.shop.environment_id, content_hash, name)
        return found and found.content


@pytest.fixture
def studio(shop: Shop, media_objects: MediaObjects) -> Studio:
    return Studio(shop, media_objects)


async def test_an_upload_becomes_a_picture_that_pages_show(studio: Studio, shop: Shop, database: Database) -> None:
    product = await shop.create("Chair")
    added = await studio.add(product, halves("PNG"), alt="A chair", version=1)
    assert (added["alt"], added["position"], added["width"], added["height"]) == ("A chair", 0, 40, 20)
    assert added["product"] == {"id": product["id"], "version": 2}
    found = (await shop.data(SHOWN, STOREFRONT, id=product["id"]))["product"]
    assert found["thumbnail"] == {"id": added["id"]}
    (shown,) = found["media"]
    assert shown["url"].endswith("/small.jpg")
    content = await studio.file(shown["url"])
    assert content is not None
    assert near(opened(content).getpixel((5, 5)), RED, 40)
    assert opened(await studio.file(added["url"]) or b"").format == "WEBP"
    told = [row["event_type"] for row in await database.fetch(shop.environment_id, OUTBOX)]
    assert told == ["ProductCreated", "ProductUpdated"]


async def test_the_same_upload_again_is_the_same_picture(studio: Studio, shop: Shop, database: Database) -> None:
    product, other = await shop.create("Chair"), await shop.create("Stool")
    first = await studio.add(product, picture("PNG"), alt="First")
    again = await studio.add(product, picture("PNG"), alt="Again", version=1)
    assert again == {**first, "product": {"id": product["id"], "version": 2}}
    elsewhere = await studio.add(other, picture("PNG"))
    assert elsewhere["id"] != first["id"]
    assert elsewhere["url"] == first["url"]
    assert len(await database.fetch(shop.environment_id, FILES)) == 1


async def test_the_same_upload_at_once_is_one_picture(studio: Studio, shop: Shop) -> None:
    product = await shop.create("Chair")
    found = await asyncio.gather(*(studio.add(product, picture("PNG", colour=GREEN)) for _ in range(4)))
    assert len({one["id"] for one in found}) == 1
    assert (await shop.data(SHOWN, id=product["id"]))["product"]["version"] == 2


async def test_an_upload_serves_once_and_only_in_its_environment(studio: Studio, shop: Shop) -> None:
    product = await shop.create("Chair")
    upload = await studio.upload(picture("PNG"))
    other = Shop(shop.service)
    theirs = await other.create("Chair")
    assert await other.code(ADD, input={"productId": theirs["id"], "upload": upload}) == "UPLOAD_NOT_FOUND"
    assert await other.code(ADD, input={"productId": product["id"], "upload": upload}) == "PRODUCT_NOT_FOUND"
    added = (await shop.data(ADD, input={"productId": product["id"], "upload": upload}))["m"]
    assert await shop.code(ADD, input={"productId": product["id"], "upload": upload}) == "UPLOAD_NOT_FOUND"
    assert await shop.code(ADD, input={"productId": product["id"], "upload": "../../x"}) == "INVALID_ID"
    assert await Studio(other, studio.objects).file(added["url"]) is None
    wanted = {"productId": theirs["id"], "mediaId": added["id"]}
    assert await other.code(ATTACH, input=wanted) == "MEDIA_NOT_FOUND"


async def test_bad_uploads_have_their_errors_and_change_nothing(
    studio: Studio, shop: Shop, database: Database
) -> None:
    product = await shop.create("Chair")
    jpeg = halves("JPEG", quality=95)
    for content, wanted in (
        (b"<svg/>", "IMAGE_FORMAT_UNSUPPORTED"),
        (b"GIF89a", "IMAGE_DAMAGED"),
        (jpeg[: len(jpeg) // 2 + 100], "IMAGE_TRUNCATED"),
    ):
        assert await studio.code(product, content) == wanted
    assert await studio.code(product, picture(), alt="x" * 501) == "INVALID_MEDIA"
    assert await studio.code(product, picture(), version=7) == "PRODUCT_CHANGED"
    assert await studio.code({"id": new_id()}, picture()) == "PRODUCT_NOT_FOUND"
    assert await studio.code(product, picture(), STOREFRONT) == "FORBIDDEN"
    found = (await shop.data(SHOWN, id=product["id"]))["product"]
    assert (found["version"], found["media"]) == (1, [])
    told = [row["event_type"] for row in await database.fetch(shop.environment_id, OUTBOX)]
    assert told == ["ProductCreated"]


async def test_pictures_are_ordered_described_attached_and_deleted(studio: Studio, shop: Shop) -> None:
    product, other = await shop.create("Chair"), await shop.create("Stool")
    ids = [(await studio.add(product, picture("PNG", (n, n))))["id"] for n in (1, 2, 3)]
    wanted = {"id": product["id"], "v": 4}
    assert await shop.code(ORDER, **wanted, ids=ids[:2]) == "INVALID_MEDIA"
    assert await shop.code(ORDER, **{**wanted, "v": 3}, ids=ids[::-1]) == "PRODUCT_CHANGED"
    ordered = (await shop.data(ORDER, **wanted, ids=ids[::-1]))["p"]
    assert ordered == {"version": 5, "media": [{"id": one} for one in ids[::-1]], "thumbnail": {"id": ids[2]}}
    assert (await shop.data(ORDER, **wanted, ids=ids[::-1]))["p"]["version"] == 5  # again, as after a lost answer
    assert (await shop.data(ALT, id=ids[0], v=5, alt="Side"))["m"] == {"alt": "Side"}
    assert (await shop.data(ALT, id=ids[0], v=5, alt="Side"))["m"] == {"alt": "Side"}
    assert await shop.code(ALT, id=ids[0], v=5, alt="Back") == "PRODUCT_CHANGED"
    attached = (await shop.data(ATTACH, input={"productId": other["id"], "mediaId": ids[0], "version": 1}))["m"]
    assert (attached["position"], attached["product"]) == (0, {"version": 2})
    assert (await shop.data(DELETE, id=ids[1], v=6))["p"] == {
        "version": 7,
        "media": [{"id": ids[2]}, {"id": ids[0]}],
    }
    assert await shop.code(DELETE, id=ids[1], v=7) == "MEDIA_NOT_FOUND"
    added = await studio.add(product, picture("PNG", (9, 9)))
    shown = (await shop.data(SHOWN, id=product["id"]))["product"]["media"]
    assert [one["id"] for one in shown] == [ids[2], ids[0], added["id"]]
    for scopes, code in ((STOREFRONT, "FORBIDDEN"),):
        for document, more in ((ALT, {"alt": "x"}), (DELETE, {})):
            assert await shop.code(document, scopes, id=ids[0], v=8, **more) == code
    stranger = Shop(shop.service)
    assert await stranger.code(ALT, id=ids[0], v=8, alt="x") == "MEDIA_NOT_FOUND"
    assert await stranger.code(DELETE, id=ids[0], v=8) == "MEDIA_NOT_FOUND"
    assert await stranger.code(ORDER, id=product["id"], v=8, ids=ids) == "PRODUCT_NOT_FOUND"


async def test_storefronts_see_pictures_of_published_products_only(studio: Studio, shop: Shop) -> None:
    product = await shop.create("Chair", status="DRAFT")
    await studio.add(product, picture("PNG"))
    assert (await shop.data(SHOWN, STOREFRONT, id=product["id"]))["product"] is None
    query = "query { products(limit: 5) { media { id } thumbnail { id } } }"
    assert (await shop.data(query, STOREFRONT))["products"] == []


async def test_a_product_has_no_more_than_a_hundred_pictures(studio: Studio, shop: Shop, database: Database) -> None:
    product = await shop.create("Chair")
    first = await studio.add(product, picture("PNG"))
    fill = """WITH files AS (
        INSERT INTO media_files (environment_id, content_hash, state, width, height)
        SELECT $1, 'x' || n, 'ready', 1, 1 FROM generate_series(1, $3) n RETURNING content_hash)
        INSERT INTO product_media (environment_id, id, product_id, position, alt, content_hash, width, height)
        SELECT $1, gen_random_uuid(), $2, 1, '', 'x' || n, 1, 1 FROM generate_series(1, $3) n"""
    await database.execute(shop.environment_id, fill, product["id"], MEDIA_OF_PRODUCT_MAX - 1)
    assert await studio.code(product, picture("PNG", (5, 5))) == "TOO_MANY_MEDIA"
    assert (await studio.add(product, picture("PNG")))["id"] == first["id"]
    for limit in (-1, 101):
        query = f"query($id: ID) {{ product(id: $id) {{ media(limit: {limit}) {{ id }} }} }}"
        assert await shop.code(query, id=product["id"]) in {"INVALID_MEDIA", "LIMIT_EXCEEDED"}


async def test_a_storage_that_fails_leaves_nothing_that_is_shown_and_the_upload_for_a_second_try(
    catalog: tuple[CatalogService, Database], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, database = catalog
    objects = MediaObjects.in_folder(tmp_path)
    shop = Shop(CatalogService(database, service.feed, objects))
    product = await shop.create("Chair")
    upload = await objects.keep_upload(shop.environment_id, picture("PNG"))
    (tmp_path / "media").write_text("a file where a folder should be")
    wanted = {"productId": product["id"], "upload": upload}
    assert await shop.code(ADD, input=wanted) == "MEDIA_STORE_UNAVAILABLE"
    assert (await shop.data(SHOWN, id=product["id"]))["product"]["media"] == []
    (state,) = [row["state"] for row in await database.fetch(shop.environment_id, FILES)]
    assert state == "pending"
    (tmp_path / "media").unlink()
    assert (await shop.data(ADD, input=wanted))["m"]["position"] == 0


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def test_what_nobody_shows_is_swept_after_a_day_and_nothing_else(
    catalog: tuple[CatalogService, Database], tmp_path: Path
) -> None:
    service, database = catalog
    objects = MediaObjects.in_folder(tmp_path)
    own = CatalogService(database, service.feed, objects)
    shop = Shop(own)
    studio = Studio(shop, objects)
    product = await shop.create("Chair")
    kept = await studio.add(product, picture("PNG", (1, 1)))
    gone = await studio.add(product, picture("PNG", (2, 2)))
    await shop.data(DELETE, id=gone["id"], v=3)
    await studio.upload(b"never used")
    before = files_in(tmp_path)
    assert len(before) == 21
    now = datetime.now(UTC)
    await own.media_sweeper.sweep(now)
    await own.media_sweeper.sweep(now + timedelta(hours=23))
    assert files_in(tmp_path) == before
    while await own.media_sweeper.sweep(now + timedelta(hours=25)):
        pass
    assert len(files_in(tmp_path)) == 10
    assert await studio.file(kept["url"]) is not None
    assert await studio.file(gone["url"]) is None
    assert len(await database.fetch(shop.environment_id, FILES)) == 1
    again = await studio.add(product, picture("PNG", (2, 2)))
    assert await studio.file(again["url"]) is not None


async def test_a_removal_and_an_upload_of_one_picture_never_leave_a_row_without_files(
    studio: Studio, shop: Shop, database: Database
) -> None:
    product = await shop.create("Chair")
    added = await studio.add(product, picture("PNG", (3, 3)))
    content_hash = added["url"].split("/")[2]
    store, later = MediaStore(database), datetime.now(UTC) + timedelta(days=2)
    assert not await store.begin_removal(shop.environment_id, content_hash, later)  # it is shown
    await shop.data(DELETE, id=added["id"], v=2)
    assert not await store.begin_removal(shop.environment_id, content_hash, datetime.now(UTC) - timedelta(days=1))
    assert await store.begin_removal(shop.environment_id, content_hash, later)
    # The sweeper was killed here. The picture is refused until another sweep has finished its work.
    assert await studio.code(product, picture("PNG", (3, 3))) == "MEDIA_BEING_REMOVED"
    while (shop.environment_id, content_hash) in await store.unused(later, 200):
        await shop.service.media_sweeper.sweep(later)
    assert await studio.file((await studio.add(product, picture("PNG", (3, 3))))["url"]) is not None


async def test_a_deleted_product_takes_its_pictures_along(studio: Studio, shop: Shop, database: Database) -> None:
    product = await shop.create("Chair")
    added = await studio.add(product, picture("PNG", (4, 4)))
    await shop.data("mutation($id: ID!) { deleteProduct(id: $id, version: 2) }", id=product["id"])
    assert await shop.code(ALT, id=added["id"], v=2, alt="x") == "MEDIA_NOT_FOUND"
    later = datetime.now(UTC) + timedelta(days=2)
    unused = await MediaStore(database).unused(later, 200)
    assert (shop.environment_id, added["url"].split("/")[2]) in unused


READS = {
    "thumbnail": ("thumbnail { url alt }", 2),
    "media": ("media(limit: 5) { url(rendition: LARGE) width height }", 2),
    "media with products": ("media { product { id } }", 3),
}


@pytest.mark.parametrize("name", READS)
async def test_pictures_take_one_statement_for_fifty_products_as_for_one(
    shop: Shop, studio: Studio, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = [NewProduct(f"Thing {n:02}", f"thing-{n}", "A thing.", None, None, ()) for n in range(50)]
    made = await shop.service.actions.create_products(shop.environment_id, new, correlation_id=new_correlation_id())
    for product in made[:2]:
        await studio.add({"id": product.id}, picture("PNG", (6, 6)))
    fields, most = READS[name]
    counts = []
    for size in (1, 50):
        with counting(monkeypatch) as sent:
            found = await shop.data(f"query($n: Int!) {{ products(limit: $n) {{ {fields} }} }}", STOREFRONT, n=size)
        assert len(found["products"]) == size
        counts.append(len(sent))
    assert counts == [most, most]


async def test_any_object_storage_keeps_pictures() -> None:
    """What is no folder answers otherwise to what is not there."""
    objects, environment, content_hash = MediaObjects(MemoryStore()), new_id(), "0a" * 32
    files = [Rendition(name, name.encode()) for name in sorted(FILE_NAMES)]
    await objects.put_renditions(environment, content_hash, files)
    found = await objects.file(environment, content_hash, "small.webp")
    assert found is not None
    assert (found.content, found.content_type) == (b"small.webp", "image/webp")
    assert await objects.file(new_id(), content_hash, "small.webp") is None
    for _ in range(2):  # a sweep that was killed is repeated
        await objects.remove(environment, content_hash)
    assert await objects.file(environment, content_hash, "small.webp") is None
    upload = await objects.keep_upload(environment, b"picture")
    assert await objects.remove_stale_uploads(datetime.now(UTC), 10) == 0
    assert await objects.remove_stale_uploads(datetime.now(UTC) + timedelta(hours=25), 10) == 1
    await objects.drop_upload(environment, upload)
    with pytest.raises(UploadNotFound):
        await objects.upload(environment, upload)
