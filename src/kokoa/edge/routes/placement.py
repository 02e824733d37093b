"""Where an API that is being deployed will answer, told to whoever deploys it."""

from collections.abc import Sequence
from urllib.parse import quote

import msgspec

from kokoa.edge.errors import InvalidRouteKey, RouteTaken
from kokoa.edge.model import ExtensionRoute, RouteTableInput
from kokoa.edge.routes.grants import Grants
from kokoa.edge.routes.keys import parse_route_key
from kokoa.edge.routes.table import EXTENSION_PREFIX, label_of, names_of_apis


class Placement(msgspec.Struct, frozen=True):
    """endpoint: the URL below which every route of the API works.  root_paths: those also at the domain's root.

    note: one or more sentences for the deployer; empty when everything is at the root.
    """

    endpoint: str
    root_paths: tuple[str, ...]
    note: str


def place(
    source: RouteTableInput, *, account_id: str, api_id: str, api_name: str, route_keys: Sequence[str], base_url: str
) -> Placement:
    """Place an API among the environment's others.  base_url: of the store, without a slash at its end.

    Raises InvalidRouteKey; RouteTaken, which names the extension that holds a granted route already.
    """
    grants = Grants(source.grants)
    others = [route for route in source.extension_routes if route.api_id != api_id]
    held = _held_at_root(others, grants)
    root_paths: list[str] = []
    notes: list[str] = []
    for key in map(parse_route_key, route_keys):
        reason = grants.why_not_at_root(account_id, key)
        if reason:
            notes.append(f"{key.text}: {reason}")
            continue
        holder = held.get((key.method, key.shape))
        if holder is not None:
            raise RouteTaken(
                f"{key.text} is taken at the root of the domain: {label_of(holder)} (API {holder.api_id}) "
                f"has it as {holder.route_key!r}. Choose another path, or delete that API's route first."
            )
        root_paths.append(key.path)
    segment = api_id if names_of_apis(others).get(api_name, api_id) != api_id else api_name
    if not _usable(segment):
        segment = api_id
    endpoint = f"{base_url}/{EXTENSION_PREFIX}/{quote(segment, safe='')}"
    note = f"Served below {endpoint} only. {' '.join(notes)}" if notes else ""
    return Placement(endpoint, tuple(root_paths), note)


def _held_at_root(routes: Sequence[ExtensionRoute], grants: Grants) -> dict[tuple[str, str], ExtensionRoute]:
    held: dict[tuple[str, str], ExtensionRoute] = {}
    for route in sorted(routes, key=lambda route: (route.created_ms, route.api_id)):
        try:
            key = parse_route_key(route.route_key)
        except InvalidRouteKey:
            continue  # the route table leaves such a route out as well, and says so in its row
        if not grants.why_not_at_root(route.account_id, key):
            held.setdefault((key.method, key.shape), route)
    return held


def _usable(segment: str) -> bool:
    return bool(segment) and segment not in {".", ".."} and segment.isprintable()
