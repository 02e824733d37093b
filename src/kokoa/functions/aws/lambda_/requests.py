"""From Lambda's requests to settings, packages and permissions; what Kokoa does not have yet is refused by name."""

from collections.abc import Mapping
from typing import Any, Final

from kokoa.functions.aws.constraints import violation
from kokoa.functions.control.errors import FeatureMissing, InvalidFunction
from kokoa.functions.control.model import MEMORY_MAX_MB, TIMEOUT_MAX_S, Permission, Settings

EPHEMERAL_MB: Final = 512

# Member → what it asks for. A member that asks for nothing (an empty list, a default mode) is taken.
_MISSING: Final[Mapping[str, str]] = {
    "VpcConfig": "connecting functions to a VPC",
    "DeadLetterConfig": "dead-letter queues",
    "FileSystemConfigs": "file systems",
    "Layers": "layers",
    "ImageConfig": "container images",
    "CodeSigningConfigArn": "code signing",
    "SnapStart": "SnapStart",
    "TenancyConfig": "tenant isolation modes",
    "CapacityProviderConfig": "capacity providers",
    "DurableConfig": "durable functions",
    "AcceleratorConfig": "accelerators",
    "RuntimeConfig": "custom runtimes",
    "Publish": "publishing versions",
    "PublishTo": "publishing versions",
    "ImageUri": "container images",
    "S3Bucket": "code from S3",
    "S3ObjectVersion": "code from S3",
}
_DEFAULTS: Final = frozenset({"None", "", "Text", False})
_SETTINGS: Final[Mapping[str, str]] = {
    "Runtime": "runtime",
    "Handler": "handler",
    "Role": "role",
    "Description": "description",
    "Timeout": "timeout_s",
    "MemorySize": "memory_mb",
}


def refuse_missing(request: Mapping[str, Any]) -> None:
    """Raises FeatureMissing for the first member that asks for what Kokoa does not have."""
    for member, feature in _MISSING.items():
        if _asks(request.get(member)):
            raise FeatureMissing(f"{member}: Kokoa does not have {feature} yet.", field=member)
    if request.get("PackageType", "Zip") != "Zip":
        raise FeatureMissing("PackageType: Kokoa runs .zip packages, not container images.", field="PackageType")
    if request.get("EphemeralStorage", {}).get("Size", EPHEMERAL_MB) != EPHEMERAL_MB:
        raise FeatureMissing(
            f"EphemeralStorage: /tmp has {EPHEMERAL_MB} MB; other sizes are not there yet.", field="EphemeralStorage"
        )
    if _asks(request.get("LoggingConfig", {}).get("LogFormat")):
        raise FeatureMissing("LoggingConfig: only LogFormat Text is there yet.", field="LoggingConfig")


def _asks(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(_asks(item) for item in value.values())
    if isinstance(value, list):
        return bool(value)
    return value is not None and value not in _DEFAULTS


def settings_changes(request: Mapping[str, Any], architecture: str) -> dict[str, Any]:
    """The settings that a request names. Raises ModelViolation, InvalidFunction.

    architecture: what this store's hosts are; another cannot be asked for.
    """
    if request.get("Timeout", 1) > TIMEOUT_MAX_S:
        limit = f"Member must have value less than or equal to {TIMEOUT_MAX_S}"
        raise violation(request["Timeout"], "timeout", limit)
    if request.get("MemorySize", 128) > MEMORY_MAX_MB:
        limit = f"Member must have value less than or equal to {MEMORY_MAX_MB}"
        raise violation(request["MemorySize"], "memorySize", limit)
    changes = {field: request[member] for member, field in _SETTINGS.items() if member in request}
    if "Environment" in request:
        changes["variables"] = request["Environment"].get("Variables", {})
    if request.get("Architectures"):
        changes["architecture"] = require_architecture(request["Architectures"], architecture)
    return changes


def require_architecture(asked: list[str], architecture: str) -> str:
    """Raises InvalidFunction when the store's hosts are of another kind."""
    if asked != [architecture]:
        raise InvalidFunction(
            f"Architectures: the function hosts of this store are {architecture}, not {', '.join(asked)}.",
            field="Architectures",
        )
    return architecture


def new_settings(request: Mapping[str, Any], architecture: str) -> Settings:
    """The settings of a new function. Raises ModelViolation, InvalidFunction."""
    changes = settings_changes(request, architecture)
    return Settings(**{"runtime": "", "handler": "", "architecture": architecture, **changes})


def package_of(code: Mapping[str, Any]) -> bytes:
    """The zip that a request brings. Raises InvalidFunction."""
    package = code.get("ZipFile")
    if not isinstance(package, bytes):
        raise InvalidFunction("Please provide a source for function code (ZipFile).", field="code")
    return package


def permission_from(request: Mapping[str, Any]) -> Permission:
    """The statement that AddPermission describes. Raises FeatureMissing."""
    for member in ("PrincipalOrgID", "EventSourceToken", "FunctionUrlAuthType", "InvokedViaFunctionUrl"):
        if _asks(request.get(member)):
            raise FeatureMissing(f"{member}: Kokoa does not have this condition yet.", field=member)
    return Permission(
        statement_id=request["StatementId"],
        action=request["Action"],
        principal=request["Principal"],
        source_arn=request.get("SourceArn", ""),
        source_account=request.get("SourceAccount", ""),
    )
