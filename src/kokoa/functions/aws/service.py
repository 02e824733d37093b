"""One AWS service as the server runs it: botocore's model, its wire protocol, its errors and a provider."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import ServiceModel

from kokoa.functions.aws.constraints import Constraints
from kokoa.functions.aws.errors import ErrorTable, OperationMissing
from kokoa.functions.aws.protocols.json_rpc import JsonRpc
from kokoa.functions.aws.protocols.protocol import ProtocolFactory, WireProtocol
from kokoa.functions.aws.protocols.query import Query
from kokoa.functions.aws.protocols.rest_json import RestJson
from kokoa.functions.control.access import AccessKey
from kokoa.kernel.call import Call

BODY_DEFAULT_MAX: Final = 1_048_576

PROTOCOLS: Final[Mapping[str, ProtocolFactory]] = {"rest-json": RestJson, "json": JsonRpc, "query": Query}


class RequestContext(msgspec.Struct, frozen=True):
    """Who asks for what.  endpoint: the address the client used, such as http://127.0.0.1:8080."""

    key: AccessKey
    service: str
    operation: str
    region: str
    request_id: str
    endpoint: str
    call: Call

    @property
    def environment_id(self) -> str:
        """The environment that the key decides."""
        return self.key.environment_id

    @property
    def account_id(self) -> str:
        """The account that the key belongs to."""
        return self.key.account_id


Operation = Callable[[RequestContext, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


class ServiceDefinition(msgspec.Struct, frozen=True):
    """A service as its folder declares it.

    name: as botocore calls it.  title: as people call it.  path_prefix: for services that share a signing name.
    body_limits: operation → bytes, where BODY_DEFAULT_MAX is not right.
    unchecked: operation → members whose constraints the provider checks with better messages than the model's.
    """

    name: str
    title: str
    errors: ErrorTable
    path_prefix: str = ""
    body_limits: Mapping[str, int] = {}
    unchecked: Mapping[str, tuple[str, ...]] = {}


class AwsService:
    """A service that is ready to serve."""

    def __init__(self, definition: ServiceDefinition, provider: object) -> None:
        model = load_model(definition.name)
        self.definition = definition
        self.signing_name = str(model.signing_name)
        self.target_prefix = str(model.metadata.get("targetPrefix", ""))
        self.protocol: WireProtocol = PROTOCOLS[model.protocol](model)
        self.operation_names = tuple(model.operation_names)
        self._operations = _operations(provider, self.operation_names)
        self._validators: dict[str, Callable[[Any], None]] = {}
        constraints = Constraints()
        for name in self._operations:
            shape = model.operation_model(name).input_shape
            if shape is not None:
                unchecked = definition.unchecked.get(name, ())
                self._validators[name] = constraints.validator(shape, unchecked=unchecked)

    def body_limit(self, operation: str) -> int:
        """How large the body of an operation may be, in bytes."""
        return self.definition.body_limits.get(operation, BODY_DEFAULT_MAX)

    def implemented(self) -> tuple[str, ...]:
        """The operations that the provider has, in alphabetical order."""
        return tuple(sorted(self._operations))

    def require(self, operation: str) -> Operation:
        """The provider's method. Raises OperationMissing."""
        method = self._operations.get(operation)
        if method is None:
            raise OperationMissing(
                f"Kokoa does not have {operation} of {self.definition.title} yet. "
                "docs/reference/aws-api.md lists the operations that it has."
            )
        return method

    def validate(self, operation: str, request: Mapping[str, Any]) -> None:
        """Check the input by the model. Raises ModelViolation."""
        validator = self._validators.get(operation)
        if validator is not None:
            validator(request)


def load_model(name: str) -> ServiceModel:
    """A service model out of botocore's own data; a user's ~/.aws/models must not change a server."""
    loader = Loader(
        extra_search_paths=[Loader.BUILTIN_DATA_PATH],
        include_default_search_paths=False,
    )
    return ServiceModel(loader.load_service_model(name, "service-2"), service_name=name)


def _operations(provider: object, names: tuple[str, ...]) -> dict[str, Operation]:
    found = {}
    for name in names:
        method = getattr(provider, xform_name(name), None)
        if method is not None:
            found[name] = method
    return found
