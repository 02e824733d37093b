"""Payments move money in three parts, so that a crash at any moment loses nothing and does nothing twice:

1. one transaction decides by the pure rule, under the payment's lock, and writes the REQUEST with its key;
2. outside of any transaction the provider is asked, with the same key;
3. one transaction writes what became of it, and tells.

A request whose third part is missing is asked about by the reconciler, by its key.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from kokoa.kernel.clock import now_ms, to_datetime
from kokoa.kernel.errors import Unavailable
from kokoa.kernel.ids import new_id
from kokoa.kernel.timing import within
from kokoa.kernel.transaction import refuse_in_transaction
from kokoa.postgres import Database, Event, Transaction
from kokoa.postgres.answers import IdempotencyKeyReused, keeping, known_answer, require_key
from kokoa.processes.steps import reached
from kokoa.services.payments import events
from kokoa.services.payments.errors import (
    InvalidPayment,
    PaymentOperationUnsupported,
    PaymentReferenceTaken,
)
from kokoa.services.payments.model import (
    METHOD_MAX,
    TEXT_MAX,
    NewPayment,
    News,
    NewTransaction,
    Payment,
    ShownPayment,
    Wanted,
    amount_to_request,
    ends_request,
    left_after,
    news_to_write,
    paid,
    request_of,
    require_amount,
    require_new,
    require_no_authorization,
    require_recordable,
    require_return_url,
    require_text,
    shown,
)
from kokoa.services.payments.providers.actions import Providers
from kokoa.services.payments.providers.model import (
    ActionRequired,
    Answer,
    Failed,
    Order,
    Provider,
    Succeeded,
    Unknown,
    provider_key,
)
from kokoa.services.payments.store import PaymentsStore, lock_payment, queries, write_down

CALL_TIMEOUT_MS = 10_000
ASK_AFTER_S = 15.0  # longer than any call takes
SOON_S = 1.0
ACTION_S = 1_800.0  # what a customer has time for


class Cause(msgspec.Struct, frozen=True):
    """Who asked, and by which request.  idempotency_key: of createPayment; None for one that may be done twice."""

    actor: str
    correlation_id: str
    idempotency_key: str | None = None


class PaymentActions:
    """Changes of one environment each.  call_timeout_ms: how long a provider's answer is waited for."""

    def __init__(
        self,
        database: Database,
        store: PaymentsStore,
        providers: Providers,
        call_timeout_ms: int = CALL_TIMEOUT_MS,
    ) -> None:
        self._database = database
        self._store = store
        self._providers = providers
        self._call_timeout_ms = call_timeout_ms

    async def create(
        self, environment_id: str, new: NewPayment, cause: Cause, wanted: Wanted | None = None
    ) -> ShownPayment:
        """Something is to be paid; no money moves yet.  wanted: that all of it is authorised as well.

        A provider that asks nobody promises it with the payment's making; others are asked as by `request`.
        Raises InvalidPayment, PaymentProviderNotFound, PaymentProviderInactive, PaymentReferenceTaken,
        IdempotencyKeyReused, and with `wanted` what `request` raises.
        """
        require_new(new)
        provider = self._providers.find(new.provider)
        known: list[NewTransaction] = []
        if wanted is not None:
            _require_wanted(wanted)
            _require_offered(provider, wanted)
            known = _known_at_once(provider, wanted, new.amount_minor)
        now = to_datetime(now_ms())
        payment = Payment(
            id=new_id(), version=2 if known else 1, created_at=now, changed_at=now, **msgspec.structs.asdict(new)
        )
        keep = keeping("createPayment", cause.idempotency_key, new if wanted is None else (new, wanted), payment)
        created = events.PaymentCreated(**_of(payment, payment.amount_minor), provider=payment.provider)
        told = [created, *_told(payment, known)]
        try:
            begun = await self._store.begin(
                environment_id,
                payment,
                known,
                keep,
                cause.actor,
                told,
                cause.correlation_id,
                active_by_default=provider.active_by_default,
            )
        except PaymentReferenceTaken:
            if await known_answer(self._database, environment_id, keep, Payment) is None:
                raise
            begun = False
        if begun and (known or wanted is None):
            return shown(payment, known)
        made = payment if begun else await known_answer(self._database, environment_id, keep, Payment)
        if made is None:
            await self._providers.require_active_now(environment_id, provider)
            return await self.create(environment_id, new, cause, wanted)  # it has just become so, or the key free
        if wanted is not None:
            return await self.request(environment_id, made.id, wanted, cause)
        async with self._database.transaction(environment_id) as tx:
            return shown(*await lock_payment(tx, made.id))

    async def request(self, environment_id: str, payment_id: str, wanted: Wanted, cause: Cause) -> ShownPayment:
        """Authorise, capture, refund or cancel. The same key again is answered with the payment as it is.

        What the provider refuses is no error: it is a transaction of the payment. Nor is an answer that did not come:
        the request is pending then.
        Raises InvalidPayment, InvalidPaymentMethod, PaymentNotFound, PaymentProviderInactive,
        PaymentOperationUnsupported, MoreThanAuthorizable, MoreThanAuthorized, MoreThanCharged, IdempotencyKeyReused.
        """
        _require_wanted(wanted)
        written = await self._write_request(environment_id, payment_id, wanted, cause)
        if isinstance(written, ShownPayment):
            return written
        provider, order = written
        reached("payment.requested")
        answer = await asked(provider.perform, order)
        reached("payment.answered")
        after = await settle(self._database, order, wanted.key, answer, SOON_S, cause)
        reached("payment.settled")
        return after

    async def record(
        self, environment_id: str, payment_id: str, amount_minor: int, key: str, note: str | None, cause: Cause
    ) -> ShownPayment:
        """Write down money that came in, for a provider that is not asked. The same key again counts once.

        Raises InvalidPayment, PaymentNotFound, PaymentOperationUnsupported, TooMuchPaid, IdempotencyKeyReused.
        """
        require_key(key)
        require_amount(amount_minor)
        require_text(note, "note")
        wanted = Wanted("CHARGE", key, amount_minor, note)
        async with self._database.transaction(environment_id) as tx:
            payment, known = await lock_payment(tx, payment_id)
            if "CHARGE" in self._providers.find(payment.provider).operations:
                raise PaymentOperationUnsupported(f"{payment.provider!r} charges by itself: use capturePayment.")
            if _was_asked(known, wanted):
                return shown(payment, known)
            require_recordable(known, amount_minor)
            new = [paid(amount_minor, key, note, wanted.fingerprint())]
            after = await write_down(tx, payment_id, new, cause.actor, cause.correlation_id)
            await tx.emit(*_told(after, new), correlation_id=cause.correlation_id)
        return shown(after, [*known, *new])

    async def _provider(
        self, tx: Transaction, payment: Payment, known: Sequence[NewTransaction], wanted: Wanted
    ) -> Provider:
        """Who is asked. One that is not active any more still gives back, and ends, what it began."""
        provider = self._providers.find(payment.provider)
        _require_offered(provider, wanted)
        if wanted.operation == "AUTHORIZE":
            await self._providers.require_active(tx, provider)
            if provider.authorizes_once:
                require_no_authorization(known, provider.key)
        return provider

    async def _write_request(
        self, environment_id: str, payment_id: str, wanted: Wanted, cause: Cause
    ) -> tuple[Provider, Order] | ShownPayment:
        """Decide, and write the REQUEST; the payment as it is when the key was asked for before."""
        async with self._database.transaction(environment_id) as tx:
            payment, known = await lock_payment(tx, payment_id)
            if _was_asked(known, wanted):
                return shown(payment, known)
            provider = await self._provider(tx, payment, known, wanted)
            amount = amount_to_request(payment, known, wanted)
            request, left = request_of(wanted, amount), left_after(known, wanted.operation, amount)
            authorized = [one.provider_reference for one in known if one.type == "AUTHORIZE_SUCCESS"]
            reference = authorized[-1] if authorized else None
            answer = provider.at_once(wanted.operation)
            if answer is not None and not isinstance(answer, Unknown):
                news = news_to_write([*known, request], _news_of(answer, wanted.key))
                return await _written(tx, payment_id, known, [request, *news], cause)
            await write_down(tx, payment_id, [request], cause.actor, cause.correlation_id)
            await tx.execute(
                queries.open_request,
                payment_id,
                wanted.key,
                wanted.operation,
                amount,
                wanted.method,
                wanted.return_url,
                reference,
                left,
                ASK_AFTER_S,
            )
        return provider, Order(
            environment_id=environment_id,
            payment_id=payment_id,
            reference=payment.reference,
            operation=wanted.operation,
            amount_minor=amount,
            currency=payment.currency,
            key=provider_key(payment_id, wanted.key),
            method=wanted.method,
            return_url=wanted.return_url,
            provider_reference=reference,
            left_minor=left,
            deadline_ms=self._call_timeout_ms,
        )


