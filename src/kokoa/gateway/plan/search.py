"""Searching: the first attempt takes what looks best at each choice; others take another way at one choice each.

A choice that makes the whole plan better is kept, and so on, until none does or the effort is spent. What counts is
the plan that comes out, after all passes: requests and how many wait for each other, then requests, then how much is
asked for and sent.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from kokoa.gateway.plan.bounds import NotPlannable, Steps
from kokoa.gateway.plan.choices import Answers, Choices
from kokoa.gateway.plan.draft import Draft

ATTEMPTS_MAX = 60
STEPS_MAX = 8_000

Worth = tuple[int, int, int]


def worth(draft: Draft) -> Worth:
    """Smaller is better."""
    fetches = len(draft.fetches)
    depth = max((fetch.depth() for fetch in draft.fetches), default=0)
    return (fetches + depth, fetches, sum(fetch.size() for fetch in draft.fetches))


class _Search:
    def __init__(self, make: Callable[[Choices], Draft], steps: Steps) -> None:
        self._make = make
        self._steps = steps
        self._attempts = 0
        self._failure: NotPlannable | None = None
        self.best: Draft | None = None
        self._worth: Worth = (0, 0, 0)
        self._answers: Answers = {}
        self._others: Mapping[str, Sequence[str]] = {}

    def attempt(self, answers: Answers) -> bool:
        """Make one draft; whether it is the best so far."""
        self._attempts += 1
        choices = Choices(answers)
        try:
            draft = self._make(choices)
        except NotPlannable as error:
            self._failure = self._failure or error
            if self._attempts == 1:
                self._others = choices.others
            return False
        reached = worth(draft)
        if self.best is not None and reached >= self._worth:
            return False
        self.best, self._worth, self._answers, self._others = draft, reached, answers, choices.others
        return True

    def run(self) -> Draft:
        self.attempt({})
        improved = self.best is None or self._worth[1] > 1
        while improved and self._may_go_on():
            improved = any(self.attempt(one) for one in self._other_answers())
        if self.best is None:
            raise self._failure or NotPlannable("The operation cannot be planned.")
        return self.best

    def _may_go_on(self) -> bool:
        return self._attempts < ATTEMPTS_MAX and self._steps.taken < STEPS_MAX

    def _other_answers(self) -> Iterator[Answers]:
        for question, others in self._others.items():
            for one in others:
                if not self._may_go_on():
                    return
                yield {**self._answers, question: one}


def best_draft(make: Callable[[Choices], Draft], steps: Steps) -> Draft:
    """The best draft that was found. Raises NotPlannable if there is none."""
    return _Search(make, steps).run()
