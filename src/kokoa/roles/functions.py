"""The functions' control plane: its AWS endpoint, its dispatcher, and what the edge asks of it."""

from collections.abc import Awaitable, Callable, Sequence

from starlette.types import ASGIApp

import kokoa.edge.routes.placement as edge_placement
from kokoa.edge.extensions import FunctionAnswer
from kokoa.edge.model import ExtensionRoute, Grant, RouteTableInput
from kokoa.functions.aws.app import AwsServices, create_aws_app
from kokoa.functions.aws.services import all_services
from kokoa.functions.control.access import AccessKey, Account
from kokoa.functions.control.code_store import ObjectCodeStore
from kokoa.functions.control.credentials import Sessions
from kokoa.functions.control.names import parse_function
from kokoa.functions.control.placement import Placement
from kokoa.functions.control.routes import ExtensionRoutes
from kokoa.functions.dispatch import Dispatcher
from kokoa.functions.host.client import HostClient
from kokoa.kernel.call import Call
from kokoa.roles.platform import Platform
from kokoa.roles.seams import Directory
