"""The traces of a running store, as a collector gets them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from running import store_up, until

QUERY = "query First { products(limit: 2) { id variants { sku availability { inStock } } } }"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Collector:
    """Takes OTLP over HTTP; keeps (service name, span)."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.path == "/v1/traces":
                    collector.take(body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Not to the test's output."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def take(self, body: bytes) -> None:
        for of_process in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {one.key: one.value.string_value for one in of_process.resource.attributes}
            for of_scope in of_process.scope_spans:
                self.spans += [(names["service.name"], one) for one in of_scope.spans]

    def of_trace(self, trace: str) -> dict[str, list[Span]]:
        """Spans by name."""
        found: dict[str, list[Span]] = {}
        for _, span in list(self.spans):
            if span.trace_id.hex() == trace:
                found.setdefault(span.name, []).append(span)
        return found


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        collector.server.shutdown()
        thread.join()
        collector.server.server_close()


def test_a_request_is_found_as_a_trace_by_its_correlation_id(tmp_path: Path) -> None:
    with collecting() as collector:
        settings = {"KOKOA_OTLP_URL": collector.url, "KOKOA_WEB_PROCESSES": "1", "OTEL_BSP_SCHEDULE_DELAY": "200"}
        with store_up(tmp_path / "state", settings=settings) as (store, _):
            parent = f"00-{TRACE}-00f067aa0ba902b7-01"
            answer = store.graphql(QUERY, traceparent=parent)
            assert len(answer.json["data"]["products"]) == 2
            assert answer.headers["x-correlation-id"] == TRACE
            until(lambda: "graphql.operation" in collector.of_trace(TRACE), what="the trace at the collector")
            found = collector.of_trace(TRACE)
        assert {name for name, _ in collector.spans} <= {"kokoa-web", "kokoa-indexer"}
    (operation,) = found["graphql.operation"]
    said = {one.key: one.value for one in operation.attributes}
    assert said["graphql.operation.name"].string_value == "First"
    assert said["kokoa.fetches_count"].int_value == len(found["graphql.fetch"]) > 0
    assert {one.parent_span_id for one in found["graphql.fetch"]} == {operation.span_id}
    subgraphs = [
        {a.key: a.value for a in one.attributes}["kokoa.subgraph"].string_value for one in found["graphql.fetch"]
    ]
    assert "catalog" in subgraphs
