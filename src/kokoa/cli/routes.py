"""`kokoa routes`: what answers where."""

from cyclopts import App

from kokoa.cli.api import OperatorClient
from kokoa.cli.show import show

routes = App(
    name="routes", help_format="plaintext", help="Routes of a store: native, extensions', overridden (operator)."
)


@routes.command(name="list")
def list_routes(*, tenant: str, environment: str = "prod", json: bool = False) -> None:
    """Every route of an environment: who serves it, and who overrides it.

    For example: kokoa routes list --tenant demo
    """
    client = OperatorClient()
    rows = client.request("GET", f"{client.environment(tenant, environment)}/routes")
    columns = {
        "method": "METHOD",
        "path": "PATH",
        "kind": "KIND",
        "served_by": "SERVED BY",
        "overridden_by": "OVERRIDDEN BY",
        "note": "NOTE",
    }
    show(rows, columns, as_json=json, empty="No routes.")
