"""What a merchant, or a customer who is signed in, does to an account; one function a mutation, one transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import msgspec

from kokoa.kernel.clock import now_ms, to_datetime
from kokoa.kernel.ids import new_id
from kokoa.postgres import Database, Transaction
from kokoa.postgres.answers import answered_once
from kokoa.services.customers import events
from kokoa.services.customers.errors import (
    CustomerAddressNotFound,
    CustomerChanged,
    CustomerNotFound,
    CustomerReferenceTaken,
    EmailTaken,
    GroupInUse,
    GroupNotFound,
    TooManyAddresses,
    TooManyGroups,
)
from kokoa.services.customers.model import (
    ADDRESSES_MAX,
    GROUPS_MAX,
    GROUPS_OF_CUSTOMER_MAX,
    Address,
    Customer,
    Group,
    Profile,
    changed,
    missing_of,
    profile_of,
    require_address,
    require_email,
    require_group,
    require_profile,
    require_reference,
)
from kokoa.services.customers.store import customer_of, queries


class CustomersActions:
    """correlation_id: of the request that caused the change; it travels with the events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        environment_id: str,
        email: str,
        profile: Profile,
        external_reference: str | None,
        *,
        idempotency_key: str | None,
        correlation_id: str,
    ) -> Customer:
        """A customer without a password: requestPasswordReset lets them choose one.

        Raises InvalidCustomer, InvalidVatNumber, EmailTaken, CustomerReferenceTaken.
        """
        email, profile = require_email(email), require_profile(profile)
        require_reference(external_reference)

        async def work(tx: Transaction) -> Customer:
            made = await insert(tx, email, None, profile, external_reference)
            event = events.CustomerRegistered(customer_id=made.id, email=email, version=1, by="MERCHANT")
            await tx.emit(event, correlation_id=correlation_id)
            return made

        request = (email, profile, external_reference)
        with _references(external_reference):
            async with self._database.transaction(environment_id) as tx:
                return await answered_once(tx, "createCustomer", idempotency_key, request, work, Customer)

    async def upsert(
        self,
        environment_id: str,
        external_reference: str,
        email: str,
        given: Mapping[str, Any],
        *,
        correlation_id: str,
    ) -> Customer:
        """Make the customer with a key of another system as it is there; what is not given stays.

        Raises InvalidCustomer, InvalidVatNumber, EmailTaken.
        """
        email = require_email(email)
        require_reference(external_reference)
        with _references(external_reference):
            return await self._upsert(environment_id, external_reference, email, given, correlation_id)

    async def _upsert(
        self, environment_id: str, external_reference: str, email: str, given: Mapping[str, Any], correlation_id: str
    ) -> Customer:
        async with self._database.transaction(environment_id) as tx:
            await tx.execute(queries.lock_reference, external_reference)
            row = await tx.fetchrow(queries.customer_by_reference, external_reference)
            if row is None:
                profile = changed(Profile(), given)
                made = await insert(tx, email, None, profile, external_reference)
                event = events.CustomerRegistered(customer_id=made.id, email=email, version=1, by="MERCHANT")
                await tx.emit(event, correlation_id=correlation_id)
                return made
            before = await locked(tx, str(row["id"]))
            after = _with(before, changed(profile_of(before), given), email)
            return await put(tx, before, after, correlation_id)

    async def update(
        self, environment_id: str, customer_id: str, version: int, given: Mapping[str, Any], *, correlation_id: str
    ) -> Customer:
        """given: fields of Profile, email, external_reference, disabled; what is missing stays.

        A changed address must be verified again; who is disabled is signed out everywhere. Raises InvalidCustomer,
        InvalidVatNumber, CustomerNotFound, CustomerChanged, EmailTaken, CustomerReferenceTaken.
        """
        reference = given.get("external_reference")
        require_reference(reference)
        with _references(reference):
            async with self._database.transaction(environment_id) as tx:
                before = await locked(tx, customer_id)
                email = require_email(given["email"]) if given.get("email") else before.email
                after = _with(before, changed(profile_of(before), given), email)
                if "external_reference" in given:
                    after = msgspec.structs.replace(after, external_reference=reference)
                if given.get("disabled") is not None:
                    disabled_at = (before.disabled_at or to_datetime(now_ms())) if given["disabled"] else None
                    after = msgspec.structs.replace(after, disabled_at=disabled_at)
                if after == before:
                    return before
                _require_version(before, version)
                if after.disabled_at is not None and before.disabled_at is None:
                    await end_sessions(tx, customer_id, None, "DISABLED", correlation_id)
                return await put(tx, before, after, correlation_id)

    async def add_address(
        self,
        environment_id: str,
        customer_id: str,
        given: Mapping[str, Any],
        *,
        idempotency_key: str | None,
        correlation_id: str,
    ) -> Address:
        """Raises InvalidAddress, CustomerNotFound, TooManyAddresses."""
        address = require_address(given, new_id(), customer_id)

        async def work(tx: Transaction) -> Address:
            await locked(tx, customer_id)
            if await tx.fetchval(queries.address_count, customer_id) >= ADDRESSES_MAX:
                raise TooManyAddresses(f"A customer has at most {ADDRESSES_MAX} addresses.")
            await tx.execute(queries.insert_address, *msgspec.structs.astuple(address))
            await touch(tx, customer_id, correlation_id)
            return address

        request = (customer_id, msgspec.structs.replace(address, id=""))
        async with self._database.transaction(environment_id) as tx:
            return await answered_once(tx, "addAddress", idempotency_key, request, work, Address)

    async def update_address(
        self,
        environment_id: str,
        customer_id: str,
        address_id: str,
        given: Mapping[str, Any],
        *,
        correlation_id: str,
    ) -> Address:
        """The whole address as it is to be. Raises InvalidAddress, CustomerAddressNotFound, CustomerNotFound."""
        address = require_address(given, address_id, customer_id)
        fields = msgspec.structs.astuple(address)
        async with self._database.transaction(environment_id) as tx:
            await locked(tx, customer_id)
            if await tx.fetchval(queries.update_address, address_id, customer_id, *fields[2:]) is None:
                raise CustomerAddressNotFound(f"The customer has no address {address_id}.")
            await touch(tx, customer_id, correlation_id)
        return address

    async def remove_address(
        self, environment_id: str, customer_id: str, address_id: str, *, correlation_id: str
    ) -> None:
        """Raises CustomerAddressNotFound, CustomerNotFound."""
        async with self._database.transaction(environment_id) as tx:
            await locked(tx, customer_id)
            if await tx.fetchval(queries.delete_address, address_id, customer_id) is None:
                raise CustomerAddressNotFound(f"The customer has no address {address_id}.")
            await touch(tx, customer_id, correlation_id)

    async def put_group(self, environment_id: str, key: str, name: str) -> Group:
        """A group, new or with another name. Raises InvalidGroup, TooManyGroups."""
        require_group(key, name)
        async with self._database.transaction(environment_id) as tx:
            await tx.execute(queries.lock_groups)
            known = [row["key"] for row in await tx.fetch(queries.groups_all)]
            if key not in known and len(known) >= GROUPS_MAX:
                raise TooManyGroups(f"An environment has at most {GROUPS_MAX} groups.")
            await tx.execute(queries.put_group, key, name)
        return Group(key, name)

    async def delete_group(self, environment_id: str, key: str) -> None:
        """Raises GroupNotFound, GroupInUse."""
        try:
            async with self._database.transaction(environment_id) as tx:
                if await tx.fetchval(queries.delete_group, key) is None:
                    raise GroupNotFound(f"There is no group {key!r}.")
        except asyncpg.ForeignKeyViolationError as error:
            raise GroupInUse("Customers are in this group; take them out first.") from error

    async def set_groups(
        self, environment_id: str, customer_id: str, keys: Sequence[str], *, correlation_id: str
    ) -> Customer:
        """The groups that a customer is in, no others. Raises CustomerNotFound, GroupNotFound, TooManyGroups."""
        if len(keys) > GROUPS_OF_CUSTOMER_MAX:
            raise TooManyGroups(f"A customer is in at most {GROUPS_OF_CUSTOMER_MAX} groups.")
        wanted = sorted(set(keys))
        async with self._database.transaction(environment_id) as tx:
            await locked(tx, customer_id)
            known = [row["key"] for row in await tx.fetch(queries.groups_kept, wanted)]
            if missing := missing_of(wanted, known):
                raise GroupNotFound(f"There is no group {missing[0][:80]!r}.")
            await tx.execute(queries.delete_memberships, customer_id)
            await tx.execute(queries.insert_memberships, customer_id, wanted)
            return await touch(tx, customer_id, correlation_id)


