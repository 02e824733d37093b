"""GraphQL ⇄ actions, for registering and signing in."""

from collections.abc import Mapping, Sequence
from typing import Any

from kokoa.kernel.call import Call
from kokoa.kernel.clock import to_datetime
from kokoa.services.customers.accounts.actions import AccountActions
from kokoa.services.customers.actions import CustomersActions
from kokoa.services.customers.model import Customer, Profile, Session, changed
from kokoa.services.customers.resolvers import require_signed_in
from kokoa.services.customers.store import CustomersStore

Arguments = Mapping[str, Any]


class AccountResolvers:
    """Field resolvers of schema.graphql that are about who somebody is."""

    def __init__(self, store: CustomersStore, customers: CustomersActions, accounts: AccountActions) -> None:
        self._store = store
        self._customers = customers
        self._accounts = accounts

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Mutation.registerCustomer": self.register,
            "Mutation.signIn": self.sign_in,
            "Mutation.refreshSession": self.refresh,
            "Mutation.signOut": self.sign_out,
            "Mutation.signOutEverywhere": self.sign_out_everywhere,
            "Mutation.requestEmailVerification": self.request_verification,
            "Mutation.verifyEmail": self.verify,
            "Mutation.requestPasswordReset": self.request_reset,
            "Mutation.resetPassword": self.reset,
            "Mutation.changePassword": self.change_password,
            "Mutation.updateMe": self.update_me,
        }

    async def register(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        profile = changed(Profile(), given)
        done = self._accounts.register(
            call.environment_id, given["email"], given["password"], profile, correlation_id=call.correlation_id
        )
        return [_opened(*await done)]

    async def sign_in(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        done = self._accounts.sign_in(
            call.environment_id, args["email"], args["password"], correlation_id=call.correlation_id
        )
        return [_opened(*await done)]

    async def refresh(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        session = await self._accounts.refresh(
            call.environment_id, args["refresh_token"], correlation_id=call.correlation_id
        )
        return [_tokens(session)]

    async def sign_out(self, _: Sequence[Any], __: Arguments, call: Call) -> Sequence[Any]:
        await self._accounts.sign_out(
            call.environment_id, require_signed_in(call), call.session, correlation_id=call.correlation_id
        )
        return [True]

    async def sign_out_everywhere(self, _: Sequence[Any], __: Arguments, call: Call) -> Sequence[Any]:
        await self._accounts.sign_out(
            call.environment_id, require_signed_in(call), None, correlation_id=call.correlation_id
        )
        return [True]

    async def request_verification(self, _: Sequence[Any], __: Arguments, call: Call) -> Sequence[Any]:
        await self._accounts.request_verification(
            call.environment_id, require_signed_in(call), correlation_id=call.correlation_id
        )
        return [True]

    async def verify(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        return [await self._accounts.verify(call.environment_id, args["token"], correlation_id=call.correlation_id)]

    async def request_reset(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        await self._accounts.request_reset(call.environment_id, args["email"], correlation_id=call.correlation_id)
        return [True]

    async def reset(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        done = self._accounts.reset(
            call.environment_id, args["token"], args["password"], correlation_id=call.correlation_id
        )
        return [_opened(*await done)]

    async def change_password(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        done = self._accounts.change_password(
            call.environment_id,
            require_signed_in(call),
            call.session,
            args["old_password"],
            args["new_password"],
            correlation_id=call.correlation_id,
        )
        return [await done]

    async def update_me(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = dict(args["input"])
        customer_id = require_signed_in(call)
        password = given.pop("password", None)
        if given.get("email"):
            await self._accounts.require_password(call.environment_id, customer_id, password or "")
        done = self._customers.update(
            call.environment_id, customer_id, given.pop("version"), given, correlation_id=call.correlation_id
        )
        return [await done]


def _opened(customer: Customer, session: Session) -> dict[str, Any]:
    return {"customer": customer, "tokens": _tokens(session)}


def _tokens(session: Session) -> dict[str, str]:
    return {
        "access_token": session.access_token,
        "access_expires_at": to_datetime(session.access_expires_s * 1000).isoformat(),
        "refresh_token": session.refresh_token,
        "refresh_expires_at": session.refresh_expires_at.isoformat(),
    }
