"""The way of a file into the store: read a batch, send it, note that it is committed; a few batches at a time.

Each stage is a method of its own. An import that ends between any two of them goes on with --resume: what was sent
but not noted is sent again, and changes nothing.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import orjson

from kokoa.cli.products.graph import GraphClient
from kokoa.cli.products.journal import Committed, Journal, digest_of
from kokoa.cli.products.model import TOO_DEEP, Item, Problem
from kokoa.cli.products.reading import Lines
from kokoa.cli.products.report import Report

BATCH_ROWS_MAX = 1_000
# Below what a request may have: 2 MB, and 25,000 values in its variables.
BATCH_BYTES_MAX = 1_500_000
BATCH_VALUES_MAX = 20_000
IN_FLIGHT = 3
_LEAVE_S = 5.0

UPSERT = """mutation Import($input: [BulkProductInput!]!, $dryRun: Boolean!) {
  bulkUpsertProducts(input: $input, dryRun: $dryRun) {
    created updated unchanged failed rows { index error { code message path } }
  }
}"""


class Batch(msgspec.Struct, frozen=True):
    """items: as they were read.  body: the request."""

    items: list[Item]
    body: bytes
    digest: str


class Sending(msgspec.Struct, frozen=True):
    """How rows of a kind go to the store.

    document: a mutation with $input, the rows, and $dryRun; where doing a batch twice would harm, also with $key, by
    which the store knows one that it has done.  committed: what its answer says of a batch.
    """

    document: str
    committed: Callable[[Batch, Any], Committed]
    keyed: bool = False


class Batches:
    """Cuts what is read into batches; the same file gives the same ones.

    run: names this import, however often it is resumed.
    """

    def __init__(
        self, found: Iterator[Item | Problem], report: Report, sending: Sending, run: str, *, dry_run: bool
    ) -> None:
        self._found = found
        self._report = report
        self._sending = sending
        self._run = run
        self._dry_run = dry_run
        self._number = 0
        self._left: tuple[Item, bytes] | None = None

    def next(self) -> Batch | None:
        """The next one; None after the last. Rows that cannot be sent are reported. Raises FileUnusable."""
        items: list[Item] = []
        rows: list[bytes] = []
        size = values = 0
        while (taken := self._take()) is not None:
            item, row = taken
            size += len(row) + 1
            values += item.values
            if rows and (size > BATCH_BYTES_MAX or values > BATCH_VALUES_MAX):
                self._left = taken
                break
            items.append(item)
            rows.append(row)
            if len(rows) == BATCH_ROWS_MAX:
                break
        if not rows:
            return None
        self._number += 1
        payload = b",".join(rows)
        digest = digest_of(self._number, payload)
        key = b'"key":%b,' % orjson.dumps(f"{self._run}/{digest}") if self._sending.keyed else b""
        body = b'{"query":%b,"variables":{%b"dryRun":%b,"input":[%b]}}' % (
            orjson.dumps(self._sending.document),
            key,
            b"true" if self._dry_run else b"false",
            payload,
        )
        return Batch(items, body, digest)

    def _take(self) -> tuple[Item, bytes] | None:
        left, self._left = self._left, None
        if left is not None:
            return left
        for one in self._found:
            if isinstance(one, Problem):
                self._report.problem(one)
                continue
            try:
                row = orjson.dumps(one.input)
            except orjson.JSONEncodeError as error:
                said = ("INVALID_UTF8", "The row has half of a character.")
                if "ecursion" in str(error):
                    said = ("INVALID_JSON", TOO_DEEP)
                self._report.problem(Problem(one.line, "", *said, one.reference))
                continue
            if len(row) > BATCH_BYTES_MAX:
                message = f"The row has {len(row)} bytes; at most {BATCH_BYTES_MAX} are possible."
                self._report.problem(Problem(one.line, "", "HUGE_LINE", message, one.reference))
                continue
            return one, row
        return None


class Importer:
    """One import.  journal: None when nothing is to be noted (a dry run, a pipe)."""

    def __init__(
        self,
        lines: Lines,
        batches: Batches,
        sending: Sending,
        client: GraphClient,
        journal: Journal | None,
        report: Report,
    ) -> None:
        self._lines = lines
        self._sending = sending
        self._batches = batches
        self._client = client
        self._journal = journal
        self._report = report

    async def run(self) -> None:
        """All batches, IN_FLIGHT at a time. Raises FileUnusable, Refused, ImportFailed, when all sent ones ended."""
        under_way: set[asyncio.Task[None]] = set()
        try:
            while (batch := self.read_batch()) is not None:
                if self.is_known(batch):
                    continue
                under_way.add(asyncio.create_task(self._one(batch)))
                if len(under_way) == IN_FLIGHT:
                    under_way = await _some_done(under_way)
            while under_way:
                under_way = await _some_done(under_way)
        finally:
            await _ended(under_way)

    async def _one(self, batch: Batch) -> None:
        committed = self._sending.committed(batch, await self.send_batch(batch))
        self.write_journal(committed)
        self._report.committed(committed)

    def read_batch(self) -> Batch | None:
        """Stage 1: rows read."""
        self._report.progress(self._lines.bytes_read)
        return self._batches.next()

    def is_known(self, batch: Batch) -> bool:
        """Whether an earlier run has brought this very batch into the store."""
        known = self._journal.known(batch.digest) if self._journal else None
        if known is not None:
            self._report.committed(known)
        return known is not None

    async def send_batch(self, batch: Batch) -> Any:
        """Stage 2: batch sent and committed; the mutation's answer."""
        (answer,) = (await self._client.ask(batch.body)).values()
        return answer

    def write_journal(self, committed: Committed) -> None:
        """Stage 3: journal written."""
        if self._journal:
            self._journal.note(committed)


def _upserted(batch: Batch, answer: Any) -> Committed:
    """What the store said of products."""
    problems = []
    for row in answer["rows"]:
        if error := row["error"]:
            item = batch.items[row["index"]]
            line, column = item.place_of(error["path"])
            problems.append(Problem(line, column, error["code"], error["message"], item.reference))
    return Committed(batch.digest, answer["created"], answer["updated"], answer["unchanged"], problems)


PRODUCTS = Sending(UPSERT, _upserted)


async def _ended(under_way: set[asyncio.Task[None]]) -> None:
    """Batches that are with the store already are noted, whatever went wrong with another; but not for ever."""
    if under_way:
        _, late = await asyncio.wait(under_way, timeout=_LEAVE_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def _some_done(under_way: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    done, waiting = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    return waiting
