"""What is derived from transactions, and what may be asked for: it adds up, in whatever order things come."""

from datetime import UTC, datetime
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from kokoa.kernel.errors import Conflict
from kokoa.services.payments.errors import InvalidPaymentMethod, WebhookNotSigned
from kokoa.services.payments.model import (
    Amounts,
    News,
    NewTransaction,
    Operation,
    Payment,
    Wanted,
    action_url_of,
    amount_to_request,
    amounts_of,
    authorization_status,
    charge_status,
    news_to_write,
    request_of,
)
from kokoa.services.payments.simulator.model import outcome_of, require_script
from kokoa.services.payments.webhooks.signatures import new_secret, require_signed, secret_bytes, sign

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_OPERATIONS: tuple[Operation, ...] = ("AUTHORIZE", "CHARGE", "REFUND", "CANCEL")


def payment_of(amount: int) -> Payment:
    return Payment("p", "order", amount, "EUR", None, "test", None, 1, _NOW, _NOW)


class Ledger(RuleBasedStateMachine):
    """A payment of which anything is asked at any time; its provider answers late, twice and in any order."""

    keys = Bundle("keys")

    @initialize(amount=st.integers(1, 1_000))
    def begin(self, amount: int) -> None:
        self.payment = payment_of(amount)
        self.known: list[NewTransaction] = []
        self.said: dict[str, set[str]] = {}
        self.asked: dict[str, tuple[Operation, int]] = {}

    @rule(target=keys, operation=st.sampled_from(_OPERATIONS), amount=st.none() | st.integers(1, 1_200))
    def ask(self, operation: Operation, amount: int | None) -> str:
        key = f"{operation}-{len(self.asked)}"
        before = amounts_of(self.known)
        wanted = Wanted(operation, key, amount)
        try:
            asked = amount_to_request(self.payment, self.known, wanted)
        except Conflict:
            free = {
                "AUTHORIZE": self.payment.amount_minor
                - before.authorized
                - before.authorize_pending
                + before.cancelled,
                "CHARGE": before.capturable,
                "CANCEL": before.capturable,
                "REFUND": before.refundable,
            }[operation]
            assert free <= 0 or len(self.known) >= 200 or (amount is not None and amount > free)
            return key
        self.known.append(request_of(wanted, asked))
        self.asked[key] = (operation, asked)
        return key

    @rule(key=keys, kind=st.sampled_from(["ACTION", "SUCCESS", "FAILURE"]))
    def answer(self, key: str, kind: str) -> None:
        new = news_to_write(self.known, News(kind, key, action_url="https://x"))  # type: ignore[arg-type]
        assert len(new) <= 1
        self.known += new
        said = self.said.setdefault(key, set())
        # The provider decides once: what it first said of a key is what it is.
        if (key in self.asked and kind != "ACTION" and not said) or (kind == "SUCCESS" and key in self.asked):
            said.add(kind)

    @invariant()
    def amounts_are_what_was_said(self) -> None:
        amounts = amounts_of(self.known)
        total = dict.fromkeys(_OPERATIONS, 0)
        pending = dict.fromkeys(_OPERATIONS, 0)
        for key, (operation, amount) in self.asked.items():
            said = self.said.get(key, set())
            if "SUCCESS" in said:
                total[operation] += amount
            elif not said:
                pending[operation] += amount
        assert (amounts.authorized, amounts.charged, amounts.refunded, amounts.cancelled) == tuple(total.values())
        assert tuple(pending.values()) == (
            amounts.authorize_pending,
            amounts.charge_pending,
            amounts.refund_pending,
            amounts.cancel_pending,
        )

    @invariant()
    def a_transaction_of_a_key_and_type_is_there_once(self) -> None:
        seen = [(one.key, one.type) for one in self.known]
        assert len(seen) == len(set(seen))


class HonestLedger(Ledger):
    """The same with a provider that never takes a FAILURE back: then nothing is ever more than it may be."""

    @rule(key=Ledger.keys, kind=st.sampled_from(["ACTION", "SUCCESS", "FAILURE"]))
    def answer(self, key: str, kind: str) -> None:
        said = self.said.get(key, set())
        super().answer(key, "FAILURE" if "FAILURE" in said and kind == "SUCCESS" else kind)

    @invariant()
    def nothing_is_more_than_it_may_be(self) -> None:
        one = amounts_of(self.known)
        assert one.charged + one.charge_pending + one.cancelled + one.cancel_pending <= one.authorized
        assert one.refunded + one.refund_pending <= one.charged
        assert one.authorized + one.authorize_pending - one.cancelled <= self.payment.amount_minor


TestLedger = Ledger.TestCase
TestHonestLedger = HonestLedger.TestCase
TestLedger.settings = TestHonestLedger.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


REQUESTS = [
    NewTransaction("AUTHORIZE_REQUEST", 100, "a"),
    NewTransaction("CHARGE_REQUEST", 60, "c"),
    NewTransaction("REFUND_REQUEST", 20, "r"),
]
NEWS = [
    News("ACTION", "a", action_url="https://bank"),
    News("SUCCESS", "a"),
    News("SUCCESS", "c"),
    News("CHARGEBACK", "dispute", amount_minor=10),
    News("SUCCESS", "r"),
    News("REFUND_REVERSED", "r"),
]


