"""Positions: where an object stands in the response, and which subgraphs can be asked about it there.

A position is opened for a subgraph only when a field is placed in it. There are two ways in: by *path* (the
subgraph answers the field that leads here) and by *key* (it finds the entity that stands here).
"""

from kokoa.gateway.plan.claims import Claims
from kokoa.gateway.plan.draft import DraftFetch, Node
from kokoa.gateway.plan.model import Step


class Position:
    """type_name: what stands here; an object type, or an abstract one.

    whole: the position that this one narrows to a single type, or itself.  hosts: subgraph → selection set here.
    required: (subgraph, requirement) → selection set of the fetch that brings it.
    """

    __slots__ = ("arguments", "children", "claims", "field", "hosts", "key", "members", "origin", "parent",
                 "required", "type_name", "whole")  # fmt: skip

    def __init__(
        self, parent: "Position | None", key: str, field: str, arguments: str, type_name: str, claims: Claims
    ) -> None:
        self.parent = parent
        self.claims = claims
        self.key = key
        self.field = field
        self.arguments = arguments
        self.type_name = type_name
        self.whole = self
        self.origin: DraftFetch | None = None
        self.hosts: dict[str, Node] = {}
        self.required: dict[tuple[str, str], Node] = {}
        self.members: dict[str, Position] = {}
        self.children: dict[str, Position] = {}

    def member(self, type_name: str) -> "Position":
        """The same objects, as far as they are of one type."""
        if type_name == self.type_name:
            return self
        if type_name not in self.members:
            narrowed = Position(self.parent, self.key, self.field, self.arguments, type_name, self.claims)
            narrowed.whole = self
            narrowed.origin = self.origin
            self.members[type_name] = narrowed
        return self.members[type_name]

    def child(self, key: str, field: str, arguments: str, type_name: str) -> "Position":
        """The position below a response key."""
        if key not in self.children:
            self.children[key] = Position(self, key, field, arguments, type_name, self.claims.below(key))
        return self.children[key]

    def path(self) -> tuple[Step, ...]:
        """Keys from the root to the objects here."""
        if self.parent is None:
            return ()
        types = () if self.parent.whole is self.parent else (self.parent.type_name,)
        return (*self.parent.path(), Step(self.key, types))

    def types(self) -> tuple[str, ...]:
        """The runtime types meant; empty where all objects are of `type_name`."""
        return () if self.whole is self else (self.type_name,)
