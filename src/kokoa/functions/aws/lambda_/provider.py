"""The operations of AWS Lambda that Kokoa has, one method each."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import orjson

from kokoa.functions.aws.lambda_.answers import configuration, policy, statement
from kokoa.functions.aws.lambda_.errors import InvalidRequestContent
from kokoa.functions.aws.lambda_.requests import (
    new_settings,
    package_of,
    permission_from,
    refuse_missing,
    require_architecture,
    settings_changes,
)
from kokoa.functions.aws.service import RequestContext
from kokoa.functions.control.actions import FunctionActions
from kokoa.functions.control.errors import FeatureMissing, InvalidFunction, PermissionNotFound
from kokoa.functions.control.model import CODE_STORAGE_BYTES_MAX, Function
from kokoa.functions.control.names import LATEST, FunctionRef, function_arn, parse_function
from kokoa.functions.control.store import FunctionStore
from kokoa.functions.dispatch import Dispatcher
from kokoa.functions.host.package import UNZIPPED_BYTES_MAX, ZIP_BYTES_MAX

PAGE_DEFAULT: Final = 50
CLIENT_CONTEXT_BYTES_MAX: Final = 3583

Request = Mapping[str, Any]
Output = Mapping[str, Any]


class LambdaProvider:
    """architecture: of this store's function hosts, x86_64 or arm64.

    concurrency: what an account may run at once.
    """

    def __init__(
        self,
        store: FunctionStore,
        actions: FunctionActions,
        dispatcher: Dispatcher,
        *,
        architecture: str,
        concurrency: int,
    ) -> None:
        self._store = store
        self._actions = actions
        self._dispatcher = dispatcher
        self._architecture = architecture
        self._concurrency = concurrency

    async def create_function(self, context: RequestContext, request: Request) -> Output:
        """CreateFunction, from a zip in the request. The role is kept and has no effect."""
        reference = _reference(context, request)
        refuse_missing(request)
        refuse_missing(request["Code"])
        function = await self._actions.create(
            context.environment_id,
            context.account_id,
            reference.name,
            new_settings(request, self._architecture),
            package_of(request["Code"]),
            request.get("Tags", {}),
            correlation_id=context.call.correlation_id,
        )
        return configuration(function, context.region)

    async def get_function(self, context: RequestContext, request: Request) -> Output:
        """GetFunction."""
        function = await self._find(context, request)
        return {
            "Configuration": configuration(function, context.region),
            "Code": {"RepositoryType": "S3"},
            "Tags": dict(function.tags) or None,
            "Concurrency": _concurrency(function) or None,
        }

    async def get_function_configuration(self, context: RequestContext, request: Request) -> Output:
        """GetFunctionConfiguration."""
        return configuration(await self._find(context, request), context.region)

    async def list_functions(self, context: RequestContext, request: Request) -> Output:
        """ListFunctions, by name; Marker is the last name of the page before."""
        limit = min(request.get("MaxItems", PAGE_DEFAULT), PAGE_DEFAULT)
        functions = await self._store.page(
            context.environment_id, context.account_id, after=request.get("Marker", ""), limit=limit + 1
        )
        page = functions[:limit]
        return {
            "Functions": [configuration(function, context.region, with_state=False) for function in page],
            "NextMarker": page[-1].name if len(functions) > limit else None,
        }

    async def update_function_code(self, context: RequestContext, request: Request) -> Output:
        """UpdateFunctionCode, from a zip in the request."""
        refuse_missing(request)
        architecture = ""
        if request.get("Architectures"):
            architecture = require_architecture(request["Architectures"], self._architecture)
        updated = await self._actions.update_code(
            await self._find(context, request),
            package_of(request),
            architecture=architecture,
            revision_id=request.get("RevisionId", ""),
            dry_run=request.get("DryRun", False),
            correlation_id=context.call.correlation_id,
        )
        return configuration(updated, context.region)

    async def update_function_configuration(self, context: RequestContext, request: Request) -> Output:
        """UpdateFunctionConfiguration: only what the request names changes."""
        refuse_missing(request)
        updated = await self._actions.update_settings(
            await self._find(context, request),
            settings_changes(request, self._architecture),
            revision_id=request.get("RevisionId", ""),
            correlation_id=context.call.correlation_id,
        )
        return configuration(updated, context.region)

    async def delete_function(self, context: RequestContext, request: Request) -> Output:
        """DeleteFunction."""
        if request.get("Qualifier") == LATEST:
            raise InvalidFunction("$LATEST version cannot be deleted without deleting the function.")
        name = _reference(context, request).name
        correlation_id = context.call.correlation_id
        await self._actions.delete(context.environment_id, context.account_id, name, correlation_id=correlation_id)
        return {"StatusCode": 204}

    async def put_function_concurrency(self, context: RequestContext, request: Request) -> Output:
        """PutFunctionConcurrency: at most so many at once; 0 turns the function off."""
        reserved = request["ReservedConcurrentExecutions"]
        function = await self._find(context, request)
        correlation_id = context.call.correlation_id
        await self._actions.reserve(function, reserved, limit=self._concurrency, correlation_id=correlation_id)
        return {"ReservedConcurrentExecutions": reserved}

    async def get_function_concurrency(self, context: RequestContext, request: Request) -> Output:
        """GetFunctionConcurrency; empty when the function has no bound of its own."""
        return _concurrency(await self._find(context, request))

    async def delete_function_concurrency(self, context: RequestContext, request: Request) -> Output:
        """DeleteFunctionConcurrency."""
        function = await self._find(context, request)
        correlation_id = context.call.correlation_id
        await self._actions.reserve(function, None, limit=self._concurrency, correlation_id=correlation_id)
        return {}

    async def add_permission(self, context: RequestContext, request: Request) -> Output:
        """AddPermission."""
        function = await self._find(context, request)
        permission = permission_from(request)
        await self._actions.add_permission(
            function,
            permission,
            revision_id=request.get("RevisionId", ""),
            correlation_id=context.call.correlation_id,
        )
        return {"Statement": orjson.dumps(statement(permission, _arn(context, function))).decode()}

    async def remove_permission(self, context: RequestContext, request: Request) -> Output:
        """RemovePermission."""
        await self._actions.remove_permission(
            await self._find(context, request),
            request["StatementId"],
            revision_id=request.get("RevisionId", ""),
            correlation_id=context.call.correlation_id,
        )
        return {}

    async def get_policy(self, context: RequestContext, request: Request) -> Output:
        """GetPolicy."""
        function = await self._find(context, request)
        permissions = await self._store.permissions(context.environment_id, context.account_id, function.name)
        if not permissions:
            raise PermissionNotFound("The resource you requested does not exist.")
        return {"Policy": policy(permissions, _arn(context, function)), "RevisionId": function.revision_id}

    async def invoke(self, context: RequestContext, request: Request) -> Output:
        """Invoke: RequestResponse and DryRun."""
        reference = _reference(context, request)
        kind = request.get("InvocationType", "RequestResponse")
        if kind == "Event":
            raise FeatureMissing(
                "InvocationType Event: Kokoa does not have asynchronous invocation yet. Use RequestResponse.",
                field="InvocationType",
            )
        if kind == "DryRun":
            await self._store.find(context.environment_id, context.account_id, reference.name)
            return {"StatusCode": 204}
        log_tail = request.get("LogType") == "Tail"
        invocation = await self._dispatcher.invoke(
            context.call,
            reference,
            _payload(request),
            log_tail=log_tail,
            client_context=_client_context(request),
            request_id=context.request_id,
        )
        return {
            "StatusCode": 200,
            "Payload": invocation.payload,
            "FunctionError": invocation.function_error,
            "ExecutedVersion": invocation.executed_version,
            "LogResult": base64.b64encode(invocation.log_tail).decode() if log_tail else None,
        }

    async def list_tags(self, context: RequestContext, request: Request) -> Output:
        """ListTags."""
        function = await self._find(context, request, member="Resource")
        return {"Tags": dict(function.tags)}

    async def tag_resource(self, context: RequestContext, request: Request) -> Output:
        """TagResource."""
        function = await self._find(context, request, member="Resource")
        await self._actions.change_tags(function, add=request["Tags"], remove=())
        return {}

    async def untag_resource(self, context: RequestContext, request: Request) -> Output:
        """UntagResource."""
        function = await self._find(context, request, member="Resource")
        await self._actions.change_tags(function, add={}, remove=request["TagKeys"])
        return {}

    async def get_account_settings(self, context: RequestContext, request: Request) -> Output:
        """GetAccountSettings."""
        functions, size = await self._store.storage(context.environment_id, context.account_id)
        reserved = await self._store.reserved_concurrency(context.environment_id, context.account_id)
        return {
            "AccountLimit": {
                "TotalCodeSize": CODE_STORAGE_BYTES_MAX,
                "CodeSizeUnzipped": UNZIPPED_BYTES_MAX,
                "CodeSizeZipped": ZIP_BYTES_MAX,
                "ConcurrentExecutions": self._concurrency,
                "UnreservedConcurrentExecutions": self._concurrency - reserved,
            },
            "AccountUsage": {"TotalCodeSize": size, "FunctionCount": functions},
        }

    async def _find(self, context: RequestContext, request: Request, member: str = "FunctionName") -> Function:
        reference = _reference(context, request, member)
        return await self._store.find(context.environment_id, context.account_id, reference.name)


def _reference(context: RequestContext, request: Request, member: str = "FunctionName") -> FunctionRef:
    return parse_function(request[member], account_id=context.account_id, qualifier=request.get("Qualifier", ""))


def _concurrency(function: Function) -> dict[str, int]:
    reserved = function.reserved_concurrency
    return {} if reserved is None else {"ReservedConcurrentExecutions": reserved}


def _arn(context: RequestContext, function: Function) -> str:
    return function_arn(context.region, function.account_id, function.name)


def _payload(request: Request) -> bytes:
    payload: bytes = request["Payload"] or b"{}"
    try:
        msgspec.json.decode(payload, type=msgspec.Raw)
    except msgspec.DecodeError as error:
        raise InvalidRequestContent(f"Could not parse request body into json: {error}") from None
    return payload


def _client_context(request: Request) -> str:
    encoded = request.get("ClientContext", "")
    if not encoded:
        return ""
    try:
        text = base64.b64decode(encoded, validate=True).decode()
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise InvalidRequestContent("Client context must be a valid Base64-encoded JSON object.") from None
    if len(encoded) > CLIENT_CONTEXT_BYTES_MAX:
        raise InvalidRequestContent(f"Client context must be no more than {CLIENT_CONTEXT_BYTES_MAX} bytes.")
    return text
