"""Write docs/reference/rest.md from the native routes themselves; `--check` only says whether it is current."""

import sys
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from kokoa.edge.native.operations import NativeOperation, Parameter, load_operations

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "rest.md"
HEAD = """# REST routes

<!-- Written by tools/rest_page.py. Change the files in src/kokoa/edge/native/operations/, then run it again. -->

What the GraphQL API does, with URLs: each route is an operation of the graph, with the same rules, prices and
overrides. `GET /openapi.json` describes all of them with their types. [Partners may take each of them
over](../explanation/edge.md#routes).

- **Who asks**: the same headers as for `/graphql`: `X-Tenant-ID` (or the store's domain) for a shopper, with
  `Authorization: Bearer` and the access token for one who is signed in; with both secrets for a server. Routes that
  say *Management* take the secrets.
- **Bodies** are JSON objects of at most 2,000,000 bytes with `Content-Type: application/json`. Members that a route
  does not know are refused, and so are query parameters.
- **`Idempotency-Key`**: a request with the same key is done once. Where the table has it with an asterisk it is
  needed.
- **`If-Match: "7"`**: the `version` that the thing has when the request was thought of; when it has another one by
  now, the answer is 409 with a code such as `CART_CHANGED`.
- **`X-Cart-Token`** opens an anonymous cart, and what was ordered of it.
- **Answers** are the thing itself, amounts in minor units. 201 says in `Location` where it is.
- **Problems** are `application/problem+json` with a [code](errors.md), and `field`: where in the request it is,
  such as `lines.0.quantity` or `if-match`. 400 the request is wrong, 401 nobody is signed in, 403 not allowed, 404
  not there or not the caller's, 409 the thing is not as the request assumes (changed, frozen, a key used
  for something else), 413 and 415 the body, 429 and 503 with `Retry-After`. An answer of 502 or 503 says nothing of
  whether it was done: ask again with the same key.

A placement that was refused is an answer with `state: "REFUSED"` and no problem, since it happened; so are requests
to payment providers.

`*` marks what must be given.
"""


def page() -> str:
    """The page's text."""
    parts = [HEAD.strip()]
    operations = sorted(load_operations().values(), key=lambda one: (_room(one), one.key.path, one.key.method))
    for room, rows in groupby(operations, _room):
        lines = [f"## /api/{room}", "", "| route | takes | what |", "|---|---|---|", *map(_row, rows)]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _room(operation: NativeOperation) -> str:
    return operation.key.segments[1].text


def _row(operation: NativeOperation) -> str:
    takes = "; ".join(filter(None, (_takes(operation.parameters.values(), *way) for way in _WAYS)))
    return f"| `{operation.key.text}` | {takes} | {operation.summary} |"


_WAYS = (("header", ""), ("query", "query: "), ("body", "body: "))
_HEADERS = {"if-match": "If-Match", "idempotency-key": "Idempotency-Key", "x-cart-token": "X-Cart-Token"}


def _takes(parameters: Iterable[Parameter], source: str, title: str) -> str:
    names = [
        f"`{_HEADERS.get(one.shown, one.shown)}`{'*' if one.required else ''}"
        for one in parameters
        if one.source == source
    ]
    return title + ", ".join(names) if names else ""


def main() -> None:
    """Write the page, or compare."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page())
    elif PAGE.read_text() != page():
        sys.exit(f"{PAGE} is not current: run python tools/rest_page.py")


if __name__ == "__main__":
    main()
