"""Positions: where an object stands in the response, and which sources can be asked about it there.

A position is opened for a source only when a field is placed in it. There are two ways in: by *path* (the subgraph
answers the field that leads here) and by *key* (it finds the entity that stands here).
"""

from collections.abc import Iterator

from kokoa.gateway.plan.claims import Claims
from kokoa.gateway.plan.draft import DraftFetch, Node
from kokoa.gateway.plan.model import Step


class Position:
    """type_name: what stands here in the graph; an object type, or an abstract one.

    whole: the position that this one narrows to a single type, or itself.
    hosts: name of a source → its selection set here.  origin: the fetch that brought the objects first.
    typer: the fetch that finds out their types where the origin does not know them.
    variables: the client's variables in the arguments of the field that leads here.
    required: (source, requirement) → selection set of the fetch that brings it.  name: unlike any other's.
    """

    __slots__ = ("arguments", "children", "claims", "field", "hosts", "key", "members", "name", "origin", "parent",
                 "required", "type_name", "typer", "variables", "whole")  # fmt: skip

    def __init__(
        self, parent: "Position | None", key: str, field: str, arguments: str, type_name: str, claims: Claims
    ) -> None:
        self.parent = parent
        self.claims = claims
        self.key = key
        self.field = field
        self.arguments = arguments
        self.variables: tuple[str, ...] = ()
        self.type_name = type_name
        self.name: str = key if parent is None else f"{parent.name}.{key}"
        self.whole = self
        self.origin: DraftFetch | None = None
        self.typer: DraftFetch | None = None
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
            narrowed.variables = self.variables
            narrowed.name = f"{self.name}:{type_name}"
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
        return (*self.parent.path(), Step(self.key, self.parent.types()))

    def types(self) -> tuple[str, ...]:
        """The runtime types meant; empty where all objects are meant."""
        return () if self.whole is self else (self.type_name,)

    def bringers(self) -> Iterator[DraftFetch]:
        """The fetches without which these objects, or the types on the way to them, are not known."""
        if self.whole.origin is not None:
            yield self.whole.origin
        at: Position | None = self
        while at is not None:
            if at.whole is not at and at.whole.typer is not None:
                yield at.whole.typer
            at = at.parent
