"""Types and rules of tenants. Pure."""

import hashlib
import ipaddress
import re
import secrets
from datetime import datetime
from typing import Literal

import msgspec

from kokoa.services.tenants.errors import (
    InvalidAlias,
    InvalidDestination,
    InvalidDomain,
    InvalidGrant,
    InvalidOperation,
)

LIVE_KEYS_MAX = 2  # as AWS allows an IAM user: one in use, one to rotate to
GRANTS_MAX = 1000
OPERATIONS_MAX = 5_000
OPERATION_BYTES_MAX = 100_000
DESTINATIONS_MAX = 50
PORT_MAX = 65_535
# What a sandbox's own loopback address serves: names, the Runtime API, the store and AWS's endpoint.
PLATFORM_PORTS = frozenset({53, 9001, 9002, 9003})

_ALIAS = re.compile(r"^[a-z][a-z0-9-]{0,38}[a-z0-9]$")
_LABEL = re.compile(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
_PATTERN = re.compile(r"^/[A-Za-z0-9._~/{}+*-]*$")
_OPERATION_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")
_DIGEST = re.compile(r"^[0-9a-f]{64}$")
_HOST_LENGTH_MAX = 253
_BROADCAST = ipaddress.IPv4Address("255.255.255.255")
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

GrantKind = Literal["route", "type", "field"]


class Environment(msgspec.Struct, frozen=True):
    """secret digests: SHA-256 in hex of 256-bit random secrets.  requests_per_window: see the edge's limits."""

    id: str
    tenant_alias: str
    name: str
    tenant_secret_digest: str
    graphql_secret_digest: str
    domains: tuple[str, ...]
    requests_per_window: int


class EnvironmentSecrets(msgspec.Struct, frozen=True):
    """Shown once, when made."""

    tenant_secret: str
    graphql_secret: str


class Account(msgspec.Struct, frozen=True):
    account_id: str
    partner: str
    created_at: datetime


class AccessKey(msgspec.Struct, frozen=True):
    """A living key with its secret in the clear: for checking signatures, never for showing."""

    access_key_id: str
    secret: str
    account_id: str
    environment_id: str
    partner: str
    tenant_alias: str
    environment_name: str


class AccessKeyEntry(msgspec.Struct, frozen=True):
    access_key_id: str
    account_id: str
    created_at: datetime
    revoked_at: datetime | None


class NewAccessKey(msgspec.Struct, frozen=True):
    """Shown once, when made."""

    access_key_id: str
    secret_access_key: str
    account_id: str


class Grant(msgspec.Struct, frozen=True):
    account_id: str
    partner: str
    kind: GrantKind
    pattern: str
    created_at: datetime


class Destination(msgspec.Struct, frozen=True):
    """Where functions may connect to.  host: a name or an IPv4 address, in lower case."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Operation(msgspec.Struct, frozen=True):
    """A document to register. id: a name, or the SHA-256 of the text in hexadecimal."""

    id: str
    document: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.document.encode()).hexdigest()


class OperationEntry(msgspec.Struct, frozen=True):
    """A registered document, without its text."""

    id: str
    digest: str
    bytes: int
    registered_at: datetime


def require_destination(text: str) -> Destination:
    """HOST:PORT as an owner writes it. Raises InvalidDestination."""
    host, colon, digits = text.strip().lower().rpartition(":")
    host = host.rstrip(".")
    if not colon or not digits.isascii() or not digits.isdecimal() or not 1 <= int(digits[:6]) <= PORT_MAX:
        raise InvalidDestination(
            f"{text[:300]!r} names no port: write a host and a port between 1 and {PORT_MAX}, as in "
            "erp.example.com:443.",
            field="destination",
        )
    if ":" in host or "[" in host:
        raise InvalidDestination(
            f"{text[:300]!r}: addresses of IPv6 cannot be allowed; write the host's name.", field="destination"
        )
    if "*" in host:
        raise InvalidDestination(
            f"{text[:300]!r}: there are no wildcards; allow each host by its name.", field="destination"
        )
    if not _is_host(host):
        raise InvalidDestination(
            f"{text[:300]!r}: {host[:100]!r} is no host name and no IPv4 address.", field="destination"
        )
    port = int(digits)
    if port in PLATFORM_PORTS and host in ("localhost", "127.0.0.1"):
        raise InvalidDestination(
            f"{text!r}: inside a sandbox this port of {host} is the platform's own. Use another port.",
            field="destination",
        )
    return Destination(host, port)


def _is_host(host: str) -> bool:
    labels = host.split(".")
    if labels[-1].isdecimal():
        try:
            address = ipaddress.IPv4Address(host)
        except ValueError:
            return False
        return not (address.is_unspecified or address.is_multicast or address == _BROADCAST)
    return len(host) <= _HOST_LENGTH_MAX and all(_LABEL.match(label) for label in labels)


def require_operation(operation: Operation) -> Operation:
    """Raises InvalidOperation."""
    if not _OPERATION_ID.match(operation.id):
        raise InvalidOperation(
            f"{operation.id[:80]!r} cannot be a document's id: write up to 128 letters, digits, '_', '.' and '-'.",
            field="id",
        )
    size = len(operation.document.encode("utf-8", "surrogatepass"))
    if size > OPERATION_BYTES_MAX:
        raise InvalidOperation(
            f"The document {operation.id} has {size} bytes; at most {OPERATION_BYTES_MAX} are allowed.",
            field="document",
        )
    if _DIGEST.match(operation.id) and operation.id != operation.digest:
        raise InvalidOperation(
            f"The id {operation.id} looks like a SHA-256, but the document's is {operation.digest}.", field="id"
        )
    return operation


def digest_of(secret: str) -> str:
    """What is stored of a secret of 256 random bits; no salt or stretching is needed for those."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_secrets() -> EnvironmentSecrets:
    return EnvironmentSecrets(f"ts_{secrets.token_urlsafe(32)}", f"gs_{secrets.token_urlsafe(32)}")


def new_account_id() -> str:
    """Twelve digits; never one that starts with 0, which spreadsheets would eat."""
    return str(secrets.randbelow(900_000_000_000) + 100_000_000_000)


def new_access_key(account_id: str) -> NewAccessKey:
    """Of AWS's form: AKIA and 16 of base 32; 40 characters of secret."""
    key_id = "AKIA" + "".join(secrets.choice(_BASE32) for _ in range(16))
    return NewAccessKey(key_id, secrets.token_urlsafe(30), account_id)


def require_alias(text: str, *, field: str) -> str:
    """Raises InvalidAlias."""
    if not _ALIAS.match(text):
        raise InvalidAlias(
            f"{field}: {text!r} must be 2 to 40 lower-case letters, digits and hyphens, and begin with a letter.",
            field=field,
        )
    return text


def require_domain(text: str) -> str:
    """The domain in lower case, without a port. Raises InvalidDomain."""
    domain = text.lower().rstrip(".")
    labels = domain.split(".")
    if len(domain) > 253 or not all(_LABEL.match(label) for label in labels):
        raise InvalidDomain(f"{text!r} is not a domain name such as shop.example.com.", field="domain")
    return domain


def require_route_pattern(pattern: str) -> str:
    """`/api/search` for one path, `/api/*` for all below, `/*` for everything but the catch-alls, which are granted
    by their own names (`$default`, `/`, `/{proxy+}`). Raises InvalidGrant.
    """
    if pattern == "$default":
        return pattern
    stars = pattern.count("*")
    if not _PATTERN.match(pattern) or stars > 1 or (stars == 1 and not pattern.endswith("/*")) or "//" in pattern:
        raise InvalidGrant(
            f"{pattern!r} is not a path pattern. Write a path (/api/search) or a path with /* at its end (/api/*).",
            field="pattern",
        )
    return pattern
