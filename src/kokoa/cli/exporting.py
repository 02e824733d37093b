"""`kokoa export`: what a store has, as files, through its public API."""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import orjson
from cyclopts import App, Parameter
from rich.console import Console

from kokoa.cli.products.errors import FileUnusable
from kokoa.cli.products.graph import PATIENCE_S, GraphClient, StoreAddress, store_address
from kokoa.cli.products.reading import Format, format_of
from kokoa.cli.products.types import read_store_parts
from kokoa.cli.products.writing import ColumnsSeen, csv_head, csv_rows, json_rows, pages

exports = App(name="export", help_format="plaintext", help="Write what a store has to files (with its secrets).")


@exports.command
def products(
    file: Annotated[str, Parameter(help="A .csv or .jsonl file; - is standard output.", allow_leading_hyphen=True)],
    *,
    format: Annotated[Format | None, Parameter(help="csv or jsonl; the file's name says it otherwise.")] = None,
    patience: Annotated[
        float, Parameter(help="For how many seconds to try again while the store is away.")
    ] = PATIENCE_S,
) -> None:
    """Write all products of an environment to a file that `kokoa import products` reads.

    They come in the order of their externalReference; a product without one is written with its id in that place,
    after all others. A file appears when it is complete. CSV has a column for each attribute, option, text of another
    locale, SEO and custom field of which any product has a value.

    Needs KOKOA_TENANT_ID, KOKOA_TENANT_SECRET and KOKOA_GRAPHQL_SECRET; KOKOA_URL names the store.

    For example:
      kokoa export products assortment.csv
      kokoa export products - --format jsonl | gzip > assortment.jsonl.gz
    """
    path = None if file == "-" else Path(file)
    kind = format_of(path, format)
    address = store_address()
    console = Console(stderr=True, highlight=False)
    with _complete_or_absent(path) as out:
        written, named = asyncio.run(
            _export(out, kind, address, patience, lambda line: console.print(line, markup=False))
        )
    if named:
        console.print(f"{named:,} of them have no externalReference; their ids stand for it.")
    console.print(f"{written:,} products written.")


async def _export(
    out: BinaryIO, kind: Format, address: StoreAddress, patience_s: float, tell: Callable[[str], None]
) -> tuple[int, int]:
    """(products, those without a reference)."""
    written = named = 0
    # Which columns CSV has is known at the end: until then products wait in a file without a name.
    with tempfile.TemporaryFile() as waiting:
        async with GraphClient(address, tell, patience_s) as client:
            custom = (await read_store_parts(client)).custom
            seen = ColumnsSeen(custom)
            async for page in pages(client, custom):
                if kind == "csv":
                    for product in page:
                        seen.add(product)
                        waiting.write(orjson.dumps(product) + b"\n")
                else:
                    out.write(json_rows(page))
                written += len(page)
                named += sum(1 for product in page if not product["externalReference"])
        if kind == "csv":
            columns = seen.columns()
            out.write(csv_head(columns))
            waiting.seek(0)
            for line in waiting:
                out.write(csv_rows(orjson.loads(line), columns))
    out.flush()
    return written, named


@contextlib.contextmanager
def _complete_or_absent(path: Path | None) -> Iterator[BinaryIO]:
    """A file that takes its name when the block ends well, so that nobody finds half an export."""
    if path is None:
        yield sys.stdout.buffer
        return
    partial = path.with_name(f"{path.name}.partial")
    try:
        file = partial.open("wb")
    except OSError as error:
        raise FileUnusable(f"{partial} cannot be written: {error.strerror}.") from None
    try:
        with file:
            yield file
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()
        raise
