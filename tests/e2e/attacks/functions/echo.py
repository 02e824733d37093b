"""Returns all that it was given: the event, the context, the environment."""

import os
from typing import Any


def handler(event: Any, context: Any) -> Any:
    """As a body, when a route asked."""
    seen = {"event": event, "context": repr(vars(context)), "environment": dict(os.environ)}
    if not isinstance(event, dict) or "requestContext" not in event:
        return seen
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": __import__("json").dumps(seen),
    }
