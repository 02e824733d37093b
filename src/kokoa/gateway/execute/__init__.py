"""Executing plans: fetches as soon as their inputs are there, their data gathered, the response projected.

Start reading at `executor`.
"""

from kokoa.gateway.execute.clients import HttpClient, InProcessClient, SubgraphClient, SubgraphUnavailable
from kokoa.gateway.execute.executor import Gathered, run_plan

__all__ = [
    "Gathered",
    "HttpClient",
    "InProcessClient",
    "SubgraphClient",
    "SubgraphUnavailable",
    "run_plan",
]
