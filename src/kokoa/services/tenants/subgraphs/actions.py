"""Publishing and withdrawing; one transaction each, with its event."""

from collections.abc import Sequence

import msgspec

from kokoa.postgres import Database, Row, Transaction
from kokoa.processes.steps import reached
from kokoa.services.tenants.model import GRANTS_MAX
from kokoa.services.tenants.subgraphs import model
from kokoa.services.tenants.subgraphs.errors import (
    GrantInUse,
    SubgraphNameTaken,
    SubgraphNotFound,
    SubgraphNotGranted,
    SubgraphsChanged,
    SubgraphVersionChanged,
    TooManySubgraphs,
)
from kokoa.services.tenants.subgraphs.events import SubgraphPublished, SubgraphWithdrawn
from kokoa.services.tenants.subgraphs.model import Source
from kokoa.services.tenants.subgraphs.store import live_in, queries


class Who(msgspec.Struct, frozen=True):
    """Whose subgraph it is. by: the access key that signed, or `operator`."""

    environment_id: str
    account_id: str
    by: str


class Outcome(msgspec.Struct, frozen=True):
    """version: the newest.  changed: whether this call made it.  digest: of all that is live then."""

    version: int
    changed: bool
    digest: str


class SubgraphActions:
    """based_on: the digest of what was live when the change was checked; another one refuses the change.

    correlation_id: of the request that caused the change; it travels with the events.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def publish(
        self,
        who: Who,
        name: str,
        source: Source,
        needs: Sequence[str],
        *,
        based_on: str,
        if_version: int | None,
        correlation_id: str,
    ) -> Outcome:
        """Make it the newest version; the same again changes nothing, whatever if_version says.

        needs: see model.  if_version: the newest version that the caller knows, 0 for none.
        Raises InvalidSubgraph, SubgraphNameTaken, SubgraphVersionChanged, SubgraphNotGranted, SubgraphsChanged,
        TooManySubgraphs.
        """
        model.require_name(name)
        model.require_source(source)
        async with self._database.transaction(who.environment_id) as tx:
            await tx.fetchval(queries.lock_environment)
            head = await _own_head(tx, who, name)
            if head is not None and _is_same(head, source):
                return Outcome(head["version"], False, await _digest(tx))
            _require_version(head, name, if_version)
            await _require_base(tx, based_on)
            await _require_granted(tx, who, needs)
            await _require_room(tx, who, name, head, source)
            await _keep_text(tx, who, source)
            version = (head["version"] if head else 0) + 1
            before = await _needs_of(tx, name)
            await tx.execute(queries.put_head, name, who.account_id, version, True)
            place = source.sha256, source.target, source.function, source.url
            await tx.execute(queries.insert_version, name, version, who.account_id, *place, list(needs), who.by)
            digest = await _put_digest(tx)
            event = SubgraphPublished(
                subgraph=name,
                account_id=who.account_id,
                version=version,
                sha256=source.sha256,
                needs=sorted(before | set(needs)),
            )
            await tx.emit(event, correlation_id=correlation_id)
            reached("publish.inserted")
        reached("publish.committed")
        return Outcome(version, True, digest)

    async def withdraw(
        self, who: Who, name: str, *, based_on: str, if_version: int | None, correlation_id: str
    ) -> Outcome:
        """A version without a text; again changes nothing.

        Raises SubgraphNotFound, SubgraphNameTaken, SubgraphVersionChanged, SubgraphsChanged, TooManySubgraphs.
        """
        async with self._database.transaction(who.environment_id) as tx:
            await tx.fetchval(queries.lock_environment)
            head = await _own_head(tx, who, name)
            if head is None:
                raise SubgraphNotFound(f"There is no subgraph {name[:80]!r}. `kokoa graph list` shows what there is.")
            if not head["live"]:
                return Outcome(head["version"], False, await _digest(tx))
            _require_version(head, name, if_version)
            await _require_base(tx, based_on)
            version = head["version"] + 1
            before = await _needs_of(tx, name)
            await tx.execute(queries.put_head, name, who.account_id, version, False)
            await tx.execute(queries.insert_version, name, version, who.account_id, None, "", "", "", [], who.by)
            digest = await _put_digest(tx)
            event = SubgraphWithdrawn(subgraph=name, account_id=who.account_id, version=version, needs=sorted(before))
            await tx.emit(event, correlation_id=correlation_id)
        return Outcome(version, True, digest)


async def _needs_of(tx: Transaction, name: str) -> set[str]:
    """What the live version of a subgraph takes of the graph."""
    return {need for one in await live_in(tx) if one.name == name for need in one.needs}


async def require_unused(tx: Transaction, account_id: str) -> None:
    """After a grant was taken back in this transaction. Raises GrantInUse if a live subgraph needs it."""
    await tx.fetchval(queries.lock_environment)
    granted = [row["pattern"] for row in await tx.fetch(queries.granted_to, account_id, GRANTS_MAX)]
    for one in await live_in(tx):
        if one.account_id == account_id:
            missing = model.ungranted(one.needs, granted, one.partner)
            if missing:
                raise GrantInUse(
                    f"The subgraph {one.name} of {one.partner} has {', '.join(missing)} by this grant. Withdraw it "
                    f"first: kokoa graph withdraw {one.name} --tenant …"
                )


async def _own_head(tx: Transaction, who: Who, name: str) -> Row | None:
    head = await tx.fetchrow(queries.head, name)
    if head is not None and head["account_id"] != who.account_id:
        raise SubgraphNameTaken(f"Another partner has a subgraph {name!r} in this environment. Choose another name.")
    return head


def _is_same(head: Row, source: Source) -> bool:
    before = (head["live"], head["sha256"], head["target"], head["function_name"], head["url"])
    return before == (True, source.sha256, source.target, source.function, source.url)


def _require_version(head: Row | None, name: str, if_version: int | None) -> None:
    current = head["version"] if head else 0
    if if_version is not None and if_version != current:
        raise SubgraphVersionChanged(
            f"The newest version of {name} is {current}, not {if_version}. Look at it (`kokoa graph versions "
            f"{name}`) and publish again."
        )
    if current >= model.VERSIONS_MAX:
        raise TooManySubgraphs(
            f"{name} has {current} versions, which is the most. Publish under another name and withdraw this one."
        )


async def _require_base(tx: Transaction, based_on: str) -> None:
    if await _digest(tx) != based_on:
        raise SubgraphsChanged("Somebody else publishes in this environment right now; try again.")


async def _require_granted(tx: Transaction, who: Who, needs: Sequence[str]) -> None:
    granted = [row["pattern"] for row in await tx.fetch(queries.granted_to, who.account_id, GRANTS_MAX)]
    partner = await tx.fetchval(queries.partner_of, who.account_id)
    others = [row["partner"] for row in await tx.fetch(queries.partners, model.PARTNERS_MAX)]
    missing = model.ungranted(needs, granted, partner or "", others)
    if partner is None or missing:
        raise SubgraphNotGranted(f"Not granted any more: {', '.join(missing)}. Check the subgraph again.")


async def _require_room(tx: Transaction, who: Who, name: str, head: Row | None, source: Source) -> None:
    if head is None and await tx.fetchval(queries.names_of_account, who.account_id) >= model.NAMES_MAX:
        raise TooManySubgraphs(f"The account has {model.NAMES_MAX} subgraphs, withdrawn ones too. Use one of those.")
    others = await tx.fetchrow(queries.live_others, name)
    assert others is not None
    if others["bytes"] + len(source.sdl.encode()) > model.LIVE_BYTES_MAX:
        raise TooManySubgraphs(
            f"All subgraphs of this environment together would have more than {model.LIVE_BYTES_MAX} bytes of SDL."
        )
    if others["live"] >= model.SUBGRAPHS_MAX:
        raise TooManySubgraphs(
            f"{model.SUBGRAPHS_MAX} subgraphs are live in this environment, which is the most. Withdraw one first."
        )


async def _keep_text(tx: Transaction, who: Who, source: Source) -> None:
    if await tx.fetchval(queries.insert_text, who.account_id, source.sha256, source.sdl) is None:
        return
    if await tx.fetchval(queries.text_bytes, who.account_id) > model.TEXT_BYTES_MAX:
        raise TooManySubgraphs(
            f"All versions of the account's subgraphs have more than {model.TEXT_BYTES_MAX} bytes of SDL, which is "
            "the most that is kept."
        )


async def _digest(tx: Transaction) -> str:
    return await tx.fetchval(queries.graph_digest) or ""


async def _put_digest(tx: Transaction) -> str:
    digest = model.digest_of(await live_in(tx))
    await tx.execute(queries.put_digest, digest)
    return digest
