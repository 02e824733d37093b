"""queries.sql ⇄ model. Every read takes many companies or customers at once."""

from collections.abc import Sequence
from pathlib import Path

from kokoa.postgres import Database, Row, load_queries
from kokoa.services.customers.companies.model import Company, Employee

queries = load_queries(Path(__file__).with_name("queries.sql"))

_FIRST = "00000000-0000-0000-0000-000000000000"


class CompanyStore:
    """Reads of one environment each; one statement a call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_ids(self, environment_id: str, ids: Sequence[str]) -> dict[str, Company]:
        """Those that there are, by id."""
        rows = await self._database.fetch(environment_id, queries.companies_by_ids, list(ids))
        return {str(row["id"]): company_of(row) for row in rows}

    async def page(self, environment_id: str, after: str | None, limit: int) -> list[Company]:
        """By id."""
        rows = await self._database.fetch(environment_id, queries.companies_page, after or _FIRST, limit)
        return [company_of(row) for row in rows]

    async def people(self, environment_id: str, company_ids: Sequence[str]) -> dict[str, list[Employee]]:
        """By company."""
        found: dict[str, list[Employee]] = {}
        for row in await self._database.fetch(environment_id, queries.employees_of_companies, list(company_ids)):
            found.setdefault(str(row["company_id"]), []).append(employee_of(row))
        return found

    async def employments(self, environment_id: str, customer_ids: Sequence[str]) -> dict[str, list[Employee]]:
        """By customer."""
        found: dict[str, list[Employee]] = {}
        for row in await self._database.fetch(environment_id, queries.employments_of, list(customer_ids)):
            found.setdefault(str(row["customer_id"]), []).append(employee_of(row))
        return found


def company_of(row: Row) -> Company:
    """A row of any of the company statements."""
    return Company(str(row["id"]), *tuple(row)[1:])


def employee_of(row: Row) -> Employee:
    """A row of any of the employee statements."""
    return Employee(str(row["company_id"]), str(row["customer_id"]), row["role"])
