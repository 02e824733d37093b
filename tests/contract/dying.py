"""A process that is gone at a named step, for tests in one process."""

from types import ModuleType

import pytest


class Died(BaseException):
    """The process is gone: nothing after this moment is done."""


def die_at(step: str, monkeypatch: pytest.MonkeyPatch, *modules: ModuleType, times: int = 1) -> list[str]:
    """Let the next ones that reach the step die there; where that happened.  modules: whose steps they are."""
    died: list[str] = []

    def reached(name: str) -> None:
        if name == step and len(died) < times:
            died.append(name)
            raise Died

    for module in modules:
        monkeypatch.setattr(module, "reached", reached)
    return died
