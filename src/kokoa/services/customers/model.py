"""Customers: their types and rules. Pure."""

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from kokoa.kernel.contact import TEXT_MAX, email_of, is_locale, is_phone, require_postal_address
from kokoa.kernel.text import camel_case, is_plain
from kokoa.services.customers.errors import (
    InvalidCustomer,
    InvalidCustomerPage,
    InvalidGroup,
    InvalidPassword,
    InvalidVatNumber,
)

PASSWORD_MIN, PASSWORD_MAX = 10, 256
ADDRESSES_MAX = 50
GROUPS_MAX = 200
GROUPS_OF_CUSTOMER_MAX = 50
KEY_MAX = 64
PAGE_MAX = 250

SESSION_DAYS = 30
VERIFY_HOURS, RESET_HOURS = 48, 1
FAILURES_FREE, FAILURES_WAIT_MAX_S = 5, 900
MAIL_EVERY_S = 60

Purpose = Literal["VERIFY", "RESET"]

_KEY = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
# https://taxation-customs.ec.europa.eu/document/download/98b4cd09-5c53-4d6d-82b6-d5d9b0b27c46_en (formats of VIES)
_VAT = {
    country: re.compile(pattern)
    for country, pattern in {
        "AT": r"U\d{8}", "BE": r"[01]\d{9}", "BG": r"\d{9,10}", "CY": r"\d{8}[A-Z]", "CZ": r"\d{8,10}",
        "DE": r"\d{9}", "DK": r"\d{8}", "EE": r"\d{9}", "EL": r"\d{9}", "ES": r"[A-Z0-9]\d{7}[A-Z0-9]",
        "FI": r"\d{8}", "FR": r"[A-Z0-9]{2}\d{9}", "HR": r"\d{11}", "HU": r"\d{8}",
        "IE": r"\d[A-Z0-9+*]\d{5}[A-Z]{1,2}", "IT": r"\d{11}", "LT": r"\d{9}|\d{12}", "LU": r"\d{8}",
        "LV": r"\d{11}", "MT": r"\d{8}", "NL": r"[A-Z0-9+*]{12}", "PL": r"\d{10}", "PT": r"\d{9}",
        "RO": r"\d{2,10}", "SE": r"\d{12}", "SI": r"\d{8}", "SK": r"\d{10}", "XI": r"\d{9}|\d{12}|GD\d{3}|HA\d{3}",
        "GB": r"\d{9}|\d{12}|GD\d{3}|HA\d{3}", "CH": r"E\d{9}(?:MWST|TVA|IVA)?", "NO": r"\d{9}(?:MVA)?",
    }.items()
}  # fmt: skip


class Customer(msgspec.Struct, frozen=True):
    """email: in small letters.  has_password: whether they may sign in with one."""

    id: str
    email: str
    first_name: str
    last_name: str
    phone: str | None
    locale: str | None
    company_name: str | None
    vat_number: str | None
    verified_at: datetime | None
    disabled_at: datetime | None
    external_reference: str | None
    version: int
    created_at: datetime
    has_password: bool


class Profile(msgspec.Struct, frozen=True):
    """What a customer says of themselves, and a merchant may say of them."""

    first_name: str = ""
    last_name: str = ""
    phone: str | None = None
    locale: str | None = None
    company_name: str | None = None
    vat_number: str | None = None


class Address(msgspec.Struct, frozen=True):
    """country: ISO 3166-1 alpha-2."""

    id: str
    customer_id: str
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


class Session(msgspec.Struct, frozen=True):
    """What somebody who signed in gets.  access_expires_s: unix time."""

    id: str
    customer_id: str
    access_token: str
    access_expires_s: int
    refresh_token: str
    refresh_expires_at: datetime


class Group(msgspec.Struct, frozen=True):
    key: str
    name: str


def profile_of(customer: Customer) -> Profile:
    """What may be changed of it."""
    return Profile(
        customer.first_name,
        customer.last_name,
        customer.phone,
        customer.locale,
        customer.company_name,
        customer.vat_number,
    )


def changed(profile: Profile, given: Mapping[str, Any]) -> Profile:
    """given: fields of Profile; what is missing stays. Raises InvalidCustomer, InvalidVatNumber."""
    wanted = {name: given[name] for name in Profile.__struct_fields__ if name in given}
    for name in ("first_name", "last_name"):
        if wanted.get(name, "") is None:
            wanted[name] = ""
    return require_profile(msgspec.structs.replace(profile, **wanted))


