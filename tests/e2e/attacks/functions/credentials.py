"""Uses its own temporary keys on what is another account's. event: [service, operation, arguments] each."""

import json
import os
from typing import Any

import boto3
import botocore.exceptions


def ask(service: str, operation: str, arguments: dict[str, Any], **more: str) -> Any:
    """What the endpoint answers, or its error's code."""
    try:
        answer = getattr(boto3.client(service, **more), operation)(**arguments)
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"]
    answer.pop("ResponseMetadata")
    return json.loads(json.dumps(answer, default=str))


def handler(event: Any, context: Any) -> Any:
    """The answers, and its own keys and variables."""
    return {"answers": [ask(*each) for each in event], "environment": dict(os.environ)}
