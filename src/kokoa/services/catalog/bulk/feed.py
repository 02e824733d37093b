"""The feed of changes: its entries, places in it, and which of these can still be read from. Pure."""

from typing import Literal
from uuid import UUID

import msgspec

from kokoa.services.catalog.bulk.errors import ChangesForgotten
from kokoa.services.catalog.errors import InvalidCursor

_NUMBER_MAX = 2**63
_FIRST_ID = str(UUID(int=0))


class Change(msgspec.Struct, frozen=True):
    """An entry of the feed.  changed_in: the transaction."""

    changed_in: int
    id: str
    version: int
    external_reference: str | None
    kind: Literal["UPSERT", "DELETE"]


class FeedPlace(msgspec.Struct, frozen=True):
    """A place in the feed: behind this product's change by this transaction.

    began: since which transaction a reader that began without a place needs to be told of deletions: what was deleted
    before, it has never had. 0 once that is behind it.
    """

    changed_in: int = 0
    id: str = _FIRST_ID
    began: int = 0

    @property
    def key(self) -> tuple[int, str]:
        """What places are ordered by."""
        return self.changed_in, self.id


class FeedPage(msgspec.Struct, frozen=True):
    """settled: all transactions before it are over.  forgotten: up to where deletions are gone; None: nowhere."""

    changes: list[Change]
    settled: int
    forgotten: tuple[int, str] | None


def beginning(page: FeedPage) -> FeedPlace:
    """Where a reader without a place is.  page: the first one that it gets."""
    forgotten = page.forgotten[0] + 1 if page.forgotten else 0
    return FeedPlace(began=max(page.settled, forgotten))


def require_told(since: FeedPlace, forgotten: tuple[int, str] | None) -> None:
    """Raises ChangesForgotten when a deletion that the reader has to be told may be gone."""
    if forgotten is not None and forgotten > since.key and forgotten[0] >= since.began:
        raise ChangesForgotten(
            "Deletions after this cursor are forgotten already. Read everything again, without since, and drop what "
            "does not come."
        )


def place_after(since: FeedPlace, changes: list[Change]) -> FeedPlace:
    """Behind these changes, or where it was without any."""
    if not changes:
        return since
    last = changes[-1]
    return FeedPlace(last.changed_in, last.id, since.began if last.changed_in < since.began else 0)


def feed_cursor(place: FeedPlace) -> str:
    """A place as text."""
    return ".".join([str(place.changed_in), place.id, *([str(place.began)] if place.began else [])])


def read_feed_cursor(cursor: str) -> FeedPlace:
    """Raises InvalidCursor."""
    number, _, rest = cursor.partition(".")
    product_id, has_began, began = rest.partition(".")
    try:
        return FeedPlace(_number(number), str(UUID(product_id)), _number(began) if has_began else 0)
    except ValueError:
        raise InvalidCursor(f"{cursor[:80]!r} is no cursor of this feed.", field="since") from None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_NUMBER_MAX)) and int(text) < _NUMBER_MAX):
        raise ValueError
    return int(text)
