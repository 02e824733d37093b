"""`kokoa grants`: what an environment's owner lets partners take of paths and of the graph."""

from cyclopts import App

from kokoa.cli.api import OperatorClient
from kokoa.cli.show import show

grants = App(
    name="grants",
    help_format="plaintext",
    help="What partners may take of a store: paths at the root of its domain, parts of its graph (operator).",
)


@grants.command(name="list")
def list_grants(*, tenant: str, environment: str = "prod", json: bool = False) -> None:
    """The grants of an environment.

    For example: kokoa grants list --tenant demo
    """
    client = OperatorClient()
    rows = client.request("GET", f"{client.environment(tenant, environment)}/grants")
    columns = {"partner": "PARTNER", "account_id": "ACCOUNT", "kind": "KIND", "pattern": "PATTERN"}
    empty = "No grant yet: partners' routes are served below /ext/ only, and the graph is the store's own."
    show(rows, columns, as_json=json, empty=empty)


@grants.command
def add(partner: str, pattern: str, *, tenant: str, environment: str = "prod") -> None:
    """Let a partner's routes take paths at the root (one path, or a path with /* at its end), or its subgraphs parts
    of the graph (a type, a field, or all fields of a type).

    For example: kokoa grants add acme '/api/*' --tenant boeing

    For example: kokoa grants add acme Product.price --tenant boeing
    """
    client = OperatorClient()
    body = {"partner": partner, "pattern": pattern}
    client.request("POST", f"{client.environment(tenant, environment)}/grants", body)
    what = "serve" if pattern.startswith(("/", "$")) else "have"
    print(f"{partner} may {what} {pattern} in {tenant}/{environment}.")


@grants.command
def revoke(partner: str, pattern: str, *, tenant: str, environment: str = "prod") -> None:
    """Take a grant back; native answers return within a second. What a live subgraph needs is withdrawn first.

    For example: kokoa grants revoke acme '/api/*' --tenant boeing
    """
    client = OperatorClient()
    body = {"partner": partner, "pattern": pattern}
    client.request("DELETE", f"{client.environment(tenant, environment)}/grants", body)
    what = "serve" if pattern.startswith(("/", "$")) else "have"
    print(f"{partner} may no longer {what} {pattern} in {tenant}/{environment}.")
