"""The gateway's own share: a one-fetch query with its plan cached, against the subgraph that it asks."""

import time
from statistics import median
from typing import Any

from benchmarks.report import Measurement, Target
from benchmarks.stage import Stage, Tell

QUERIES = 400
WARM_UP = 100
QUERY = "query Names($offset: Int!) { products(limit: 5, offset: $offset) { id name slug price currency } }"


async def measure_gateway(stage: Stage, rounds: int, tell: Tell) -> Measurement:
    """Both in this process, in turn, on the same database."""
    through: list[float] = []
    alone: list[float] = []
    for _ in range(WARM_UP):
        await _through_ms(stage, {"offset": 0})
        await _alone_ms(stage, {"offset": 0})
    for number in range(rounds):
        tell(f"gateway: round {number + 1} of {rounds}")
        pairs = []
        for offset in range(QUERIES):
            variables = {"offset": offset}
            pairs.append((await _through_ms(stage, variables), await _alone_ms(stage, variables)))
        through.append(median(pair[0] for pair in pairs))
        alone.append(median(pair[1] for pair in pairs))
    return Measurement(
        name="gateway, one fetch, plan cached, p50",
        unit="ms",
        subject=through,
        floor=alone,
        floor_name="the same query to the subgraph itself",
        target=Target("difference", 0.3),
    )


async def _through_ms(stage: Stage, variables: dict[str, Any]) -> float:
    call = stage.call()
    started = time.perf_counter()
    result = await stage.inside.gateway.execute(QUERY, variables, call)
    took = time.perf_counter() - started
    assert not result.errors, result.errors
    return took * 1000


async def _alone_ms(stage: Stage, variables: dict[str, Any]) -> float:
    call = stage.call()
    started = time.perf_counter()
    result = await stage.inside.catalog.subgraph.execute(QUERY, variables, call)
    took = time.perf_counter() - started
    assert not result.errors, result.errors
    return took * 1000
