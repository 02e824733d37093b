"""A plan: which subgraph is asked what, and what must be there before. Immutable and printable.

Plan         the fetches, in an order in which they may run one after another
Fetch        one operation for one subgraph: root fields, or entities by representation
Group        entities that a fetch asks for in one list of representations, and the places they stand at
Entities     the entities of one type in it
Need         one field of a representation, and where the gathered data has it
Rename       a response key that the subgraph could not use, and the key it stands for
Assumption   a place whose objects tell no type, because the answer does not depend on it
Step         one key of the path to the objects that a fetch belongs to
"""

import msgspec

from kokoa.graphql.result import CacheControl


class Step(msgspec.Struct, frozen=True):
    """key: of the response.  types: the object that has it must be one of these; empty for any."""

    key: str
    types: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{'|'.join(self.types)}:{self.key}" if self.types else self.key


Path = tuple[Step, ...]


class Need(msgspec.Struct, frozen=True):
    """name: in the representation.  key: in the gathered data.  is_key: without it the entity cannot be asked for."""

    name: str
    key: str
    children: tuple["Need", ...] = ()
    types: tuple[str, ...] = ()
    is_key: bool = False

    def __str__(self) -> str:
        head = self.name if self.name == self.key else f"{self.key} as {self.name}"
        if self.types:
            head = f"{'|'.join(self.types)}:{head}"
        return f"{head} {{ {' '.join(map(str, self.children))} }}" if self.children else head


class Entities(msgspec.Struct, frozen=True):
    """types: runtime types of the objects meant; empty where every object there is of `type_name`.

    type_name: as the subgraph knows them.  keys: response keys that the fetch brings for them.
    """

    type_name: str
    needs: tuple[Need, ...]
    keys: tuple[str, ...]
    types: tuple[str, ...] = ()

    def __str__(self) -> str:
        types = f" if {'|'.join(self.types)}" if self.types else ""
        return f"{self.type_name} by {{ {' '.join(map(str, self.needs))} }}{types}"


class Rename(msgspec.Struct, frozen=True):
    """path: to the objects, from the fetch's root or the entity."""

    path: Path
    alias: str
    key: str


class Group(msgspec.Struct, frozen=True):
    """alias: the response key of its `_entities`.  variable: carries its representations."""

    alias: str
    variable: str
    paths: tuple[Path, ...]
    entities: tuple[Entities, ...]
    renames: tuple[Rename, ...] = ()

    def place(self) -> str:
        """The paths as text."""
        return ", ".join(".".join(map(str, path)) for path in self.paths)


class Fetch(msgspec.Struct, frozen=True):
    """after: indexes of the fetches whose data it needs.  variables: of the client, that it passes on.

    groups: empty for a root fetch, whose `keys` and `renames` are the root's.
    """

    subgraph: str
    document: str
    variables: tuple[str, ...]
    after: tuple[int, ...] = ()
    groups: tuple[Group, ...] = ()
    keys: tuple[str, ...] = ()
    renames: tuple[Rename, ...] = ()


class Assumption(msgspec.Struct, frozen=True):
    path: Path
    type_name: str


class Plan(msgspec.Struct, frozen=True):
    """verbatim: the one fetch brings exactly the response, key for key, so that nothing needs to be projected.

    cache_control: of a complete answer to a shopper who is not signed in; None if it is not to be kept.
    private: of a query whose answer is one caller's, such as a cart, even if another asks the same.
    """

    fetches: tuple[Fetch, ...]
    verbatim: bool = False
    assumed: tuple[Assumption, ...] = ()
    cache_control: CacheControl | None = None
    private: bool = False

    def depth(self) -> int:
        """How many fetches wait for each other at most."""
        depths: list[int] = []
        for fetch in self.fetches:
            depths.append(1 + max((depths[index] for index in fetch.after), default=0))
        return max(depths, default=0)

    def __str__(self) -> str:
        return "\n".join(_show(index, fetch) for index, fetch in enumerate(self.fetches))


def _show(index: int, fetch: Fetch) -> str:
    lines = [f"{index} {fetch.subgraph}"]
    if fetch.after:
        lines[0] += f" after {', '.join(map(str, fetch.after))}"
    if len(fetch.groups) == 1:
        lines[0] += f" at {fetch.groups[0].place()}"
        lines += [f"  {one}" for one in fetch.groups[0].entities]
    else:
        for group in fetch.groups:
            lines += [f"  {group.alias} at {group.place()}", *(f"    {one}" for one in group.entities)]
    lines += [f"  {line}" for line in fetch.document.splitlines()]
    return "\n".join(lines)
