"""One function a mutation; the files first, then one transaction with the row and its event.

    upload → claim the picture's row → decode → write all files → transaction: file ready, media, product's version

Killed anywhere in between, the upload or the files are left over, and the sweeper removes them a day later.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import structlog

from kokoa.kernel.errors import Invalid, Unavailable
from kokoa.kernel.ids import new_id
from kokoa.postgres import Database, Transaction
from kokoa.services.catalog.media.errors import MediaBeingRemoved, MediaNotFound
from kokoa.services.catalog.media.imaging_process import Imaging
from kokoa.services.catalog.media.model import (
    UNUSED_KEPT,
    Media,
    require_alt,
    require_order,
    require_room,
    sniffed,
)
from kokoa.services.catalog.media.objects import MediaObjects
from kokoa.services.catalog.media.store import Claimed, MediaStore, media_of, queries
from kokoa.services.catalog.model import Product
from kokoa.services.catalog.parts.actions import locked, require_version
from kokoa.services.catalog.parts.changes import next_version

_log = structlog.get_logger(__name__)

SWEPT_AT_ONCE_MAX = 200


class Wanted(msgspec.Struct, frozen=True):
    """A picture that a product is to have.  version: the product's, any when None."""

    product_id: str
    version: int | None
    alt: str


class Picture(msgspec.Struct, frozen=True):
    """Something that can be shown.  width, height: in pixels."""

    content_hash: str
    width: int
    height: int


class MediaActions:
    """correlation_id: of the request that caused the change; it travels with the events."""

    def __init__(self, database: Database, objects: MediaObjects, imaging: Imaging) -> None:
        self._database = database
        self._store = MediaStore(database)
        self._objects = objects
        self._imaging = imaging

    async def add(self, environment_id: str, upload_id: str, wanted: Wanted, *, correlation_id: str) -> Media:
        """An upload becomes the last picture of a product; one that the product shows already stays where it is.

        Raises InvalidMedia, ProductNotFound, ProductChanged, UploadNotFound, TooManyMedia, Image…, ImagesBusy,
        MediaBeingRemoved, MediaStoreUnavailable.
        """
        require_alt(wanted.alt)
        async with self._database.transaction(environment_id) as tx:
            await locked(tx, wanted.product_id)  # before anything costs much
        upload = await self._objects.upload(environment_id, upload_id)
        try:
            picture = await self._kept(environment_id, upload)
            media = await self._attach(environment_id, picture, wanted, correlation_id)
        except Invalid:
            await self._drop(environment_id, upload_id)
            raise
        await self._drop(environment_id, upload_id)
        return media

    async def attach(self, environment_id: str, media_id: str, wanted: Wanted, *, correlation_id: str) -> Media:
        """What one product shows becomes the last picture of another one too.

        Raises InvalidMedia, MediaNotFound, ProductNotFound, ProductChanged, TooManyMedia, MediaBeingRemoved.
        """
        require_alt(wanted.alt)
        shown = await self._store.one(environment_id, media_id)
        if shown is None:
            raise _not_found(media_id)
        picture = Picture(shown.content_hash, shown.width, shown.height)
        return await self._attach(environment_id, picture, wanted, correlation_id)

    async def update(
        self, environment_id: str, media_id: str, version: int, alt: str, *, correlation_id: str
    ) -> Media:
        """Another alternative text. Raises InvalidMedia, MediaNotFound, ProductChanged."""
        require_alt(alt)
        async with self._database.transaction(environment_id) as tx:
            media, product = await _locked(tx, media_id)
            if media.alt == alt:
                return media
            require_version(product, version)
            await tx.execute(queries.set_alt, media_id, alt)
            await next_version(tx, product, correlation_id=correlation_id)
        return msgspec.structs.replace(media, alt=alt)

    async def order(
        self, environment_id: str, product_id: str, version: int, ids: Sequence[str], *, correlation_id: str
    ) -> Product:
        """All pictures of a product in this order. Raises InvalidMedia, ProductNotFound, ProductChanged."""
        async with self._database.transaction(environment_id) as tx:
            product = await locked(tx, product_id)
            present = [str(row["id"]) for row in await tx.fetch(queries.media_places, product_id)]
            require_order(ids, present)
            if list(ids) == present:
                return product
            require_version(product, version)
            await tx.execute(queries.order_media, product_id, list(ids))
            return await next_version(tx, product, correlation_id=correlation_id)

    async def delete(self, environment_id: str, media_id: str, version: int, *, correlation_id: str) -> Product:
        """A product's picture; its files stay for a day. Raises MediaNotFound, ProductChanged."""
        async with self._database.transaction(environment_id) as tx:
            media, product = await _locked(tx, media_id)
            require_version(product, version)
            await tx.execute(queries.delete_media, media_id)
            await tx.execute(queries.touch_file, media.content_hash)
            return await next_version(tx, product, correlation_id=correlation_id)

    async def _kept(self, environment_id: str, upload: bytes) -> Picture:
        """The picture with all its files in the object storage, made now unless they are there."""
        image_format = sniffed(upload)
        content_hash = await asyncio.to_thread(lambda: hashlib.sha256(upload).hexdigest())
        claimed = await self._store.claim(environment_id, content_hash)
        if claimed is None:
            raise _being_removed()
        if not claimed.ready:
            rendered = await self._imaging.render(upload, image_format, key=environment_id)
            await self._objects.put_renditions(environment_id, content_hash, rendered.renditions)
            claimed = Claimed(True, rendered.width, rendered.height)
        return Picture(content_hash, claimed.width, claimed.height)

    async def _attach(self, environment_id: str, picture: Picture, wanted: Wanted, correlation_id: str) -> Media:
        async with self._database.transaction(environment_id) as tx:
            product = await locked(tx, wanted.product_id)
            shown = await tx.fetchrow(queries.media_of_content, product.id, picture.content_hash)
            if shown is not None:
                return media_of(shown)
            if wanted.version is not None:
                require_version(product, wanted.version)
            places = await tx.fetch(queries.media_places, product.id)
            require_room(len(places))
            ready = (picture.content_hash, picture.width, picture.height)
            if await tx.fetchval(queries.file_ready, *ready) is None:
                raise _being_removed()
            position = max((row["position"] for row in places), default=-1) + 1
            media = Media(new_id(), product.id, position, wanted.alt, *ready)
            await tx.execute(queries.insert_media, *msgspec.structs.astuple(media))
            await next_version(tx, product, correlation_id=correlation_id)
        return media

    async def _drop(self, environment_id: str, upload_id: str) -> None:
        """What was used, or never can be; if the storage does not answer now, the sweeper does it."""
        try:
            await self._objects.drop_upload(environment_id, upload_id)
        except Unavailable as error:
            _log.warning("upload_not_dropped", upload=upload_id, detail=error.detail)


