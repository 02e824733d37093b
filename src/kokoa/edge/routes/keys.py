"""Route keys of API Gateway v2 HTTP APIs: `GET /pets/{id}`, `ANY /files/{path+}`, `$default`.

Follows "Create routes for HTTP APIs in API Gateway" of the developer guide.
"""

import re
from typing import Literal

import msgspec

from kokoa.edge.errors import InvalidRouteKey

DEFAULT = "$default"
METHODS = ("ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
SEGMENTS_MAX = 32
PATH_LENGTH_MAX = 512

_VARIABLE = re.compile(r"\{([A-Za-z0-9._:-]+)(\+?)\}")

SegmentKind = Literal["literal", "variable", "greedy"]


class Segment(msgspec.Struct, frozen=True):
    """text: the literal, or the variable's name."""

    kind: SegmentKind
    text: str


class RouteKey(msgspec.Struct, frozen=True):
    """text: as the partner wrote it.  method: ANY stands for all.  segments: empty for `$default`."""

    text: str
    method: str
    segments: tuple[Segment, ...]

    @property
    def is_default(self) -> bool:
        return self.text == DEFAULT

    @property
    def path(self) -> str:
        """The path as written; `$default` for the default route."""
        return DEFAULT if self.is_default else self.text.partition(" ")[2]

    @property
    def shape(self) -> str:
        """The path without the names of its variables: two routes of one shape are the same route."""
        if self.is_default:
            return DEFAULT
        marks = {"variable": "{}", "greedy": "{+}"}
        return "/" + "/".join(marks.get(segment.kind, segment.text) for segment in self.segments)

    @property
    def is_catch_all(self) -> bool:
        """`$default`, `/` and a greedy variable at the root: what would take the whole storefront."""
        return self.shape in {DEFAULT, "/", "/{+}"}


def parse_route_key(text: str) -> RouteKey:
    """Raises InvalidRouteKey, which says what to write instead."""
    if text == DEFAULT:
        return RouteKey(text, "ANY", ())
    method, space, path = text.partition(" ")
    if not space or method not in METHODS:
        raise InvalidRouteKey(
            f"The route key {text!r} must be '$default' or a method, one space and a path, such as "
            f"'GET /pets/{{id}}'. Methods are {', '.join(METHODS)}."
        )
    return RouteKey(text, method, _parse_path(path, text))


def _parse_path(path: str, text: str) -> tuple[Segment, ...]:
    if not path.startswith("/") or len(path) > PATH_LENGTH_MAX:
        raise InvalidRouteKey(
            f"The path of {text!r} must begin with '/' and have at most {PATH_LENGTH_MAX} characters."
        )
    if path == "/":
        return (Segment("literal", ""),)
    if path.endswith("/"):
        raise InvalidRouteKey(f"The path of {text!r} must not end with '/'.")
    segments = tuple(_parse_segment(part, text) for part in path[1:].split("/"))
    if len(segments) > SEGMENTS_MAX:
        raise InvalidRouteKey(f"The path of {text!r} has more than {SEGMENTS_MAX} segments.")
    if any(segment.kind == "greedy" for segment in segments[:-1]):
        raise InvalidRouteKey(f"In {text!r} a greedy variable such as {{proxy+}} may only be the last segment.")
    names = [segment.text for segment in segments if segment.kind != "literal"]
    if len(set(names)) != len(names):
        raise InvalidRouteKey(f"In {text!r} two variables have the same name.")
    return segments


def _parse_segment(part: str, text: str) -> Segment:
    variable = _VARIABLE.fullmatch(part)
    if variable:
        return Segment("greedy" if variable[2] else "variable", variable[1])
    if not part or "{" in part or "}" in part:
        raise InvalidRouteKey(f"In {text!r} each segment must be text or one variable such as {{id}}, and not empty.")
    if part in {".", ".."} or not part.isprintable() or any(mark in part for mark in " %?#\\"):
        raise InvalidRouteKey(f"The segment {part!r} of {text!r} can never be a part of a request's path.")
    return Segment("literal", part)
