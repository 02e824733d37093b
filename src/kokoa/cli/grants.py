"""`kokoa grants`: what an environment's owner lets partners take at the root of the domain."""

from cyclopts import App

from kokoa.cli.api import OperatorClient
from kokoa.cli.show import show

grants = App(
    name="grants",
    help_format="plaintext",
    help="Paths that partners may serve at the root of a store's domain (operator).",
)


@grants.command(name="list")
def list_grants(*, tenant: str, environment: str = "prod", json: bool = False) -> None:
    """The grants of an environment.

    For example: kokoa grants list --tenant demo
    """
    client = OperatorClient()
    rows = client.request("GET", f"{client.environment(tenant, environment)}/grants")
    columns = {"partner": "PARTNER", "account_id": "ACCOUNT", "kind": "KIND", "pattern": "PATTERN"}
    empty = "No grant yet: partners' routes are served below /ext/ only."
    show(rows, columns, as_json=json, empty=empty)


@grants.command
def add(partner: str, pattern: str, *, tenant: str, environment: str = "prod") -> None:
    """Let a partner's routes take paths at the root: one path, or a path with /* at its end.

    For example: kokoa grants add acme '/api/*' --tenant boeing
    """
    client = OperatorClient()
    body = {"partner": partner, "pattern": pattern}
    client.request("POST", f"{client.environment(tenant, environment)}/grants", body)
    print(f"{partner} may serve {pattern} in {tenant}/{environment}.")


@grants.command
def revoke(partner: str, pattern: str, *, tenant: str, environment: str = "prod") -> None:
    """Take a grant back; native answers return within a second.

    For example: kokoa grants revoke acme '/api/*' --tenant boeing
    """
    client = OperatorClient()
    body = {"partner": partner, "pattern": pattern}
    client.request("DELETE", f"{client.environment(tenant, environment)}/grants", body)
    print(f"{partner} may no longer serve {pattern} in {tenant}/{environment}.")
