"""GraphQL writes camelCase, Python snake_case: the one place that translates."""

import re
from functools import lru_cache

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@lru_cache(maxsize=8192)
def snake_case(name: str) -> str:
    """`retryAfterMs` → `retry_after_ms`; a leading underscore stays."""
    return _WORD_START.sub("_", name).lower()
