"""The seams between processes, as Protocols. In one process the implementation is passed; else kokoa.web.rpc."""

from datetime import date, datetime
from typing import Protocol

import msgspec

from kokoa.edge.extensions import FunctionAnswer
from kokoa.edge.model import Environment, ExtensionRoute, Grant
from kokoa.functions.control.access import AccessKey, Account
from kokoa.gateway.extension import Target
from kokoa.kernel.call import Call
from kokoa.kernel.overrides import OverridePolicy
from kokoa.services.tenants.overrides.model import PolicyEntry, Sample, Tally


class EnvironmentEntry(msgspec.Struct, frozen=True):
    """An environment as the operator sees it."""

    environment_id: str
    tenant: str
    environment: str
    domains: tuple[str, ...]
    requests_per_window: int


class NewEnvironment(msgspec.Struct, frozen=True):
    """The secrets are shown only now."""

    tenant: str
    environment: str
    tenant_secret: str
    graphql_secret: str


class PartnerEntry(msgspec.Struct, frozen=True):
    partner: str
    account_id: str
    created_at: datetime


class KeyEntry(msgspec.Struct, frozen=True):
    """secret_access_key: only in the answer to its making."""

    access_key_id: str
    partner: str
    account_id: str
    created_at: datetime | None = None
    revoked_at: datetime | None = None
    secret_access_key: str | None = None


class GrantEntry(msgspec.Struct, frozen=True):
    partner: str
    account_id: str
    kind: str
    pattern: str


class EgressEntry(msgspec.Struct, frozen=True):
    """Where functions may connect to."""

    host: str
    port: int


class OperationText(msgspec.Struct, frozen=True):
    """A document to register. id: a name, or the SHA-256 of the text in hexadecimal."""

    id: str
    document: str


class OperationEntry(msgspec.Struct, frozen=True):
    """A registered document, without its text."""

    id: str
    digest: str
    bytes: int
    registered_at: datetime


class OperationPage(msgspec.Struct, frozen=True):
    """registered_only: whether storefronts may send registered documents only."""

    registered_only: bool
    operations: list[OperationEntry]


class SubgraphSource(msgspec.Struct, frozen=True):
    """What a partner publishes. function: for targets `fields` and `function`.  url: for target `url`."""

    sdl: str
    target: Target
    function: str = ""
    url: str = ""


class PublishedSubgraph(msgspec.Struct, frozen=True):
    """A subgraph that is live, with its text as it was published."""

    name: str
    account_id: str
    partner: str
    version: int
    sdl: str
    target: Target
    function: str
    url: str
    needs: tuple[str, ...] = ()


class PublishedSubgraphs(msgspec.Struct, frozen=True):
    """Everything that is live in an environment. digest: equal for equal content, empty for nothing."""

    digest: str
    subgraphs: list[PublishedSubgraph]


class SubgraphEntry(msgspec.Struct, frozen=True):
    """A subgraph without its text. version: the newest, which is a withdrawal unless it is live."""

    name: str
    partner: str
    account_id: str
    version: int
    live: bool
    target: str
    function: str
    url: str
    sha256: str
    published_by: str
    published_at: datetime


class SubgraphVersion(msgspec.Struct, frozen=True):
    """One version without its text. sha256: empty for a withdrawal."""

    version: int
    target: str
    function: str
    url: str
    sha256: str
    bytes: int
    published_by: str
    published_at: datetime


class GraphGrants(msgspec.Struct, frozen=True):
    """What parts of the graph an account was granted. partners: of the environment."""

    patterns: list[str]
    partners: list[str]


class SubgraphChange(msgspec.Struct, frozen=True):
    """source: None to withdraw.  needs: what must be granted.  based_on: the digest that it was checked against.

    by: the access key that signed, or `operator`.  if_version: the newest version that is known, 0 for none.
    """

    environment_id: str
    account_id: str
    name: str
    by: str
    based_on: str
    source: SubgraphSource | None = None
    needs: tuple[str, ...] = ()
    if_version: int | None = None


class SubgraphOutcome(msgspec.Struct, frozen=True):
    """version: the newest.  changed: whether this change made it.  digest: of everything that is live then."""

    version: int
    changed: bool
    digest: str


class UsedDocument(msgspec.Struct, frozen=True):
    """A document that the graph was asked, without comments and blanks. last_used: the day, by UTC."""

    document: str
    last_used: date


class Directory(Protocol):
    """Who is who; answered by tenants."""

    async def by_alias(self, tenant_alias: str, environment_name: str) -> Environment | None: ...
    async def by_secrets(self, tenant_alias: str, tenant_secret_digest: str) -> Environment | None: ...
    async def by_domain(self, host: str) -> Environment | None: ...
    async def by_id(self, environment_id: str) -> Environment | None: ...
    async def access_key(self, access_key_id: str) -> AccessKey | None: ...
    async def account(self, environment_id: str, account_id: str) -> Account | None: ...
    async def partners(self, environment_id: str) -> dict[str, str]:
        """Partner by account id."""
        ...

    async def grants(self, environment_id: str) -> list[Grant]: ...
    async def egress(self, environment_id: str) -> tuple[str, ...]:
        """Where functions may connect to, as host:port."""
        ...


