"""Subgraphs of partners: their form, and what must be granted to whom. Pure.

A *need* is what a subgraph takes of the graph: a type that it defines (`Review`), or a part that it adds to a type of
others or takes over (`Product.price`). A *grant* is a type's name, a part, or all parts of a type (`Product.*`).
"""

import re
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from kokoa.services.tenants.errors import InvalidDestination, InvalidGrant
from kokoa.services.tenants.model import Destination, require_destination
from kokoa.services.tenants.subgraphs.errors import InvalidSubgraph

Target = Literal["fields", "function", "url"]
TARGETS: tuple[Target, ...] = ("fields", "function", "url")

SUBGRAPHS_MAX = 50  # live in an environment
NAMES_MAX = 200  # of an account, withdrawn ones too
VERSIONS_MAX = 10_000  # of a subgraph
SDL_BYTES_MAX = 1024 * 1024
LIVE_BYTES_MAX = 8 * 1024 * 1024  # live in an environment
TEXT_BYTES_MAX = 256 * 1024 * 1024  # of an account, over all versions
URL_LENGTH_MAX = 2_048
NAMED_MAX = 50
PARTNERS_MAX = 1_000

# The core services have these names, or may come to have them.
RESERVED_NAMES = frozenset(
    (
        "catalog",
        "carts",
        "checkout",
        "customers",
        "functions",
        "gateway",
        "inventory",
        "kokoa",
        "orders",
        "payments",
        "promotions",
        "search",
        "shipping",
        "taxes",
        "tenants",
    )
)
_NAME = re.compile(r"[a-z][a-z0-9-]{0,38}[a-z0-9]")
_FUNCTION = re.compile(r"[A-Za-z0-9_-]{1,64}(:[A-Za-z0-9_$-]{1,128})?")
# As everybody writes them: with a capital, so that a path that lacks its slash is no type.
_TYPE = re.compile(r"[A-Z][A-Za-z0-9_]{0,127}")
_MEMBER = re.compile(r"([A-Z][A-Za-z0-9_]{0,127})\.([A-Za-z][A-Za-z0-9_]{0,127}|\*)")
# Federation's own, GraphQL's own, and those that an environment's custom fields have.
_NEVER_GRANTED = re.compile(r"_.*|(federation|link|join|core)__.*|(String|Int|Float|Boolean|ID)")
_CUSTOM_FIELDS = re.compile(r"(Product|Variant|Category)Custom.*")


class Source(msgspec.Struct, frozen=True):
    """What is published. function: for targets `fields` and `function`.  url: for target `url`."""

    sdl: str
    target: Target
    function: str = ""
    url: str = ""

    @property
    def sha256(self) -> str:
        return sha256(self.sdl.encode()).hexdigest()


class Live(msgspec.Struct, frozen=True):
    """A subgraph that is live. sdl: empty where only its hash matters."""

    name: str
    account_id: str
    partner: str
    version: int
    sha256: str
    target: Target
    function: str
    url: str
    needs: tuple[str, ...]
    sdl: str = ""


class Subgraph(msgspec.Struct, frozen=True):
    """A subgraph without its text. version: the newest one, which may be its withdrawal (live is False then)."""

    name: str
    account_id: str
    partner: str
    version: int
    live: bool
    target: str
    function: str
    url: str
    sha256: str
    published_by: str
    published_at: datetime


class Version(msgspec.Struct, frozen=True):
    """One version without its text. sha256: empty for a withdrawal.  published_by: an access key, or `operator`."""

    version: int
    target: str
    function: str
    url: str
    sha256: str
    bytes: int
    published_by: str
    published_at: datetime


def require_name(name: str) -> str:
    """Raises InvalidSubgraph."""
    if not _NAME.fullmatch(name):
        raise InvalidSubgraph(
            f"{name[:80]!r} cannot be a subgraph's name: write 2 to 40 lower-case letters, digits and hyphens, the "
            "first one a letter.",
            field="name",
        )
    if name in RESERVED_NAMES:
        raise InvalidSubgraph(f"{name!r} is a name of Kokoa's own services. Choose another.", field="name")
    return name


def require_source(source: Source) -> Source:
    """Raises InvalidSubgraph."""
    size = len(source.sdl.encode("utf-8", "surrogatepass"))
    if not source.sdl.strip():
        raise InvalidSubgraph("The subgraph has no text.", field="sdl")
    if size > SDL_BYTES_MAX:
        raise InvalidSubgraph(f"The SDL has {size} bytes; at most {SDL_BYTES_MAX} are allowed.", field="sdl")
    if not source.sdl.isascii() and any("\ud800" <= one <= "\udfff" for one in source.sdl):
        raise InvalidSubgraph("The SDL is not text in UTF-8.", field="sdl")
    if "\0" in source.sdl:
        raise InvalidSubgraph("The SDL has a NUL character.", field="sdl")
    if source.target == "url":
        if source.function:
            raise InvalidSubgraph("A subgraph at a URL has no function: give one of the two.", field="function")
        destination_of(source.url)
        return source
    if source.url:
        raise InvalidSubgraph("A subgraph of a function has no URL: give one of the two.", field="url")
    if not _FUNCTION.fullmatch(source.function):
        raise InvalidSubgraph(
            f"{source.function[:80]!r} is no function's name: write the name of a function of your account, and an "
            "alias after a colon if you like, as in reviews:live.",
            field="function",
        )
    return source


