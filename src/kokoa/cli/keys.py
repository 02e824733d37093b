"""`kokoa keys`: access keys of partners' accounts. A key alone decides tenant, environment and partner."""

from cyclopts import App

from kokoa.cli.api import OperatorClient
from kokoa.cli.show import show

keys = App(name="keys", help_format="plaintext", help="AWS-style access keys of partners (operator).")


@keys.command(name="list")
def list_keys(partner: str, *, tenant: str, environment: str = "prod", json: bool = False) -> None:
    """The keys of a partner, without their secrets.

    For example: kokoa keys list acme --tenant boeing
    """
    client = OperatorClient()
    rows = client.request("GET", f"{client.environment(tenant, environment)}/partners/{partner}/keys")
    columns = {
        "access_key_id": "KEY",
        "account_id": "ACCOUNT",
        "created_at": "SINCE",
        "revoked_at": "REVOKED",
    }
    show(rows, columns, as_json=json, empty="No key yet. `kokoa keys create` makes one.")


@keys.command
def create(partner: str, *, tenant: str, environment: str = "prod") -> None:
    """Make a key, as lines for a shell. The secret is shown this once.

    For example: kokoa keys create acme --tenant boeing > acme.env
    """
    client = OperatorClient()
    made = client.request("POST", f"{client.environment(tenant, environment)}/partners/{partner}/keys", {})
    print(f"# {partner} in {tenant}/{environment}, account {made['account_id']}")
    print(f"export AWS_ACCESS_KEY_ID={made['access_key_id']}")
    print(f"export AWS_SECRET_ACCESS_KEY={made['secret_access_key']}")


@keys.command
def revoke(access_key_id: str, *, tenant: str, environment: str = "prod") -> None:
    """End a key, within a second.

    For example: kokoa keys revoke AKIA… --tenant boeing
    """
    client = OperatorClient()
    client.request("DELETE", f"{client.environment(tenant, environment)}/keys/{access_key_id}")
    print(f"{access_key_id} is revoked.")
