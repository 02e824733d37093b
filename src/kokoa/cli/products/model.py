"""A file of products: its columns, its records, and what each says. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from kokoa.kernel.money import CURRENCIES, exponent_of

PRODUCT_COLUMNS = ("externalReference", "name", "slug", "description", "category", "status")
VARIANT_COLUMNS = ("sku", "variantName", "price", "currency")
COLUMNS = PRODUCT_COLUMNS + VARIANT_COLUMNS
STATUSES = ("DRAFT", "PUBLISHED", "ARCHIVED")
PRICE_MINOR_MAX = 2**31 - 1  # GraphQL's Int
VARIANTS_MAX = 100
RECORD_BYTES_MAX = 1 << 20
_PRICE_CHARACTERS_MAX = 40
_ESCAPED = re.compile(r"\\(.)|\s*(>)\s*")


class Problem(msgspec.Struct, frozen=True):
    """Why a row is not imported.  line: from 1.  column: its name, in JSON its path, or empty."""

    line: int
    column: str
    code: str
    message: str
    reference: str = ""


class Record(msgspec.Struct, frozen=True):
    """A line of CSV.  cells: by column."""

    line: int
    cells: Mapping[str, str]


class Item(msgspec.Struct, frozen=True):
    """A product to send.  input: a BulkProductInput.  line: of its first record.  lines: of each variant, in CSV."""

    line: int
    reference: str
    input: dict[str, Any]
    lines: tuple[int, ...] = ()

    @property
    def values(self) -> int:
        """How many values it adds to a request's variables, of which a request may have so many."""
        return _values_in(self.input)

    def place_of(self, path: str) -> tuple[int, str]:
        """(line, column) of what the store calls `variants.1.priceMinor`."""
        parts = path.split(".")
        if not self.lines or parts[0] != "variants":
            return self.line, path
        column = {"name": "variantName", "priceMinor": "price"}.get(parts[-1], parts[-1])
        number = int(parts[1]) if len(parts) > 2 else 0
        return self.lines[min(number, len(self.lines) - 1)], column if len(parts) > 2 else "sku"


