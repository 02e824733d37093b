"""Companies: their types and rules. Pure."""

from datetime import datetime
from typing import Literal

import msgspec

from kokoa.kernel.contact import TEXT_MAX
from kokoa.kernel.text import is_plain
from kokoa.services.customers.errors import InvalidCompany
from kokoa.services.customers.model import require_vat

PEOPLE_MAX = 200

Role = Literal["ADMIN", "APPROVER", "BUYER"]


class Company(msgspec.Struct, frozen=True):
    id: str
    name: str
    vat_number: str
    external_reference: str | None
    version: int
    created_at: datetime


class Employee(msgspec.Struct, frozen=True):
    """Who may do what for a company."""

    company_id: str
    customer_id: str
    role: Role


def require_company(name: str, vat_number: str, external_reference: str | None) -> str:
    """The VAT number in its stored form. Raises InvalidCompany, InvalidVatNumber."""
    if not name.strip() or len(name) > TEXT_MAX or not is_plain(name):
        raise InvalidCompany(f"name must have 1 to {TEXT_MAX} characters and no NUL.", field="name")
    reference = external_reference
    if reference is not None and (not reference or len(reference) > TEXT_MAX or not is_plain(reference)):
        raise InvalidCompany(f"externalReference has 1 to {TEXT_MAX} characters.", field="externalReference")
    return require_vat(vat_number, "vatNumber")
