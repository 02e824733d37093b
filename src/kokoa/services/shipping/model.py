"""Shipping: types and rules. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from kokoa.kernel.money import is_currency
from kokoa.kernel.places import Place
from kokoa.kernel.text import is_plain
from kokoa.services.shipping.errors import (
    InvalidShippingConfiguration,
    InvalidShippingInput,
    InvalidShippingPage,
    ShippingConfigurationChanged,
)

ZONES_MAX, METHODS_MAX, RATES_MAX, BANDS_MAX = 500, 100, 200, 50
NUMBER_MAX = 2_000_000_000
DAYS_MAX, POSITION_MAX = 365, 1_000
KEY_MAX, NAME_MAX, DESCRIPTION_MAX = 64, 200, 2_000
PAGE_MAX = 100

_KEY = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")

Basis = Literal["FLAT", "TOTAL", "WEIGHT", "ITEMS"]
"""What decides on the band."""


class Zone(msgspec.Struct, frozen=True):
    """places: sorted."""

    key: str
    name: str
    version: int
    places: tuple[Place, ...]


class Band(msgspec.Struct, frozen=True):
    """start: of the basis, from which on the price holds."""

    start: int
    price_minor: int


class Rate(msgspec.Struct, frozen=True):
    """What a method costs in a zone.  bands: ascending.  free_from_minor: a total, or None for never."""

    zone: str
    currency: str
    basis: Basis
    bands: tuple[Band, ...]
    free_from_minor: int | None
    max_weight_grams: int | None


class Method(msgspec.Struct, frozen=True):
    """min_days, max_days: until it arrives; both or neither.  tax_category: None as the goods."""

    key: str
    name: str
    description: str | None
    active: bool
    position: int
    min_days: int | None
    max_days: int | None
    tax_category: str | None
    version: int


class Parcel(msgspec.Struct, frozen=True):
    """What is to be sent.  weight_grams, items: None for unknown."""

    total_minor: int
    weight_grams: int | None
    items: int | None


class Option(msgspec.Struct, frozen=True):
    """A way to send something."""

    key: str
    name: str
    description: str | None
    price_minor: int
    currency: str
    min_days: int | None
    max_days: int | None
    tax_category: str | None


def price_of(rate: Rate, parcel: Parcel) -> int | None:
    """In minor units; None when it is not sent in this way."""
    limit = rate.max_weight_grams
    if limit is not None and (parcel.weight_grams is None or parcel.weight_grams > limit):
        return None
    measures: Mapping[Basis, int | None] = {
        "FLAT": 0,
        "TOTAL": parcel.total_minor,
        "WEIGHT": parcel.weight_grams,
        "ITEMS": parcel.items,
    }
    measure = measures[rate.basis]
    if measure is None:
        return None
    reached = [band for band in rate.bands if band.start <= measure]
    if not reached:
        return None
    if rate.free_from_minor is not None and parcel.total_minor >= rate.free_from_minor:
        return 0
    return reached[-1].price_minor


def options_of(offers: Sequence[tuple[Method, Rate]], parcel: Parcel) -> list[Option]:
    """Those of the offers by which this can be sent, in their order."""
    priced = [(method, rate, price_of(rate, parcel)) for method, rate in offers]
    return [
        Option(
            method.key,
            method.name,
            method.description,
            price,
            rate.currency,
            method.min_days,
            method.max_days,
            method.tax_category,
        )
        for method, rate, price in priced
        if price is not None
    ]


def require_parcel(currency: str, parcel: Parcel) -> None:
    """Raises InvalidShippingInput."""
    if not is_currency(currency):
        raise InvalidShippingInput("currency is three capitals, such as EUR.", field="currency")
    for field, number in (
        ("totalMinor", parcel.total_minor),
        ("weightGrams", parcel.weight_grams),
        ("itemCount", parcel.items),
    ):
        if number is not None and not 0 <= number <= NUMBER_MAX:
            raise InvalidShippingInput(f"{field} is 0 to {NUMBER_MAX:,}.", field=field)


def is_key(text: str) -> bool:
    """Whether this can be the key of a zone or method."""
    return len(text) <= KEY_MAX and bool(_KEY.fullmatch(text))


def require_named(key: str, name: str) -> None:
    """Raises InvalidShippingConfiguration."""
    _require_key(key, "key")
    if not name.strip() or len(name) > NAME_MAX or not is_plain(name):
        raise InvalidShippingConfiguration(f"name has 1 to {NAME_MAX} characters and no NUL.", field="name")


def require_method(method: Method, rates: Sequence[Rate]) -> None:
    """Raises InvalidShippingConfiguration, which names the field."""
    require_named(method.key, method.name)
    text = method.description
    if text is not None and (len(text) > DESCRIPTION_MAX or not is_plain(text)):
        raise InvalidShippingConfiguration(
            f"description has at most {DESCRIPTION_MAX:,} characters and no NUL.", field="description"
        )
    _require_number(method.position, POSITION_MAX, "position")
    if (method.min_days is None) != (method.max_days is None):
        missing = "minDays" if method.min_days is None else "maxDays"
        raise InvalidShippingConfiguration("Give minDays and maxDays, or neither.", field=missing)
    if method.min_days is not None and method.max_days is not None:
        _require_number(method.min_days, DAYS_MAX, "minDays")
        _require_number(method.max_days, DAYS_MAX, "maxDays")
        if method.max_days < method.min_days:
            raise InvalidShippingConfiguration("maxDays must not be less than minDays.", field="maxDays")
    if method.tax_category is not None:
        _require_key(method.tax_category, "taxCategory")
    if len(rates) > RATES_MAX:
        raise InvalidShippingConfiguration(f"A method has at most {RATES_MAX} rates.", field="rates")
    seen: dict[tuple[str, str], int] = {}
    for index, rate in enumerate(rates):
        _require_rate(rate, f"rates.{index}")
        first = seen.setdefault((rate.zone, rate.currency), index)
        if first != index:
            raise InvalidShippingConfiguration(
                f"Rates {first} and {index} are of the same zone and currency.", field=f"rates.{index}"
            )


def _require_rate(rate: Rate, field: str) -> None:
    _require_key(rate.zone, f"{field}.zone")
    if not is_currency(rate.currency):
        raise InvalidShippingConfiguration("currency is three capitals, such as EUR.", field=f"{field}.currency")
    if not 1 <= len(rate.bands) <= BANDS_MAX:
        raise InvalidShippingConfiguration(f"A rate has 1 to {BANDS_MAX} bands.", field=f"{field}.bands")
    if rate.basis == "FLAT" and (len(rate.bands) != 1 or rate.bands[0].start != 0):
        raise InvalidShippingConfiguration("A FLAT rate has one band, from 0.", field=f"{field}.bands")
    for index, band in enumerate(rate.bands):
        _require_number(band.start, NUMBER_MAX, f"{field}.bands.{index}.from")
        _require_number(band.price_minor, NUMBER_MAX, f"{field}.bands.{index}.priceMinor")
        if index and band.start <= rate.bands[index - 1].start:
            raise InvalidShippingConfiguration(
                "Each band begins above the one before.", field=f"{field}.bands.{index}.from"
            )
    if rate.free_from_minor is not None:
        _require_number(rate.free_from_minor, NUMBER_MAX, f"{field}.freeFromMinor")
    if rate.max_weight_grams is not None:
        _require_number(rate.max_weight_grams, NUMBER_MAX, f"{field}.maxWeightGrams")


def _require_number(number: int, most: int, field: str) -> None:
    if not 0 <= number <= most:
        raise InvalidShippingConfiguration(f"It must be 0 to {most:,}.", field=field)


def _require_key(key: str, field: str) -> None:
    if not is_key(key):
        raise InvalidShippingConfiguration(
            f"A key has 1 to {KEY_MAX} lower-case letters and digits, with single hyphens or underscores between.",
            field=field,
        )


def require_version(what: str, before: int, version: int | None) -> None:
    """before: 0 for what is new. Raises ShippingConfigurationChanged."""
    if version is not None and version != before:
        raise ShippingConfigurationChanged(
            f"{what} is at version {before}, not {version}. Read it again and repeat the change."
        )


def require_page(limit: int, after: str | None) -> str:
    """What to begin after. Raises InvalidShippingPage."""
    if not 1 <= limit <= PAGE_MAX:
        raise InvalidShippingPage(f"limit must be 1 to {PAGE_MAX}.", field="limit")
    if after is not None and not is_plain(after):
        raise InvalidShippingPage("after holds a NUL character or half of a surrogate pair.", field="after")
    return after or ""
