"""`kokoa partner`: who extends a store. One account for each (environment, partner)."""

from cyclopts import App

from kokoa.cli.api import OperatorClient
from kokoa.cli.show import show

partner = App(name="partner", help_format="plaintext", help="Partners and their accounts (operator).")


@partner.command(name="list")
def list_partners(*, tenant: str, environment: str = "prod", json: bool = False) -> None:
    """The partners of an environment.

    For example: kokoa partner list --tenant demo
    """
    client = OperatorClient()
    rows = client.request("GET", f"{client.environment(tenant, environment)}/partners")
    columns = {"partner": "PARTNER", "account_id": "ACCOUNT", "created_at": "SINCE"}
    show(rows, columns, as_json=json, empty="No partner yet. `kokoa partner add NAME --tenant …` adds one.")


@partner.command
def add(name: str, *, tenant: str, environment: str = "prod") -> None:
    """Give a partner an account in an environment.

    For example: kokoa partner add acme --tenant boeing --environment dev
    """
    client = OperatorClient()
    made = client.request("POST", f"{client.environment(tenant, environment)}/partners", {"partner": name})
    print(f"{made['partner']} has account {made['account_id']} in {tenant}/{environment}.")
    print(f"Next: kokoa keys create {name} --tenant {tenant} --environment {environment}")