class Administration(Protocol):
    """What the operator does to tenants; answered by tenants. correlation_id travels with the events."""

    async def environments(self, after_tenant: str, after_environment: str, limit: int) -> list[EnvironmentEntry]: ...
    async def create_environment(self, tenant: str, environment: str, correlation_id: str) -> NewEnvironment: ...
    async def rotate_secrets(self, tenant: str, environment: str, correlation_id: str) -> NewEnvironment: ...
    async def set_rate_limit(self, tenant: str, environment: str, requests: int, correlation_id: str) -> None: ...
    async def add_domain(self, tenant: str, environment: str, domain: str, correlation_id: str) -> str: ...
    async def partners(self, tenant: str, environment: str) -> list[PartnerEntry]: ...
    async def add_partner(self, tenant: str, environment: str, partner: str, correlation_id: str) -> PartnerEntry: ...
    async def keys(self, tenant: str, environment: str, partner: str) -> list[KeyEntry]: ...
    async def create_key(self, tenant: str, environment: str, partner: str, correlation_id: str) -> KeyEntry: ...
    async def revoke_key(self, tenant: str, environment: str, access_key_id: str, correlation_id: str) -> None: ...
    async def grants(self, tenant: str, environment: str) -> list[GrantEntry]: ...
    async def add_grant(
        self, tenant: str, environment: str, partner: str, pattern: str, correlation_id: str
    ) -> None: ...
    async def revoke_grant(
        self, tenant: str, environment: str, partner: str, pattern: str, correlation_id: str
    ) -> None: ...
    async def egress(self, tenant: str, environment: str) -> list[EgressEntry]: ...
    async def allow_egress(
        self, tenant: str, environment: str, destination: str, correlation_id: str
    ) -> EgressEntry: ...
    async def remove_egress(self, tenant: str, environment: str, destination: str, correlation_id: str) -> None: ...


class Operations(Protocol):
    """Registered GraphQL documents; answered by tenants."""

    async def registered(self, environment_id: str, document_id: str) -> str | None: ...
    async def registered_only(self, environment_id: str) -> bool: ...
    async def page(self, environment_id: str, after: str, limit: int) -> OperationPage: ...
    async def register(self, environment_id: str, operations: list[OperationText], correlation_id: str) -> int:
        """How many are new."""
        ...

    async def remove(self, environment_id: str, document_id: str, correlation_id: str) -> None: ...
    async def require(self, environment_id: str, required: bool, correlation_id: str) -> None: ...
    async def mentioning(self, environment_id: str, text: str, after: str, limit: int) -> list[OperationText]:
        """Those in whose text something stands, whatever the capitals; by id, after the given one."""
        ...


class Overrides(Protocol):
    """How overrides of an environment behave, and what became of them; answered by tenants."""

    async def policies(self, environment_id: str) -> dict[str, OverridePolicy]:
        """By subject; a subject without one behaves as if there were no policies."""
        ...

    async def entries(self, environment_id: str) -> list[PolicyEntry]: ...
    async def set_policy(
        self, environment_id: str, subject: str, policy: OverridePolicy, version: int, correlation_id: str
    ) -> PolicyEntry:
        """version: of the policy that is to be changed; 0 when there is none yet."""
        ...

    async def unset_policy(self, environment_id: str, subject: str, correlation_id: str) -> None: ...
    async def note(self, environment_id: str, tallies: list[Tally], samples: list[Sample]) -> None: ...
    async def totals(self, environment_id: str, since: datetime) -> list[Tally]:
        """Of all subjects; one for each subject and outcome."""
        ...

    async def tallies(self, environment_id: str, subject: str, since: datetime) -> list[Tally]:
        """Of one subject, by hours."""
        ...

    async def samples(self, environment_id: str, subject: str, since: datetime) -> list[Sample]:
        """Of one subject, newest first."""
        ...


class Subgraphs(Protocol):
    """What partners have published; answered by tenants."""

    async def digest(self, environment_id: str) -> str:
        """Which subgraphs are live; empty for none."""
        ...

    async def published(self, environment_id: str) -> PublishedSubgraphs: ...
    async def entries(self, environment_id: str, account_id: str, after: str, limit: int) -> list[SubgraphEntry]:
        """Withdrawn ones too, by name, after the given one. account_id: whose; empty for everybody's."""
        ...

    async def entry(self, environment_id: str, name: str) -> SubgraphEntry | None: ...
    async def versions(
        self, environment_id: str, account_id: str, name: str, before: int, limit: int
    ) -> list[SubgraphVersion]: ...
    async def source(
        self, environment_id: str, account_id: str, name: str, version: int
    ) -> SubgraphSource | None: ...
    async def granted(self, environment_id: str, account_id: str) -> GraphGrants: ...
    async def change(self, change: SubgraphChange, correlation_id: str) -> SubgraphOutcome: ...


class OverridePolicyDirectory(Protocol):
    """How overrides behave, as the environment's owner wants it."""

    async def policies(self, environment_id: str) -> dict[str, OverridePolicy]:
        """By field, as in `Product.price`; a field without one has the default."""
        ...


class UsedOperations(Protocol):
    """Documents that graphs were asked; answered by tenants."""

    async def note(self, environment_id: str, used: list[UsedDocument]) -> None: ...
    async def since(self, environment_id: str, day: date, after: str, limit: int) -> list[UsedDocument]:
        """By the SHA-256 of the text, after the given one."""
        ...


class Schemas(Protocol):
    """Which schema catalog has for an environment; answered by catalog."""

    async def digest(self, environment_id: str) -> str:
        """Empty for the common one."""
        ...

    async def sdl(self, environment_id: str, digest: str) -> str: ...


class Functions(Protocol):
    """What the edge needs of the functions' control plane."""

    async def routes_of(self, environment_id: str) -> list[ExtensionRoute]:
        """Routes of all extensions; `partner` is empty, for tenants knows it."""
        ...

    async def invoke(self, call: Call, function_arn: str, payload: bytes) -> FunctionAnswer: ...
    async def ready(self) -> bool: ...
