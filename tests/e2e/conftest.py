"""One running store for the end-to-end tests of a process; tests that kill things start their own."""

from collections.abc import Iterator

import pytest
from running import RunningStore, store_up

from stripe_running import StripeServer, stripe_up


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def stripe_server() -> Iterator[StripeServer]:
    """What the store takes for Stripe."""
    with stripe_up() as running:
        yield running


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, stripe_server: StripeServer) -> Iterator[RunningStore]:
    """A store with the demo tenant, and a limit that tests do not reach."""
    state, settings = tmp_path_factory.mktemp("store") / "state", {"KOKOA_STRIPE_URL": stripe_server.url}
    with store_up(state, settings=settings) as (running, _):
        running.run("kokoa tenant limit demo 1000000")
        yield running