async def asked(call: Callable[[Order], Awaitable[Answer]], order: Order) -> Answer:
    """What a provider answers, in bounded time; Unknown when no answer comes."""
    refuse_in_transaction("a payment provider's call")
    try:
        return await within(order.deadline_ms / 1_000, call(order))
    except TimeoutError:
        return Unknown(f"no answer within {order.deadline_ms} ms")
    except Unavailable as error:
        return Unknown(error.message)


async def settle(
    database: Database, order: Order, key: str, answer: Answer, ask_in_s: float, cause: Cause
) -> ShownPayment:
    """Write down what a provider answered.  ask_in_s: when it is asked again about what is still unknown."""
    async with database.transaction(order.environment_id) as tx:
        payment, known = await lock_payment(tx, order.payment_id)
        if not isinstance(answer, Unknown):
            return await take_in(tx, payment, known, _news_of(answer, key), cause)
        await tx.execute(queries.ask_later, order.payment_id, key, ask_in_s)
        return shown(payment, known)


async def take_in(
    tx: Transaction, payment: Payment, known: Sequence[NewTransaction], news: News, cause: Cause
) -> ShownPayment:
    """Write down what is new in what a provider says, and tell of it; what is not new changes nothing.

    known: all transactions of the payment, which the caller has locked.
    """
    new = news_to_write(known, news)
    if not new:
        return shown(payment, known)
    after = await write_down(tx, payment.id, new, cause.actor, cause.correlation_id)
    for one in new:
        if ends_request(one):
            await tx.execute(queries.close_request, payment.id, one.key)
        elif one.type == "ACTION_REQUIRED":
            await tx.execute(queries.ask_later, payment.id, one.key, ACTION_S)
    await tx.emit(*_told(after, new), correlation_id=cause.correlation_id)
    return shown(after, [*known, *new])


