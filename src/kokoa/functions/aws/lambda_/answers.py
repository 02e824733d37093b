"""From functions and permissions to the shapes that Lambda answers with."""

import base64
from collections.abc import Sequence
from typing import Any

import orjson

from kokoa.functions.control.model import Function, Permission
from kokoa.functions.control.names import LATEST, function_arn

Shape = dict[str, Any]


def configuration(function: Function, region: str, *, with_state: bool = True) -> Shape:
    """FunctionConfiguration.  with_state: not in lists, as AWS."""
    settings = function.settings
    shape: Shape = {
        "FunctionName": function.name,
        "FunctionArn": function_arn(region, function.account_id, function.name),
        "Runtime": settings.runtime,
        "Role": settings.role,
        "Handler": settings.handler,
        "CodeSize": function.code.size,
        "Description": settings.description,
        "Timeout": settings.timeout_s,
        "MemorySize": settings.memory_mb,
        "LastModified": function.modified_at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000",
        "CodeSha256": base64.b64encode(bytes.fromhex(function.code.sha256)).decode(),
        "Version": LATEST,
        "TracingConfig": {"Mode": "PassThrough"},
        "RevisionId": function.revision_id,
        "PackageType": "Zip",
        "Architectures": [settings.architecture],
        "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{function.name}"},
    }
    if settings.variables:
        shape["Environment"] = {"Variables": dict(settings.variables)}
    if with_state:
        shape |= {"State": function.state, "LastUpdateStatus": function.last_update_status}
    return shape


def statement(permission: Permission, resource: str) -> Shape:
    """A statement of a policy document."""
    conditions: Shape = {}
    if permission.source_account:
        conditions["StringEquals"] = {"AWS:SourceAccount": permission.source_account}
    if permission.source_arn:
        conditions["ArnLike"] = {"AWS:SourceArn": permission.source_arn}
    shape: Shape = {
        "Sid": permission.statement_id,
        "Effect": "Allow",
        "Principal": _principal(permission.principal),
        "Action": permission.action,
        "Resource": resource,
    }
    return shape | ({"Condition": conditions} if conditions else {})


def _principal(principal: str) -> str | Shape:
    if principal == "*":
        return "*"
    if principal.endswith(".amazonaws.com"):
        return {"Service": principal}
    return {"AWS": f"arn:aws:iam::{principal}:root" if principal.isdecimal() else principal}


def policy(permissions: Sequence[Permission], resource: str) -> str:
    """The policy document."""
    document = {
        "Version": "2012-10-17",
        "Id": "default",
        "Statement": [statement(permission, resource) for permission in permissions],
    }
    return orjson.dumps(document).decode()
