"""Write docs/reference/errors.md from the error classes themselves; `--check` only says whether it is current."""

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

import kokoa
from kokoa.kernel.errors import KINDS, KokoaError
from kokoa.web.problem import status_of_code

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "errors.md"
HEAD = """# Error codes

<!-- Written by tools/errors_page.py. Change the docstrings of the error classes, then run it again. -->

Every failure has a code that stays the same, and a message for people that may change. The code stands in

- a problem document (`application/problem+json`) as `code`, and in its `type` as `/problems/<code-with-hyphens>`;
- a GraphQL error as `extensions.code`; the HTTP status is then the one of GraphQL over HTTP, not the one below;
- for AWS's APIs in AWS's own words, which [aws-api.md](aws-api.md) lists.

Every answer carries its correlation id in the header `X-Correlation-Id`, problems also as `correlation_id`; quote it
to support, or give it to `kokoa logs FUNCTION --correlation-id`. A 503 and a 429 say in `Retry-After` when trying
again makes sense.

`INTERNAL` (500) is a bug of ours. Requests to `/graphql` that hold no GraphQL request are refused with `BAD_REQUEST`
(400), `NOT_ACCEPTABLE` (406), and `UNSUPPORTED_MEDIA_TYPE`, `METHOD_NOT_ALLOWED` and `PAYLOAD_TOO_LARGE` below.
"""


def error_classes() -> list[type[KokoaError]]:
    """Every error class of every module, by code."""
    for module in pkgutil.walk_packages(kokoa.__path__, "kokoa."):
        importlib.import_module(module.name)
    ours = (found for found in _below(KokoaError) if found.__module__.startswith("kokoa."))
    return sorted(set(ours), key=lambda error: (error.code, error.__module__))


def _below(error: type[KokoaError]) -> Iterator[type[KokoaError]]:
    for child in error.__subclasses__():
        yield child
        yield from _below(child)


def page() -> str:
    """The page's text."""
    parts = [HEAD]
    for kind in KINDS:
        rows = [_row(error) for error in error_classes() if issubclass(error, kind)]
        heading = f"## {kind.__name__}: {_purpose(kind)[:1].lower()}{_purpose(kind)[1:].rstrip('.')}"
        parts.append(
            "\n".join([heading, "", "| code | status | what happened | where |", "|---|---|---|---|", *rows])
        )
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _row(error: type[KokoaError]) -> str:
    where = error.__module__.removeprefix("kokoa.").rpartition(".")[0] or error.__module__.removeprefix("kokoa.")
    return f"| `{error.code}` | {status_of_code(error.code)} | {_purpose(error)} | {where} |"


def _purpose(error: type[KokoaError]) -> str:
    """The first sentence of the class's docstring."""
    line = (error.__doc__ or "").strip().partition("\n")[0]
    return line.partition(". ")[0].rstrip(".").replace("|", "\\|") + "."


def main() -> None:
    """Write the page, or compare."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page())
    elif PAGE.read_text() != page():
        sys.exit(f"{PAGE} is not current: run python tools/errors_page.py")


if __name__ == "__main__":
    main()
