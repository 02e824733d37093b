"""`kokoa import`: files into a store, through its public API."""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
from cyclopts import App, Parameter

from kokoa.cli.products.cells import Types
from kokoa.cli.products.errors import FileUnusable, JournalUnusable
from kokoa.cli.products.graph import PATIENCE_S, GraphClient, StoreAddress, store_address
from kokoa.cli.products.journal import Journal, target_of
from kokoa.cli.products.model import Item, Problem
from kokoa.cli.products.parts import NO_COLUMNS, is_part, part_columns
from kokoa.cli.products.reading import (
    Format,
    Lines,
    attribute_keys,
    format_of,
    read_header,
    read_items,
    require_attributes,
)
from kokoa.cli.products.report import PRODUCTS as PRODUCT_WORDS
from kokoa.cli.products.report import Report, Words
from kokoa.cli.products.sending import PRODUCTS, Batches, Importer, Sending
from kokoa.cli.products.types import read_store_parts, read_types
from kokoa.cli.stock import STOCK, STOCK_WORDS, read_stock
from kokoa.kernel.ids import new_id
from kokoa.processes.heap import settle_heap

STATUS_ROWS_FAILED = 3

imports = App(name="import", help_format="plaintext", help="Bring files into a store (with the tenant's secrets).")


File = Annotated[str, Parameter(help="CSV or JSON lines in UTF-8; - is standard input.", allow_leading_hyphen=True)]
FormatGiven = Annotated[Format | None, Parameter(help="csv or jsonl; the file's name says it otherwise.")]
DryRun = Annotated[bool, Parameter(help="Say what would happen, and change nothing.", negative="")]
Errors = Annotated[Path | None, Parameter(help="Write each row's error there, as a line of JSON.")]
Resume = Annotated[bool, Parameter(help="Go on with an import that was broken off.", negative="")]
JournalGiven = Annotated[
    Path | None, Parameter(help="Where to note what the store has; FILE.import-journal when left out.")
]
Patience = Annotated[float, Parameter(help="How many seconds to wait for a store that is away.")]


@imports.command
def products(
    file: File,
    *,
    format: FormatGiven = None,
    dry_run: DryRun = False,
    errors: Errors = None,
    resume: Resume = False,
    journal: JournalGiven = None,
    patience: Patience = PATIENCE_S,
) -> None:
    """Create and change products from a file. The same file again changes nothing.

    A product is known by its externalReference. Columns of CSV: externalReference, name, slug, description, category
    (Grocery > Snacks > Chips; missing ones are made), status (DRAFT, PUBLISHED, ARCHIVED), and for each variant sku,
    variantName, price (12.90), currency. Also productType, attribute.KEY (text by the attribute's type; lists with |
    between), options (size=Size:S|M) and option.KEY of a variant; name.LOCALE, description.LOCALE, slug.LOCALE,
    seoTitle.LOCALE, seoDescription.LOCALE; seo.title, seo.description, seo.canonicalPath, seo.noIndex; custom.KEY.
    Rows that follow each other with the same externalReference are the variants of one product. Columns that are left
    out stay as they are in the store. A line of JSON is an object like the API's BulkProductInput.

    Needs KOKOA_TENANT_ID, KOKOA_TENANT_SECRET and KOKOA_GRAPHQL_SECRET; KOKOA_URL names the store.

    Status 0: all rows are in the store. 3: some have errors, the others are in. 1: it broke off; --resume goes on.

    For example:
      kokoa import products assortment.csv --dry-run --errors errors.jsonl
      kokoa import products assortment.csv
      kokoa import products assortment.csv --resume
      zcat assortment.jsonl.gz | kokoa import products - --format jsonl
    """
    given = _Given(file, format, dry_run, errors, resume, journal, patience)
    _bring(given, "products", PRODUCTS, PRODUCT_WORDS, _read_products)


@imports.command
def stock(
    file: File,
    *,
    format: FormatGiven = None,
    dry_run: DryRun = False,
    errors: Errors = None,
    resume: Resume = False,
    journal: JournalGiven = None,
    patience: Patience = PATIENCE_S,
) -> None:
    """Set what articles have on hand, from a file. What it does not name stays as it is.

    Columns of CSV: sku, onHand (a whole number), and location (its key; the default location when it is empty or left
    out). A line of JSON is an object with the same. Each SKU stands once for a location; it need not be of a product.

    Needs KOKOA_TENANT_ID, KOKOA_TENANT_SECRET and KOKOA_GRAPHQL_SECRET; KOKOA_URL names the store.

    Status 0: all rows are in the store. 3: some have errors, the others are in. 1: it broke off; --resume goes on.

    For example:
      kokoa import stock count.csv --dry-run --errors errors.jsonl
      kokoa import stock count.csv
      kokoa import stock count.csv --resume
      printf 'sku,onHand,location\\nLMP-1,12,attic\\n' | kokoa import stock - --format csv
    """
    given = _Given(file, format, dry_run, errors, resume, journal, patience)
    _bring(given, "stock", STOCK, STOCK_WORDS, _read_stock)


