"""Who wears sandboxes out waits for the next one; others do not."""

import pytest

from kokoa.functions.host import churn
from kokoa.functions.host.churn import Churn


class Watch:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()
    monkeypatch.setattr(churn, "time", watch)
    return watch


def test_a_few_ends_cost_nothing_and_more_cost_time(watch: Watch) -> None:
    ends = Churn()
    for _ in range(10):
        ends.count("a")
    assert ends.pause_s("a") == 0
    for _ in range(5):
        ends.count("a")
    assert ends.pause_s("a") == pytest.approx(1.0)
    assert ends.pause_s("b") == 0
    watch.now += 1.0
    assert ends.pause_s("a") == 0


def test_the_wait_is_bounded(watch: Watch) -> None:
    ends = Churn()
    for _ in range(1000):
        ends.count("a")
    assert ends.pause_s("a") == 2.0
