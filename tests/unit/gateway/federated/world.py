"""The data of a graph: a hash decides each value, so that the monolith and every subgraph see the same."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kokoa.gateway.fieldset import FieldSet
from kokoa.kernel.errors import Invalid

IDS = 12


class Boom(Invalid):
    """What a generated resolver fails with."""


@dataclass
class Thing:
    """An object: an entity has an id, a value object the path to it.

    given: the representation that it was found by.  granted: what is promised of it here.
    """

    type_name: str
    identity: str
    given: Mapping[str, Any] = field(default_factory=dict)
    granted: FieldSet = ()


def dice(*parts: object) -> int:
    return zlib.crc32(repr(parts).encode())


class World:
    """faults: how many of 100 nullable values are null or fail.  entities: the names, in order."""

    def __init__(self, seed: int, faults: int, entities: list[str]) -> None:
        self.seed = seed
        self.faults = faults
        self.entities = entities

    def type_of(self, identity: str) -> str:
        """An id belongs to one entity only."""
        return self.entities[int(identity) % len(self.entities)]

    def any_of(self, members: list[str], roll: int) -> Thing:
        found = [str(one) for one in range(IDS) if self.type_of(str(one)) in members]
        identity = found[roll // 7 % len(found)]
        return Thing(self.type_of(identity), identity)

    def make(self, of: str, members: list[str], place: str, *, may_fail: bool) -> Any:
        """A value of a type, as text, for a place. members: the object types of a composite type, else empty."""
        roll = dice(self.seed, place)
        if of.endswith("!"):
            return self._filled(of[:-1], members, place, roll, may_fail=may_fail)
        if roll % 100 < self.faults:
            return Boom("boom") if may_fail and roll % 2 else None
        return self._filled(of, members, place, roll, may_fail=may_fail)

    def _filled(self, of: str, members: list[str], place: str, roll: int, *, may_fail: bool) -> Any:
        if of.startswith("["):
            inner = of[1:-1]
            return [self.make(inner, members, f"{place}.{index}", may_fail=may_fail) for index in range(roll % 4)]
        if members in (["V"], ["W"]):
            return Thing(members[0], place)
        if members:
            return self.any_of(members, roll)
        return {"Int": roll % 1000, "String": f"s{roll}", "Color": "RED" if roll % 2 else "GREEN"}[of]


def identity_of(representation: Mapping[str, Any]) -> str:
    """The id that a representation's key stands for."""
    if "id" in representation:
        return str(representation["id"])
    if "sku" in representation:
        return str(representation["sku"]).removeprefix("sku")
    return str(representation["tag"]["code"]).removeprefix("tag")
