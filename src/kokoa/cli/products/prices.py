"""Prices as people write them, exactly. Pure."""

import re

from kokoa.kernel.money import exponent_of

PRICE_MINOR_MAX = 2**31 - 1  # GraphQL's Int
_PRICE_CHARACTERS_MAX = 40
_PRICE = re.compile(r"[0-9]+(\.[0-9]+)?")


def read_price(text: str, currency: str) -> int | str:
    """`12.90` EUR → 1290; or, as text, what is wrong with it."""
    if not _PRICE.fullmatch(text) or len(text) > _PRICE_CHARACTERS_MAX:
        return f"{text[:40]!r} is no price such as 12.90: digits, with a point before the decimals."
    exponent = exponent_of(currency)
    whole, _, decimals = text.partition(".")
    decimals = decimals.rstrip("0")
    if len(decimals) > exponent:
        return f"{text!r} has more decimals than {currency} has, which is {exponent}."
    minor = int(whole + decimals.ljust(exponent, "0"))
    if minor > PRICE_MINOR_MAX:
        return f"More than {write_price(PRICE_MINOR_MAX, currency)} {currency} is not possible: {text!r}."
    return minor


def write_price(amount_minor: int, currency: str) -> str:
    """1290 EUR → `12.90`, exactly."""
    exponent = exponent_of(currency)
    if exponent == 0:
        return str(amount_minor)
    digits = str(amount_minor).rjust(exponent + 1, "0")
    return f"{digits[:-exponent]}.{digits[-exponent:]}"
