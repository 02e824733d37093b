"""The gateway's spans as OpenTelemetry has them, sent by OTLP over HTTP to KOKOA_OTLP_URL.

The trace id is the correlation id, so that logs, errors and traces meet. Spans say what an operation is and what
became of it; never a document, a variable or a message.
"""

import asyncio
import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import opentelemetry.trace as otel
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import SpanKind, Status, StatusCode

from kokoa.gateway.tracing import FetchSpan, OperationSpan
from kokoa.kernel.call import Call
from kokoa.roles.platform import Platform

# A collector that is away must not hold up the end of a process.
EXPORT_S = 5.0
CLOSE_S = 5.0
ATTRIBUTE_LENGTH_MAX = 256
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_ROOT = Context()


class _TraceIds(RandomIdGenerator):
    """Lets the next trace have an id that is known already. Spans without a parent are started by one thread only."""

    def __init__(self) -> None:
        self.following: int | None = None

    def generate_trace_id(self) -> int:
        known, self.following = self.following, None
        return known if known is not None else super().generate_trace_id()


class _FetchSpan:
    """Implements FetchSpan."""

    def __init__(self, span: otel.Span) -> None:
        self._span = span
        self.id = otel.format_span_id(span.get_span_context().span_id) if span.is_recording() else ""

    def end(self, outcome: str, code: str) -> None:
        self._span.set_attribute("kokoa.outcome", outcome)
        if code:
            self._span.set_attribute("error.type", code)
        if outcome == "failed":
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class _OperationSpan:
    """Implements OperationSpan."""

    def __init__(self, tracer: otel.Tracer, span: otel.Span) -> None:
        self._tracer = tracer
        self._span = span
        self._within = otel.set_span_in_context(span, _ROOT)
        self._fetches_count = 0

    def named(self, name: str | None, kind: str) -> None:
        if name:
            self._span.set_attribute("graphql.operation.name", name)
        self._span.set_attribute("graphql.operation.type", kind)

    def remembered(self) -> None:
        self._span.set_attribute("kokoa.plan_remembered", True)

    @contextmanager
    def plan(self) -> Iterator[None]:
        self._span.set_attribute("kokoa.plan_remembered", False)
        span = self._tracer.start_span("graphql.plan", self._within)
        try:
            yield
        except BaseException as error:
            span.set_status(Status(StatusCode.ERROR))
            span.set_attribute("error.type", type(error).__name__)
            raise
        finally:
            span.end()

    def fetch(self, subgraph: str, entities_count: int) -> FetchSpan:
        self._fetches_count += 1
        attributes: dict[str, str | int] = {"kokoa.subgraph": subgraph, "kokoa.entities_count": entities_count}
        span = self._tracer.start_span("graphql.fetch", self._within, SpanKind.CLIENT, attributes)
        return _FetchSpan(span)

    def end(self, errors_count: int | None) -> None:
        self._span.set_attribute("kokoa.fetches_count", self._fetches_count)
        if errors_count is None:
            self._span.set_attribute("kokoa.abandoned", True)
        else:
            self._span.set_attribute("kokoa.errors_count", errors_count)
            if errors_count:
                self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class OtelTracer:
    """Implements Tracer. processor: gets what has ended.  role: the process's.

    Which traces are kept is decided as OpenTelemetry's own variables say (OTEL_TRACES_SAMPLER); all, without them.
    """

    def __init__(self, processor: SpanProcessor, *, role: str) -> None:
        self._ids = _TraceIds()
        self.provider = TracerProvider(
            resource=Resource.create({"service.name": f"kokoa-{role}"}),
            id_generator=self._ids,
            span_limits=SpanLimits(max_attribute_length=ATTRIBUTE_LENGTH_MAX),
            shutdown_on_exit=False,
        )
        self.provider.add_span_processor(processor)
        self._tracer = self.provider.get_tracer("kokoa.gateway")

    def operation(self, document: str, call: Call) -> OperationSpan:
        known = _TRACE_ID.fullmatch(call.correlation_id)
        self._ids.following = int(call.correlation_id, 16) if known else None
        attributes = {
            "kokoa.environment_id": call.environment_id,
            "kokoa.document_sha256": hashlib.sha256(document.encode("utf-8", "surrogatepass")).hexdigest(),
        }
        span = self._tracer.start_span("graphql.operation", _ROOT, SpanKind.SERVER, attributes)
        return _OperationSpan(self._tracer, span)

    async def close(self) -> None:
        """Send what is left, unless that takes longer than CLOSE_S."""
        sending = threading.Thread(target=self.provider.shutdown, name="last spans", daemon=True)
        sending.start()
        await asyncio.to_thread(sending.join, CLOSE_S)


def open_tracer(platform: Platform) -> OtelTracer:
    """A tracer that sends to KOKOA_OTLP_URL until the platform closes."""
    address = platform.settings.otlp_url.rstrip("/")
    exporter = OTLPSpanExporter(f"{address}/v1/traces", timeout=EXPORT_S)
    tracer = OtelTracer(BatchSpanProcessor(exporter), role=platform.name)
    platform.stack.push_async_callback(tracer.close)
    return tracer
