"""Who gives way to whom on the processors.

An invocation that has run for a while, or that is one of many of its account, gives way: its sandbox weighs next to
nothing beside other sandboxes; and while nothing but such invocations runs, all sandboxes together weigh less beside
the store itself. They never starve, which is what `cpu.idle` would do to them on a busy machine.
"""

import contextlib
import os
from pathlib import Path

_FILES = {1: "cpu.shares", 2: "cpu.weight"}
_LEAST = {1: 2, 2: 1}
_STANDARD = {1: 1024, 2: 100}
_DIVISOR_WHOLE = 4


class CpuGroup:
    """One group of the cpu controller; does nothing where the machine has none.

    version: of cgroups; 0 = there is none.  whole: it holds all sandboxes.
    """

    def __init__(self, version: int, folder: Path, *, whole: bool = False) -> None:
        self._least = _LEAST.get(version, 0)
        self._weight = _STANDARD.get(version, 0)
        self._whole = whole
        self._giving_way = False
        self._path = folder / _FILES[version] if version else None
        self._fd = -1

    def weigh(self, weight: int) -> None:
        """Its share beside its siblings, when it does not give way."""
        self._weight = weight
        self._write()

    def give_way(self, on: bool) -> None:
        """Let what is in it have a small share only, or its full one again."""
        if on != self._giving_way:
            self._giving_way = on
            self._write()

    def close(self) -> None:
        """Let go of its file."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def _write(self) -> None:
        if self._path is None:
            return
        weight = self._weight
        if self._giving_way:
            weight = weight // _DIVISOR_WHOLE if self._whole else self._least
        with contextlib.suppress(OSError):  # the group has just gone with its sandbox
            if self._fd < 0:
                self._fd = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)  # kept, because it is written often
            os.pwrite(self._fd, str(weight).encode(), 0)


class Courtesy:
    """Keeps count for one host. whole: the group above all sandboxes."""

    def __init__(self, whole: CpuGroup) -> None:
        self._whole = whole
        self._eager: set[CpuGroup] = set()
        self._yielding: set[CpuGroup] = set()

    def begin(self, group: CpuGroup, *, yielding: bool) -> None:
        """An invocation starts in this group."""
        if yielding:
            self.turn(group)
        else:
            group.give_way(False)
            self._yielding.discard(group)
            self._eager.add(group)
            self._settle()

    def turn(self, group: CpuGroup) -> None:
        """What runs in this group gives way from now on."""
        group.give_way(True)
        self._eager.discard(group)
        self._yielding.add(group)
        self._settle()

    def end(self, group: CpuGroup) -> None:
        """The invocation is over. What gave way still does, for it may have left something running."""
        self._eager.discard(group)
        self._settle()

    def forget(self, group: CpuGroup) -> None:
        """The group is frozen or gone."""
        self._eager.discard(group)
        self._yielding.discard(group)
        self._settle()

    def close(self) -> None:
        """Let go of the whole's files."""
        self._whole.close()

    def _settle(self) -> None:
        self._whole.give_way(bool(self._yielding) and not self._eager)
