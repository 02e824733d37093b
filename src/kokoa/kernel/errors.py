"""The exception tree. An error states what happened; each rim (web, graphql, aws) translates it once.

    KokoaError
    ├── Invalid           the request is wrong and will stay wrong
    ├── Unauthenticated   we do not know who asks
    ├── Forbidden         we know who asks, and they may not
    ├── NotFound          there is no such thing in this environment
    ├── Conflict          the thing is not in the state the request assumes
    ├── Throttled         too much, too fast; try again after `retry_after_s`
    └── Unavailable       something we need does not answer; trying again may help

A service subclasses a kind; the class name is the public code (`CartNotFound` → `CART_NOT_FOUND`).
Anything that is not a KokoaError is a bug and shows as INTERNAL with a correlation id.
"""

import re
from typing import ClassVar

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class KokoaError(Exception):
    """message: for the caller.  detail: only for our log, never shown."""

    code: ClassVar[str] = "KOKOA_ERROR"

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.code = _WORD_START.sub("_", cls.__name__).upper()


class Invalid(KokoaError):
    """The request is wrong and will stay wrong.  field: a path such as `lines.0.quantity`, or empty."""

    def __init__(self, message: str, *, field: str = "", detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.field = field


class Unauthenticated(KokoaError):
    """We do not know who asks."""


class Forbidden(KokoaError):
    """We know who asks, and they may not."""


class NotFound(KokoaError):
    """There is no such thing in this environment."""


class Conflict(KokoaError):
    """The thing is not in the state that the request assumes."""


class Throttled(KokoaError):
    """Too much, too fast.  retry_after_s: when trying again makes sense, in seconds."""

    def __init__(self, message: str, *, retry_after_s: float = 1.0, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.retry_after_s = retry_after_s


class Unavailable(KokoaError):
    """Something we need does not answer; trying again may help."""


class DeadlineExceeded(Unavailable):
    """The call's deadline passed before an answer was there."""


KINDS: tuple[type[KokoaError], ...] = (
    Invalid,
    Unauthenticated,
    Forbidden,
    NotFound,
    Conflict,
    Throttled,
    Unavailable,
)


def kind_of(error: KokoaError) -> type[KokoaError]:
    """The kind that an error belongs to, for the tables at the rims."""
    return next(kind for kind in KINDS if isinstance(error, kind))
