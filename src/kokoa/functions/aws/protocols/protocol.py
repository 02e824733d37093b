"""The seam between the server and a wire protocol: find the operation, read the input, write output and errors."""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from botocore.model import ServiceModel

from kokoa.functions.aws.errors import Failure
from kokoa.functions.aws.http import Answer, RequestHead


class Routed(msgspec.Struct, frozen=True):
    """An operation that a request's head names, with what its path says."""

    operation: str
    path_values: Mapping[str, str] = {}


class WireProtocol(Protocol):
    """One protocol for one service, compiled from its model."""

    def route(self, head: RequestHead) -> Routed | None:
        """The operation by the head alone; None when only the body tells. Raises UnknownOperation."""

    def route_by_body(self, body: bytes) -> Routed:
        """The operation by the body. Raises UnknownOperation."""

    def read(self, routed: Routed, head: RequestHead, body: bytes) -> dict[str, Any]:
        """The input as Python values. Raises MalformedRequest."""

    def write(self, operation: str, output: Mapping[str, Any], request_id: str) -> Answer:
        """The output on the wire."""

    def write_failure(self, failure: Failure, request_id: str) -> Answer:
        """An error on the wire."""


class ProtocolFactory(Protocol):
    """Compiles a protocol for a service."""

    def __call__(self, model: ServiceModel) -> WireProtocol:
        """The protocol, ready to serve."""
