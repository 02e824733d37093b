"""What an answer of the graph tells caches: `Cache-Control`, and by what they must tell requests apart.

The store and the caller are in headers, so a shared cache must never keep an answer by its URL alone.
"""

from kokoa.graphql import ExecutionResult

_ASKED_BY = "authorization, x-tenant-id, x-environment, x-tenant-secret, x-graphql-secret, x-kokoa-call"

UNCACHED = "no-cache"


def cache_headers(result: ExecutionResult | None, vary: str = "") -> dict[str, str]:
    """result: None where nothing was executed.  vary: by what else the answer differs."""
    allowed = result.cache_control if result is not None else None
    if allowed is None or not allowed.max_age_s or (result is not None and result.errors):
        return {"cache-control": UNCACHED, **({"vary": vary} if vary else {})}
    scope = "private" if allowed.private else "public"
    differs = f"{vary}, {_ASKED_BY}" if vary else _ASKED_BY
    return {"cache-control": f"max-age={allowed.max_age_s}, {scope}", "vary": differs}
