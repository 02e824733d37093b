"""`kokoa serve`: one role in this process, until SIGINT or SIGTERM."""

from typing import Literal

from kokoa.roles.serve import serve_role
from kokoa.roles.settings import load_settings

Role = Literal[
    "web",
    "edge",
    "gateway",
    "tenants",
    "catalog",
    "search",
    "inventory",
    "customers",
    "taxes",
    "shipping",
    "promotions",
    "carts",
    "payments",
    "orders",
    "functions",
    "host",
    "worker",
    "indexer",
    "data",
]


def serve(role: Role) -> None:
    """Run one role. Settings come from KOKOA_* variables (docs/reference/settings.md).

    `web` is edge, gateway, services and functions in one; the others are those parts alone. `data` is the embedded
    PostgreSQL and NATS, migrated. `host` runs functions in sandboxes; `worker` relays events; `indexer` keeps the
    search index, and gives way to all others.

    For example:
      kokoa serve data
      KOKOA_PORT=8080 kokoa serve edge
    """
    serve_role(role, load_settings())
