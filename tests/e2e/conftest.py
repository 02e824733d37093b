"""One running store for the end-to-end tests of a process; tests that kill things start their own."""

from collections.abc import Iterator

import pytest
from running import RunningStore, store_up


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    """A store with the demo tenant, and a limit that tests do not reach."""
    with store_up(tmp_path_factory.mktemp("store") / "state") as (running, _):
        running.run("kokoa tenant limit demo 1000000")
        yield running
