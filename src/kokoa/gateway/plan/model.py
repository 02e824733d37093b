"""A plan: which subgraph is asked what, and what must be there before. Immutable and printable.

Plan         the fetches, in an order in which they may run one after another
Fetch        one operation for one subgraph; a root fetch, or entities by representation
Entities     the entities of one type that a fetch asks for
Need         one field of a representation, and where the gathered data has it
Step         one key of the path to the objects that a fetch belongs to
"""

import msgspec


class Step(msgspec.Struct, frozen=True):
    """key: of the response.  types: the object that has it must be one of these; empty for any."""

    key: str
    types: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{'|'.join(self.types)}:{self.key}" if self.types else self.key


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

    keys: response keys that the fetch brings for them.
    """

    type_name: str
    needs: tuple[Need, ...]
    keys: tuple[str, ...]
    types: tuple[str, ...] = ()


class Fetch(msgspec.Struct, frozen=True):
    """after: indexes of the fetches whose data it needs.  variables: of the client, that it passes on.

    entities: empty for a root fetch, whose `keys` are the root's.  representations: the variable that carries them.
    """

    subgraph: str
    document: str
    variables: tuple[str, ...]
    after: tuple[int, ...] = ()
    path: tuple[Step, ...] = ()
    entities: tuple[Entities, ...] = ()
    keys: tuple[str, ...] = ()
    representations: str = "representations"


class Plan(msgspec.Struct, frozen=True):
    """verbatim: the one fetch brings exactly the response, key for key, so that nothing needs to be projected."""

    fetches: tuple[Fetch, ...]
    verbatim: bool = False

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
    if fetch.path:
        lines[0] += f" at {'.'.join(map(str, fetch.path))}"
    for one in fetch.entities:
        types = f" if {'|'.join(one.types)}" if one.types else ""
        lines.append(f"  {one.type_name} by {{ {' '.join(map(str, one.needs))} }}{types}")
    lines += [f"  {line}" for line in fetch.document.splitlines()]
    return "\n".join(lines)
