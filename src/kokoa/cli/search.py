"""`kokoa search`: the index of a store."""

import time
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import Progress

from kokoa.cli.api import OperatorClient
from kokoa.cli.show import show
from kokoa.kernel.errors import Unavailable

_POLL_S = 0.5

search = App(name="search", help_format="plaintext", help="The search index of a store (operator).")


class RebuildStuck(Unavailable):
    """The index is not being built: no indexer has looked at a product for a long time."""


@search.command
def rebuild(
    *,
    tenant: str,
    environment: str = "prod",
    language: Annotated[
        str | None, Parameter(help="english, german, finnish, …; simple: words as they are. Kept from then on.")
    ] = None,
    wait: Annotated[bool, Parameter(help="Wait until the new index serves.")] = True,
    patience: Annotated[float, Parameter(help="How many seconds to wait for an indexer that does nothing.")] = 120.0,
) -> None:
    """Build the index of an environment anew. The old one serves until the new one is complete.

    Changes are found all the while. An indexer that is killed goes on where it was; Ctrl-C does not end the rebuild.

    For example: kokoa search rebuild --tenant boeing --language english
    """
    client = OperatorClient()
    path = f"{client.environment(tenant, environment)}/search"
    status = client.request("POST", f"{path}/rebuild", {"language": language})
    if wait:
        status = _wait(client, path, status, patience)
        print(
            f"{status['documents']} products are in the new index of {tenant}/{environment} ({status['language']})."
        )
    else:
        print(f"The index of {tenant}/{environment} is being built anew; `kokoa search status` tells how far it is.")


@search.command
def status(*, tenant: str, environment: str = "prod", json: bool = False) -> None:
    """How full the index is and its language, how many changed products wait, how long the last one took to be found.

    And whether another index is being built.

    For example: kokoa search status --tenant boeing
    """
    client = OperatorClient()
    found = client.request("GET", f"{client.environment(tenant, environment)}/search")
    found["building"] = found["rebuild"] and found["rebuild"]["done"]
    columns = {
        "documents": "PRODUCTS",
        "generation": "GENERATION",
        "language": "LANGUAGE",
        "waiting": "WAITING",
        "lagSeconds": "LAG (S)",
        "indexedAt": "LAST CHANGE",
        "building": "BUILT ANEW",
    }
    show([found], columns, as_json=json, empty="")


def _wait(client: OperatorClient, path: str, status: Any, patience_s: float) -> Any:
    """The status when nothing is building any more. Raises RebuildStuck."""
    expected = status["documents"]
    seen, moved_at = 0, time.monotonic()
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Indexing", total=expected or None)
        while status["rebuild"]:
            done = status["rebuild"]["done"]
            if done != seen:
                seen, moved_at = done, time.monotonic()
            if time.monotonic() - moved_at > patience_s:
                raise RebuildStuck(
                    f"The new index does not grow since {patience_s:.0f} s, at {seen} products. "
                    "Is an indexer running? The old index serves; the rebuild goes on when one does."
                )
            bar.update(task, completed=done, total=max(expected, done) or None)
            time.sleep(_POLL_S)
            status = client.request("GET", path)
    return status
