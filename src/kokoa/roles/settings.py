"""Settings: environment variables, with defaults that make a laptop work. docs/reference/settings.md lists them."""

import base64
import binascii
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from kokoa.kernel.errors import Invalid
from kokoa.processes import kept_secret

MASTER_KEY_BYTES = 32
_Count = Annotated[int, Meta(ge=1)]
_GATEWAY_URL = "http://127.0.0.1:8081"


class InvalidSetting(Invalid):
    """An environment variable has a value that does not work."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting of every role. The names are the variables' names in lower case, without KOKOA_.

    state_dir: where a laptop's servers, secrets, code and logs live.
    database_url, nats_url: empty means the servers that `kokoa up` or `kokoa serve data` started.
    public_url: how browsers and tools reach the edge.
    stripe_url: where every environment's Stripe is; who could set it of one could make us ask inside the network.
    gateway_url: empty lets an indexer run a gateway of its own.
    otlp_url: of a collector of traces, without its /v1/traces; empty draws none.
    """

    state_dir: Path = Path(".kokoa")
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65_535)] = 8080
    web_processes: _Count = 2
    public_url: str = ""
    region: str = "eu-north-1"
    database_url: str = ""
    nats_url: str = ""
    master_key: str = ""
    code_url: str = ""
    media_url: str = ""
    connections: _Count = 150
    log_format: Literal["console", "json"] = "console"
    gateway_url: str = ""
    tenants_url: str = "http://127.0.0.1:8082"
    catalog_url: str = "http://127.0.0.1:8083"
    search_url: str = "http://127.0.0.1:8084"
    functions_url: str = "http://127.0.0.1:8085"
    inventory_url: str = "http://127.0.0.1:8086"
    customers_url: str = "http://127.0.0.1:8087"
    taxes_url: str = "http://127.0.0.1:8089"
    shipping_url: str = "http://127.0.0.1:8090"
    promotions_url: str = "http://127.0.0.1:8091"
    carts_url: str = "http://127.0.0.1:8092"
    payments_url: str = "http://127.0.0.1:8088"
    orders_url: str = "http://127.0.0.1:8093"
    stripe_url: Annotated[str, Meta(pattern=r"^https?://[^/\s?#]+/?$")] = "https://api.stripe.com"
    edge_url: str = ""
    host_socket: str = ""
    function_memory_mb: _Count = 4096
    function_concurrency: _Count = 64
    account_concurrency: _Count = 32
    prewarm: Annotated[int, Meta(ge=0)] = 2
    history_days: _Count = 365
    tombstone_days: _Count = 30
    answers_days: _Count = 7
    cart_days: _Count = 30
    customer_cart_days: _Count = 90
    otlp_url: Annotated[str, Meta(pattern=r"^https?://[^/\s]+[^?#\s]*$")] = ""
    demo: bool = True

    @property
    def url(self) -> str:
        """How the store is reached from outside."""
        return self.public_url or f"http://{self.host}:{self.port}"

    @property
    def socket(self) -> Path:
        """The function host's Unix socket."""
        return Path(self.host_socket) if self.host_socket else self.state_dir / "host" / "host.sock"

    def address_of(self, role: str) -> str:
        """Where a role of its own answers."""
        address: str = getattr(self, f"{role}_url")
        return address or (_GATEWAY_URL if role == "gateway" else self.url)

    def port_of(self, role: str) -> int:
        """The port that a role of its own listens on: the edge's is KOKOA_PORT, others' are in their URL."""
        if role in ("edge", "web"):
            return self.port
        address = self.address_of(role)
        try:
            return int(address.rsplit(":", 1)[1].split("/")[0])
        except (IndexError, ValueError):
            raise InvalidSetting(f"KOKOA_{role.upper()}_URL={address!r} names no port to listen on.") from None


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """From KOKOA_* variables. Raises InvalidSetting, which names the variable.

    What `kokoa serve data` or `kokoa up` wrote about its servers fills in what is not set.
    """
    given = os.environ if environment is None else environment
    values: dict[str, object] = {}
    for field in msgspec.structs.fields(Settings):
        variable = f"KOKOA_{field.name.upper()}"
        text = given.get(variable)
        if text is None or text == "":
            continue
        try:
            values[field.name] = msgspec.convert(text, field.type, strict=False, dec_hook=_path)
        except msgspec.ValidationError as error:
            raise InvalidSetting(f"{variable}={text!r}: {error}") from None
    state_dir = Path(str(values.get("state_dir", Settings().state_dir))).absolute()
    values["state_dir"] = state_dir
    return Settings(**{**_servers(state_dir), **values})  # type: ignore[arg-type]  # converted field by field above


def _path(kind: type, value: object) -> object:
    if kind is Path:
        return Path(str(value))
    raise NotImplementedError(f"no conversion to {kind}")


def servers_file(state_dir: Path) -> Path:
    """Where running embedded servers write how to reach them."""
    return state_dir / "servers.json"


def _servers(state_dir: Path) -> dict[str, str]:
    try:
        found = msgspec.json.decode(servers_file(state_dir).read_bytes(), type=dict[str, str])
    except FileNotFoundError:
        return {}
    return {name: found[name] for name in ("database_url", "nats_url") if name in found}


def master_key(settings: Settings) -> bytes:
    """The key that seals secrets: KOKOA_MASTER_KEY in base64, else `<state folder>/secrets/master.key`.

    Made on first use when neither exists. Raises InvalidSetting.
    """
    if settings.master_key:
        try:
            key = base64.b64decode(settings.master_key, validate=True)
        except binascii.Error:
            key = b""
        if len(key) != MASTER_KEY_BYTES:
            raise InvalidSetting("KOKOA_MASTER_KEY must be 32 bytes in base64: head -c 32 /dev/urandom | base64")
        return key
    path = settings.state_dir / "secrets" / "master.key"
    return kept_secret(path, lambda: os.urandom(MASTER_KEY_BYTES))
