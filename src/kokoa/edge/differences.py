"""Where the answer of an override differs from the native one. Pure.

Two answers are equal when their statuses are, and their bodies as JSON values, or byte by byte where one is no JSON.
Of a native answer that is a problem only the status counts: nobody could give the same correlation id.
"""

from typing import Any, NamedTuple

import orjson

from kokoa.web.http import Response

JSON_BYTES_MAX = 1024 * 1024
_MISSING: Any = object()
_KEY_LENGTH_MAX = 64
_PATH_LENGTH_MAX = 400


class Difference(NamedTuple):
    """The first one.  reason: where.  native, other: what stands there in each; bytes where it is no JSON."""

    reason: str
    native: Any
    other: Any


def difference(native: Response, other: Response, *, head_only: bool = False) -> Difference | None:
    """None when the two are equal.  head_only: the request was HEAD, whose answers have no bodies."""
    if native.status != other.status:
        reason = f"status {other.status} instead of {native.status}"
        return Difference(reason, _shown(native.body), _shown(other.body))
    if head_only or _type_of(native) == "application/problem+json" or native.body == other.body:
        return None
    ours, theirs = _json_of(native.body), _json_of(other.body)
    if ours is _MISSING or theirs is _MISSING:
        reason = "the body is no JSON" if ours is not _MISSING else "the bodies differ"
        return Difference(reason, native.body, other.body)
    return _first_of(ours, theirs)


def _first_of(native: Any, other: Any) -> Difference | None:
    """Not recursive: JSON may be nested deeper than Python's stack is."""
    pending: list[tuple[str, Any, Any]] = [("", native, other)]
    while pending:
        path, ours, theirs = pending.pop()
        match ours, theirs:
            case dict(), dict():
                names = [*ours, *(name for name in theirs if name not in ours)]
                pending += [
                    (_below(path, name), ours.get(name, _MISSING), theirs.get(name, _MISSING))
                    for name in reversed(names)
                ]
            case list(), list():
                if len(ours) != len(theirs):
                    place = path or "the body"
                    return Difference(f"{place} has {len(theirs)} items instead of {len(ours)}", ours, theirs)
                pending += [
                    (_below(path, str(number)), ours[number], theirs[number]) for number in reversed(range(len(ours)))
                ]
            case _ if not _same(ours, theirs):
                return _difference_at(path or "the body", ours, theirs)
    return None


def _difference_at(place: str, native: Any, other: Any) -> Difference:
    if other is _MISSING:
        return Difference(f"{place} is missing", native, None)
    if native is _MISSING:
        return Difference(f"{place} is not in the native answer", None, other)
    return Difference(f"{place} differs", native, other)


def _same(native: Any, other: Any) -> bool:
    """As JSON has it: 1 is 1.0, and true is not 1."""
    if isinstance(native, bool) or isinstance(other, bool):
        return native is other
    return bool(native == other)


def _below(path: str, name: str) -> str:
    step = name if len(name) <= _KEY_LENGTH_MAX else name[: _KEY_LENGTH_MAX - 1] + "…"
    longer = f"{path}.{step}" if path else step
    return longer if len(longer) <= _PATH_LENGTH_MAX else "…" + longer[-_PATH_LENGTH_MAX:]


def _json_of(body: bytes) -> Any:
    """_MISSING for what is none, or too long to be looked into while others wait."""
    if len(body) > JSON_BYTES_MAX:
        return _MISSING
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _MISSING


def _shown(body: bytes) -> Any:
    found = _json_of(body)
    return body if found is _MISSING else found


def _type_of(response: Response) -> str:
    value = next((value for name, value in response.headers if name.lower() == "content-type"), "")
    return value.partition(";")[0].strip().lower()
