"""A file of products: its columns, its records, and what each says. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from kokoa.cli.products.cells import ATTRIBUTE, CUSTOM, OPTION
from kokoa.cli.products.prices import PRICE_MINOR_MAX
from kokoa.kernel.money import CURRENCIES

PRODUCT_COLUMNS = ("externalReference", "name", "slug", "description", "category", "status")
VARIANT_COLUMNS = ("sku", "variantName", "price", "currency")
COLUMNS = PRODUCT_COLUMNS + VARIANT_COLUMNS
# Beside these there is a column for each attribute and each option.
TYPE_COLUMNS = ("productType", "options")
STATUSES = ("DRAFT", "PUBLISHED", "ARCHIVED")
VARIANTS_MAX = 100
TOO_DEEP = "A value is nested too deeply."
RECORD_BYTES_MAX = 1 << 20
_T = TypeVar("_T")
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
    from_csv: bool = False

    @property
    def values(self) -> int:
        """How many values it adds to a request's variables, of which a request may have so many."""
        return _values_in(self.input)

    def place_of(self, path: str) -> tuple[int, str]:
        """(line, column) of what the store calls `variants.1.priceMinor`."""
        parts = path.split(".")
        if not self.from_csv:
            return self.line, _json_path(self.input, parts) or path
        if parts[0] != "variants" or not self.lines:
            return self.line, _column(self.input, parts) or path
        number = min(int(parts[1]) if len(parts) > 2 else 0, len(self.lines) - 1)
        column = _column(self.input["variants"][number], parts[2:])
        column = column or {"name": "variantName", "priceMinor": "price"}.get(parts[-1], parts[-1])
        return self.lines[number], column if len(parts) > 2 else "sku"


_PREFIXES = {"attributes": ATTRIBUTE, "options": OPTION, "custom": CUSTOM}


def _column(given: Mapping[str, Any], parts: Sequence[str]) -> str:
    """`attributes.1.value` → `attribute.<key of the second>`; empty for other paths."""
    one = _listed(given, parts)
    if one is None:
        return CUSTOM + parts[1] if len(parts) > 1 and parts[0] == "custom" else ""
    if parts[0] == "translations":
        texts = [name for name in one if name != "locale"]
        return f"{parts[2] if parts[-1] in texts else texts[0]}.{one['locale']}"
    return f"{_PREFIXES[parts[0]]}{one['key']}"


def _json_path(given: Mapping[str, Any], parts: Sequence[str]) -> str:
    """`translations.0.name` → `translations.de.name`: what a line has by key the API has in a list."""
    one = _listed(given, parts)
    if one is None or parts[0] not in ("translations", "custom"):
        return ""
    rest = [name for name in parts[2:] if name not in ("locale", "key")]
    return ".".join((parts[0], one["locale"] if parts[0] == "translations" else one["key"], *rest))


def _listed(given: Mapping[str, Any], parts: Sequence[str]) -> Mapping[str, Any] | None:
    """What `attributes.1.value` is in; None for other paths."""
    if len(parts) < 2 or parts[0] not in ("attributes", "options", "translations", "custom"):
        return None
    listed = given.get(parts[0], ())
    if not parts[1].isdecimal() or int(parts[1]) >= len(listed):
        return None
    found: Mapping[str, Any] = listed[int(parts[1])]
    return found


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


class _JsonTexts(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    name: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    slug: str | UnsetType | None = UNSET
    seo_title: str | UnsetType | None = UNSET
    seo_description: str | UnsetType | None = UNSET


class _JsonSeo(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    title: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    canonical_path: str | UnsetType | None = UNSET
    no_index: bool | UnsetType | None = UNSET


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
    translations: dict[str, _JsonTexts | None] | None = None
    seo: _JsonSeo | None = None
    custom: dict[str, Any] | None = None


_NO_TEXTS = dict.fromkeys(("name", "description", "slug", "seoTitle", "seoDescription"))
_json = msgspec.json.Decoder(_JsonProduct)
_AT = re.compile(r"^(.*?)(?: - at `\$?\.?(.*)`)?$", re.DOTALL)


def json_line(line: int, text: bytes, decoder: msgspec.json.Decoder[_T]) -> _T | Problem:
    """What a line of JSONL says, or what is wrong with it."""
    try:
        text.decode()
        return decoder.decode(text)
    except UnicodeDecodeError as error:
        return Problem(line, str(error.start + 1), "INVALID_UTF8", f"Byte {error.start + 1} is not UTF-8.")
    except msgspec.ValidationError as error:
        return _json_problem(line, str(error))
    except msgspec.DecodeError as error:
        return Problem(line, "", "INVALID_JSON", f"This is not JSON: {error}.")
    except RecursionError:
        return Problem(line, "", "INVALID_JSON", TOO_DEEP)


def json_item(line: int, text: bytes) -> Item | Problem:
    """A line of JSONL: an object like BulkProductInput, with what the API lists by key, or by locale, as objects."""
    product = json_line(line, text, _json)
    if isinstance(product, Problem):
        return product
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
    if product.translations is not None:
        given["translations"] = [
            {"locale": locale, **(_NO_TEXTS if texts is None else texts)}
            for locale, texts in given["translations"].items()
        ]
    if product.custom is not None:
        given["custom"] = [{"key": key, "value": value} for key, value in given["custom"].items()]
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
