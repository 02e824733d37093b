"""What a process knows of policies: fresh within a second, kept for a minute when their source is away."""

import pytest

from kokoa.edge.policies import STALE_MAX_S, TTL_S, Policies
from kokoa.kernel.errors import Unavailable
from kokoa.kernel.overrides import OverridePolicy
from unit.edge.edge_fakes import FakePolicies

PRICE = "Product.price"


def known() -> tuple[FakePolicies, Policies, list[float]]:
    source, moment = FakePolicies(), [1_000.0]
    source.by_environment["prod"] = {PRICE: OverridePolicy(percent=10)}
    return source, Policies(source, clock=lambda: moment[0]), moment


async def test_they_are_read_once_a_second_and_at_once_after_a_notice() -> None:
    source, policies, moment = known()
    first = await policies.of("prod")
    assert await policies.of("prod") is first
    assert (source.loads, first.by_subject[PRICE].percent, first.divides) == (1, 10, True)
    source.by_environment["prod"] = {PRICE: OverridePolicy()}
    policies.forget("prod")
    second = await policies.of("prod")
    assert (source.loads, second.divides) == (2, False)
    assert second.field_digest not in ("", first.field_digest)
    moment[0] += TTL_S
    assert await policies.of("prod") is second
    assert source.loads == 3


async def test_environments_are_apart() -> None:
    _, policies, _ = known()
    other = await policies.of("dev")
    assert (dict(other.by_subject), other.divides, other.field_digest) == ({}, False, "")


async def test_the_last_ones_serve_for_a_minute() -> None:
    source, policies, moment = known()
    first = await policies.of("prod")
    source.failure = Unavailable("away")
    with pytest.raises(Unavailable):
        await policies.of("dev")
    for _ in range(3):
        moment[0] += TTL_S
        assert await policies.of("prod") is first
    moment[0] += STALE_MAX_S
    with pytest.raises(Unavailable):
        await policies.of("prod")
    source.failure = None
    assert await policies.of("prod") is first