class _Given(msgspec.Struct, frozen=True):
    """What the command line says."""

    file: str
    format: Format | None
    dry_run: bool
    errors: Path | None
    resume: bool
    journal: Path | None
    patience_s: float


_Read = Callable[[Lines, Format, GraphClient], Awaitable[Iterator[Item | Problem]]]


def _bring(given: _Given, what: str, sending: Sending, words: Words, read: _Read) -> None:
    """A file's rows into the store; ends the process with status 3 when some are not in.

    what: they are.  read: of the file, with the store's help. Raises FileUnusable, JournalUnusable, SecretsMissing,
    Refused, ImportFailed.
    """
    path = None if given.file == "-" else Path(given.file)
    kind = format_of(path, given.format)
    address = store_address()
    noted = given.journal or (path.with_name(f"{path.name}.import-journal") if path else None)
    if given.resume and (noted is None or given.dry_run):
        raise JournalUnusable("--resume needs a journal: name a FILE, or the --journal of a pipe, and no --dry-run.")
    _require_apart(path, given.errors, noted)
    with _opened(path) as (source, total_bytes), Report(given.errors, total_bytes, words) as report:
        log = None if given.dry_run or noted is None else _open_journal(noted, address, what, resume=given.resume)

        async def run() -> None:
            settle_heap()
            lines = Lines(source)
            async with GraphClient(address, report.say, given.patience_s) as client:
                found = await read(lines, kind, client)
                batches = Batches(found, report, sending, log.run if log else new_id(), dry_run=given.dry_run)
                await Importer(lines, batches, sending, client, log, report).run()

        with _kept_or_finished(log, report, dry_run=given.dry_run):
            asyncio.run(run())
    print(report.summary(dry_run=given.dry_run))
    if report.failed:
        sys.exit(STATUS_ROWS_FAILED)


async def _read_products(lines: Lines, kind: Format, client: GraphClient) -> Iterator[Item | Problem]:
    """The store is asked for what columns are about: types, locales, custom fields."""
    header = read_header(lines) if kind == "csv" else None
    types: Types = {}
    if header and attribute_keys(header):
        types = await read_types(client)
        require_attributes(header, types)
    parts = NO_COLUMNS
    if header and any(map(is_part, header)):
        parts = part_columns(header, await read_store_parts(client))
    return read_items(lines, kind, header, types, parts)


async def _read_stock(lines: Lines, kind: Format, _: GraphClient) -> Iterator[Item | Problem]:
    return read_stock(lines, kind)


@contextlib.contextmanager
def _kept_or_finished(journal: Journal | None, report: Report, *, dry_run: bool) -> Iterator[None]:
    """The journal is removed when the block ends well, and kept when it does not."""
    try:
        yield
    except BaseException:
        report.say(f"Broken off. {report.summary(dry_run=dry_run)}")
        if journal:
            journal.close()
            report.say("What the store has is noted: the same command with --resume goes on from there.")
        raise
    if journal:
        journal.finish()


def _require_apart(*paths: Path | None) -> None:
    """Raises FileUnusable when one file is to be two things: the rows would be gone."""
    places = [path.absolute() for path in paths if path]
    if len(set(places)) < len(places):
        raise FileUnusable("FILE, --errors and --journal must be different files.")


def _open_journal(path: Path, address: StoreAddress, what: str, *, resume: bool) -> Journal:
    target = target_of((address.tenant, address.tenant_secret, what))  # its address may change meanwhile
    return Journal.resume(path, target) if resume else Journal.start(path, target)


@contextlib.contextmanager
def _opened(path: Path | None) -> Iterator[tuple[BinaryIO, int | None]]:
    """(file, its size; None for a pipe)."""
    if path is None:
        yield sys.stdin.buffer, None
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise FileUnusable(f"{path} cannot be read: {error.strerror}.") from None
    with file:
        yield file, path.stat().st_size if path.is_file() else None
