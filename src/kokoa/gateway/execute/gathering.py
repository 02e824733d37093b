"""Gathering: what fetches bring, put together in one tree; and what later fetches read from it.

The tree has the response's shape with the gateway's own fields beside the client's. Where a value could not be had
the tree holds the error itself, so that projecting the response finds it at its place.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, cycle
from typing import Any

import orjson

from kokoa.gateway.plan.model import Entities, Group, Need, Rename, Step
from kokoa.graphql.errors import PathKey, UpstreamError

Tree = dict[str, Any]
GONE = "\0gone"
"""A key of an object that a subgraph named and the one that it belongs to does not have; no name of GraphQL."""

_ONLY_LISTS = {list}
_ONLY_OBJECTS = {dict}
_PLAIN = {str, int, float, bool}
_NONE = type(None)


def objects_at(data: Tree, path: Sequence[Step]) -> list[Tree]:
    """The objects that a path leads to, through lists, in order; the same object may occur twice."""
    found: list[Any] = [data]
    for step in path:
        key, types = step.key, step.types
        if types:
            found = [one for one in found if one.get("__typename") in types]
        found = _flatten([one.get(key) for one in found])
    return found


def _flatten(values: list[Any]) -> list[Any]:
    """The objects in values and in lists among them. A level of nothing but lists or objects is taken as a whole."""
    types = set(map(type, values))
    while types == _ONLY_LISTS:
        values = list(chain.from_iterable(values))
        types = set(map(type, values))
    if types == _ONLY_OBJECTS:
        return values
    flat: list[Any] = []
    for value in values:
        if type(value) is dict:
            flat.append(value)
        elif type(value) is list:
            flat += _flatten(value)
    return flat


def paths_at(data: Tree, path: Sequence[Step]) -> list[tuple[PathKey, ...]]:
    """The response paths of `objects_at`, in the same order. Only needed when something failed."""
    found: list[tuple[Tree, tuple[PathKey, ...]]] = [(data, ())]
    for step in path:
        found = [
            deeper
            for one, prefix in found
            if not step.types or one.get("__typename") in step.types
            for deeper in _flatten_paths(one.get(step.key), (*prefix, step.key))
        ]
    return [prefix for _, prefix in found]


def _flatten_paths(value: Any, path: tuple[PathKey, ...]) -> Iterator[tuple[Tree, tuple[PathKey, ...]]]:
    if type(value) is dict:
        yield value, path
    elif type(value) is list:
        for index, one in enumerate(value):
            yield from _flatten_paths(one, (*path, index))


class Batch:
    """Representations for one group of a fetch, without duplicates, and the objects that each stands for.

    members: for each representation the indexes into `targets`.
    """

    __slots__ = ("group", "members", "owners", "representations", "targets")

    def __init__(self, group: Group, targets: Sequence[Tree]) -> None:
        self.group = group
        self.targets = targets
        self.representations: list[Tree] = []
        self.owners: list[Entities] = []
        self.members: list[list[int]] = []

    def paths(self, data: Tree) -> list[tuple[PathKey, ...]]:
        """The response paths of the targets. Only needed when something failed."""
        return [found for path in self.group.paths for found in paths_at(data, path)]


def make_batch(data: Tree, group: Group) -> Batch:
    """Read the representations of a group of entities from the tree."""
    batch = Batch(group, [target for path in group.paths for target in objects_at(data, path)])
    seen: dict[Any, dict[Any, int]] = {}
    for entities in group.entities:
        chosen: Sequence[int] = range(len(batch.targets))
        if entities.types:
            chosen = [index for index in chosen if batch.targets[index].get("__typename") in entities.types]
        targets = [batch.targets[index] for index in chosen]
        identities = _plain_values(entities, targets) or cycle((None,))
        known = seen.setdefault((entities.type_name, tuple(need.name for need in entities.needs)), {})
        _represent(batch, entities, chosen, identities, known)
    return batch


def _represent(
    batch: Batch, entities: Entities, chosen: Sequence[int], identities: Iterable[Any], known: dict[Any, int]
) -> None:
    """Add the representations of the chosen targets. One whose identity is known is not even made."""
    targets, members = batch.targets, batch.members
    for index, identity in zip(chosen, identities, strict=False):
        place = known.get(identity) if identity is not None else None
        if place is None:
            representation = _representation(entities, targets[index])
            if representation is None:
                continue
            own = orjson.dumps(representation) if identity is None else identity
            place = known.setdefault(own, len(members))
            if place == len(members):
                batch.representations.append(representation)
                batch.owners.append(entities)
                members.append([])
        members[place].append(index)


def _plain_values(entities: Entities, targets: Sequence[Tree]) -> list[tuple[Any, ...]] | None:
    """What makes a representation, for each target; None if equal ones could stand for different ones.

    In Python 1, 1.0 and True are equal.
    """
    columns = []
    for need in entities.needs:
        if need.children or need.types:
            return None
        column = [target.get(need.key) for target in targets]
        types = set(map(type, column))
        types.discard(_NONE)
        if len(types) > 1 or not types <= _PLAIN:
            return None
        columns.append(column)
    return list(zip(*columns, strict=True))


def rename(holder: Any, renames: Sequence[Rename]) -> None:
    """Give the client's keys to what the subgraph had to be asked for under others; the innermost first."""
    for one in reversed(renames):
        for target in objects_at(holder, one.path):
            if one.alias in target:
                target[one.key] = target.pop(one.alias)


