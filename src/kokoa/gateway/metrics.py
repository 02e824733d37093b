"""What the gateway measures: operations, plans, fetches. One for each process, a collector for its registry."""

from collections.abc import Iterable
from functools import lru_cache

from prometheus_client import Counter, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

SUBGRAPHS_MAX = 50
OTHER = "extension"
_SERIES_MAX = 500
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class GraphMetrics(Collector):
    """process: what tells this process from its siblings.  named: subgraphs with series of their own.

    All others are partners', whose number nobody knows: they share one series.
    """

    def __init__(self, process: str, named: Iterable[str]) -> None:
        self._process = process
        self._named = frozenset(list(named)[:SUBGRAPHS_MAX])
        self._operations = Counter(
            "kokoa_graph_operations",
            "GraphQL operations, by kind and by whether the response had errors",
            labelnames=("process", "kind", "outcome"),
            registry=None,
        )
        self._plans = Counter(
            "kokoa_graph_plans",
            "Plans that were needed, by whether they were remembered",
            labelnames=("process", "result"),
            registry=None,
        )
        self._fetches = Histogram(
            "kokoa_graph_fetch_duration_seconds",
            "How long requests to subgraphs took",
            labelnames=("process", "subgraph", "outcome"),
            buckets=_BUCKETS_S,
            registry=None,
        )
        # The library's own look-up takes a lock and as long as the measurement.
        self._operations_of = lru_cache(_SERIES_MAX)(self._operations.labels)
        self._plans_of = lru_cache(_SERIES_MAX)(self._plans.labels)
        self._fetches_of = lru_cache(_SERIES_MAX)(self._fetches.labels)

    def operation(self, kind: str, *, errors: bool) -> None:
        """Count one operation. kind: query, mutation or subscription."""
        self._operations_of(self._process, kind, "errors" if errors else "answered").inc()

    def plan(self, *, remembered: bool) -> None:
        """Count one plan."""
        self._plans_of(self._process, "hit" if remembered else "miss").inc()

    def fetch(self, subgraph: str, outcome: str, duration_s: float) -> None:
        """Count one request to a subgraph. outcome: answered, errors or failed."""
        name = subgraph if subgraph in self._named else OTHER
        self._fetches_of(self._process, name, outcome).observe(duration_s)

    def collect(self) -> Iterable[Metric]:
        """All of them, for a registry."""
        for one in (self._operations, self._plans, self._fetches):
            yield from one.collect()
