"""A plan in the making: fetches whose selections still grow.

DraftFetch      one operation for one subgraph
DraftGroup      the entities that it asks for at some places of the response
DraftEntities   what it asks about those of one type
Node            one selection set of it
Item            one field of a selection set
"""

from collections.abc import Iterable, Iterator

from kokoa.gateway.fieldset import FieldSet
from kokoa.gateway.plan.bounds import DRAFT_FETCHES_MAX, PlanTooComplex
from kokoa.gateway.plan.graph import Source
from kokoa.gateway.plan.model import Need, Step


class Item:
    """arguments: as text, with parentheses.  variables: the names that occur in them."""

    __slots__ = ("arguments", "child", "name", "variables")

    def __init__(self, name: str, arguments: str, variables: tuple[str, ...]) -> None:
        self.name = name
        self.arguments = arguments
        self.variables = variables
        self.child: Node | None = None

    def same(self, other: "Item") -> bool:
        """Whether both ask for the same."""
        if (self.name, self.arguments) != (other.name, other.arguments) or (self.child is None) != (
            other.child is None
        ):
            return False
        return self.child is None or other.child is None or self.child.same(other.child)


class Node:
    """A selection set. provided: what @provides promises here beyond what the subgraph answers anyway."""

    __slots__ = ("fetch", "items", "members", "provided", "source")

    def __init__(self, fetch: "DraftFetch", source: Source, provided: FieldSet = ()) -> None:
        self.fetch = fetch
        self.source = source
        self.provided = provided
        self.items: dict[str, Item] = {}
        self.members: dict[str, Node] = {}

    def add(self, key: str, name: str, arguments: str = "", variables: tuple[str, ...] = ()) -> Item:
        """The field of that response key, added if it is not there yet."""
        if key not in self.items:
            self.items[key] = Item(name, arguments, variables)
        return self.items[key]

    def arrange(self, keys: Iterable[str]) -> None:
        """Put these response keys first, in this order: the client's; before them the type, if it is asked for."""
        order = [key for key in ("__typename", *keys) if key in self.items]
        self.items = {key: self.items[key] for key in dict.fromkeys((*order, *self.items))}

    def on(self, source: Source) -> "Node":
        """The selections for one type; the node itself if it is of that type."""
        if source.owner == self.source.owner:
            return self
        if source.owner not in self.members:
            self.members[source.owner] = Node(self.fetch, source, self.provided)
        return self.members[source.owner]

    def absorb(self, other: "Node") -> None:
        """Take over everything that another selection set of the same objects asks for."""
        for key, item in other.items.items():
            mine = self.add(key, item.name, item.arguments, item.variables)
            if item.child is not None:
                if mine.child is None:
                    mine.child = Node(self.fetch, item.child.source)
                mine.child.absorb(item.child)
        for member in other.members.values():
            self.on(member.source).absorb(member)

    def same(self, other: "Node") -> bool:
        """Whether both ask for the same."""
        return (
            self.source.owner == other.source.owner
            and self.items.keys() == other.items.keys()
            and self.members.keys() == other.members.keys()
            and all(item.same(other.items[key]) for key, item in self.items.items())
            and all(member.same(other.members[name]) for name, member in self.members.items())
        )

    def variables(self) -> Iterator[str]:
        """Names of the variables used here and below."""
        for item in self.items.values():
            yield from item.variables
            if item.child is not None:
                yield from item.child.variables()
        for member in self.members.values():
            yield from member.variables()

    def size(self) -> int:
        """How many fields are asked for here and below."""
        below = (1 if item.child is None else 1 + item.child.size() for item in self.items.values())
        return sum(below) + sum(member.size() for member in self.members.values())


