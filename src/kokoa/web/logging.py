"""Structured logs: one JSON object a line in production, coloured text on a terminal. Always to stderr."""

import logging
import sys
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, TextIO, cast

import orjson
import structlog
from structlog.typing import EventDict, Processor

LogFormat = Literal["json", "console"]


@lru_cache(16)
def _second(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _stamp(_: object, __: str, event: EventDict) -> EventDict:
    """`timestamp`, as structlog's own writes it, at a tenth of its cost: each request has a line."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    event["timestamp"] = f"{_second(seconds)}.{nanoseconds // 1000:06}Z"
    return event


class LossyStream:
    """A stream for logs that cannot be written: a full disk must lose lines, and not the requests they are about.

    How many were lost is written once there is room again.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lost = 0

    def write(self, text: str) -> int:
        """Write, or count it as lost."""
        try:
            if self._lost:
                self._stream.write(f'{{"event":"log_lines_lost","level":"warning","count":{self._lost}}}\n')
                self._stream.flush()
                self._lost = 0
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            self._lost += 1
        return len(text)

    def flush(self) -> None:
        """Nothing waits: each write is flushed."""


def configure_logging(log_format: LogFormat, *, level: str = "INFO") -> None:
    """Set up structlog, and the standard library's logging for what our libraries write."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _stamp,
        structlog.processors.format_exc_info if log_format == "json" else _keep,
    ]
    renderer: Processor = structlog.processors.JSONRenderer(serializer=_dumps) if log_format == "json" else _console()
    stream = LossyStream(sys.stderr)
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, stream)),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries speak only when something is wrong: their info lines would drown the access log.
    root.setLevel(max(number, logging.WARNING))


def _console() -> Processor:
    # Plain tracebacks: the pretty ones show local variables, and those may hold a tenant's secrets.
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )


def _dumps(event: EventDict, **_: object) -> str:
    return orjson.dumps(event, default=str).decode()


def _keep(_: object, __: str, event: EventDict) -> EventDict:
    return event