class _references:
    """What the indexes refuse, when two come at once, is an EmailTaken or a CustomerReferenceTaken."""

    def __init__(self, reference: str | None) -> None:
        self._reference = reference

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        if isinstance(error, asyncpg.UniqueViolationError):
            if error.constraint_name == "customers_by_email":
                raise EmailTaken("Another customer has this e-mail address.") from error
            raise CustomerReferenceTaken(f"Another customer has the reference {self._reference!r}.") from error


async def insert(
    tx: Transaction, email: str, password: str | None, profile: Profile, external_reference: str | None
) -> Customer:
    """A new customer.  password: hashed. Raises EmailTaken."""
    row = await tx.fetchrow(
        queries.insert_customer, new_id(), email, password, *msgspec.structs.astuple(profile), external_reference
    )
    if row is None:
        raise EmailTaken("Another customer has this e-mail address.")
    return customer_of(row)


async def locked(tx: Transaction, customer_id: str) -> Customer:
    """Kept from other changes until the transaction ends. Raises CustomerNotFound."""
    row = await tx.fetchrow(queries.customer_for_update, customer_id)
    if row is None:
        raise CustomerNotFound(f"There is no customer {customer_id}.")
    return customer_of(row)


async def put(tx: Transaction, before: Customer, after: Customer, correlation_id: str) -> Customer:
    """The customer as it is to be; nothing happens when it is. The caller has locked it. Raises EmailTaken."""
    if after == before:
        return before
    if after.email != before.email and await tx.fetchrow(queries.customer_by_email, after.email) is not None:
        raise EmailTaken("Another customer has this e-mail address.")
    row = await tx.fetchrow(
        queries.update_customer,
        after.id,
        after.email,
        *msgspec.structs.astuple(profile_of(after)),
        after.verified_at,
        after.disabled_at,
        after.external_reference,
    )
    assert row is not None
    stored = customer_of(row)
    await tx.emit(
        events.CustomerUpdated(customer_id=stored.id, version=stored.version), correlation_id=correlation_id
    )
    return stored


async def touch(tx: Transaction, customer_id: str, correlation_id: str) -> Customer:
    """Tell that something of a customer changed. The caller has locked it."""
    row = await tx.fetchrow(queries.touch_customer, customer_id)
    assert row is not None
    customer = customer_of(row)
    event = events.CustomerUpdated(customer_id=customer.id, version=customer.version)
    await tx.emit(event, correlation_id=correlation_id)
    return customer


async def end_sessions(tx: Transaction, customer_id: str, but: str | None, reason: str, correlation_id: str) -> None:
    """Sign a customer out everywhere.  but: a session that goes on."""
    if await tx.fetch(queries.revoke_sessions, customer_id, but):
        event = events.SessionRevoked(customer_id=customer_id, session_id=None, reason=reason)
        await tx.emit(event, correlation_id=correlation_id)


def _with(before: Customer, profile: Profile, email: str) -> Customer:
    verified_at = before.verified_at if email == before.email else None
    return msgspec.structs.replace(before, email=email, verified_at=verified_at, **msgspec.structs.asdict(profile))


def _require_version(customer: Customer, version: int) -> None:
    if customer.version != version:
        raise CustomerChanged(
            f"The customer is at version {customer.version}, not {version}. Read it again and repeat the change."
        )
