"""SQL lives in `.sql` files; every statement has a name and says what it is for.

-- name: products_page
-- A page of an environment's products, newest first.
SELECT … FROM products WHERE environment_id = $1 …;
"""

import re
from collections.abc import Iterator
from pathlib import Path

_NAME = re.compile(r"^-- name: ([a-z][a-z0-9_]*)\s*$", re.MULTILINE)


class QueryFileInvalid(ValueError):
    """A `.sql` file does not follow the form above; this is a programming error."""


class Queries:
    """The statements of one file, as attributes."""

    def __init__(self, statements: dict[str, str], source: str) -> None:
        self._statements = statements
        self._source = source

    def __getattr__(self, name: str) -> str:
        try:
            return self._statements[name]
        except KeyError:
            raise AttributeError(f"{self._source} has no statement named {name!r}") from None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._statements.items())


def load_queries(path: Path) -> Queries:
    """Read and check a file of named statements. Raises QueryFileInvalid."""
    parts = _NAME.split(path.read_text())
    if parts[0].strip() and not all(line.startswith("--") or not line for line in parts[0].splitlines()):
        raise QueryFileInvalid(f"{path.name}: text stands before the first '-- name:' line")
    statements: dict[str, str] = {}
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        lines = text.strip().splitlines()
        if not lines or not lines[0].startswith("-- "):
            raise QueryFileInvalid(f"{path.name}: statement {name!r} does not say what it is for")
        if name in statements:
            raise QueryFileInvalid(f"{path.name}: two statements are named {name!r}")
        body = "\n".join(line for line in lines if not line.startswith("--")).strip().rstrip(";")
        statements[name] = f"/* {name} */ {body}"
    return Queries(statements, path.name)
