"""The wiring of the control plane: what reads, what changes, what is followed; nothing else constructs them."""

import msgspec

from kokoa.functions.control.actions import Changed, FunctionActions
from kokoa.functions.control.api_actions import ApiActions
from kokoa.functions.control.code_store import CodeStore
from kokoa.functions.control.logs import FunctionLogs
from kokoa.functions.control.placement import RoutePlacement
from kokoa.functions.control.routes import ExtensionRoutes
from kokoa.functions.control.store import ApiStore, FunctionStore
from kokoa.postgres import Database
from kokoa.postgres.vault import Vault


class ControlPlane(msgspec.Struct, frozen=True):
    """The control plane's rooms."""

    functions: FunctionStore
    function_actions: FunctionActions
    apis: ApiStore
    api_actions: ApiActions
    routes: ExtensionRoutes
    logs: FunctionLogs


def control_plane(
    database: Database, vault: Vault, code: CodeStore, placement: RoutePlacement, *, changed: Changed
) -> ControlPlane:
    """database: of the schema `functions`.  changed: told at once when this process changes a function."""
    return ControlPlane(
        functions=FunctionStore(database, vault),
        function_actions=FunctionActions(database, vault, code, changed=changed),
        apis=ApiStore(database),
        api_actions=ApiActions(database, placement),
        routes=ExtensionRoutes(database),
        logs=FunctionLogs(database),
    )