class MediaSweeper:
    """Removes what nobody shows and nobody has touched for a day: uploads, and pictures of all environments."""

    def __init__(self, store: MediaStore, objects: MediaObjects) -> None:
        self._store = store
        self._objects = objects

    async def sweep(self, now: datetime | None = None) -> int:
        """How many uploads and pictures went; call again until it is 0. Several may sweep at once.

        Raises MediaStoreUnavailable, DatabaseUnavailable; what was begun is finished by the next one.
        """
        moment = now or datetime.now(UTC)
        removed = await self._objects.remove_stale_uploads(moment, SWEPT_AT_ONCE_MAX)
        before = moment - UNUSED_KEPT
        for environment_id, content_hash in await self._store.unused(before, SWEPT_AT_ONCE_MAX):
            if await self._store.begin_removal(environment_id, content_hash, before):
                await self._objects.remove(environment_id, content_hash)
                await self._store.end_removal(environment_id, content_hash)
                removed += 1
        return removed


async def _locked(tx: Transaction, media_id: str) -> tuple[Media, Product]:
    """The picture and its product, both kept from changes: whoever changes a product's pictures locks the product."""
    row = await tx.fetchrow(queries.one_media, media_id)
    if row is None:
        raise _not_found(media_id)
    product = await locked(tx, media_of(row).product_id)
    row = await tx.fetchrow(queries.one_media, media_id)
    if row is None:
        raise _not_found(media_id)
    return media_of(row), product


def _not_found(media_id: str) -> MediaNotFound:
    return MediaNotFound(f"There is no picture {media_id}.")


def _being_removed() -> MediaBeingRemoved:
    return MediaBeingRemoved("This picture was unused and is being removed right now; send it again in a moment.")
