"""The seam to whoever knows the store's domain: where an HTTP API's routes are served."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from kokoa.functions.control.access import Account


class Placement(msgspec.Struct, frozen=True):
    """endpoint: the URL that works.  root_paths: routes served at the root of the shared domain.

    note: what a deployer should know, such as that a grant is missing; empty when there is nothing to say.
    """

    endpoint: str
    root_paths: tuple[str, ...] = ()
    note: str = ""


class RoutePlacement(Protocol):
    """Places APIs on the store's domain."""

    async def place(self, account: Account, api_id: str, api_name: str, route_keys: Sequence[str]) -> Placement:
        """Where the API's routes will be. Raises a Conflict that names who holds a route already."""
