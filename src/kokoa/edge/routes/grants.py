"""Which routes may stand at the root of the shared domain: what the owner has granted, never what is reserved."""

from collections import defaultdict
from collections.abc import Iterable

from kokoa.edge.errors import InvalidRouteKey
from kokoa.edge.model import Grant
from kokoa.edge.routes.keys import DEFAULT, RouteKey, parse_route_key

RESERVED = frozenset(
    {"graphql", "git", "login", "healthz", "readyz", "metrics", "console", "ext", "_kokoa", "openapi.json"}
)


def is_reserved(first_segment: str) -> bool:
    """Whether paths that begin with this segment belong to Kokoa, whatever is granted."""
    return first_segment in RESERVED


class Grants:
    """The grants of an environment, ready to be asked."""

    def __init__(self, grants: Iterable[Grant]) -> None:
        self._shapes: dict[str, set[str]] = defaultdict(set)
        self._prefixes: dict[str, list[str]] = defaultdict(list)
        for grant in grants:
            if grant.pattern.endswith("/*"):
                self._prefixes[grant.account_id].append(grant.pattern[:-1])
            else:
                self._shapes[grant.account_id].add(_shape_of(grant.pattern))

    def why_not_at_root(self, account_id: str, key: RouteKey) -> str:
        """Empty when the account may serve the route at the root, else the reason and the remedy."""
        if key.segments and is_reserved(key.segments[0].text) and key.segments[0].kind == "literal":
            return f"/{key.segments[0].text} is reserved."
        if self._covers(account_id, key):
            return ""
        if key.is_catch_all:
            return f"Catch-all: the owner must grant exactly {key.path}."
        return f"Not granted: the store's owner can grant {key.path} or a pattern such as {_pattern_above(key)}."

    def _covers(self, account_id: str, key: RouteKey) -> bool:
        shapes = self._shapes.get(account_id, set())
        if key.shape in shapes:
            return True
        if key.is_default:
            # Both mean "whatever nobody else takes".
            return "/{+}" in shapes
        if key.is_catch_all:
            return False
        return any(key.path.startswith(prefix) for prefix in self._prefixes.get(account_id, ()))


def _shape_of(pattern: str) -> str:
    if pattern == DEFAULT:
        return DEFAULT
    try:
        return parse_route_key(f"ANY {pattern}").shape
    except InvalidRouteKey:
        return pattern  # covers nothing: no route has this shape


def _pattern_above(key: RouteKey) -> str:
    first = key.segments[0]
    return f"/{first.text}/*" if first.kind == "literal" and len(key.segments) > 1 else "/*"
