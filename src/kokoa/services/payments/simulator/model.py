"""What the test provider does, and how it says so. Pure.

A method token is an outcome, and outcomes of what follows: `declined`, `ok;capture=lost-answer;refund=declined`.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from kokoa.services.payments.errors import InvalidPaymentMethod
from kokoa.services.payments.model import Operation
from kokoa.services.payments.providers.model import ActionRequired, Answer, Failed, Succeeded, Unknown

Outcome = Literal[
    "ok", "declined", "redirect", "delayed", "timeout", "lost-answer", "chargeback-later", "reversed-later"
]
State = Literal["PENDING", "WAITING", "SUCCEEDED", "FAILED", "CHARGED_BACK", "REVERSED"]
MessageType = Literal[
    "operation.succeeded",
    "operation.failed",
    "operation.action_required",
    "chargeback.created",
    "refund.reversed",
]
Told = Literal["RESULT", "CHARGEBACK", "REFUND_REVERSED"]

_NAMES: Final[Mapping[str, Operation]] = {
    "authorize": "AUTHORIZE",
    "capture": "CHARGE",
    "refund": "REFUND",
    "void": "CANCEL",
}
_ANYWHERE: Final = frozenset({"ok", "declined", "delayed", "timeout", "lost-answer"})
_OUTCOMES: Final[Mapping[Operation, frozenset[str]]] = {
    "AUTHORIZE": _ANYWHERE | {"redirect", "chargeback-later"},
    "CHARGE": _ANYWHERE | {"chargeback-later"},
    "REFUND": _ANYWHERE | {"reversed-later"},
    "CANCEL": _ANYWHERE,
}


class Booked(msgspec.Struct, frozen=True):
    """An operation in the provider's books."""

    key: str
    payment_id: str
    operation: Operation
    amount_minor: int
    script: str
    state: State
    reference: str
    message: str
    url: str | None
    due: bool


class Message(msgspec.Struct, frozen=True):
    """A webhook's body.  key: of the operation.  reference: the provider's id of what happened."""

    type: MessageType
    key: str
    reference: str
    amount_minor: int
    message: str = ""
    url: str | None = None


def outcome_of(script: str, operation: Operation) -> str:
    """What a method token says of an operation. Raises InvalidPaymentMethod."""
    return _outcomes(script)[operation]


def require_script(method: str | None, return_url: str | None) -> str:
    """Raises InvalidPaymentMethod."""
    outcomes = _outcomes(method or "ok")
    if outcomes["AUTHORIZE"] == "redirect" and return_url is None:
        raise InvalidPaymentMethod("`redirect` needs a returnUrl, where the customer comes back.", field="returnUrl")
    return method or "ok"


def _outcomes(script: str) -> dict[Operation, str]:
    first, *more = script.split(";")
    found: dict[Operation, str] = {"AUTHORIZE": first, "CHARGE": "ok", "REFUND": "ok", "CANCEL": "ok"}
    if first == "chargeback-later":
        found["CHARGE"] = first
    for part in more:
        name, _, outcome = part.partition("=")
        if name not in _NAMES or name == "authorize":
            raise InvalidPaymentMethod(
                f"{part[:40]!r} is none of capture=…, refund=… and void=…, divided by semicolons.", field="method"
            )
        found[_NAMES[name]] = outcome
    for operation, outcome in found.items():
        if outcome not in _OUTCOMES[operation]:
            known = ", ".join(sorted(_OUTCOMES[operation]))
            raise InvalidPaymentMethod(f"{outcome[:40]!r} is none of the outcomes {known}.", field="method")
    return found


def refusal(books: Sequence[Booked], operation: Operation, amount_minor: int) -> str:
    """Why the books do not allow it; empty when they do. What is pending counts."""

    def total(*operations: Operation) -> int:
        return sum(one.amount_minor for one in books if one.operation in operations and one.state != "FAILED")

    authorized = sum(one.amount_minor for one in books if one.operation == "AUTHORIZE" and one.state == "SUCCEEDED")
    charged = sum(
        one.amount_minor for one in books if one.operation == "CHARGE" and one.state in ("SUCCEEDED", "CHARGED_BACK")
    )
    match operation:
        case "CHARGE" | "CANCEL" if total("CHARGE", "CANCEL") + amount_minor > authorized:
            return "more than is authorised"
        case "REFUND" if total("REFUND") - reversed_total(books) + amount_minor > charged:
            return "more than is charged"
        case _:
            return ""


def reversed_total(books: Sequence[Booked]) -> int:
    """What of the refunds came back."""
    return sum(one.amount_minor for one in books if one.state == "REVERSED")


def answer_of(booked: Booked) -> Answer:
    """What the provider says of an operation now."""
    match booked.state:
        case "PENDING":
            return Unknown("the provider has not decided yet")
        case "WAITING":
            return ActionRequired(booked.url or "", booked.reference)
        case "FAILED":
            return Failed(booked.message, booked.reference)
        case _:
            return Succeeded(booked.reference, booked.message or None)


def message_of(booked: Booked, told: Told) -> Message:
    """The webhook of an operation, as it is now."""
    if told == "CHARGEBACK":
        return Message("chargeback.created", booked.key, f"{booked.reference}-chargeback", booked.amount_minor)
    if told == "REFUND_REVERSED":
        return Message("refund.reversed", booked.key, booked.reference, booked.amount_minor)
    match booked.state:
        case "WAITING":
            type_: MessageType = "operation.action_required"
        case "FAILED":
            type_ = "operation.failed"
        case _:
            type_ = "operation.succeeded"
    return Message(type_, booked.key, booked.reference, booked.amount_minor, booked.message, booked.url)
