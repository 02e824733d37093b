"""Products that wait to be indexed. Pure."""

from uuid import UUID

import msgspec

FIRST = str(UUID(int=0))
"""Before every id."""


class Named(msgspec.Struct, frozen=True):
    """A product that an event names.  since_ms: when, in ms since 1970."""

    product_id: str
    since_ms: int
    correlation_id: str


class Stale(msgspec.Struct, frozen=True):
    """A product that waits.

    mark: of the last event that named it.  since_ms: of the first, in ms since 1970.  attempts: failed ones.
    """

    product_id: str
    mark: int
    since_ms: int
    correlation_id: str
    attempts: int
