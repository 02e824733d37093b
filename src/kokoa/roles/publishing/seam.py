"""What is published and what comes of it, as values; and the seam to the process that can compose."""

from typing import Protocol

import msgspec

from kokoa.roles.seams import SubgraphSource


class Order(msgspec.Struct, frozen=True):
    """Who wants which subgraph. by: the access key that signed, or `operator`.

    source: None to withdraw.  if_version: the newest version that is known, 0 for none.
    allow_breaking: also if operations would be refused then.
    """

    environment_id: str
    tenant: str
    environment: str
    account_id: str
    partner: str
    by: str
    name: str
    source: SubgraphSource | None = None
    if_version: int | None = None
    allow_breaking: bool = False


class Finding(msgspec.Struct, frozen=True):
    """Something that keeps a subgraph from being published. code: of composition, or one of ours."""

    code: str
    message: str


class Report(msgspec.Struct, frozen=True):
    """findings: everything that is wrong; nothing is for what was published.

    needs: what has to be granted.  operations: those that would be refused, with the reason.
    version: the newest one then, 0 for what was only checked.  changed: whether it is new.
    """

    name: str
    needs: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    operations: tuple[str, ...] = ()
    version: int = 0
    changed: bool = False


class Publishing(Protocol):
    """Answered by the process with the gateway."""

    async def check(self, order: Order) -> Report:
        """What publishing would say; changes nothing. Raises InvalidSubgraph."""
        ...

    async def publish(self, order: Order, correlation_id: str) -> Report: ...
    async def withdraw(self, order: Order, correlation_id: str) -> Report: ...
    async def rollback(self, order: Order, version: int, correlation_id: str) -> Report:
        """Publish what a former version was made of."""
        ...
