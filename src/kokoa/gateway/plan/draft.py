"""A plan in the making: fetches whose selections still grow.

DraftFetch   one operation for one subgraph
Node         one selection set of it
Item         one field of a selection set
"""

from collections.abc import Iterable, Iterator

from kokoa.gateway.fieldset import FieldSet
from kokoa.gateway.plan.model import Need, Step


class Item:
    """arguments: as text, with parentheses.  variables: the names that occur in them."""

    __slots__ = ("arguments", "child", "name", "variables")

    def __init__(self, name: str, arguments: str, variables: tuple[str, ...]) -> None:
        self.name = name
        self.arguments = arguments
        self.variables = variables
        self.child: Node | None = None


class Node:
    """A selection set. provided: what @provides promises here beyond what the subgraph answers anyway."""

    __slots__ = ("fetch", "items", "members", "provided", "type_name")

    def __init__(self, fetch: "DraftFetch", type_name: str, provided: FieldSet = ()) -> None:
        self.fetch = fetch
        self.type_name = type_name
        self.provided = provided
        self.items: dict[str, Item] = {}
        self.members: dict[str, Node] = {}

    def add(self, key: str, name: str, arguments: str = "", variables: tuple[str, ...] = ()) -> Item:
        """The field of that response key, added if it is not there yet."""
        if key not in self.items:
            self.items[key] = Item(name, arguments, variables)
        return self.items[key]

    def arrange(self, keys: Iterable[str]) -> None:
        """Put these response keys first, in this order: the client's."""
        order = [key for key in keys if key in self.items]
        self.items = {key: self.items[key] for key in dict.fromkeys((*order, *self.items))}

    def on(self, type_name: str) -> "Node":
        """The selections for one type; the node itself if it is of that type."""
        if type_name == self.type_name:
            return self
        if type_name not in self.members:
            self.members[type_name] = Node(self.fetch, type_name, self.provided)
        return self.members[type_name]

    def absorb(self, other: "Node") -> None:
        """Take over everything that another selection set of the same objects asks for."""
        for key, item in other.items.items():
            mine = self.add(key, item.name, item.arguments, item.variables)
            if item.child is not None:
                if mine.child is None:
                    mine.child = Node(self.fetch, item.child.type_name)
                mine.child.absorb(item.child)
        for type_name, member in other.members.items():
            self.on(type_name).absorb(member)

    def variables(self) -> Iterator[str]:
        """Names of the variables used here and below."""
        for item in self.items.values():
            yield from item.variables
            if item.child is not None:
                yield from item.child.variables()
        for member in self.members.values():
            yield from member.variables()


class DraftEntities:
    """What a fetch asks about entities of one type."""

    __slots__ = ("needs", "node", "types")

    def __init__(self, node: Node, types: tuple[str, ...]) -> None:
        self.node = node
        self.types = types
        self.needs: dict[str, Need] = {}

    def need(self, needs: Iterable[Need]) -> None:
        """Put more fields into the representation."""
        for one in needs:
            mine = self.needs.get(str(one.name) + "|".join(one.types))
            self.needs[str(one.name) + "|".join(one.types)] = one if mine is None else _join_needs(mine, one)


def _join_needs(one: Need, other: Need) -> Need:
    children: dict[tuple[str, tuple[str, ...]], Need] = {}
    for child in (*one.children, *other.children):
        known = children.get((child.name, child.types))
        children[child.name, child.types] = child if known is None else _join_needs(known, child)
    return Need(one.name, one.key, tuple(children.values()), one.types, one.is_key or other.is_key)


class DraftFetch:
    """entities: type → what is asked; empty for a root fetch, which asks `root`."""

    __slots__ = ("after", "entities", "path", "root", "subgraph")

    def __init__(self, subgraph: str, path: tuple[Step, ...] = ()) -> None:
        self.subgraph = subgraph
        self.path = path
        self.after: set[DraftFetch] = set()
        self.entities: dict[str, DraftEntities] = {}
        self.root: Node | None = None

    def depth(self) -> int:
        """How many fetches come before this one at least."""
        return 1 + max((one.depth() for one in self.after), default=0)

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
    """All fetches so far. complete: whether they bring just what the client asked for, no more and no less."""

    __slots__ = ("complete", "fetches")

    def __init__(self) -> None:
        self.fetches: list[DraftFetch] = []
        self.complete = True