class DraftEntities:
    """What a fetch asks about entities of one type. types: runtime types of the objects meant; empty for all."""

    __slots__ = ("needs", "node", "types")

    def __init__(self, node: Node, types: tuple[str, ...]) -> None:
        self.node = node
        self.types = types
        self.needs: dict[tuple[str, str, tuple[str, ...]], Need] = {}

    def need(self, needs: Iterable[Need]) -> None:
        """Put more fields into the representation."""
        for one in needs:
            known = self.needs.get((one.name, one.key, one.types))
            self.needs[one.name, one.key, one.types] = one if known is None else _join_needs(known, one)

    def fits(self, other: "DraftEntities") -> bool:
        """Whether the representations of both can carry what both need: one value for each name."""
        keys = {(name, types): key for name, key, types in self.needs}
        return all(keys.get((name, types), key) == key for name, key, types in other.needs)

    def same(self, other: "DraftEntities") -> bool:
        """Whether both ask for the same by the same."""
        return self.needs == other.needs and self.node.same(other.node)


def _join_needs(one: Need, other: Need) -> Need:
    children: dict[tuple[str, str, tuple[str, ...]], Need] = {}
    for child in (*one.children, *other.children):
        name = (child.name, child.key, child.types)
        known = children.get(name)
        children[name] = child if known is None else _join_needs(known, child)
    return Need(one.name, one.key, tuple(children.values()), one.types, one.is_key or other.is_key)


class DraftGroup:
    """paths: the places whose objects are asked about."""

    __slots__ = ("entities", "paths")

    def __init__(self, path: tuple[Step, ...], entities: DraftEntities) -> None:
        self.paths = [path]
        self.entities = [entities]


class DraftFetch:
    """groups: what is asked about entities; empty for a root fetch, which asks `root`."""

    __slots__ = ("after", "groups", "root", "subgraph")

    def __init__(self, subgraph: str) -> None:
        self.subgraph = subgraph
        self.after: set[DraftFetch] = set()
        self.groups: list[DraftGroup] = []
        self.root: Node | None = None

    def nodes(self) -> Iterator[Node]:
        """The outermost selection sets."""
        if self.root is not None:
            yield self.root
        for group in self.groups:
            for one in group.entities:
                yield one.node

    def size(self) -> int:
        """How many fields are asked for, and sent in representations."""
        needs = sum(len(one.needs) for group in self.groups for one in group.entities)
        return needs + sum(node.size() for node in self.nodes())

    def depth(self) -> int:
        """How many fetches come one after another up to this one."""
        depths: dict[DraftFetch, int] = {}

        def measure(fetch: DraftFetch) -> int:
            if fetch not in depths:
                depths[fetch] = 1 + max((measure(one) for one in fetch.after), default=0)
            return depths[fetch]

        return measure(self)

    def depends_on(self, other: "DraftFetch") -> bool:
        """Whether the other must come first, directly or not."""
        waiting, seen = [self], {self}
        while waiting:
            for one in waiting.pop().after:
                if one is other:
                    return True
                if one not in seen:
                    seen.add(one)
                    waiting.append(one)
        return False


class Draft:
    """All fetches so far.

    complete: whether they bring just what the client asked for, no more and no less.
    assumed: places whose objects get no `__typename` from anybody, and a type that will do for the response.
    """

    __slots__ = ("assumed", "complete", "fetches")

    def __init__(self) -> None:
        self.fetches: list[DraftFetch] = []
        self.complete = True
        self.assumed: list[tuple[tuple[Step, ...], str]] = []

    def add(self, fetch: DraftFetch) -> None:
        """Raises PlanTooComplex over the bound."""
        if len(self.fetches) >= DRAFT_FETCHES_MAX:
            raise PlanTooComplex(
                f"The operation asks for entities in more than {DRAFT_FETCHES_MAX} ways. Ask for less at once."
            )
        self.fetches.append(fetch)

    def replace(self, gone: DraftFetch, kept: DraftFetch) -> None:
        """Let one fetch stand for another that has become a part of it."""
        kept.after |= gone.after
        kept.after.discard(kept)
        kept.after.discard(gone)
        self.fetches.remove(gone)
        for fetch in self.fetches:
            if gone in fetch.after:
                fetch.after.discard(gone)
                fetch.after.add(kept)
