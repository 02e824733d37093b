"""Prometheus metrics of one process. Several processes share a port, so each marks its own with `process`."""

from functools import lru_cache

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from kokoa.web.http import Response

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ROUTES_MAX = 500
_SERIES_MAX = 2_000


class HttpMetrics:
    """process: what tells this process from its siblings, such as its pid."""

    def __init__(self, process: str) -> None:
        self.registry = CollectorRegistry()
        self._process = process
        self._routes: set[str] = set()
        self._durations = Histogram(
            "kokoa_http_request_duration_seconds",
            "How long requests took, by route template",
            labelnames=("process", "method", "route", "status"),
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        # The library's own look-up takes a lock and as long as the measurement.
        self._durations_of = lru_cache(_SERIES_MAX)(self._durations.labels)

    def observe(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Count one request.  route: a template, never a path, so that the number of series stays bounded."""
        if method not in _METHODS:
            method = "OTHER"
        if route not in self._routes:
            if len(self._routes) >= ROUTES_MAX:
                route = "other"
            self._routes.add(route)
        self._durations_of(self._process, method, route, str(status)).observe(duration_s)

    def response(self) -> Response:
        """Everything in the registry in Prometheus' text format."""
        return Response(200, (("content-type", CONTENT_TYPE_LATEST),), generate_latest(self.registry))
