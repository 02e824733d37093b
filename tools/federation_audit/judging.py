"""Running a suite's cases and judging the answers as the audit does: `data` in full, `errors` as present or not."""

import time
from typing import Any

import aiohttp
import msgspec
from graphql import FragmentDefinitionNode, OperationDefinitionNode, parse

from kokoa.gateway.plan import NotPlannable, Plan, make_plan
from kokoa.gateway.supergraph import Supergraph

from .suites import Case


class Verdict(msgspec.Struct, frozen=True):
    """plan: None where the gateway refuses the query before planning it."""

    case: Case
    passed: bool
    got: Any
    plan: Plan | None
    planning_s: float


def cold_plan(supergraph: Supergraph, query: str) -> tuple[Plan | None, float]:
    """The plan of a query and the seconds that making it took; parsing is not counted."""
    found = parse(query).definitions
    fragments = {one.name.value: one for one in found if isinstance(one, FragmentDefinitionNode)}
    operation = next(one for one in found if isinstance(one, OperationDefinitionNode))
    began = time.perf_counter()
    try:
        plan = make_plan(supergraph, operation, fragments, _defaults(operation))
    except (NotPlannable, KeyError, AssertionError):
        plan = None
    return plan, time.perf_counter() - began


def _defaults(operation: OperationDefinitionNode) -> dict[str, bool]:
    return {
        one.variable.name.value: bool(getattr(one.default_value, "value", False))
        for one in operation.variable_definitions or ()
    }


async def ask(session: aiohttp.ClientSession, address: str, query: str) -> Any:
    async with session.post(address, json={"query": query}) as response:
        return await response.json(content_type=None)


def judge(case: Case, answer: Any) -> bool:
    if answer.get("data") != case.data:
        return False
    return case.expects_errors is None or bool(answer.get("errors")) is case.expects_errors
