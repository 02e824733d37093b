"""Companies and their people; one function a mutation, one transaction, its events."""

from collections.abc import Mapping
from typing import Any

import asyncpg
import msgspec

from kokoa.kernel.ids import new_id
from kokoa.postgres import Database, Transaction
from kokoa.postgres.answers import answered_once
from kokoa.services.customers import events
from kokoa.services.customers.companies.model import PEOPLE_MAX, Company, Employee, Role, require_company
from kokoa.services.customers.companies.store import company_of, employee_of, queries
from kokoa.services.customers.errors import (
    CompanyChanged,
    CompanyNotFound,
    CompanyRoleMissing,
    CompanyTaken,
    CustomerNotFound,
    LastAdmin,
    TooManyEmployees,
)
from kokoa.services.customers.model import require_email


class CompanyActions:
    """by: the customer who asks, who must be of the company; None for management."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        environment_id: str,
        name: str,
        vat_number: str,
        external_reference: str | None,
        *,
        idempotency_key: str | None,
        correlation_id: str,
    ) -> Company:
        """Raises InvalidCompany, InvalidVatNumber, CompanyTaken, InvalidIdempotencyKey, IdempotencyKeyReused."""
        vat_number = require_company(name, vat_number, external_reference)

        async def work(tx: Transaction) -> Company:
            row = await tx.fetchrow(queries.insert_company, new_id(), name, vat_number, external_reference)
            assert row is not None
            return await _tell(tx, company_of(row), correlation_id)

        request = (name, vat_number, external_reference)
        try:
            async with self._database.transaction(environment_id) as tx:
                return await answered_once(tx, "createCompany", idempotency_key, request, work, Company)
        except asyncpg.UniqueViolationError as error:
            raise CompanyTaken("Another company has this VAT number or external reference.") from error

    async def update(
        self,
        environment_id: str,
        company_id: str,
        version: int,
        given: Mapping[str, Any],
        *,
        by: str | None,
        correlation_id: str,
    ) -> Company:
        """given: name, vat_number, external_reference; what is missing stays.

        Raises InvalidCompany, InvalidVatNumber, CompanyNotFound, CompanyRoleMissing, CompanyChanged, CompanyTaken.
        """
        wanted = {name: given[name] for name in ("name", "vat_number") if given.get(name) is not None}
        if "external_reference" in given:
            wanted["external_reference"] = given["external_reference"]
        try:
            async with self._database.transaction(environment_id) as tx:
                before, _ = await _locked(tx, company_id, by)
                after = msgspec.structs.replace(before, **wanted)
                vat_number = require_company(after.name, after.vat_number, after.external_reference)
                after = msgspec.structs.replace(after, vat_number=vat_number)
                if after == before:
                    return before
                if before.version != version:
                    raise CompanyChanged(f"The company is at version {before.version}, not {version}. Read it again.")
                row = await tx.fetchrow(
                    queries.update_company, after.id, after.name, after.vat_number, after.external_reference
                )
                assert row is not None
                return await _tell(tx, company_of(row), correlation_id)
        except asyncpg.UniqueViolationError as error:
            raise CompanyTaken("Another company has this VAT number or external reference.") from error

    async def set_role(
        self, environment_id: str, company_id: str, email: str, role: Role, *, by: str | None, correlation_id: str
    ) -> Company:
        """Raises CompanyNotFound, CompanyRoleMissing, CustomerNotFound, TooManyEmployees, LastAdmin."""
        email = require_email(email)
        async with self._database.transaction(environment_id) as tx:
            company, people = await _locked(tx, company_id, by)
            customer_id = await tx.fetchval(queries.customer_id_by_email, email)
            if customer_id is None:
                raise CustomerNotFound("No customer of this store has this e-mail address; they must register first.")
            roles = {one.customer_id: one.role for one in people}
            if roles.get(str(customer_id)) == role:
                return company
            if len(roles.keys() | {str(customer_id)}) > PEOPLE_MAX:
                raise TooManyEmployees(f"A company has at most {PEOPLE_MAX} people.")
            _require_admin_left(roles | {str(customer_id): role}, people)
            await tx.execute(queries.put_employee, company_id, customer_id, role)
            return await _touch(tx, company_id, correlation_id)

    async def remove(
        self, environment_id: str, company_id: str, customer_id: str, *, by: str | None, correlation_id: str
    ) -> Company:
        """Everybody may leave. Raises CompanyNotFound, CompanyRoleMissing, CustomerNotFound, LastAdmin."""
        async with self._database.transaction(environment_id) as tx:
            _, people = await _locked(tx, company_id, by, leaving=by == customer_id)
            left = {one.customer_id: one.role for one in people if one.customer_id != customer_id}
            if len(left) == len(people):
                raise CustomerNotFound("The company has no such person.")
            if left:
                _require_admin_left(left, people)
            await tx.execute(queries.delete_employee, company_id, customer_id)
            return await _touch(tx, company_id, correlation_id)


async def _locked(
    tx: Transaction, company_id: str, by: str | None, *, leaving: bool = False
) -> tuple[Company, list[Employee]]:
    """A company that somebody may change, and its people.  leaving: it is enough to be one of them."""
    row = await tx.fetchrow(queries.company_for_update, company_id)
    people = [employee_of(one) for one in await tx.fetch(queries.employees_of_companies, [company_id])]
    role = next((one.role for one in people if one.customer_id == by), None)
    if row is None or (by is not None and role is None):
        raise CompanyNotFound(f"There is no company {company_id}, or you are not of it.")
    if by is not None and role != "ADMIN" and not leaving:
        raise CompanyRoleMissing("Only an admin of the company may do this.")
    return company_of(row), people


def _require_admin_left(roles: Mapping[str, Role], before: list[Employee]) -> None:
    """A company that had admins keeps one. Raises LastAdmin."""
    if any(one.role == "ADMIN" for one in before) and "ADMIN" not in roles.values():
        raise LastAdmin("The company would have no admin. Make somebody else one first.")


async def _touch(tx: Transaction, company_id: str, correlation_id: str) -> Company:
    row = await tx.fetchrow(queries.touch_company, company_id)
    assert row is not None
    return await _tell(tx, company_of(row), correlation_id)


async def _tell(tx: Transaction, company: Company, correlation_id: str) -> Company:
    event = events.CompanyChanged(company_id=company.id, version=company.version)
    await tx.emit(event, correlation_id=correlation_id)
    return company
