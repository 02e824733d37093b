"""`kokoa operations`: GraphQL documents that clients may ask for by id."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import orjson
from cyclopts import App
from rich.progress import track

from kokoa.cli.api import OperatorClient
from kokoa.cli.show import show
from kokoa.kernel.errors import Invalid

BATCH = 200

operations = App(
    name="operations",
    help_format="plaintext",
    help="GraphQL documents that clients may ask for by id (operator).",
)


class UnreadableOperations(Invalid):
    """A file holds no documents in a form that we know."""


@operations.command
def register(*files: Path, tenant: str, environment: str = "prod") -> None:
    """Register documents. Registering the same ones again changes nothing; another text under a known id is refused.

    A .graphql file is one document, known by the SHA-256 of its text. A .json file is a manifest: either of Apollo's
    form ({"format": "apollo-persisted-query-manifest", ...}), or {"id": "document", ...} as GraphQL Code Generator
    and Relay write it. Every document is checked against the environment's graph first.

    For example: kokoa operations register persisted-documents.json --tenant boeing
    """
    found = {id_: text for file in files for id_, text in _documents(file)}
    if not found:
        raise UnreadableOperations("Name at least one file with documents, for example storefront.graphql.")
    client = OperatorClient()
    path = f"{client.environment(tenant, environment)}/operations"
    new = 0
    wanted = [{"id": id_, "document": text} for id_, text in found.items()]
    batches = [wanted[start : start + BATCH] for start in range(0, len(wanted), BATCH)]
    for batch in track(batches, "Registering", transient=True, disable=len(batches) == 1):
        new += client.request("POST", path, {"operations": batch})["new"]
    print(f"{len(found)} documents are registered in {tenant}/{environment}, {new} of them new.")


@operations.command(name="list")
def list_operations(*, tenant: str, environment: str = "prod", json: bool = False) -> None:
    """The registered documents of an environment, and whether storefronts may send others.

    For example: kokoa operations list --tenant boeing
    """
    client = OperatorClient()
    path = f"{client.environment(tenant, environment)}/operations"
    page = client.request("GET", path)
    rows = list(page["operations"])
    while page["operations"]:
        page = client.request("GET", f"{path}?after={quote(rows[-1]['id'])}")
        rows += page["operations"]
    columns = {"id": "ID", "digest": "SHA-256", "bytes": "BYTES", "registered_at": "REGISTERED"}
    show(rows, columns, as_json=json, empty="No document is registered.")
    if not json:
        print(f"Storefronts may send {'registered documents only' if page['registered_only'] else 'any document'}.")


@operations.command
def remove(operation: str, *, tenant: str, environment: str = "prod") -> None:
    """Forget a registered document; clients that still ask for it get PERSISTED_QUERY_NOT_FOUND.

    For example: kokoa operations remove product-page-v1 --tenant boeing
    """
    client = OperatorClient()
    client.request("DELETE", f"{client.environment(tenant, environment)}/operations/{quote(operation, safe='')}")
    print(f"{operation} is no longer registered in {tenant}/{environment}.")


@operations.command
def require(state: str, *, tenant: str, environment: str = "prod") -> None:
    """`on`: storefronts may send registered documents only; `off`: any document. Servers and partners always may.

    For example: kokoa operations require on --tenant boeing
    """
    if state not in {"on", "off"}:
        raise Invalid(f"Write `on` or `off`, not {state!r}.")
    client = OperatorClient()
    path = f"{client.environment(tenant, environment)}/operations"
    client.request("PUT", path, {"registered_only": state == "on"})
    what = "registered documents only" if state == "on" else "any document"
    print(f"Storefronts of {tenant}/{environment} may send {what}.")


def _documents(file: Path) -> Iterator[tuple[str, str]]:
    """(id, text) for each document of a file. Raises UnreadableOperations."""
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableOperations(f"{file} cannot be read: {error}.") from error
    if file.suffix != ".json":
        yield hashlib.sha256(text.encode()).hexdigest(), text
        return
    try:
        manifest = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise UnreadableOperations(f"{file} is not JSON: {error}.") from error
    entries = manifest
    if isinstance(manifest, dict) and isinstance(manifest.get("operations"), list):
        entries = {str(one.get("id")): one.get("body") for one in manifest["operations"] if isinstance(one, dict)}
    if not isinstance(entries, dict) or not all(isinstance(one, str) for one in entries.values()):
        raise UnreadableOperations(f'{file} is no manifest: it must be {{"id": "document", …}} or Apollo\'s form.')
    yield from entries.items()
