"""Whatever happens to carts, orders, payments and stock, in whatever order: it adds up after each step, and ends."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from contract.order_machine import OrderMachine
from contract.order_shop import OrderStage, open_order_stage
from kokoa.messaging import EmbeddedNats
from kokoa.services.catalog.media.objects import MediaObjects

COMPLETE = os.environ.get("FAULTS") == "complete"
SETTINGS = settings(
    max_examples=150 if COMPLETE else 16,
    stateful_step_count=50 if COMPLETE else 30,
    derandomize=not COMPLETE,
    # To make a failure smaller takes longer than all tests together; it stands there step by step as it is.
    phases=list(Phase) if COMPLETE else [Phase.generate],
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
async def stage(postgres: str, nats_server: EmbeddedNats, media_objects: MediaObjects) -> AsyncIterator[OrderStage]:
    async with open_order_stage(postgres, nats_server.url, media_objects) as stage:
        yield stage


@pytest.mark.timeout(3_600 if COMPLETE else 900)
async def test_whatever_happens_money_and_goods_add_up(stage: OrderStage) -> None:
    machine = type("OrderMachine", (OrderMachine,), {"stage": stage, "loop": asyncio.get_running_loop()})
    await asyncio.to_thread(run_state_machine_as_test, machine, settings=SETTINGS)
