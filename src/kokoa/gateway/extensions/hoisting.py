"""Objects further down whose fields are asked for by key: gathered for the request, and filled in afterwards."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

import orjson

from kokoa.gateway.extensions.answers import path_of
from kokoa.gateway.extensions.works import ENTITIES, OWN_PREFIX, OWN_TYPENAME, Hoist, Work
from kokoa.graphql.errors import ErrorEntry, PathKey
from kokoa.graphql.result import ExecutionResult

_Member = tuple[dict[str, Any], tuple[PathKey, ...]]


class Batch:
    """members: for each representation the objects that it stands for, with their paths."""

    def __init__(self) -> None:
        self.representations: list[dict[str, Any]] = []
        self.members: list[list[_Member]] = []


def gather(hoist: Hoist, work: Work, data: dict[str, Any]) -> Batch:
    """The objects that a hoist is about, equal ones together."""
    batch = Batch()
    seen: dict[bytes, int] = {}
    for found, path in _objects(hoist, data):
        if found.get(OWN_TYPENAME) != hoist.type_name:
            continue
        key = {name: found.get(f"{OWN_PREFIX}{hoist.type_name}_{name}") for name in hoist.names}
        if None in key.values():
            continue
        identity = orjson.dumps(key)
        if identity not in seen:
            seen[identity] = len(batch.members)
            batch.representations.append({"__typename": hoist.type_name, **key})
            batch.members.append([])
        batch.members[seen[identity]].append((found, path))
    return batch


def _objects(hoist: Hoist, data: dict[str, Any]) -> Iterator[_Member]:
    found: list[_Member] = [(data, ())]
    for key in (hoist.group, *hoist.path) if hoist.group else hoist.path:
        found = [deeper for one, path in found for deeper in _flatten(one.get(key), (*path, key))]
    yield from found


def _flatten(value: Any, path: tuple[PathKey, ...]) -> Iterator[_Member]:
    if isinstance(value, dict):
        yield value, path
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _flatten(one, (*path, index))


def put_back(hoist: Hoist, batch: Batch, result: ExecutionResult) -> Sequence[ErrorEntry]:
    """Fill in what was brought; the errors, at the places of the objects."""
    data = result.data if isinstance(result.data, dict) else {}
    entities = data.get(ENTITIES)
    for index, members in enumerate(batch.members):
        entity = entities[index] if isinstance(entities, list) and index < len(entities) else None
        for found, _ in members:
            found.update(deepcopy(entity) if isinstance(entity, dict) else dict.fromkeys(hoist.keys))
    return [one for entry in result.errors for one in _placed(hoist, batch, entry)]


def _placed(hoist: Hoist, batch: Batch, entry: ErrorEntry) -> Iterator[ErrorEntry]:
    path = path_of(entry)
    index = path[1] if len(path) > 1 else None
    if isinstance(index, int) and 0 <= index < len(batch.members):
        rests = [path[2:]] if len(path) > 2 else [(key,) for key in hoist.keys]
        for _, above in batch.members[index]:
            for rest in rests:
                yield {**entry, "path": [*above, *rest]}
        return
    for members in batch.members:
        for _, above in members:
            for key in hoist.keys:
                yield {**entry, "path": [*above, key]}
