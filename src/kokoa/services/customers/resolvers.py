"""GraphQL ⇄ actions and store, for customers, their addresses and groups."""

from collections.abc import Mapping, Sequence
from typing import Any

from kokoa.graphql.resolvers import moments
from kokoa.kernel.call import Call
from kokoa.kernel.ids import require_id
from kokoa.kernel.text import is_plain
from kokoa.services.customers.actions import CustomersActions
from kokoa.services.customers.errors import InvalidCustomer, NotSignedIn
from kokoa.services.customers.model import Customer, Profile, changed, require_email, require_page
from kokoa.services.customers.store import CustomersStore

Arguments = Mapping[str, Any]


class CustomersResolvers:
    """Field resolvers of schema.graphql, but those of accounts and companies."""

    def __init__(self, store: CustomersStore, actions: CustomersActions) -> None:
        self._store = store
        self._actions = actions

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Query.me": self.me,
            "Query.customer": self.customer,
            "Query.customers": self.customers,
            "Query.customerChanges": self.changes,
            "Query.customerGroups": self.groups,
            "Customer": self.by_reference,
            "Customer.emailVerified": _whether("verified_at"),
            "Customer.disabled": _whether("disabled_at"),
            "Customer.createdAt": moments("created_at"),
            "Customer.addresses": self.addresses,
            "Customer.groups": self.groups_of,
            "Mutation.createCustomer": self.create,
            "Mutation.upsertCustomer": self.upsert,
            "Mutation.updateCustomer": self.update,
            "Mutation.addAddress": self.add_address,
            "Mutation.updateAddress": self.update_address,
            "Mutation.removeAddress": self.remove_address,
            "Mutation.putCustomerGroup": self.put_group,
            "Mutation.deleteCustomerGroup": self.delete_group,
            "Mutation.setCustomerGroups": self.set_groups,
        }

    async def me(self, _: Sequence[Any], __: Arguments, call: Call) -> Sequence[Any]:
        if call.caller.kind != "storefront" or not call.caller.subject:
            return [None]
        return [(await self._store.by_ids(call.environment_id, [call.caller.subject])).get(call.caller.subject)]

    async def by_reference(self, representations: Sequence[Mapping[str, Any]], call: Call) -> Sequence[Any]:
        """Management finds everybody; a customer finds themselves."""
        ids = [require_id(one["id"], field="id") for one in representations]
        seen = ids if "management" in call.caller.scopes else [one for one in ids if one == signed_in(call)]
        found = await self._store.by_ids(call.environment_id, seen) if seen else {}
        return [found.get(one) for one in ids]

    async def customer(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = {name: value for name, value in args.items() if value is not None}
        if len(given) != 1:
            raise InvalidCustomer("Name one of id, email and externalReference.", field="id")
        ((name, value),) = given.items()
        if name == "id":
            customer_id = require_id(value, field="id")
            return [(await self._store.by_ids(call.environment_id, [customer_id])).get(customer_id)]
        if name == "email":
            return [await self._store.by_email(call.environment_id, require_email(value))]
        return [await self._store.by_reference(call.environment_id, value) if is_plain(value) else None]

    async def customers(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        require_page(args["limit"])
        after, group = args.get("after"), args.get("group")
        after = require_id(after, field="after") if after is not None else None
        if group is not None and not is_plain(group):
            return [[]]
        return [await self._store.page(call.environment_id, after, group, args["limit"])]

    async def changes(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        require_page(args["limit"])
        return [await self._store.changes(call.environment_id, args.get("since"), args["limit"])]

    async def groups(self, _: Sequence[Any], __: Arguments, call: Call) -> Sequence[Any]:
        return [await self._store.groups(call.environment_id)]

    async def addresses(self, parents: Sequence[Customer], _: Arguments, call: Call) -> Sequence[Any]:
        found = await self._store.addresses(call.environment_id, [parent.id for parent in parents])
        return [found.get(parent.id, []) for parent in parents]

    async def groups_of(self, parents: Sequence[Customer], _: Arguments, call: Call) -> Sequence[Any]:
        found = await self._store.groups_of(call.environment_id, [parent.id for parent in parents])
        return [found.get(parent.id, []) for parent in parents]

    async def create(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        made = self._actions.create(
            call.environment_id,
            given["email"],
            changed(Profile(), given),
            given.get("external_reference"),
            idempotency_key=given.get("idempotency_key"),
            correlation_id=call.correlation_id,
        )
        return [await made]

    async def upsert(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        made = self._actions.upsert(
            call.environment_id,
            given["external_reference"],
            given["email"],
            given,
            correlation_id=call.correlation_id,
        )
        return [await made]

    async def update(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        customer_id = require_id(given["id"], field="id")
        updated = self._actions.update(
            call.environment_id, customer_id, given["version"], given, correlation_id=call.correlation_id
        )
        return [await updated]

    async def add_address(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        added = self._actions.add_address(
            call.environment_id,
            customer_meant(args, call),
            args["input"],
            idempotency_key=args.get("idempotency_key"),
            correlation_id=call.correlation_id,
        )
        return [await added]

    async def update_address(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        updated = self._actions.update_address(
            call.environment_id,
            customer_meant(args, call),
            require_id(args["id"], field="id"),
            args["input"],
            correlation_id=call.correlation_id,
        )
        return [await updated]

    async def remove_address(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        address_id = require_id(args["id"], field="id")
        customer_id = customer_meant(args, call)
        await self._actions.remove_address(
            call.environment_id, customer_id, address_id, correlation_id=call.correlation_id
        )
        return [address_id]

    async def put_group(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        return [await self._actions.put_group(call.environment_id, args["key"], args["name"])]

    async def delete_group(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        await self._actions.delete_group(call.environment_id, args["key"])
        return [args["key"]]

    async def set_groups(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        customer_id = require_id(args["customer_id"], field="customerId")
        keys = [key for key in args["keys"] if is_plain(key)]
        if len(keys) < len(args["keys"]):
            raise InvalidCustomer("keys hold a NUL character or half of a surrogate pair.", field="keys")
        return [
            await self._actions.set_groups(call.environment_id, customer_id, keys, correlation_id=call.correlation_id)
        ]


def signed_in(call: Call) -> str:
    """The customer who asks; empty for nobody."""
    return call.caller.subject if call.caller.kind == "storefront" else ""


def require_signed_in(call: Call) -> str:
    """Raises NotSignedIn."""
    customer_id = signed_in(call)
    if not customer_id:
        raise NotSignedIn("Sign in first: `Authorization: Bearer` and the access token.")
    return customer_id


def customer_meant(args: Arguments, call: Call) -> str:
    """The one that management names, or whoever is signed in. Raises NotSignedIn, InvalidCustomer."""
    named = args.get("customer_id")
    if "management" in call.caller.scopes:
        if named is None:
            raise InvalidCustomer("Name the customer whose address it is.", field="customerId")
        return require_id(named, field="customerId")
    own = require_signed_in(call)
    if named is not None and named != own:
        raise InvalidCustomer(
            "A customer changes their own addresses only; leave customerId out.", field="customerId"
        )
    return own


def _whether(attribute: str) -> Any:
    def resolve(parents: Sequence[Any], _args: Arguments, _call: Call) -> list[bool]:
        return [getattr(parent, attribute) is not None for parent in parents]

    return resolve
