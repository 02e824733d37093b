"""GraphQL ⇄ actions and store, for companies."""

from collections.abc import Mapping, Sequence
from typing import Any

from kokoa.graphql.resolvers import moments
from kokoa.kernel.call import Call
from kokoa.kernel.ids import require_id
from kokoa.services.customers.companies.actions import CompanyActions
from kokoa.services.customers.companies.model import Company
from kokoa.services.customers.companies.store import CompanyStore
from kokoa.services.customers.model import Customer, require_page
from kokoa.services.customers.resolvers import require_signed_in, signed_in
from kokoa.services.customers.store import CustomersStore

Arguments = Mapping[str, Any]


class CompanyResolvers:
    """Field resolvers of schema.graphql that are about companies."""

    def __init__(self, store: CompanyStore, customers: CustomersStore, actions: CompanyActions) -> None:
        self._store = store
        self._customers = customers
        self._actions = actions

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Query.company": self.company,
            "Query.companies": self.companies,
            "Company": self.by_reference,
            "Company.createdAt": moments("created_at"),
            "Company.people": self.people,
            "Customer.companies": self.companies_of,
            "Mutation.createCompany": self.create,
            "Mutation.updateCompany": self.update,
            "Mutation.setCompanyRole": self.set_role,
            "Mutation.removeFromCompany": self.remove,
        }

    async def company(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        return await self._seen([require_id(args["id"], field="id")], call)

    async def by_reference(self, representations: Sequence[Mapping[str, Any]], call: Call) -> Sequence[Any]:
        return await self._seen([require_id(one["id"], field="id") for one in representations], call)

    async def companies(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        require_page(args["limit"])
        after = args.get("after")
        after = require_id(after, field="after") if after is not None else None
        return [await self._store.page(call.environment_id, after, args["limit"])]

    async def people(self, parents: Sequence[Company], _: Arguments, call: Call) -> Sequence[Any]:
        found = await self._store.people(call.environment_id, [parent.id for parent in parents])
        ids = {one.customer_id for people in found.values() for one in people}
        known = await self._customers.by_ids(call.environment_id, sorted(ids))
        return [
            [{"customer": known[one.customer_id], "role": one.role} for one in found.get(parent.id, [])]
            for parent in parents
        ]

    async def companies_of(self, parents: Sequence[Customer], _: Arguments, call: Call) -> Sequence[Any]:
        found = await self._store.employments(call.environment_id, [parent.id for parent in parents])
        ids = {one.company_id for employments in found.values() for one in employments}
        known = await self._store.by_ids(call.environment_id, sorted(ids))
        return [
            [{"company": known[one.company_id], "role": one.role} for one in found.get(parent.id, [])]
            for parent in parents
        ]

    async def create(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        made = self._actions.create(
            call.environment_id,
            given["name"],
            given["vat_number"],
            given.get("external_reference"),
            idempotency_key=given.get("idempotency_key"),
            correlation_id=call.correlation_id,
        )
        return [await made]

    async def update(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        updated = self._actions.update(
            call.environment_id,
            require_id(given["id"], field="id"),
            given["version"],
            given,
            by=_by(call),
            correlation_id=call.correlation_id,
        )
        return [await updated]

    async def set_role(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        done = self._actions.set_role(
            call.environment_id,
            require_id(args["company_id"], field="companyId"),
            args["email"],
            args["role"],
            by=_by(call),
            correlation_id=call.correlation_id,
        )
        return [await done]

    async def remove(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        done = self._actions.remove(
            call.environment_id,
            require_id(args["company_id"], field="companyId"),
            require_id(args["customer_id"], field="customerId"),
            by=_by(call),
            correlation_id=call.correlation_id,
        )
        return [await done]

    async def _seen(self, ids: Sequence[str], call: Call) -> Sequence[Any]:
        """Management finds all of them; a customer finds those that they are of."""
        if "management" not in call.caller.scopes:
            own = await self._store.employments(call.environment_id, [signed_in(call)]) if signed_in(call) else {}
            mine = {one.company_id for of_customer in own.values() for one in of_customer}
            seen = [one for one in ids if one in mine]
        else:
            seen = list(ids)
        found = await self._store.by_ids(call.environment_id, seen) if seen else {}
        return [found.get(one) for one in ids]


def _by(call: Call) -> str | None:
    """Who asks; None for management. Raises NotSignedIn."""
    return None if "management" in call.caller.scopes else require_signed_in(call)
