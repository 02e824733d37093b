"""Matching by API Gateway v2's priorities, over a tree with one level a path segment.

1. A full match: literal segments before variables, from the left. 2. A greedy variable: the longest prefix first.
3. `$default`. At the same path the exact method comes before ANY; a path without the method is no match, and the
search goes on. Matching is case-sensitive, a trailing slash counts, and variables do not match the empty segment
(the last two are observed, not documented, behaviour of AWS).
Each node is visited at most once a request, so a hostile set of routes cannot make matching explode.
"""

from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

from kokoa.edge.routes.keys import RouteKey

T = TypeVar("T")


class Matched(msgspec.Struct, Generic[T], frozen=True):
    """parameters: the values of the path's variables, decoded."""

    value: T
    key: RouteKey
    parameters: dict[str, str]


class _Node(Generic[T]):
    __slots__ = ("ends", "greedy", "literals", "variable")

    def __init__(self) -> None:
        self.literals: dict[str, _Node[T]] = {}
        self.variable: _Node[T] | None = None
        self.ends: dict[str, tuple[RouteKey, T]] = {}
        self.greedy: dict[str, tuple[RouteKey, T]] = {}


class Matcher(Generic[T]):
    """Build once with `add`, then only match."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._default: tuple[RouteKey, T] | None = None

    def add(self, key: RouteKey, value: T) -> T | None:
        """Add a route. The same method and shape again changes nothing and returns the value that is there."""
        if key.is_default:
            if self._default is not None:
                return self._default[1]
            self._default = (key, value)
            return None
        node, ends = self._root, None
        for segment in key.segments:
            if segment.kind == "greedy":
                ends = node.greedy
            elif segment.kind == "variable":
                node.variable = node.variable or _Node()
                node = node.variable
            else:
                node = node.literals.setdefault(segment.text, _Node())
        ends = node.ends if ends is None else ends
        if key.method in ends:
            return ends[key.method][1]
        ends[key.method] = (key, value)
        return None

    def match(self, method: str, segments: tuple[str, ...]) -> Matched[T] | None:
        """The route for a method and the decoded segments of a path."""
        greedy: list[tuple[int, tuple[RouteKey, T]]] = []
        for node in self._full_matches(segments, greedy, method):
            found = node.ends.get(method) or node.ends.get("ANY")
            if found is not None:
                return Matched(found[1], found[0], _parameters(found[0], segments))
        if greedy:
            _, found = max(greedy, key=lambda candidate: candidate[0])
            return Matched(found[1], found[0], _parameters(found[0], segments))
        if self._default is not None:
            return Matched(self._default[1], self._default[0], {})
        return None

    def methods(self, segments: tuple[str, ...]) -> set[str]:
        """Every method that some route has for this path, ANY included, `$default` not."""
        found: set[str] = set()
        greedy: list[tuple[int, tuple[RouteKey, T]]] = []
        for node in self._full_matches(segments, greedy, None):
            found.update(node.ends)
        found.update(key.method for _, (key, _) in greedy)
        return found

    def _full_matches(
        self, segments: tuple[str, ...], greedy: list[tuple[int, tuple[RouteKey, T]]], method: str | None
    ) -> Iterator[_Node[T]]:
        """Nodes at the path's end, best first. Collects on its way the greedy routes for the method (None: all)."""
        last = len(segments)
        pending: list[tuple[_Node[T], int]] = [(self._root, 0)]
        while pending:
            node, depth = pending.pop()
            if depth == last:
                if node.ends:
                    yield node
                continue
            if node.greedy and any(segments[depth:]):
                if method is None:
                    greedy.extend((depth, end) for end in node.greedy.values())
                else:
                    end = node.greedy.get(method) or node.greedy.get("ANY")
                    if end is not None:
                        greedy.append((depth, end))
            # The stack is last in, first out: the literal goes on top.
            if node.variable is not None and segments[depth]:
                pending.append((node.variable, depth + 1))
            literal = node.literals.get(segments[depth])
            if literal is not None:
                pending.append((literal, depth + 1))


def _parameters(key: RouteKey, segments: tuple[str, ...]) -> dict[str, str]:
    parameters = {}
    for position, segment in enumerate(key.segments):
        if segment.kind == "variable":
            parameters[segment.text] = segments[position]
        elif segment.kind == "greedy":
            parameters[segment.text] = "/".join(segments[position:])
    return parameters
