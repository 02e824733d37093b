"""Generated graphs, split over subgraphs at random, answer like the same graphs in one piece; bugs would be noticed.

Always the same cases, so that a failure is nobody else's; new ones, as many as you like, by hand:
`PYTHONPATH=tests/unit/gateway python -m federated --cases 10000`.
"""

import logging
from collections import Counter
from collections.abc import Iterator

import pytest
import structlog
from federated.cases import Case
from federated.features import FEATURES
from federated.seeded_bugs import BUGS

CASES = 300
SHARE_MIN = 0.05
SEED = 7_000  # of the cases whose features are counted and which must notice the bugs
CASES_UNTIL_NOTICED = 100


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    """The generated failures would fill the log."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.mark.timeout(600)
def test_the_same_answers_as_a_monolith_with_every_feature_in_at_least_one_of_twenty_cases() -> None:
    counted: Counter[str] = Counter()
    for seed in range(SEED, SEED + CASES):
        case = Case(seed)
        assert not case.difference(), f"seed {seed}: {case.shrunk()}"
        counted.update(case.features)
    assert {name for name in FEATURES if counted[name] < SHARE_MIN * CASES} == set()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", sorted(BUGS))
def test_a_bug_would_be_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, attribute, change = BUGS[name]
    monkeypatch.setattr(where, attribute, change(getattr(where, attribute)))
    assert any(_notices(seed) for seed in range(SEED, SEED + CASES_UNTIL_NOTICED))


def _notices(seed: int) -> bool:
    """Whether a case differs, or cannot be planned or run at all."""
    case = Case(seed)
    try:
        return bool(case.difference())
    except Exception:
        return True
