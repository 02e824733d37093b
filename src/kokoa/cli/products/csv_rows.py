"""Products of a CSV file: what its records say together. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from kokoa.cli.products.cells import ATTRIBUTE, OPTION, Types
from kokoa.cli.products.details import NO_DETAILS, read_details
from kokoa.cli.products.model import (
    PRODUCT_COLUMNS,
    STATUSES,
    TYPE_COLUMNS,
    VARIANT_COLUMNS,
    VARIANTS_MAX,
    Item,
    Problem,
    Record,
    split_category,
)
from kokoa.cli.products.parts import NO_COLUMNS, PartColumns, read_parts
from kokoa.cli.products.prices import read_price
from kokoa.kernel.money import CURRENCIES


class Columns(msgspec.Struct, frozen=True):
    """How cells of a file are read.

    own: the file's columns that are of a product and not of its variants.  typed: whether it has some of a type,
    attributes or options.
    """

    types: Types
    parts: PartColumns
    own: Sequence[str]
    typed: bool


def csv_items(
    records: Iterator[Record | Problem], header: Sequence[str], types: Types, parts: PartColumns = NO_COLUMNS
) -> Iterator[Item | Problem]:
    """Records that follow each other with the same reference are the variants of one product.

    A product of which one record is wrong is left out whole: it would lose the variant otherwise.
    """
    own = [name for name in (*PRODUCT_COLUMNS, *TYPE_COLUMNS, *parts.names) if name in header]
    columns = Columns(types, parts, own, any(map(is_of_type, header)))
    group: list[Record | Problem] = []
    current = ""
    for one in records:
        reference = one.reference if isinstance(one, Problem) else one.cells["externalReference"]
        if group and reference != current:
            yield from _csv_product(group, columns)
            group.clear()
        current = reference
        if len(group) < VARIANTS_MAX:
            group.append(one)
        elif len(group) == VARIANTS_MAX:
            group.append(_too_many(one))
    if group:
        yield from _csv_product(group, columns)


def is_of_type(column: str) -> bool:
    """Whether its cells say something of a product's type, attributes or options."""
    return column in TYPE_COLUMNS or column.startswith((ATTRIBUTE, OPTION))


def _too_many(one: Record | Problem) -> Problem:
    reference = one.reference if isinstance(one, Problem) else one.cells["externalReference"]
    message = f"A product has at most {VARIANTS_MAX} variants; this is one more."
    return Problem(one.line, "sku", "TOO_MANY_VARIANTS", message, reference)


def _csv_product(group: Sequence[Record | Problem], columns: Columns) -> Iterator[Item | Problem]:
    problems = [one for one in group if isinstance(one, Problem)]
    records = [one for one in group if isinstance(one, Record)]
    found: dict[str, Any] = {}
    variants: list[dict[str, Any]] = []
    lines: list[int] = []
    for record in records:
        problem = _agree(found, record, columns.own) or _add_variant(variants, lines, record)
        if problem:
            problems.append(problem)
    details = NO_DETAILS
    if columns.typed and not problems:
        details = read_details(records, lines, found, columns.types)
        problems += details.problems
    more: Mapping[str, Any] = {}
    if not problems and columns.parts is not NO_COLUMNS:
        more, wrong = read_parts(columns.parts, found, records[0].line)
        problems += wrong
    if problems:
        yield from sorted(problems, key=lambda problem: problem.line)
        return
    for variant, its in zip(variants, details.variants, strict=False):
        variant.update(its)
    yield Item(
        records[0].line,
        found["externalReference"],
        _input(records[0].cells, found, variants, {**details.own, **more}),
        tuple(lines),
        from_csv=True,
    )


def _input(
    first: Mapping[str, str], found: Mapping[str, str], variants: Sequence[Mapping[str, Any]], own: Mapping[str, Any]
) -> dict[str, Any]:
    given: dict[str, Any] = {"externalReference": found["externalReference"]}
    if "name" in first:
        given["name"] = found["name"]
    if found.get("slug"):
        given["slug"] = found["slug"]
    if "description" in first:
        given["description"] = found["description"]
    if "category" in first:
        given["category"] = split_category(found["category"])
    if found.get("status"):
        given["status"] = found["status"]
    if "sku" in first:
        given["variants"] = variants
    return {**given, **own}


def _agree(found: dict[str, str], record: Record, columns: Sequence[str]) -> Problem | None:
    """A further record of a product repeats the product's own cells, or leaves them empty."""
    cells = record.cells
    reference = cells["externalReference"]
    if not reference.strip():
        return Problem(record.line, "externalReference", "MISSING_VALUE", "Each row needs an externalReference.")
    for column in columns:
        value = cells.get(column, "")
        known = found.setdefault(column, value)
        if value and value != known:
            message = f"{column} differs from the product's first row; repeat it, or leave the cell empty."
            return Problem(record.line, column, "DIFFERENT_VALUE", message, reference)
    if (status := cells.get("status")) and status not in STATUSES:
        message = f"{status[:20]!r} is no status: {', '.join(STATUSES)}, or empty."
        return Problem(record.line, "status", "BAD_VALUE", message, reference)
    return None


def _add_variant(variants: list[dict[str, Any]], lines: list[int], record: Record) -> Problem | None:
    cells = record.cells
    reference = cells["externalReference"]
    given = [column for column in VARIANT_COLUMNS if cells.get(column)]
    if not given:
        if lines:
            return Problem(record.line, "sku", "MISSING_VALUE", "A further row of a product needs a SKU.", reference)
        return None
    for column in ("sku", "price", "currency"):
        if not cells.get(column):
            message = f"A variant needs {column}: {', '.join(given)} is given."
            return Problem(record.line, column, "MISSING_VALUE", message, reference)
    currency = cells["currency"]
    if currency not in CURRENCIES:
        message = f"{currency[:20]!r} is no currency of ISO 4217, such as EUR."
        return Problem(record.line, "currency", "UNKNOWN_CURRENCY", message, reference)
    price = read_price(cells["price"], currency)
    if isinstance(price, str):
        code = "MONEY_OVERFLOW" if price.startswith("More") else "BAD_NUMBER"
        return Problem(record.line, "price", code, price, reference)
    variant = {"sku": cells["sku"], "priceMinor": price, "currency": currency}
    if cells.get("variantName"):
        variant["name"] = cells["variantName"]
    variants.append(variant)
    lines.append(record.line)
    return None
