"""How much of the host's event loop, which is everybody's, an account may take, whichever of its sandboxes takes it.

A bound for each sandbox alone would grow with the number of sandboxes: twenty-five that do nothing but connect would
be twenty-five times as much.
"""

from kokoa.functions.host.listening import Allowance

_ACCOUNTS_MAX = 10_000

# Seconds of the event loop at once, and as a share after that.
OUTPUT_S, OUTPUT_SHARE = 0.5, 0.05
IDLE_WORK_S, IDLE_WORK_SHARE = 0.05, 0.05
PASSING_S, PASSING_SHARE = 0.5, 0.15
# At once, and a second after that.  A request takes most of a millisecond; so does passing on half a megabyte.
ARRIVALS, ARRIVALS_PER_S = 256.0, 150.0
VISITS, VISITS_PER_S = 400.0, 400.0
REQUESTS, REQUESTS_PER_S = 400.0, 400.0
QUESTIONS, QUESTIONS_PER_S = 200.0, 100.0


class Shares:
    """What one account may take; of a sandbox that has no function yet, its own.

    output: reading what functions write.  idle_work: what leads to nothing on the Runtime API.  arrivals: connections
    of the Runtime API.  visits: of the doors and of the way out.  requests: through the doors.  passing: bytes of the
    way out.  questions: names that are looked up.
    """

    def __init__(self) -> None:
        self.output = Allowance(OUTPUT_S, OUTPUT_SHARE)
        self.idle_work = Allowance(IDLE_WORK_S, IDLE_WORK_SHARE)
        self.arrivals = Allowance(ARRIVALS, ARRIVALS_PER_S)
        self.visits = Allowance(VISITS, VISITS_PER_S)
        self.requests = Allowance(REQUESTS, REQUESTS_PER_S)
        self.passing = Allowance(PASSING_S, PASSING_SHARE)
        self.questions = Allowance(QUESTIONS, QUESTIONS_PER_S)

    def join(self, others: "Shares") -> None:
        """From now on spend from these."""
        for name, own in vars(self).items():
            own.join(getattr(others, name))


class AccountShares:
    """The shares of every account that has a sandbox."""

    def __init__(self) -> None:
        self._of: dict[str, Shares] = {}

    def of(self, account_id: str) -> Shares:
        """The account's."""
        if account_id not in self._of:
            if len(self._of) >= _ACCOUNTS_MAX:
                self._of.pop(next(iter(self._of)))
            self._of[account_id] = Shares()
        return self._of[account_id]
