"""The words that every layer shares."""

from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokoa.kernel.call import DEPTH_MAX, Call, Caller, DepthExceeded
from kokoa.kernel.clock import now_ms
from kokoa.kernel.errors import KINDS, DeadlineExceeded, KokoaError, NotFound, kind_of
from kokoa.kernel.ids import InvalidId, new_correlation_id, new_id, new_ids, require_id
from kokoa.kernel.money import CurrencyMismatch, InvalidMoney, Money, exponent_of
from kokoa.kernel.transaction import CallInsideTransaction, open_transaction, refuse_in_transaction


class CartNotFound(NotFound):
    """An error for these tests."""


def a_call(**changes: object) -> Call:
    fields: dict[str, object] = {"deadline_ms": now_ms() + 1000, **changes}
    return Call("environment", Caller("storefront"), "c" * 32, **fields)  # type: ignore[arg-type]  # made of names


def test_a_class_name_is_the_public_code_and_knows_its_kind() -> None:
    assert CartNotFound.code == "CART_NOT_FOUND"
    assert kind_of(CartNotFound("gone")) is NotFound
    assert all(issubclass(kind, KokoaError) for kind in KINDS)


def test_a_call_nests_until_the_bound_and_the_error_names_the_way() -> None:
    call = a_call()
    for hop in range(DEPTH_MAX):
        call = call.enter(f"hop{hop}")
    with pytest.raises(DepthExceeded, match=r"hop0 → .* → once more"):
        call.enter("once more")


def test_a_deadline_passes_and_only_ever_gets_nearer() -> None:
    assert 0 < a_call().remaining_ms() <= 1000
    with pytest.raises(DeadlineExceeded):
        a_call(deadline_ms=now_ms() - 1).remaining_ms()
    assert a_call(deadline_ms=100).until(200).deadline_ms == 100
    assert a_call(deadline_ms=300).until(200).deadline_ms == 200


def test_ids_are_version_7_and_sort_by_time() -> None:
    ids = [new_id() for _ in range(50)]
    assert len(set(ids)) == 50
    assert {(text[14], text[19] in "89ab") for text in ids} == {("7", True)}
    assert [text[:8] for text in ids] == sorted(text[:8] for text in ids)
    assert len(new_correlation_id()) == 32


def test_many_ids_of_one_moment_are_uuids_of_version_7_and_differ() -> None:
    before = new_id()[:13]
    ids = new_ids(500)
    assert len(set(ids)) == 500
    assert all(require_id(one, field="id") == one and UUID(one).version == 7 for one in ids)
    assert {UUID(one).variant for one in ids} == {RFC_4122}
    assert all(before <= one[:13] <= new_id()[:13] for one in ids)
    assert new_ids(0) == []


@pytest.mark.parametrize("text", ["", "1", "x" * 36, None, 7])
def test_what_is_no_id_is_refused_with_its_field(text: str) -> None:
    with pytest.raises(InvalidId) as caught:
        require_id(text, field="productId")
    assert caught.value.field == "productId"


@given(st.integers(-(10**12), 10**12), st.sampled_from(["EUR", "JPY", "KWD"]))
def test_major_units_are_exact_to_the_minor_unit(amount_minor: int, currency: str) -> None:
    major = Money(amount_minor, currency).major()
    assert round(major * 10 ** exponent_of(currency)) == amount_minor


def test_money_of_two_currencies_is_not_added() -> None:
    assert Money(100, "EUR") + Money(1, "EUR") == Money(101, "EUR")
    with pytest.raises(CurrencyMismatch):
        Money(1, "EUR") + Money(1, "USD")
    with pytest.raises(InvalidMoney):
        Money(1, "euro")


def test_an_open_transaction_refuses_to_leave_the_process() -> None:
    token = open_transaction.set("catalog")
    with pytest.raises(CallInsideTransaction, match="graph call while a transaction of catalog"):
        refuse_in_transaction("graph call")
    open_transaction.reset(token)
    refuse_in_transaction("graph call")


@pytest.mark.parametrize("code", ["", "EU", "EURO", "eur", "E1R", "E\x00R", "ÄÖÜ", "E R"])
def test_a_currency_is_three_capitals(code: str) -> None:
    with pytest.raises(InvalidMoney):
        Money(1, code)
