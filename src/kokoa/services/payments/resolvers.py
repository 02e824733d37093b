"""GraphQL ⇄ actions and store."""

from collections.abc import Mapping, Sequence
from typing import Any

from kokoa.graphql.resolvers import moments
from kokoa.kernel.call import Call
from kokoa.kernel.ids import require_id
from kokoa.services.payments.actions import Cause, PaymentActions
from kokoa.services.payments.errors import InvalidPaymentPage, TestPaymentNotFound
from kokoa.services.payments.model import (
    SHOWN_TRANSACTIONS_MAX,
    NewPayment,
    Operation,
    Payment,
    Wanted,
    require_page,
    require_reference,
)
from kokoa.services.payments.providers.actions import Providers
from kokoa.services.payments.providers.model import provider_key
from kokoa.services.payments.simulator.bank import Bank
from kokoa.services.payments.simulator.deliveries import Deliveries
from kokoa.services.payments.store import PaymentsStore

Arguments = Mapping[str, Any]

_TRANSACTION_MAX = 2**63 - 1


class PaymentResolvers:
    """Field resolvers of schema.graphql, but those of providers."""

    def __init__(self, store: PaymentsStore, actions: PaymentActions) -> None:
        self._store = store
        self._actions = actions

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Query.payment": self.payment,
            "Query.payments": self.payments,
            "Payment": self.by_reference,
            "Payment.createdAt": moments("created_at"),
            "Payment.changedAt": moments("changed_at"),
            "Payment.transactions": self.transactions,
            "PaymentTransaction.createdAt": moments("created_at"),
            "Mutation.createPayment": self.create,
            "Mutation.authorizePayment": self.authorize,
            "Mutation.capturePayment": self.capture,
            "Mutation.voidPayment": self.void,
            "Mutation.refundPayment": self.refund,
            "Mutation.recordPayment": self.record,
        }

    async def by_reference(self, representations: Sequence[Mapping[str, Any]], call: Call) -> Sequence[Any]:
        ids = [require_id(one["id"], field="id") for one in representations]
        found = await self._store.by_ids(call.environment_id, ids)
        shown = {one.id: one for one in await self._store.shown(call.environment_id, list(found.values()))}
        return [shown.get(one) for one in ids]

    async def payment(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        return await self.by_reference([args], call)

    async def payments(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        require_page(args["limit"])
        reference, after = args.get("reference"), args.get("after")
        if reference is not None:
            require_reference(reference)
        before = None if after is None else require_id(after, field="after")
        return [await self._store.page(call.environment_id, reference, before, args["limit"])]

    async def transactions(self, parents: Sequence[Payment], args: Arguments, call: Call) -> Sequence[Any]:
        require_page(args["limit"], SHOWN_TRANSACTIONS_MAX)
        before = _transaction_id(args.get("before"))
        ids = [parent.id for parent in parents]
        found = await self._store.transactions(call.environment_id, ids, before, args["limit"])
        return [found.get(one, []) for one in ids]

    async def create(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        customer = given.get("customer_id")
        new = NewPayment(
            given["reference"],
            given["amount_minor"],
            given["currency"],
            given["provider"],
            None if customer is None else require_id(customer, field="customerId"),
            given.get("external_reference"),
        )
        cause = cause_of(call, given.get("idempotency_key"))
        asked = given.get("authorize")
        wanted = None if asked is None else _wanted("AUTHORIZE", asked)
        return [await self._actions.create(call.environment_id, new, cause, wanted)]

    async def authorize(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        return await self._request("AUTHORIZE", args["input"], call)

    async def capture(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        return await self._request("CHARGE", args["input"], call)

    async def void(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        return await self._request("CANCEL", args["input"], call)

    async def refund(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        return await self._request("REFUND", args["input"], call)

    async def record(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        done = self._actions.record(
            call.environment_id,
            require_id(given["id"], field="id"),
            given["amount_minor"],
            given["idempotency_key"],
            given.get("note"),
            cause_of(call),
        )
        return [await done]

    async def _request(self, operation: Operation, given: Mapping[str, Any], call: Call) -> Sequence[Any]:
        payment_id = require_id(given["id"], field="id")
        wanted = _wanted(operation, given)
        return [await self._actions.request(call.environment_id, payment_id, wanted, cause_of(call))]


class ProviderResolvers:
    """Field resolvers of schema.graphql that are about providers."""

    def __init__(self, providers: Providers, bank: Bank, deliveries: Deliveries, store: PaymentsStore) -> None:
        self._providers = providers
        self._bank = bank
        self._deliveries = deliveries
        self._store = store

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Query.paymentProviders": self.providers,
            "Mutation.configurePaymentProvider": self.configure,
            "Mutation.settleTestPayment": self.settle_test,
        }

    async def providers(self, _: Sequence[Any], __: Arguments, call: Call) -> Sequence[Any]:
        return [await self._providers.all(call.environment_id)]

    async def configure(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        done = self._providers.configure(
            call.environment_id,
            given["key"],
            active=given.get("active"),
            webhook_secret=given.get("webhook_secret"),
            rotate_secret=given["rotate_secret"],
            secret_key=given.get("secret_key"),
            version=given.get("version"),
        )
        return [await done]

    async def settle_test(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        environment_id, payment_id = call.environment_id, require_id(given["id"], field="id")
        key = provider_key(payment_id, given["key"])
        if not await self._bank.decide(environment_id, payment_id, key, approved=given["approve"]):
            raise TestPaymentNotFound("Nothing of this payment with this key waits at the test provider.")
        await self._deliveries.deliver(environment_id)
        found = await self._store.by_ids(environment_id, [payment_id])
        return await self._store.shown(environment_id, [found[payment_id]])


def cause_of(call: Call, idempotency_key: str | None = None) -> Cause:
    """Who asks."""
    caller = call.caller
    actor = f"{caller.kind}:{caller.subject}" if caller.subject else caller.kind
    return Cause(actor, call.correlation_id, idempotency_key)


def _wanted(operation: Operation, given: Mapping[str, Any]) -> Wanted:
    return Wanted(
        operation, given["idempotency_key"], given.get("amount_minor"), given.get("method"), given.get("return_url")
    )


def _transaction_id(text: str | None) -> int | None:
    """Raises InvalidPaymentPage."""
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 19 or int(text) > _TRANSACTION_MAX:
        raise InvalidPaymentPage(f"{text[:40]!r} is no transaction's id.", field="before")
    return int(text)
