"""Which route answers a method and path: API Gateway v2's rules, and the store's own on top of them."""

from kokoa.edge.routes.keys import RouteKey, parse_route_key
from kokoa.edge.routes.matcher import Matched, Matcher
from kokoa.edge.routes.placement import Placement, place
from kokoa.edge.routes.table import Match, RouteRow, RouteTable

__all__ = [
    "Match",
    "Matched",
    "Matcher",
    "Placement",
    "RouteKey",
    "RouteRow",
    "RouteTable",
    "parse_route_key",
    "place",
]