def _representation(entities: Entities, target: Tree) -> Tree | None:
    """The representation of one object; None if a part of its key is missing."""
    representation: Tree = {"__typename": entities.type_name}
    for need in entities.needs:
        value = target.get(need.key)
        if need.types and target.get("__typename") not in need.types:
            continue
        if value is None or isinstance(value, Exception):
            if need.is_key:
                return None
            representation[need.name] = None
        else:
            representation[need.name] = _pick(value, need.children) if need.children else value
    return representation


def _pick(value: Any, children: Sequence[Need]) -> Any:
    if type(value) is list:
        return [_pick(one, children) for one in value]
    if type(value) is not dict:
        return None if isinstance(value, Exception) else value
    picked = {
        child.name: _pick(value.get(child.key), child.children) if child.children else _plain(value.get(child.key))
        for child in children
        if not child.types or value.get("__typename") in child.types
    }
    if "__typename" in value:
        picked["__typename"] = value["__typename"]
    return picked


def _plain(value: Any) -> Any:
    return None if isinstance(value, Exception) else value


def merge_into(target: Tree, brought: Mapping[str, Any]) -> None:
    """Add what a fetch brought to an object; objects and lists that are there already are merged."""
    for key, value in brought.items():
        mine = target.get(key)
        if type(mine) is dict and type(value) is dict:
            merge_into(mine, value)
        elif type(mine) is list and type(value) is list and len(mine) == len(value):
            _merge_lists(mine, value)
        elif mine is None or isinstance(mine, Exception) or value is not None:
            target[key] = value


def _merge_lists(mine: list[Any], brought: Sequence[Any]) -> None:
    for index, value in enumerate(brought):
        if type(mine[index]) is dict and type(value) is dict:
            merge_into(mine[index], value)
        elif type(mine[index]) is list and type(value) is list and len(mine[index]) == len(value):
            _merge_lists(mine[index], value)
        elif value is not None:
            mine[index] = value


def put_error(holder: Any, path: Sequence[PathKey], error: UpstreamError) -> bool:
    """Put an error where the path meets a null; False if it meets something else."""
    for key in path[:-1]:
        below = _at(holder, key)
        if below is None and _has(holder, key):
            holder[key] = error
            return True
        if type(below) not in (dict, list):
            return False
        holder = below
    if path and _has(holder, path[-1]) and _at(holder, path[-1]) is None:
        holder[path[-1]] = error
        return True
    return False


def _has(holder: Any, key: PathKey) -> bool:
    if type(holder) is dict:
        return key in holder
    return type(holder) is list and type(key) is int and 0 <= key < len(holder)


def _at(holder: Any, key: PathKey) -> Any:
    return holder[key] if _has(holder, key) else None
