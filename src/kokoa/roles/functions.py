"""The functions' control plane: its AWS endpoint, its dispatcher, and what the edge asks of it."""

import platform as machine
from collections.abc import Sequence
from uuid import uuid4

import msgspec
import obstore.store
from starlette.types import ASGIApp

from kokoa.edge.extensions import FunctionAnswer
from kokoa.edge.model import ExtensionRoute, RouteTableInput
from kokoa.edge.routes import place
from kokoa.functions.aws.app import create_aws_app
from kokoa.functions.aws.services import aws_services
from kokoa.functions.control.access import AccessKey, Account
from kokoa.functions.control.code_store import ObjectCodeStore
from kokoa.functions.control.credentials import Sessions
from kokoa.functions.control.events import FunctionChanged
from kokoa.functions.control.fresh import Fresh
from kokoa.functions.control.names import FunctionRef, parse_function
from kokoa.functions.control.placement import Placement
from kokoa.functions.control.service import control_plane
from kokoa.functions.dispatch import Dispatcher
from kokoa.functions.host.client import HostClient
from kokoa.kernel.call import Call
from kokoa.postgres import Envelope
from kokoa.roles.platform import Platform
from kokoa.roles.seams import Directory, Functions
from kokoa.roles.settings import Settings

_ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
_ARN_ACCOUNT = 4


class FunctionsPart:
    """Everything of the control plane in this process. Implements kokoa.roles.seams.Functions."""

    def __init__(self, platform: Platform, directory: Directory) -> None:
        settings = platform.settings
        self._host = HostClient(settings.socket)
        sessions = Sessions(platform.vault.derive("function-sessions"))
        self._plane = control_plane(
            platform.databases["functions"],
            platform.vault,
            code_store(settings),
            StorePlacement(self, directory, settings.url),
            changed=self._changed,
        )
        self._dispatcher = Dispatcher(
            functions=self._plane.functions,
            accounts=directory,
            sessions=sessions,
            host=self._host,
            sign=platform.tokens.sign,
            region=settings.region,
        )
        self._aws = create_aws_app(
            aws_services(
                self._plane,
                self._dispatcher,
                architecture=_ARCHITECTURES[machine.machine()],
                concurrency=settings.account_concurrency,
            ),
            keys=FreshKeys(directory),
            sessions=sessions,
            calls=platform.tokens,
        )

    @property
    def aws(self) -> ASGIApp:
        """The AWS endpoint."""
        return self._aws

    async def close(self) -> None:
        await self._host.close()

    async def routes_of(self, environment_id: str) -> list[ExtensionRoute]:
        """The edge's form of the routes; `partner` stays empty, for tenants knows it."""
        return [
            ExtensionRoute(partner="", **msgspec.structs.asdict(route))
            for route in await self._plane.routes.routes_of(environment_id)
        ]

    async def invoke(self, call: Call, function_arn: str, payload: bytes) -> FunctionAnswer:
        """For the edge. The account is the ARN's own: the route table says whose it is."""
        request_id = str(uuid4())
        reference = _reference(function_arn)
        invocation = await self._dispatcher.invoke(call, reference, payload, request_id=request_id)
        return FunctionAnswer(invocation.payload, invocation.function_error, request_id)

    async def ready(self) -> bool:
        """Raises HostUnavailable when no function host answers."""
        await self._host.ping()
        return True

    async def heard(self, _: str, payload: bytes) -> None:
        """A notice that something of this control plane changed, in this process or another.

        The first notice of a change comes at once and is empty; the one with the event follows.
        """
        if not payload:
            return
        envelope = msgspec.json.decode(payload, type=Envelope)
        if "function_name" in envelope.data:
            changed = msgspec.convert(envelope.data, FunctionChanged)
            self._dispatcher.forget(envelope.environment_id, changed.account_id, changed.function_name)

    def _changed(self, environment_id: str, account_id: str, name: str) -> None:
        self._dispatcher.forget(environment_id, account_id, name)


async def open_functions_part(platform: Platform, directory: Directory) -> FunctionsPart:
    """It hears of changes in other processes until the platform closes."""
    functions = FunctionsPart(platform, directory)
    platform.stack.push_async_callback(functions.close)
    await platform.bus.listen("changed.functions.*", functions.heard)
    return functions


class FreshKeys:
    """Access keys by id, remembered for less than a second, so that revocation works within one."""

    def __init__(self, directory: Directory) -> None:
        self._keys: Fresh[str, AccessKey | None] = Fresh(directory.access_key)

    async def find(self, access_key_id: str) -> AccessKey | None:
        return await self._keys.get(access_key_id)


class StorePlacement:
    """Implements the control plane's RoutePlacement by the edge's rules."""

    def __init__(self, functions: Functions, directory: Directory, base_url: str) -> None:
        self._functions = functions
        self._directory = directory
        self._base_url = base_url

    async def place(self, account: Account, api_id: str, api_name: str, route_keys: Sequence[str]) -> Placement:
        """Raises RouteTaken, which names the extension that holds a granted route already."""
        source = await load_routes(self._functions, self._directory, account.environment_id)
        placed = place(
            source,
            account_id=account.account_id,
            api_id=api_id,
            api_name=api_name,
            route_keys=route_keys,
            base_url=self._base_url,
        )
        return Placement(placed.endpoint, placed.root_paths, placed.note)


async def load_routes(functions: Functions, directory: Directory, environment_id: str) -> RouteTableInput:
    """What decides an environment's routes, with the partners' names."""
    partners = await directory.partners(environment_id)
    routes = await functions.routes_of(environment_id)
    named = [msgspec.structs.replace(route, partner=partners.get(route.account_id, "")) for route in routes]
    return RouteTableInput(tuple(named), tuple(await directory.grants(environment_id)))


def code_store(settings: Settings) -> ObjectCodeStore:
    """Where function packages are: KOKOA_CODE_URL, else a folder of the state folder."""
    if settings.code_url:
        return ObjectCodeStore(obstore.store.from_url(settings.code_url))
    folder = settings.state_dir / "objects"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return ObjectCodeStore.in_folder(folder)


def _reference(function_arn: str) -> FunctionRef:
    return parse_function(function_arn, account_id=function_arn.split(":")[_ARN_ACCOUNT])
