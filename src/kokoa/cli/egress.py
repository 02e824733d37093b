"""`kokoa egress`: where the functions of an environment may connect to, beside the store itself."""

from cyclopts import App

from kokoa.cli.api import OperatorClient
from kokoa.cli.show import show

egress = App(
    name="egress",
    help_format="plaintext",
    help="Hosts that an environment's functions may connect to (operator). Without any, none.",
)


@egress.command(name="list")
def list_egress(*, tenant: str, environment: str = "prod", json: bool = False) -> None:
    """Where functions of an environment may connect to.

    For example: kokoa egress list --tenant boeing --environment dev
    """
    client = OperatorClient()
    rows = client.request("GET", f"{client.environment(tenant, environment)}/egress")
    empty = "Functions reach the store and nothing else. `kokoa egress allow HOST:PORT` lets them out."
    show(rows, {"host": "HOST", "port": "PORT"}, as_json=json, empty=empty)


@egress.command
def allow(destination: str, *, tenant: str, environment: str = "prod") -> None:
    """Let functions connect to HOST:PORT, from their next invocation on.

    TCP only; a host is a name or an IPv4 address, without wildcards. What a name leads to is looked up by the
    function host at each connection; it may not lead to that machine itself.

    For example: kokoa egress allow erp.example.com:443 --tenant boeing
    """
    client = OperatorClient()
    body = {"destination": destination}
    allowed = client.request("POST", f"{client.environment(tenant, environment)}/egress", body)
    print(f"Functions of {tenant}/{environment} may connect to {allowed['host']}:{allowed['port']}.")


@egress.command
def remove(destination: str, *, tenant: str, environment: str = "prod") -> None:
    """Take it back; sandboxes with the old list end before their next invocation.

    For example: kokoa egress remove erp.example.com:443 --tenant boeing
    """
    client = OperatorClient()
    client.request("DELETE", f"{client.environment(tenant, environment)}/egress", {"destination": destination})
    print(f"Functions of {tenant}/{environment} may no longer connect to {destination}.")
