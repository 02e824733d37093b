"""The native route by which payment providers say something by themselves.

What it means, and whether it is signed, is the payments service's matter: it gets the bytes as they came.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from starlette.types import Receive

from kokoa.edge.model import NativeRoute
from kokoa.kernel.call import Call
from kokoa.web.body import read_body
from kokoa.web.http import Request, Response

BODY_BYTES_MAX = 65_536

ROUTE = NativeRoute("POST", "/api/payments/webhooks/{provider}", "ReceivePaymentWebhook")

PATHS: dict[str, dict[str, Any]] = {
    ROUTE.path: {
        "post": {
            "operationId": ROUTE.operation,
            "summary": "What a payment provider says by itself, signed (Standard Webhooks, or Stripe-Signature).",
            "parameters": [{"name": "provider", "in": "path", "required": True, "schema": {"type": "string"}}],
            "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
            "responses": {
                "204": {"description": "It is taken in, or was before"},
                "default": {
                    "description": "A problem",
                    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
                },
            },
        }
    }
}
"""How `/openapi.json` describes it."""


class PaymentWebhooks(Protocol):
    """The payments service's entrance; `roles` fills it."""

    async def receive_webhook(
        self, environment_id: str, provider: str, headers: dict[str, str], body: bytes
    ) -> bool: ...


class PaymentWebhookRoute:
    """Answers the requests whose route is ROUTE."""

    def __init__(self, webhooks: PaymentWebhooks) -> None:
        self._webhooks = webhooks

    async def serve(self, request: Request, receive: Receive, call: Call, parameters: Mapping[str, str]) -> Response:
        """Raises PayloadTooLarge, HeaderSentTwice, and what the payments service raises."""
        body = await read_body(request, receive, limit_bytes=BODY_BYTES_MAX)
        headers: dict[str, str] = {}
        for name in {name for name, _ in request.headers if _signs(name)}:
            headers[name] = request.only(name) or ""
        await self._webhooks.receive_webhook(call.environment_id, parameters["provider"], headers, body)
        return Response(204, (("cache-control", "no-store"),))


def _signs(name: str) -> bool:
    """Whether the header may say who sent a webhook; no other leaves the edge."""
    return name.startswith("webhook-") or name.endswith("-signature")
