"""queries.sql ⇄ model."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from kokoa.postgres import Database, Row, load_queries
from kokoa.services.catalog.media.model import Media

queries = load_queries(Path(__file__).with_name("queries.sql"))


class Claimed(msgspec.Struct, frozen=True):
    """A picture's row.  ready: all its files are there, in this size."""

    ready: bool
    width: int
    height: int


class MediaStore:
    """Of one environment each, but for `unused`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_products(
        self, environment_id: str, product_ids: Sequence[str], limit: int
    ) -> dict[str, list[Media]]:
        """By product, in order; products without any are missing."""
        rows = await self._database.fetch(environment_id, queries.media_of_products, list(product_ids), limit)
        found: dict[str, list[Media]] = defaultdict(list)
        for media in map(media_of, rows):
            found[media.product_id].append(media)
        return found

    async def one(self, environment_id: str, media_id: str) -> Media | None:
        row = await self._database.fetchrow(environment_id, queries.one_media, media_id)
        return media_of(row) if row else None

    async def of_content(self, environment_id: str, product_id: str, content_hash: str) -> Media | None:
        """A product's picture that shows this content already."""
        row = await self._database.fetchrow(environment_id, queries.media_of_content, product_id, content_hash)
        return media_of(row) if row else None

    async def claim(self, environment_id: str, content_hash: str) -> Claimed | None:
        """The picture's row, new or touched; None while its files are being removed."""
        row = await self._database.fetchrow(environment_id, queries.claim_file, content_hash)
        return Claimed(row["state"] == "ready", row["width"] or 0, row["height"] or 0) if row else None

    async def unused(self, before: datetime, most: int) -> list[tuple[str, str]]:
        """(environment, content) of pictures of all environments that nobody has shown or touched since."""
        rows = await self._database.fetch_anywhere(queries.unused_files, before, most)
        return [(str(row["environment_id"]), row["content_hash"]) for row in rows]

    async def begin_removal(self, environment_id: str, content_hash: str, before: datetime) -> bool:
        """Whether the picture's files may be deleted; from now on nobody refers to them."""
        return bool(await self._database.fetchval(environment_id, queries.begin_removal, content_hash, before))

    async def end_removal(self, environment_id: str, content_hash: str) -> None:
        await self._database.execute(environment_id, queries.end_removal, content_hash)


def media_of(row: Row) -> Media:
    """A row of any of the statements that read pictures."""
    media_id, product_id, *rest = row
    return Media(str(media_id), str(product_id), *rest)