def destination_of(url: str) -> Destination:
    """Where a subgraph's server is. Raises InvalidSubgraph."""
    wrong = f"{url[:200]!r} is not the address of a GraphQL server, such as https://reviews.example.com/graphql."
    if len(url) > URL_LENGTH_MAX or not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidSubgraph(wrong, field="url")
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise InvalidSubgraph(wrong, field="url") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidSubgraph(wrong, field="url")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InvalidSubgraph(f"{wrong} It has no user, no password and no fragment.", field="url")
    try:
        return require_destination(f"{parts.hostname}:{port}")
    except InvalidDestination as error:
        raise InvalidSubgraph(error.message, field="url") from None


def is_graph_pattern(pattern: str) -> bool:
    """Whether what an owner grants is a part of the graph; it is a route otherwise."""
    return "/" not in pattern and not pattern.startswith("$")


def require_graph_pattern(pattern: str) -> Literal["type", "field"]:
    """`Review`, `Product.price` or `Product.*`, and which kind of grant that is. Raises InvalidGrant."""
    member = _MEMBER.fullmatch(pattern)
    name = member[1] if member else pattern
    if not member and not _TYPE.fullmatch(pattern):
        raise InvalidGrant(
            f"{pattern[:80]!r} cannot be granted. Write a path (/api/search, /api/*), a type of the graph (Review), "
            "a field (Product.price, Query.recommended), or all fields of a type (Product.*).",
            field="pattern",
        )
    if _NEVER_GRANTED.fullmatch(name) or (member and member[2].startswith("_")):
        raise InvalidGrant(f"{pattern[:80]!r} is GraphQL's or federation's own: nobody can have it.", field="pattern")
    return "field" if member else "type"


def type_prefix(partner: str) -> str:
    """How the types begin that a partner may define without a grant: `AcmeLabs` for acme-labs."""
    return "".join(part[:1].upper() + part[1:] for part in partner.split("-"))


def ungranted(
    needs: Sequence[str], granted: Sequence[str], partner: str, others: Sequence[str] = ()
) -> tuple[str, ...]:
    """The needs that neither a grant nor the partner's own prefix covers, in their order.

    others: partners of the environment. `AcmeLabsBox` is that of acme-labs, if there is one, and not of acme.
    """
    return tuple(need for need in needs if not _is_covered(need, frozenset(granted), partner, others))


def _is_covered(need: str, granted: frozenset[str], partner: str, others: Sequence[str]) -> bool:
    type_name, dot, _ = need.partition(".")
    if _NEVER_GRANTED.fullmatch(type_name):
        return False
    if need in granted or (dot and f"{type_name}.*" in granted):
        return True
    if dot or _CUSTOM_FIELDS.fullmatch(type_name) or not _is_own(type_name, partner):
        return False
    mine = len(type_prefix(partner))
    return not any(_is_own(type_name, one) and len(type_prefix(one)) > mine for one in others)


def _is_own(type_name: str, partner: str) -> bool:
    """Whether a type's name is the partner's, or begins with it as with a word of its own."""
    prefix = type_prefix(partner)
    rest = type_name.removeprefix(prefix)
    return type_name.startswith(prefix) and not rest[:1].islower()


def refusal_of(missing: Sequence[str], partner: str, tenant: str, environment: str) -> str:
    """What to tell a partner whose subgraph needs more than is granted."""
    never = [need for need in missing if _NEVER_GRANTED.fullmatch(need.partition(".")[0])]
    if never:
        return f"These names are GraphQL's or federation's own, and nobody can have them: {', '.join(never)}."
    where = f"--tenant {tenant}" + ("" if environment == "prod" else f" --environment {environment}")
    named = missing[:NAMED_MAX]
    more = f"\nand {len(missing) - NAMED_MAX} more" if len(missing) > NAMED_MAX else ""
    commands = "\n".join(f"  kokoa grants add {partner} {need} {where}" for need in named)
    return (
        f"Not granted to {partner}: {', '.join(named)}. The store's owner can grant it:\n{commands}{more}\nNew types "
        f"need no grant when their names begin with {type_prefix(partner)}."
    )


def digest_of(live: Sequence[Live]) -> str:
    """Of all that is live in an environment; empty for nothing."""
    if not live:
        return ""
    digest = sha256()
    for one in sorted(live, key=lambda each: each.name):
        for text in (one.name, one.account_id, one.sha256, one.target, one.function, one.url):
            digest.update(f"{len(text)}:{text}".encode())
    return digest.hexdigest()
