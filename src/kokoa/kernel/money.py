"""Money: integer minor units and a currency. Never a float inside Kokoa; the rim may show major units."""

import msgspec

from kokoa.kernel.errors import Invalid

# ISO 4217 currencies whose minor unit is not one hundredth.
_EXPONENTS = {
    "BHD": 3, "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "IQD": 3, "ISK": 0, "JOD": 3, "JPY": 0, "KMF": 0, "KRW": 0,
    "KWD": 3, "LYD": 3, "OMR": 3, "PYG": 0, "RWF": 0, "TND": 3, "UGX": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0,
    "XPF": 0,
}  # fmt: skip
_MINOR_UNITS = (1, 10, 100, 1000)

# ISO 4217, list one, without funds, metals and codes for testing.
_CODES = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD
    CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD
    GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT
    LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR
    NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP
    STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD
    XCG XOF XPF YER ZAR ZMW ZWG
"""
CURRENCIES = frozenset(_CODES.split())


class InvalidMoney(Invalid):
    """The amount or the currency is not one."""


class CurrencyMismatch(Invalid):
    """Two amounts of different currencies were put together."""


class Money(msgspec.Struct, frozen=True, order=False):
    """amount_minor: integer minor units (cents).  currency: ISO 4217, three capitals."""

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        if not is_currency(self.currency):
            raise InvalidMoney(f"{self.currency!r} is not an ISO 4217 currency code such as EUR", field="currency")

    def __add__(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} cannot be added")
        return Money(self.amount_minor + other.amount_minor, self.currency)

    def major(self) -> float:
        """Major units for display as a JSON number (89.9), exact to the currency's minor unit."""
        return major_units(self.amount_minor, self.currency)


def is_currency(text: str) -> bool:
    """Whether it has the form of an ISO 4217 code: three capitals."""
    return len(text) == 3 and text.isascii() and text.isalpha() and text.isupper()


def major_units(amount_minor: int, currency: str) -> float:
    """Major units for display, for amounts that are known to be sound: a listing has hundreds of them.

    Python divides integers with one correct rounding, so this is the float nearest to the exact amount.
    """
    return amount_minor / _MINOR_UNITS[exponent_of(currency)]


def exponent_of(currency: str) -> int:
    """How many decimals the currency's minor unit has (ISO 4217)."""
    return _EXPONENTS.get(currency, 2)
