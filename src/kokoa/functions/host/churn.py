"""How often an account's sandboxes end by themselves: who wears them out waits for the next one."""

import time

_BURST = 10.0
_PER_S = 5.0
_PAUSE_MAX_S = 2.0
_ACCOUNTS_MAX = 10_000


class Churn:
    """Ends that cost nobody anything come back with time; over them each new sandbox has to wait."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}

    def count(self, account_id: str) -> None:
        """A sandbox of this account has ended unasked."""
        left, now = self._now(account_id)
        self._left.pop(account_id, None)  # so that the one that was quiet for longest is the first to be forgotten
        self._left[account_id] = (left - 1.0, now)
        if len(self._left) > _ACCOUNTS_MAX:
            del self._left[next(iter(self._left))]

    def pause_s(self, account_id: str) -> float:
        """How long to wait before another one is opened for it."""
        left, _ = self._now(account_id)
        return min(_PAUSE_MAX_S, max(0.0, -left / _PER_S))

    def _now(self, account_id: str) -> tuple[float, float]:
        now = time.monotonic()
        left, counted = self._left.get(account_id, (_BURST, now))
        return min(_BURST, left + (now - counted) * _PER_S), now
