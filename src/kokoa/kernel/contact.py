"""How people are reached: e-mail, telephone, postal address. Only the form of each is looked at. Pure."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from kokoa.kernel.errors import Invalid
from kokoa.kernel.text import camel_case, is_plain

EMAIL_MAX = 254
TEXT_MAX = 200

# https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address, and a dot in the domain
_EMAIL = re.compile(
    r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    r"(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)+"
)
_COUNTRY = re.compile(r"[A-Z]{2}")
_LOCALE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_PHONE = re.compile(r"\+?[0-9][0-9 ()./-]{3,30}")


class InvalidAddress(Invalid):
    """A field of an address is not acceptable; the field says which."""


class PostalAddress(msgspec.Struct, frozen=True):
    """Where somebody lives, or gets what they bought.  country: ISO 3166-1 alpha-2."""

    first_name: str
    last_name: str
    company_name: str | None
    line1: str
    line2: str | None
    postal_code: str | None
    city: str
    region: str | None
    country: str
    phone: str | None


def email_of(text: str) -> str | None:
    """As it is compared: without spaces around it, in small letters. None for what is no e-mail address."""
    email = text.strip()
    return email.lower() if len(email) <= EMAIL_MAX and _EMAIL.fullmatch(email) else None


def is_phone(text: str) -> bool:
    """Such as +358 9 1234567."""
    return _PHONE.fullmatch(text) is not None


def is_locale(text: str) -> bool:
    """A language, perhaps with a region, such as fi or en-GB (BCP 47, the part of it that shops use)."""
    return len(text) <= TEXT_MAX and _LOCALE.fullmatch(text) is not None


def require_postal_address(given: Mapping[str, Any], path: str = "") -> PostalAddress:
    """given: the fields of PostalAddress; line1, city and country must be there.  path: of errors, before the field.

    Raises InvalidAddress, which names the field.
    """
    address = PostalAddress(
        given.get("first_name") or "",
        given.get("last_name") or "",
        given.get("company_name") or None,
        given["line1"],
        given.get("line2") or None,
        given.get("postal_code") or None,
        given["city"],
        given.get("region") or None,
        given["country"],
        given.get("phone") or None,
    )
    for name, value in msgspec.structs.asdict(address).items():
        if value is not None and (len(value) > TEXT_MAX or not is_plain(value)):
            raise InvalidAddress(f"At most {TEXT_MAX} characters and no NUL.", field=path + camel_case(name))
    for name in ("line1", "city"):
        if not getattr(address, name).strip():
            raise InvalidAddress(f"{name} must not be empty.", field=path + name)
    if not _COUNTRY.fullmatch(address.country):
        raise InvalidAddress(f"{address.country[:10]!r} is no ISO 3166-1 code such as FI.", field=f"{path}country")
    if address.phone is not None and not is_phone(address.phone):
        raise InvalidAddress("This is no telephone number, such as +358 9 1234567.", field=f"{path}phone")
    return address
