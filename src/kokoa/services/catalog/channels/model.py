"""Channels and prices: their rules, and which price is chosen. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from kokoa.kernel.money import CURRENCIES, is_currency, major_units
from kokoa.kernel.text import is_plain
from kokoa.services.catalog.channels.errors import ChannelNotFound, InvalidChannel, InvalidPrices
from kokoa.services.catalog.model import NAME_MAX, PRICE_MINOR_MAX, VARIANTS_MAX, Variant
from kokoa.services.catalog.variants.errors import VariantNotFound

CHANNELS_MAX = 100
KEY_MAX = 64
COUNTRIES_MAX = 250
PRICES_MAX = 1_000

_KEY = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
_COUNTRY = re.compile(r"[A-Z]{2}")


class Channel(msgspec.Struct, frozen=True):
    """currency: ISO 4217, what is shown when nobody says.  countries: ISO 3166-1 alpha-2; none: all."""

    id: str
    key: str
    name: str
    currency: str | None
    countries: list[str]
    version: int


class Price(msgspec.Struct, frozen=True):
    """A price of a variant.  channel: its key; None for a price in all of them."""

    variant_id: str
    channel: str | None
    currency: str
    price_minor: int

    @property
    def price(self) -> float:
        """In major units, for display."""
        return major_units(self.price_minor, self.currency)


class ChannelChanges(msgspec.Struct, frozen=True):
    """What is given is changed; UNSET stays.  currency: None removes it."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    currency: str | msgspec.UnsetType | None = msgspec.UNSET
    countries: Sequence[str] | msgspec.UnsetType = msgspec.UNSET


def require_channel(key: str, name: str, currency: str | None, countries: Sequence[str]) -> None:
    """Raises InvalidChannel, which names the field."""
    if len(key) > KEY_MAX or not _KEY.fullmatch(key):
        raise InvalidChannel(
            f"key has 1 to {KEY_MAX} lower-case letters and digits, with single hyphens or underscores between.",
            field="key",
        )
    if not name.strip() or len(name) > NAME_MAX or not is_plain(name):
        raise InvalidChannel(f"name must have 1 to {NAME_MAX} characters and no NUL.", field="name")
    if currency is not None and currency not in CURRENCIES:
        raise InvalidChannel(f"{currency[:10]!r} is no currency of ISO 4217.", field="currency")
    if len(countries) > COUNTRIES_MAX:
        raise InvalidChannel(f"A channel has at most {COUNTRIES_MAX} countries.", field="countries")
    for country in countries:
        if not _COUNTRY.fullmatch(country):
            raise InvalidChannel(f"{country[:10]!r} is no ISO 3166-1 code such as SE.", field="countries")
    if len(set(countries)) < len(countries):
        raise InvalidChannel("A country stands there twice.", field="countries")


def changed(channel: Channel, changes: ChannelChanges) -> Channel:
    """The channel as it is wanted, at the same version. Raises InvalidChannel."""
    given = {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not msgspec.UNSET}
    after = msgspec.structs.replace(channel, **given)
    require_channel(after.key, after.name, after.currency, after.countries)
    return msgspec.structs.replace(after, countries=list(after.countries))


def require_keys(keys: Sequence[str] | None, known: Iterable[str]) -> list[str] | None:
    """Keys of channels in alphabetical order, each once; None for all channels. Raises ChannelNotFound."""
    if keys is None:
        return None
    if missing := sorted(set(keys) - set(known)):
        raise ChannelNotFound(f"There is no channel {missing[0][:KEY_MAX]!r}.")
    return sorted(set(keys))


def read_prices(given: Sequence[Mapping[str, Any]], variants: Sequence[Variant]) -> dict[str, list[Price]]:
    """The prices that each named variant is to have beside its own, by variant id.

    given: as VariantPricesInput, in snake case. Raises InvalidPrices, VariantNotFound, which name the field.
    """
    if len(given) > VARIANTS_MAX:
        raise InvalidPrices(f"At most {VARIANTS_MAX} variants at once.", field="variants")
    if sum(len(one["prices"]) for one in given) > PRICES_MAX:
        raise InvalidPrices(f"At most {PRICES_MAX} prices at once.", field="variants")
    by_sku = {one.sku: one for one in variants}
    found: dict[str, list[Price]] = {}
    for index, one in enumerate(given):
        variant = by_sku.get(one["sku"])
        if variant is None:
            raise VariantNotFound(f"The product has no variant with the SKU {one['sku'][:KEY_MAX]!r}.")
        if variant.id in found:
            raise InvalidPrices(f"The variant {variant.sku!r} stands there twice.", field=f"variants.{index}.sku")
        found[variant.id] = _prices_of(variant, one["prices"], f"variants.{index}.prices")
    return found


def _prices_of(variant: Variant, given: Sequence[Mapping[str, Any]], at: str) -> list[Price]:
    prices: dict[tuple[str, str], Price] = {}
    for index, one in enumerate(given):
        field = f"{at}.{index}"
        price = Price(variant.id, one.get("channel"), one["currency"], one["price_minor"])
        if price.currency not in CURRENCIES:
            raise InvalidPrices(f"{price.currency[:10]!r} is no currency of ISO 4217.", field=f"{field}.currency")
        if not 0 <= price.price_minor <= PRICE_MINOR_MAX:
            raise InvalidPrices(f"priceMinor must be 0 to {PRICE_MINOR_MAX}.", field=f"{field}.priceMinor")
        if price.channel is None and price.currency == variant.currency:
            raise InvalidPrices(
                f"{price.currency} in all channels is the variant's own price: change that, or name a channel.",
                field=f"{field}.channel",
            )
        key = (price.channel or "", price.currency)
        if key in prices:
            raise InvalidPrices("Another price has the same channel and currency.", field=field)
        prices[key] = price
    return sorted(prices.values(), key=lambda price: (price.channel or "", price.currency))


def own_price(variant: Variant) -> Price:
    """The price that a variant always has."""
    return Price(variant.id, None, variant.currency, variant.price_minor)


def choose(variant: Variant, prices: Iterable[Price], channel: str | None, currency: str | None) -> Price:
    """The price in a channel and a currency: of both; else in the currency; else the variant's own.

    prices: of the variant, beside its own.  currency: None for the variant's own.
    """
    wanted = currency or variant.currency
    fitting = {one.channel: one for one in prices if one.currency == wanted}
    if channel is not None and channel in fitting:
        return fitting[channel]
    own = own_price(variant)
    return own if own.currency == wanted else fitting.get(None, own)


def require_currency(currency: str | None) -> None:
    """Raises InvalidPrices for what cannot be a currency."""
    if currency is not None and not is_currency(currency):
        raise InvalidPrices(f"{currency[:10]!r} is not an ISO 4217 currency code such as EUR.", field="currency")
