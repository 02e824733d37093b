"""Executing plans: fetches as soon as their inputs are there, their data gathered, the response projected.

Start reading at `executor`.
"""

from kokoa.gateway.execute.clients import HttpClient, InProcessClient, SubgraphClient, SubgraphUnavailable
from kokoa.gateway.execute.executor import Gathered, run_plan
from kokoa.gateway.execute.peers import PeerClient

__all__ = [
    "Gathered",
    "HttpClient",
    "InProcessClient",
    "PeerClient",
    "SubgraphClient",
    "SubgraphUnavailable",
    "run_plan",
]
