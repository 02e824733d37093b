"""A bounded map that forgets what was used longest ago."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Lru(Generic[Key, Value]):
    """size: how many entries are kept.  weight_max: what their keys may weigh together, if `weigh` is given."""

    __slots__ = ("_entries", "_size", "_weigh", "_weight", "_weight_max")

    def __init__(self, size: int, weight_max: int = 0, weigh: Callable[[Key], int] | None = None) -> None:
        self._entries: OrderedDict[Key, Value] = OrderedDict()
        self._size = size
        self._weight = 0
        self._weight_max = weight_max
        self._weigh = weigh or (lambda _: 0)

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Value | None:
        """The entry of the key, which is then used most recently."""
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
        return found

    def put(self, key: Key, value: Value) -> None:
        """Keep an entry; an older one of the same key is replaced."""
        if key not in self._entries:
            self._weight += self._weigh(key)
        self._entries[key] = value
        self._entries.move_to_end(key)
        while len(self._entries) > self._size or (self._weight > self._weight_max and len(self._entries) > 1):
            forgotten, _ = self._entries.popitem(last=False)
            self._weight -= self._weigh(forgotten)

    def forget(self, key: Key) -> None:
        """Keep no entry of the key."""
        if self._entries.pop(key, None) is not None:
            self._weight -= self._weigh(key)

    def get_or_make(self, key: Key, make: Callable[[], Value]) -> Value:
        """The entry of the key, made now if it is not there. What `make` raises is not kept."""
        found = self.get(key)
        if found is not None:
            return found
        made = make()
        self.put(key, made)
        return made
