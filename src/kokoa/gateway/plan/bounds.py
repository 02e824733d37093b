"""What planning may cost, and the errors for an operation that would cost more."""

from kokoa.graphql.errors import LimitExceeded

STEPS_MAX = 50_000
FETCHES_MAX = 100
DRAFT_FETCHES_MAX = 1_000  # before those that can be one request are merged


class PlanTooComplex(LimitExceeded):
    """The operation would take too long to plan, or too many requests to answer."""


class NotPlannable(Exception):
    """No subgraph can be asked for a field where the operation asks for it."""


class Steps:
    """Counts the steps of planning one operation."""

    __slots__ = ("taken",)

    def __init__(self) -> None:
        self.taken = 0

    def step(self) -> None:
        """Raises PlanTooComplex over the bound."""
        self.taken += 1
        if self.taken > STEPS_MAX:
            raise PlanTooComplex(f"The operation takes more than {STEPS_MAX} steps to plan. Ask for less at once.")
