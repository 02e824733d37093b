"""Judge the gateway by the public federation-gateway-audit.

    git clone https://github.com/graphql-hive/federation-gateway-audit FOLDER
    python -m tools.federation_audit FOLDER [--punish] [--rename] [--suite NAME]... [--show]

Starts the audit's server (Node; npm packages go into FOLDER), composes each suite's subgraphs with our composer,
serves them through our gateway over HTTP, sends every query and prints a table. Exit code 1 if a case fails.
"""

import argparse
import asyncio
import json
import logging
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import structlog
from graphql import parse

from kokoa.gateway.compose import CompositionFailed, compose
from kokoa.gateway.supergraph import SubgraphDefinition, Supergraph

from .judging import Verdict, ask, cold_plan, judge
from .renaming import Names, keys_of, response
from .server import AuditUnusable, install, serving
from .serving import gateway_handler, http_server, renaming_handler
from .suites import Case, Suite, read_suites
from .table import Row, print_table


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.federation_audit", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="where the audit's repository is unpacked")
    parser.add_argument("--punish", action="store_true", help="let subgraphs refuse needless entity calls")
    parser.add_argument("--rename", action="store_true", help="give types, fields and subgraphs other names")
    parser.add_argument("--suite", action="append", default=[], help="only this suite; may be repeated")
    parser.add_argument("--show", action="store_true", help="print each failed case with its plan")
    parser.add_argument("--plans", action="store_true", help="print each case with its plan")
    return parser.parse_args()


class Translation:
    """A suite as the gateway sees it and as the audit does. names: None where both are the same."""

    def __init__(self, suite: Suite, names: Names | None) -> None:
        self._suite = suite
        self._names = names

    @asynccontextmanager
    async def subgraphs(self, session: aiohttp.ClientSession) -> AsyncIterator[Sequence[SubgraphDefinition]]:
        """The subgraphs, behind a proxy if they are renamed."""
        names = self._names
        if names is None:
            yield self._suite.subgraphs
            return
        urls = {names.subgraphs[one.name]: one.url for one in self._suite.subgraphs}
        async with http_server(renaming_handler(names, urls, session)) as proxy:
            yield [
                SubgraphDefinition(name, names.sdl(one.sdl), f"{proxy}/{name}")
                for one in self._suite.subgraphs
                for name in [names.subgraphs[one.name]]
            ]

    def query(self, text: str) -> str:
        return text if self._names is None else self._names.query(text)

    def answer(self, text: str, answer: Any) -> Any:
        """An answer to `query(text)` as if it were one to `text`."""
        if self._names is None or answer.get("data") is None:
            return answer
        back = self._names.back()
        return {**answer, "data": response(answer["data"], keys_of(parse(self.query(text)), back), back.types)}


async def _run_suite(session: aiohttp.ClientSession, suite: Suite, *, rename: bool) -> tuple[Row, list[Verdict]]:
    translation = Translation(suite, Names(suite.subgraphs) if rename else None)
    async with translation.subgraphs(session) as subgraphs:
        began = time.perf_counter()
        try:
            supergraph = compose(subgraphs)
        except CompositionFailed as failed:
            problems = "; ".join(one.code for one in failed.problems[:3])
            return Row(suite.name, 0, len(suite.cases), note=problems), []
        composing_s = time.perf_counter() - began
        async with http_server(gateway_handler(supergraph, session)) as address:
            verdicts = [await _run_case(session, address, supergraph, translation, case) for case in suite.cases]
    plans = [one.plan for one in verdicts if one.plan is not None]
    row = Row(
        suite.name,
        sum(one.passed for one in verdicts),
        len(verdicts),
        sum(len(plan.fetches) for plan in plans),
        sum(plan.depth() for plan in plans),
        composing_s,
        sum(one.planning_s for one in verdicts),
    )
    return row, verdicts


async def _run_case(
    session: aiohttp.ClientSession, address: str, supergraph: Supergraph, translation: Translation, case: Case
) -> Verdict:
    query = translation.query(case.query)
    plan, planning_s = cold_plan(supergraph, query)
    answer = translation.answer(case.query, await ask(session, address, query))
    return Verdict(case, judge(case, answer), answer, plan, planning_s)


def _show(suite: Suite, number: int, verdict: Verdict) -> None:
    print(f"\n{'passed' if verdict.passed else 'FAILED'} {suite.name} {number}\n{verdict.case.query}")
    if not verdict.passed:
        print(f"expected {json.dumps(verdict.case.data)} errors: {verdict.case.expects_errors}")
        print(f"got      {json.dumps(verdict.got)}")
    print(verdict.plan)


async def main() -> int:
    arguments = _arguments()
    install(arguments.folder)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    rows = []
    async with serving(arguments.folder, punish=arguments.punish) as address, aiohttp.ClientSession() as session:
        for suite in await read_suites(session, address, frozenset(arguments.suite)):
            row, verdicts = await _run_suite(session, suite, rename=arguments.rename)
            rows.append(row)
            for number, verdict in enumerate(verdicts):
                if arguments.plans or (arguments.show and not verdict.passed):
                    _show(suite, number, verdict)
    print_table(rows)
    return 0 if all(row.passed == row.cases for row in rows) else 1


try:
    sys.exit(asyncio.run(main()))
except AuditUnusable as error:
    sys.exit(str(error))
