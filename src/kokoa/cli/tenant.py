"""`kokoa tenant`: tenants and their environments."""

from cyclopts import App

from kokoa.cli.api import OperatorClient
from kokoa.cli.show import show

tenant = App(name="tenant", help_format="plaintext", help="Tenants and their environments (operator).")


@tenant.command(name="list")
def list_tenants(*, json: bool = False) -> None:
    """Every tenant with its environments.

    For example: kokoa tenant list --json
    """
    columns = {
        "tenant": "TENANT",
        "environment": "ENVIRONMENT",
        "domains": "DOMAINS",
        "requests_per_window": "REQUESTS / 10 s",
    }
    rows = OperatorClient().request("GET", "/tenants")
    show(rows, columns, as_json=json, empty="No tenant yet. `kokoa tenant create NAME` makes one.")


@tenant.command
def create(name: str, *, environment: str = "prod") -> None:
    """Make a tenant, or another environment of one. Its secrets are shown this once.

    For example: kokoa tenant create boeing --environment dev
    """
    made = OperatorClient().request("POST", "/tenants", {"tenant": name, "environment": environment})
    _print_secrets(made)


@tenant.command
def rotate_secrets(name: str, *, environment: str = "prod") -> None:
    """New secrets for an environment; the old ones end within a second.

    For example: kokoa tenant rotate-secrets boeing
    """
    client = OperatorClient()
    _print_secrets(client.request("POST", f"{client.environment(name, environment)}/secrets", {}))


@tenant.command
def add_domain(name: str, domain: str, *, environment: str = "prod") -> None:
    """Let a domain lead to an environment.

    For example: kokoa tenant add-domain boeing shop.example.com
    """
    client = OperatorClient()
    made = client.request("POST", f"{client.environment(name, environment)}/domains", {"domain": domain})
    print(f"{made['domain']} leads to {name}/{environment}.")


@tenant.command
def limit(name: str, requests: int, *, environment: str = "prod") -> None:
    """How many requests an environment may make in each window of 10 seconds.

    For example: kokoa tenant limit boeing 2000
    """
    client = OperatorClient()
    client.request("PUT", f"{client.environment(name, environment)}/rate-limit", {"requests": requests})
    print(f"{name}/{environment} may make {requests} requests in 10 s.")


def _print_secrets(made: dict[str, str]) -> None:
    print(f"# {made['tenant']}/{made['environment']}: keep these, they are not shown again")
    print(f"X-Tenant-ID: {made['tenant']}")
    print(f"X-Tenant-Secret: {made['tenant_secret']}")
    print(f"X-GraphQL-Secret: {made['graphql_secret']}")