def test_the_order_in_which_news_come_changes_nothing() -> None:
    for order in permutations(NEWS):
        known = list(REQUESTS)
        for news in (*order, *order):
            known += news_to_write(known, news)
        assert amounts_of(known) == Amounts(authorized=100, charged=60, charged_back=10)
        assert action_url_of(known) is None


@given(st.permutations([News("FAILURE", "c"), News("SUCCESS", "c"), News("FAILURE", "c"), News("ACTION", "c")]))
def test_a_success_is_final_whatever_else_was_said(news: list[News]) -> None:
    known = list(REQUESTS[:2])
    for one in news:
        known += news_to_write(known, one)
    assert (amounts_of(known).charged, amounts_of(known).charge_pending) == (60, 0)


def test_what_was_never_asked_for_is_not_taken_in() -> None:
    for kind in ("ACTION", "SUCCESS", "FAILURE", "REFUND_REVERSED"):
        assert news_to_write(REQUESTS, News(kind, "other")) == []  # type: ignore[arg-type]
    assert news_to_write(REQUESTS, News("REFUND_REVERSED", "c")) == [], "only refunds come back"


@pytest.mark.parametrize(
    ("amounts", "authorization", "charge"),
    [
        (Amounts(), "NONE", "NONE"),
        (Amounts(authorized=99), "PARTIAL", "NONE"),
        (Amounts(authorized=100), "FULL", "NONE"),
        (Amounts(authorized=100, cancelled=100), "NONE", "NONE"),
        (Amounts(authorized=100, charged=1), "FULL", "PARTIAL"),
        (Amounts(authorized=100, charged=100), "FULL", "FULL"),
        (Amounts(charged=101), "NONE", "OVER"),
        (Amounts(charged=100, refunded=100), "NONE", "NONE"),
        (Amounts(charged=100, charged_back=60, refunded=60), "NONE", "NONE"),
    ],
)
def test_states_are_derived(amounts: Amounts, authorization: str, charge: str) -> None:
    assert (authorization_status(100, amounts), charge_status(100, amounts)) == (authorization, charge)


def test_test_tokens_say_what_becomes_of_what_follows() -> None:
    script = "ok;capture=declined;void=delayed"
    assert [outcome_of(script, one) for one in _OPERATIONS] == ["ok", "declined", "ok", "delayed"]
    assert outcome_of("chargeback-later", "CHARGE") == "chargeback-later"
    for wrong in ("", "OK", "ok;", "ok;capture", "ok;refund=redirect", "ok;authorize=declined", "x" * 300):
        with pytest.raises(InvalidPaymentMethod):
            outcome_of(wrong, "AUTHORIZE")
    with pytest.raises(InvalidPaymentMethod):
        require_script("redirect", None)


SECRET = secret_bytes(new_secret(bytes(32)))


def test_a_signature_is_good_for_its_webhook_and_for_five_minutes() -> None:
    headers = sign(SECRET, "w1", 1_000_000, b"{}")
    for now in (999_701, 1_000_000, 1_000_300):
        assert require_signed(SECRET, headers, b"{}", now) == "w1"
    two = headers | {"webhook-signature": f"v1,AAAA {headers['webhook-signature']}"}
    assert require_signed(SECRET, two, b"{}", 1_000_000) == "w1", "while a secret is changed there are two"


@pytest.mark.parametrize(
    ("given", "body", "now"),
    [
        ({}, b"{ }", 1_000_000),
        ({}, b"{}", 1_000_301),
        ({}, b"{}", 999_699),
        ({"webhook-id": "w2"}, b"{}", 1_000_000),
        ({"webhook-id": ""}, b"{}", 1_000_000),
        ({"webhook-id": "w\x00"}, b"{}", 1_000_000),
        ({"webhook-timestamp": "1000001"}, b"{}", 1_000_000),
        ({"webhook-timestamp": "1e6"}, b"{}", 1_000_000),
        ({"webhook-timestamp": "-1000000"}, b"{}", 1_000_000),
        ({"webhook-timestamp": "9" * 400}, b"{}", 1_000_000),
        ({"webhook-signature": ""}, b"{}", 1_000_000),
        ({"webhook-signature": "v1,"}, b"{}", 1_000_000),
        ({"webhook-signature": "v1,???"}, b"{}", 1_000_000),
        ({"webhook-signature": "v1,ü"}, b"{}", 1_000_000),
    ],
)
def test_anything_else_is_not_signed(given: dict[str, str], body: bytes, now: int) -> None:
    with pytest.raises(WebhookNotSigned):
        require_signed(SECRET, sign(SECRET, "w1", 1_000_000, b"{}") | given, body, now)
    with pytest.raises(WebhookNotSigned):
        require_signed(b"another" * 5, sign(SECRET, "w1", 1_000_000, b"{}"), b"{}", 1_000_000)
