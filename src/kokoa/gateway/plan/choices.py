"""Choices: where a field could be answered in several ways, the way taken, and the others for another attempt."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

ALTERNATIVES_MAX = 4


class Named(Protocol):
    """What can be chosen."""

    @property
    def label(self) -> str:
        """Unlike for any two candidates."""


T = TypeVar("T", bound=Named)

# Question → the label of the candidate to take.
Answers = Mapping[str, str]


class Choices:
    """given: answers that differ from what looks best.  others: question → the candidates that were not taken."""

    __slots__ = ("_given", "others")

    def __init__(self, given: Answers) -> None:
        self._given = given
        self.others: dict[str, list[str]] = {}

    def pick(self, question: str, scored: Sequence[tuple[Any, T]]) -> T:
        """One of the candidates: the one that is given, or the one of the lowest score (the first of equals)."""
        if len(scored) == 1:
            return scored[0][1]
        ranked = [one for _, one in sorted(scored, key=lambda one: one[0])]
        given = self._given.get(question)
        taken = next((one for one in ranked if one.label == given), ranked[0])
        self.others[question] = [one.label for one in ranked[:ALTERNATIVES_MAX] if one is not taken]
        return taken
