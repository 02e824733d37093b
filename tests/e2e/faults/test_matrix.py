"""kill -9 of each kind of process at each named step: what was acknowledged is there exactly once, nobody hangs, and
the store serves again. `make faults` runs every pair; `make test` comes by each step once.
"""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from event_stream import created_products, events_of, require_each_once
from families import Process
from hurt_store import KINDS, PATIENCE_S, HurtStore, go_on, hurt_store
from journeys import Again, Journey, Write, prepare, tried_until_done
from leaving import JOURNEYS
from running import until

from kokoa.functions.host.process import host_name
from kokoa.processes.steps import STEPS

pytestmark = pytest.mark.timeout(300)  # a busy machine takes its time; what hangs is named before that

VICTIMS = (*KINDS, "up")
# Whom `make test` kills at a step; where a step is not named, the process that stands there.
SELECTED = {
    "write.inserted": "postgres",
    "import.inserted": "postgres",
    "relay.read": "nats",
    "relay.marked": "postgres",
    "index.noted": "nats",
    "index.put": "postgres",
    "create.stored": "up",
    "update.stored": "postgres",
    "update.written": "nats",
    "update.drained": "spawner",
    "override.granted": "worker",
    "override.written": "up",
    "publish.inserted": "postgres",
    "payment.answered": "postgres",
    "order.priced": "worker",
    "order.stock_reserved": "postgres",
    "order.codes_redeemed": "standing",
    "order.payment_created": "worker",
    "order.payment_authorized": "standing",
    "order.committed": "standing",
    "order.cart_closed": "worker",
    "refusal.payment_voided": "standing",
    "refusal.codes_released": "postgres",
    "refusal.stock_given_back": "worker",
    "fulfilment.left": "standing",
    "fulfilment.priced": "worker",
    "fulfilment.captured": "postgres",
    "cancellation.released": "standing",
    "cancellation.refunded": "nats",
    "reception.restocked": "standing",
    "refund.given": "postgres",
    "invoke.taken": "sandbox",
    "invoke.delivered": "sandbox",
    "invoke.answered": "postgres",
    "log.shipped": "nats",
}
STANDING = "standing"
COMPLETE = os.environ.get("FAULTS") == "complete"


def cells() -> list[tuple[str, str]]:
    """(step, victim); the victims take turns, so that none of them dies again before it is well."""
    if not COMPLETE:
        return [(step, SELECTED.get(step, STANDING)) for step in STEPS]
    return [
        (step, VICTIMS[(turn + offset) % len(VICTIMS)])
        for offset in range(len(VICTIMS))
        for turn, step in enumerate(STEPS)
    ]


class Attempt(threading.Thread):
    """One attempt of a journey beside the test.  outcome: an exception, or None for an acknowledgement."""

    def __init__(self, journey: Journey) -> None:
        super().__init__(name=journey.name, daemon=True)
        self._journey = journey
        self.outcome: BaseException | None = None

    def run(self) -> None:
        try:
            self._journey.attempt()
        except BaseException as error:  # for the test's own thread to judge
            self.outcome = error

    def failed(self) -> str:
        """What ended it without an acknowledgement; empty while it runs."""
        return repr(self.outcome) if self.outcome is not None else ""

    def acknowledged(self) -> bool:
        """Whether it was; it must have ended by now, and not by an error that says nothing."""
        self.join(PATIENCE_S)
        assert not self.is_alive(), "the caller got no answer"
        if self.outcome is None:
            return True
        if isinstance(self.outcome, Again):
            return False
        raise self.outcome


@pytest.fixture(scope="module")
def hurt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HurtStore]:
    """One store for the whole matrix, so that what a cell leaves behind meets the next."""
    with hurt_store(tmp_path_factory.mktemp("matrix") / "state") as store:
        prepare(store)
        yield store


@pytest.fixture(scope="module")
def written() -> list[Write]:
    """The products that were acknowledged so far."""
    return []


@pytest.mark.parametrize(("step", "victim"), cells())
def test_a_kill_at_a_step_loses_nothing(hurt: HurtStore, written: list[Write], step: str, victim: str) -> None:
    hurt.require_running()
    journey = JOURNEYS[step.partition(".")[0]](hurt, cells().index((step, victim)))
    tried_until_done(journey.prepare, what="the preparation")
    hurt.arm(step)
    attempt = Attempt(journey)
    attempt.start()
    standing = None
    try:
        standing = hurt.stopped_at(step, unless=attempt.failed)
        kind = kind_of(hurt, standing) if victim == STANDING else victim
        hurt.kill(kind, stopped=standing)
    finally:
        if standing is not None:
            go_on(standing)
        hurt.disarm()
    acknowledged = attempt.acknowledged()
    if victim == "up":
        hurt.start()
        journey.hurt = hurt
    if not acknowledged:
        journey.finish()
    else:
        until(lambda: verified(journey), within_s=PATIENCE_S, what="what was acknowledged")
    until(hurt.serves, within_s=PATIENCE_S, what="the store")
    if isinstance(journey, Write):
        written.append(journey)


def kind_of(hurt: HurtStore, process: Process) -> str:
    """What the process is."""
    return next(kind for kind in KINDS if process.pid in {each.pid for each in hurt.find(kind)})


def verified(journey: Journey) -> bool:
    try:
        journey.verify()
    except Again:
        return False
    return True


def test_every_step_belongs_to_a_journey() -> None:
    assert {step.partition(".")[0] for step in STEPS} == set(JOURNEYS)
    assert set(SELECTED) <= set(STEPS)


def test_after_all_that_everything_is_there_exactly_once(hurt: HurtStore, written: list[Write]) -> None:
    assert written
    ids = set()
    for journey in written:
        journey.verify()
        ids.add(journey.product_id())
    assert len(ids) == len(written)
    until(lambda: ids <= created_products(events_of(hurt.state_dir)), within_s=PATIENCE_S, what="the events")
    require_each_once(events_of(hurt.state_dir))


def test_the_end_leaves_nothing_of_sandboxes_behind(hurt: HurtStore) -> None:
    hurt.require_running()
    host = hurt.state_dir / "host"
    name = host_name(host / "host.sock")
    assert list((host / "hosts").iterdir()) == [host / "hosts" / name]
    hurt.end()
    assert list(Path("/sys/fs/cgroup").glob(f"**/kokoa-{name}*")) == []
    assert list(host.rglob(".new-*")) == []
    assert not (host / "host.sock").exists()