def require_profile(profile: Profile) -> Profile:
    """In its stored form. Raises InvalidCustomer, InvalidVatNumber, which name the field."""
    for name, value in msgspec.structs.asdict(profile).items():
        if value is not None and (len(value) > TEXT_MAX or not is_plain(value)):
            raise InvalidCustomer(f"At most {TEXT_MAX} characters and no NUL.", field=camel_case(name))
    if profile.phone is not None and not is_phone(profile.phone):
        raise InvalidCustomer("This is no telephone number, such as +358 9 1234567.", field="phone")
    if profile.locale is not None and not is_locale(profile.locale):
        raise InvalidCustomer("This is no locale, such as fi or en-GB.", field="locale")
    if (profile.company_name is None) != (profile.vat_number is None):
        missing = "vatNumber" if profile.vat_number is None else "companyName"
        raise InvalidCustomer("companyName and vatNumber belong together: give both or neither.", field=missing)
    if profile.company_name is None:
        return profile
    if not profile.company_name.strip():
        raise InvalidCustomer("companyName must not be empty; leave it out with vatNumber.", field="companyName")
    return msgspec.structs.replace(profile, vat_number=require_vat(profile.vat_number or "", "vatNumber"))


def require_vat(text: str, field: str) -> str:
    """Without spaces, dots and hyphens, in capitals. Raises InvalidVatNumber. Only the form is looked at."""
    number = re.sub(r"[\s.\-]", "", text).upper()
    country, rest = number[:2], number[2:]
    country = "EL" if country == "GR" else country
    pattern = _VAT.get(country)
    if pattern is None:
        raise InvalidVatNumber(
            "A VAT number begins with a country's two letters, such as FI12345678; these are not known here.",
            field=field,
        )
    if not pattern.fullmatch(rest):
        raise InvalidVatNumber(f"This is not the form of a VAT number of {country}.", field=field)
    return country + rest


def require_email(text: str, field: str = "email") -> str:
    """As it is compared: in small letters. Raises InvalidCustomer."""
    email = email_of(text)
    if email is None:
        raise InvalidCustomer("This is no e-mail address.", field=field)
    return email


def require_password(text: str, email: str, field: str = "password") -> None:
    """Length counts (NIST SP 800-63B §3.1.1.2); what anybody would try first is refused. Raises InvalidPassword."""
    if not PASSWORD_MIN <= len(text) <= PASSWORD_MAX or not is_plain(text):
        raise InvalidPassword(f"A password has {PASSWORD_MIN} to {PASSWORD_MAX} characters.", field=field)
    folded = text.lower()
    if len(set(folded)) < 4 or folded in email or email.partition("@")[0] == folded or folded in _COMMON:
        raise InvalidPassword("This password is one of those that are tried first. Take another one.", field=field)


_COMMON = frozenset(
    (
        "1234567890", "12345678910", "123456789a", "1q2w3e4r5t", "qwertyuiop", "qwerty12345", "qwerty123456",
        "password12", "password123", "password1234", "passw0rd123", "iloveyou123", "abcdefghij", "abcd123456",
        "0123456789", "9876543210", "0987654321", "asdfghjkl123", "letmein1234", "welcome123", "welcome1234",
        "football123", "sunshine123", "princess123", "changeme123", "administrator", "trustno1234",
    )
)  # fmt: skip


def require_address(given: Mapping[str, Any], address_id: str, customer_id: str) -> Address:
    """given: as AddressInput, in snake case. Raises InvalidAddress, which names the field."""
    postal = require_postal_address(given)
    return Address(address_id, customer_id, *msgspec.structs.astuple(postal))


def require_group(key: str, name: str) -> None:
    """Raises InvalidGroup."""
    if len(key) > KEY_MAX or not _KEY.fullmatch(key):
        raise InvalidGroup(
            f"key has 1 to {KEY_MAX} lower-case letters and digits, with single hyphens or underscores between.",
            field="key",
        )
    if not name.strip() or len(name) > TEXT_MAX or not is_plain(name):
        raise InvalidGroup(f"name must have 1 to {TEXT_MAX} characters and no NUL.", field="name")


def require_reference(text: str | None) -> None:
    """Raises InvalidCustomer."""
    if text is not None and (not text or len(text) > TEXT_MAX or not is_plain(text)):
        raise InvalidCustomer(f"externalReference has 1 to {TEXT_MAX} characters.", field="externalReference")


def require_page(limit: int) -> None:
    """Raises InvalidCustomerPage."""
    if not 1 <= limit <= PAGE_MAX:
        raise InvalidCustomerPage(f"limit must be 1 to {PAGE_MAX}.", field="limit")


def read_cursor(cursor: str | None) -> tuple[int, str]:
    """Where a reader of customerChanges is. Raises InvalidCustomerPage."""
    if cursor is None:
        return 0, "00000000-0000-0000-0000-000000000000"
    found = re.fullmatch(r"(\d{1,18}):([0-9a-f-]{36})", cursor, re.ASCII)
    if found is None or not _UUID.fullmatch(found[2]):
        raise InvalidCustomerPage(f"{cursor[:80]!r} is no cursor of customerChanges.", field="since")
    return int(found[1]), found[2]


_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def new_secret() -> str:
    """256 random bits, to be shown once."""
    return secrets.token_urlsafe(32)


def digest_of(secret: str) -> bytes:
    """What is kept of one."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def missing_of(wanted: Sequence[str], known: Sequence[str]) -> list[str]:
    """Those of the wanted that are not known, in order."""
    return sorted(set(wanted) - set(known))