async def _written(
    tx: Transaction, payment_id: str, known: Sequence[NewTransaction], new: Sequence[NewTransaction], cause: Cause
) -> ShownPayment:
    """Write down what happened, and tell of it."""
    after = await write_down(tx, payment_id, new, cause.actor, cause.correlation_id)
    await tx.emit(*_told(after, new), correlation_id=cause.correlation_id)
    return shown(after, [*known, *new])


def _news_of(answer: Succeeded | Failed | ActionRequired, key: str) -> News:
    match answer:
        case Succeeded(provider_reference, message):
            return News("SUCCESS", key, provider_reference, message)
        case Failed(message, provider_reference):
            return News("FAILURE", key, provider_reference, message)
        case ActionRequired(url, provider_reference):
            return News("ACTION", key, provider_reference, action_url=url)


def _require_wanted(wanted: Wanted) -> None:
    """Raises InvalidPayment, InvalidIdempotencyKey."""
    require_key(wanted.key)
    require_amount(wanted.amount_minor)
    require_text(wanted.method, "method", METHOD_MAX)
    require_return_url(wanted.return_url)
    if wanted.method == "":
        raise InvalidPayment("method must not be empty; leave it out.", field="method")


def _require_offered(provider: Provider, wanted: Wanted) -> None:
    """Raises PaymentOperationUnsupported, InvalidPaymentMethod."""
    if wanted.operation not in provider.operations:
        raise PaymentOperationUnsupported(
            f"{provider.key!r} does not charge by itself: recordPayment writes down what came in."
        )
    if wanted.operation == "AUTHORIZE":
        provider.require_method(wanted.method, wanted.return_url)


def _known_at_once(provider: Provider, wanted: Wanted, amount_minor: int) -> list[NewTransaction]:
    """What has happened to a payment when it is made: nothing, where the provider is to be asked."""
    answer = provider.at_once(wanted.operation)
    if answer is None or isinstance(answer, Unknown):
        return []
    request = request_of(wanted, amount_minor)
    return [request, *news_to_write([request], _news_of(answer, wanted.key))]


def _was_asked(known: Sequence[NewTransaction], wanted: Wanted) -> bool:
    """Whether the key belongs to the same request already. Raises IdempotencyKeyReused."""
    for one in known:
        if one.key == wanted.key and one.fingerprint is not None:
            if one.fingerprint != wanted.fingerprint():
                raise IdempotencyKeyReused(
                    "The payment had another request with this idempotency key. Take a fresh key for each request."
                )
            return True
    return False


def _of(payment: Payment, amount_minor: int) -> dict[str, Any]:
    return {
        "payment_id": payment.id,
        "reference": payment.reference,
        "amount_minor": amount_minor,
        "currency": payment.currency,
    }


_SUCCEEDED: dict[str, type[Event]] = {
    "AUTHORIZE_SUCCESS": events.PaymentAuthorized,
    "CHARGE_SUCCESS": events.PaymentCaptured,
    "REFUND_SUCCESS": events.PaymentRefunded,
    "CANCEL_SUCCESS": events.PaymentVoided,
    "CHARGEBACK": events.ChargebackReceived,
    "REFUND_REVERSED": events.RefundReversed,
}


def _told(payment: Payment, new: Sequence[NewTransaction]) -> list[Event]:
    """The events of transactions."""
    told: list[Event] = []
    for one in new:
        fields: dict[str, Any] = {**_of(payment, one.amount_minor), "transaction": one.key}
        if one.type in _SUCCEEDED:
            told.append(_SUCCEEDED[one.type](**fields))
        elif one.type == "ACTION_REQUIRED":
            told.append(events.PaymentActionRequired(**fields, url=one.action_url or ""))
        elif operation := ends_request(one):
            told.append(events.PaymentFailed(**fields, operation=operation, message=(one.message or "")[:TEXT_MAX]))
    return told