def _values_in(given: Any) -> int:
    """Scalars, lists and objects, counted together; a record is too short to be deep."""
    count, waiting = 0, [given]
    while waiting:
        one = waiting.pop()
        count += 1
        waiting.extend(one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
    return count


class _JsonVariant(msgspec.Struct, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    sku: str
    price_minor: Annotated[int, Meta(ge=0, le=PRICE_MINOR_MAX)]
    currency: str
    name: str = ""
    weight_grams: int | None = None
    external_reference: str | None = None
    attributes: dict[str, Any] | None = None
    options: dict[str, str] | None = None


class _JsonOption(msgspec.Struct, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    key: str
    name: str
    values: list[str]
    default: str | None = None


class _JsonProduct(msgspec.Struct, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    external_reference: str
    name: str | None = None
    slug: str | None = None
    description: str | None = None
    category: list[str] | None = None
    status: Literal["DRAFT", "PUBLISHED", "ARCHIVED"] | None = None
    variants: list[_JsonVariant] | None = None
    product_type: str | None = None
    attributes: dict[str, Any] | None = None
    options: list[_JsonOption] | None = None


_json = msgspec.json.Decoder(_JsonProduct)
_AT = re.compile(r"^(.*?)(?: - at `\$?\.?(.*)`)?$", re.DOTALL)


def json_item(line: int, text: bytes) -> Item | Problem:
    """A line of JSONL: an object like BulkProductInput, with attributes and a variant's options as objects by key."""
    try:
        text.decode()
        product = _json.decode(text)
    except UnicodeDecodeError as error:
        return Problem(line, str(error.start + 1), "INVALID_UTF8", f"Byte {error.start + 1} is not UTF-8.")
    except msgspec.ValidationError as error:
        return _json_problem(line, str(error))
    except msgspec.DecodeError as error:
        return Problem(line, "", "INVALID_JSON", f"This is not JSON: {error}.")
    for position, variant in enumerate(product.variants or ()):
        if variant.currency not in CURRENCIES:
            return Problem(
                line,
                f"variants[{position}].currency",
                "UNKNOWN_CURRENCY",
                f"{variant.currency!r} is no currency of ISO 4217.",
                product.external_reference,
            )
    given = msgspec.to_builtins(product)
    for one in (given, *given.get("variants", ())):
        for name in ("attributes", "options"):
            if isinstance(one.get(name), dict):
                one[name] = [{"key": key, "value": value} for key, value in one[name].items()]
    return Item(line, product.external_reference, given)


def _json_problem(line: int, message: str) -> Problem:
    match = _AT.match(message)
    said, at = (match[1], match[2] or "") if match else (message, "")
    name = said.partition("`")[2].partition("`")[0]
    if said.startswith("Object contains unknown field"):
        return Problem(line, _join(at, name), "UNKNOWN_COLUMN", f"There is no field {name!r}.")
    if said.startswith("Object missing required field"):
        return Problem(line, _join(at, name), "MISSING_COLUMN", f"The field {name!r} is missing.")
    if not at and said.startswith("Expected `object`"):
        return Problem(line, "", "NOT_AN_OBJECT", f"Each line must be a JSON object: {said}.")
    if at.endswith("priceMinor"):
        code = "MONEY_OVERFLOW" if "<=" in said else "BAD_NUMBER"
        return Problem(line, at, code, f"{said}: minor units, 0 to {PRICE_MINOR_MAX}.")
    return Problem(line, at, "BAD_VALUE", f"{said}.")


def _join(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def csv_items(records: Iterator[Record | Problem]) -> Iterator[Item | Problem]:
    """Records that follow each other with the same reference are the variants of one product.

    A product of which one record is wrong is left out whole: it would lose the variant otherwise.
    """
    group: list[Record | Problem] = []
    current = ""
    for one in records:
        reference = one.reference if isinstance(one, Problem) else one.cells["externalReference"]
        if group and reference != current:
            yield from _csv_product(group)
            group.clear()
        current = reference
        if len(group) < VARIANTS_MAX:
            group.append(one)
        elif len(group) == VARIANTS_MAX:
            group.append(_too_many(one))
    if group:
        yield from _csv_product(group)


def _too_many(one: Record | Problem) -> Problem:
    reference = one.reference if isinstance(one, Problem) else one.cells["externalReference"]
    message = f"A product has at most {VARIANTS_MAX} variants; this is one more."
    return Problem(one.line, "sku", "TOO_MANY_VARIANTS", message, reference)


def _csv_product(group: Sequence[Record | Problem]) -> Iterator[Item | Problem]:
    problems = [one for one in group if isinstance(one, Problem)]
    records = [one for one in group if isinstance(one, Record)]
    found: dict[str, Any] = {}
    variants: list[dict[str, Any]] = []
    lines: list[int] = []
    for record in records:
        problem = _agree(found, record) or _add_variant(variants, lines, record)
        if problem:
            problems.append(problem)
    if problems:
        yield from sorted(problems, key=lambda problem: problem.line)
        return
    first = records[0].cells
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
    yield Item(records[0].line, given["externalReference"], given, tuple(lines))


def _agree(found: dict[str, str], record: Record) -> Problem | None:
    """A further record of a product repeats the product's own cells, or leaves them empty."""
    cells = record.cells
    reference = cells["externalReference"]
    if not reference.strip():
        return Problem(record.line, "externalReference", "MISSING_VALUE", "Each row needs an externalReference.")
    for column in PRODUCT_COLUMNS:
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


_PRICE = re.compile(r"[0-9]+(\.[0-9]+)?")


def read_price(text: str, currency: str) -> int | str:
    """`12.90` EUR → 1290; or, as text, what is wrong with it."""
    if not _PRICE.fullmatch(text) or len(text) > _PRICE_CHARACTERS_MAX:
        return f"{text[:40]!r} is no price such as 12.90: digits, with a point before the decimals."
    exponent = exponent_of(currency)
    try:
        minor = Decimal(text).scaleb(exponent)
    except InvalidOperation:
        return f"{text[:40]!r} is no price."
    if minor != minor.to_integral_value():
        return f"{text!r} has more decimals than {currency} has, which is {exponent}."
    if minor > PRICE_MINOR_MAX:
        return f"More than {write_price(PRICE_MINOR_MAX, currency)} {currency} is not possible: {text!r}."
    return int(minor)


def write_price(amount_minor: int, currency: str) -> str:
    """1290 EUR → `12.90`, exactly."""
    exponent = exponent_of(currency)
    if exponent == 0:
        return str(amount_minor)
    digits = str(amount_minor).rjust(exponent + 1, "0")
    return f"{digits[:-exponent]}.{digits[-exponent:]}"


def split_category(text: str) -> list[str]:
    r"""`Grocery > Snacks` → its names. `\>` is a `>` within a name, `\\` a backslash."""
    if not text:
        return []
    if "\\" not in text:
        return [name.strip() for name in text.split(">")]
    names, name, end = [], "", 0
    for match in _ESCAPED.finditer(text):
        name += text[end : match.start()]
        end = match.end()
        if match[2]:
            names.append(name)
            name = ""
        else:
            name += match[1]
    return [one.strip() for one in (*names, name + text[end:])]


def join_category(path: Sequence[str]) -> str:
    """Names → the text that `split_category` reads."""
    return " > ".join(name.replace("\\", "\\\\").replace(">", "\\>") for name in path)
