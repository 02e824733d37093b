"""Taxes: types and rules. Pure. How amounts are rounded: docs/explanation/taxes.md."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from kokoa.kernel.periods import require_period
from kokoa.kernel.places import Destination, Place, Precision, is_country
from kokoa.kernel.rounding import divided, percentage_of, percentage_within
from kokoa.kernel.text import is_plain
from kokoa.services.taxes.errors import (
    InvalidTaxConfiguration,
    InvalidTaxInput,
    InvalidTaxPage,
    TaxConfigurationChanged,
)

LINES_MAX = 500
ROWS_MAX = 1_000
CATEGORIES_MAX, ZONES_MAX, RATES_MAX, RATES_OF_ZONE_MAX = 100, 500, 5_000, 250
AMOUNT_MAX, SUM_MAX = 2_000_000_000, 2**31 - 1
BASIS_POINTS_MAX = 10_000
KEY_MAX, NAME_MAX, TEXT_MAX, SKU_MAX = 64, 200, 200, 128
ZONES_PAGE_MAX, RATES_PAGE_MAX = 100, 250

REVERSE_CHARGE = (
    "Reverse charge: VAT is to be accounted for by the recipient (Article 194 or 196, Directive 2006/112/EC)."
)
EU = frozenset(
    (
        "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU",
        "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
    )
)  # fmt: skip

_KEY = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
_CURRENCY = re.compile(r"[A-Z]{3}")
_VAT = re.compile(r"[A-Z]{2}[A-Z0-9+*]{2,13}")


class Settings(msgspec.Struct, frozen=True):
    """seller_country: where the shop is taxed; None for no reverse charge.  version: 0 before they are first put."""

    default_category: str | None = None
    prices_include_tax: bool = True
    seller_country: str | None = None
    version: int = 0


class Category(msgspec.Struct, frozen=True):
    key: str
    name: str
    version: int


class Zone(msgspec.Struct, frozen=True):
    """prices_include_tax: None as the settings say.  places: sorted."""

    key: str
    name: str
    prices_include_tax: bool | None
    version: int
    places: tuple[Place, ...]


class Rate(msgspec.Struct, frozen=True):
    """basis_points: hundredths of a percent.  valid_from, valid_to: None for always; the latter is not within."""

    key: str
    zone: str
    category: str
    name: str
    basis_points: int
    valid_from: datetime | None
    valid_to: datetime | None
    version: int


class Percentage(msgspec.Struct, frozen=True):
    """A rate as far as it is needed to tax something."""

    key: str
    name: str
    basis_points: int


class Table(msgspec.Struct, frozen=True):
    """What taxes a destination.  zone: None where none has it.  rates: by category, in the order of their keys."""

    settings: Settings
    zone: str | None
    includes_tax: bool
    rates: Mapping[str, Sequence[Percentage]]


class Named(msgspec.Struct, frozen=True):
    """Of what a caller names, known: the categories that there are.  own: categories that articles have, by SKU."""

    known: frozenset[str]
    own: Mapping[str, str]


class Scope(msgspec.Struct, frozen=True):
    """What taxes of a country depend on.  by_sku: whether any article has a category of its own."""

    precision: Precision
    by_sku: bool


class Line(msgspec.Struct, frozen=True):
    key: str
    amount_minor: int
    tax_category: str | None
    sku: str | None


class Shipping(msgspec.Struct, frozen=True):
    """tax_category: None to share the amount over the lines."""

    amount_minor: int
    tax_category: str | None


class Amount(msgspec.Struct, frozen=True):
    """What a rate takes."""

    key: str
    name: str
    basis_points: int
    amount_minor: int


class Taxed(msgspec.Struct, frozen=True):
    """net + tax = gross.  rates: add up to the tax."""

    rates: Sequence[Amount]
    net_minor: int
    tax_minor: int
    gross_minor: int


class TaxedLine(msgspec.Struct, frozen=True):
    key: str
    tax_category: str | None
    rates: Sequence[Amount]
    net_minor: int
    tax_minor: int
    gross_minor: int
    reverse_charge: bool


class Taxes(msgspec.Struct, frozen=True):
    """The answer to a TaxInput."""

    zone: str | None
    currency: str
    prices_include_tax: bool
    reverse_charge: bool
    note: str | None
    lines: Sequence[TaxedLine]
    shipping: Taxed | None
    net_minor: int
    tax_minor: int
    gross_minor: int
    rates: Sequence[Amount]


def taxed(amount_minor: int, rates: Sequence[Percentage], *, includes_tax: bool, reverse_charge: bool) -> Taxed:
    """One amount, rounded once; several rates are added up, and the tax is divided over them.

    reverse_charge: the net amount, untaxed; of a gross price it is what is left without the destination's tax.
    """
    basis_points = sum(rate.basis_points for rate in rates)
    if includes_tax:
        tax = percentage_within(amount_minor, basis_points)
        net = amount_minor - tax
    else:
        net, tax = amount_minor, percentage_of(amount_minor, basis_points)
    if reverse_charge:
        return Taxed((), net, 0, net)
    parts = divided(tax, [rate.basis_points for rate in rates])
    amounts = [Amount(rate.key, rate.name, rate.basis_points, part) for rate, part in zip(rates, parts, strict=True)]
    return Taxed(amounts, net, tax, net + tax)


def tax(
    table: Table,
    lines: Sequence[Line],
    categories: Sequence[str | None],
    shipping: Shipping | None,
    *,
    currency: str,
    reverse_charge: bool,
) -> Taxes:
    """categories: of each line, None for none. Raises InvalidTaxInput where the sums are more than can be told."""

    def of(amount_minor: int, category: str | None) -> Taxed:
        rates = table.rates.get(category, ()) if category is not None else ()
        return taxed(amount_minor, rates, includes_tax=table.includes_tax, reverse_charge=reverse_charge)

    each = [of(line.amount_minor, category) for line, category in zip(lines, categories, strict=True)]
    delivered: Taxed | None = None
    if shipping is not None and shipping.tax_category is not None:
        delivered = of(shipping.amount_minor, shipping.tax_category)
    elif shipping is not None:
        shares = divided(shipping.amount_minor, [line.amount_minor for line in lines])
        delivered = _summed([of(share, category) for share, category in zip(shares, categories, strict=True)])
    total = _summed([*each, delivered] if delivered is not None else each)
    if max(total.gross_minor, total.net_minor) > SUM_MAX:
        raise InvalidTaxInput(f"Together they are more than {SUM_MAX:,} minor units.", field="lines")
    return Taxes(
        table.zone,
        currency,
        table.includes_tax,
        reverse_charge,
        REVERSE_CHARGE if reverse_charge else None,
        [
            TaxedLine(line.key, category, one.rates, one.net_minor, one.tax_minor, one.gross_minor, reverse_charge)
            for line, category, one in zip(lines, categories, each, strict=True)
        ],
        delivered,
        total.net_minor,
        total.tax_minor,
        total.gross_minor,
        total.rates,
    )


def _summed(parts: Sequence[Taxed]) -> Taxed:
    """All of it; what each rate takes in all, by key."""
    found: dict[str, Amount] = {}
    for amount in (amount for part in parts for amount in part.rates):
        before = found.get(amount.key)
        more = before.amount_minor if before else 0
        found[amount.key] = msgspec.structs.replace(amount, amount_minor=amount.amount_minor + more)
    return Taxed(
        [found[key] for key in sorted(found)],
        sum(part.net_minor for part in parts),
        sum(part.tax_minor for part in parts),
        sum(part.gross_minor for part in parts),
    )


def categories_given(lines: Sequence[Line], shipping: Shipping | None) -> dict[str, str]:
    """The categories that a caller names, by the fields that name them."""
    given = {f"lines.{index}.taxCategory": line.tax_category for index, line in enumerate(lines)}
    if shipping is not None:
        given["shipping.taxCategory"] = shipping.tax_category
    return {field: key for field, key in given.items() if key is not None}


def line_categories(
    lines: Sequence[Line], given: Mapping[str, str], named: Named, default: str | None
) -> list[str | None]:
    """Of each line: its own, else its article's, else the default.

    given: as `categories_given`. Raises InvalidTaxInput for one that is not there.
    """
    for field, key in given.items():
        if key not in named.known:
            raise InvalidTaxInput(f"There is no tax category {key[:80]!r}.", field=field)
    return [line.tax_category or named.own.get(line.sku or "", default) for line in lines]


def is_reverse_charge(
    settings: Settings, destination: Destination, vat_number: str | None, company: bool | None
) -> bool:
    """Whether a business in another country of the EU owes the tax itself (Directive 2006/112/EC, art. 138 and 196).

    The goods leave the seller's country for another one of the EU, and the buyer's number is of another one, too.
    """
    seller = settings.seller_country
    if vat_number is None or company is False or seller not in EU:
        return False
    country = "GR" if vat_number[:2] == "EL" else vat_number[:2]
    return country in EU and country != seller and destination.country in EU and destination.country != seller


def require_vat(text: str | None) -> str | None:
    """Without spaces, dots and hyphens, in capitals. Raises InvalidTaxInput."""
    number = re.sub(r"[\s.\-]", "", text or "").upper()
    if text is not None and not _VAT.fullmatch(number):
        raise InvalidTaxInput("This is not the form of a VAT number, such as FI12345678.", field="vatNumber")
    return number or None


def require_lines(currency: str, lines: Sequence[Line], shipping: Shipping | None) -> None:
    """Raises InvalidTaxInput, which names the field."""
    if not _CURRENCY.fullmatch(currency):
        raise InvalidTaxInput("currency is three capitals, such as EUR.", field="currency")
    if not 1 <= len(lines) <= LINES_MAX:
        raise InvalidTaxInput(f"One call takes 1 to {LINES_MAX} lines, not {len(lines):,}.", field="lines")
    seen: set[str] = set()
    for index, line in enumerate(lines):
        if not line.key or len(line.key) > TEXT_MAX or not is_plain(line.key):
            raise InvalidTaxInput(f"key has 1 to {TEXT_MAX} characters and no NUL.", field=f"lines.{index}.key")
        if line.key in seen:
            raise InvalidTaxInput(f"Two lines have the key {line.key!r}.", field=f"lines.{index}.key")
        seen.add(line.key)
        _require_amount(line.amount_minor, f"lines.{index}.amountMinor")
        if line.sku is not None and not is_sku(line.sku):
            raise InvalidTaxInput(f"A SKU has 1 to {SKU_MAX} characters and no NUL.", field=f"lines.{index}.sku")
    if shipping is not None:
        _require_amount(shipping.amount_minor, "shipping.amountMinor")


def _require_amount(amount_minor: int, field: str) -> None:
    if not 0 <= amount_minor <= AMOUNT_MAX:
        raise InvalidTaxInput(f"An amount is 0 to {AMOUNT_MAX:,} minor units.", field=field)


def is_sku(text: str) -> bool:
    """Whether this can be a SKU."""
    return bool(text.strip()) and len(text) <= SKU_MAX and is_plain(text)


def is_key(text: str) -> bool:
    """Whether this can be the key of a category, zone or rate."""
    return len(text) <= KEY_MAX and bool(_KEY.fullmatch(text))


def require_skus(skus: Sequence[str]) -> None:
    """Raises InvalidTaxInput."""
    if len(skus) > LINES_MAX:
        raise InvalidTaxInput(f"One call takes at most {LINES_MAX} SKUs, not {len(skus):,}.", field="skus")
    for index, sku in enumerate(skus):
        if not is_sku(sku):
            raise InvalidTaxInput(f"A SKU has 1 to {SKU_MAX} characters and no NUL.", field=f"skus.{index}")


def require_named(key: str, name: str) -> None:
    """Raises InvalidTaxConfiguration."""
    if not is_key(key):
        raise InvalidTaxConfiguration(
            f"key has 1 to {KEY_MAX} lower-case letters and digits, with single hyphens or underscores between.",
            field="key",
        )
    if not name.strip() or len(name) > NAME_MAX or not is_plain(name):
        raise InvalidTaxConfiguration(f"name has 1 to {NAME_MAX} characters and no NUL.", field="name")


def require_settings(settings: Settings) -> None:
    """Raises InvalidTaxConfiguration."""
    if settings.seller_country is not None and not is_country(settings.seller_country):
        raise InvalidTaxConfiguration("sellerCountry is two capitals, such as FI.", field="sellerCountry")


def require_rate(rate: Rate) -> None:
    """Raises InvalidTaxConfiguration, InvalidPeriod."""
    require_named(rate.key, rate.name)
    if not 0 <= rate.basis_points <= BASIS_POINTS_MAX:
        raise InvalidTaxConfiguration(
            f"basisPoints must be 0 to {BASIS_POINTS_MAX:,}: 2550 is 25.5 %.", field="basisPoints"
        )
    require_period(rate.valid_from, rate.valid_to)


def require_rows(rows: Sequence[tuple[str, str | None]]) -> None:
    """rows: SKU and category. Raises InvalidTaxConfiguration."""
    if not 1 <= len(rows) <= ROWS_MAX:
        raise InvalidTaxConfiguration(f"One call takes 1 to {ROWS_MAX:,} rows, not {len(rows):,}.", field="rows")
    seen: dict[str, int] = {}
    for index, (sku, _) in enumerate(rows):
        if not is_sku(sku):
            raise InvalidTaxConfiguration(
                f"A SKU has 1 to {SKU_MAX} characters and no NUL.", field=f"rows.{index}.sku"
            )
        if seen.setdefault(sku, index) != index:
            raise InvalidTaxConfiguration(
                f"Rows {seen[sku]} and {index} have the same SKU.", field=f"rows.{index}.sku"
            )


def require_version(what: str, before: int, version: int | None) -> None:
    """before: 0 for what is new. Raises TaxConfigurationChanged."""
    if version is not None and version != before:
        raise TaxConfigurationChanged(
            f"{what} is at version {before}, not {version}. Read it again and repeat the change."
        )


def require_page(limit: int, most: int, after: str | None) -> str:
    """What to begin after. Raises InvalidTaxPage."""
    if not 1 <= limit <= most:
        raise InvalidTaxPage(f"limit must be 1 to {most}.", field="limit")
    if after is not None and not is_plain(after):
        raise InvalidTaxPage("after holds a NUL character or half of a surrogate pair.", field="after")
    return after or ""
