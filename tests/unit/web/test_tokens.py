"""Call tokens: what was signed comes back, and nothing else does."""

import base64
import time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey

from kokoa.kernel.call import Call, Caller
from kokoa.kernel.errors import Invalid
from kokoa.web.tokens import CACHE_MAX, CallTokenExpired, CallTokenInvalid, CallTokens, CallTooLong

SECRET = b"s" * 32
CALL = Call(
    environment_id="0190c2d5-0000-7000-8000-000000000001",
    caller=Caller("account", "123456789012", frozenset({"storefront"})),
    correlation_id="a" * 32,
    deadline_ms=1_700_000_000_000,
    depth=2,
    path=("graph", "function search-plus"),
)


@given(
    st.builds(
        Call,
        environment_id=st.uuids().map(str),
        caller=st.builds(
            Caller,
            kind=st.sampled_from(["storefront", "server", "account", "operator", "service"]),
            subject=st.text(max_size=20),
            scopes=st.frozensets(st.text(max_size=10), max_size=4),
        ),
        correlation_id=st.from_regex(r"\A[0-9a-f]{32}\Z"),
        deadline_ms=st.integers(0, 2**50),
        depth=st.integers(0, 8),
        path=st.lists(st.text(max_size=20), max_size=8).map(tuple),
        session=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=128),
    )
)
def test_a_call_survives_the_journey(call: Call) -> None:
    assert CallTokens(SECRET).verify(CallTokens(SECRET).sign(call, 60)) == call


def test_another_secret_is_refused() -> None:
    token = CallTokens(b"t" * 32).sign(CALL, 60)
    with pytest.raises(CallTokenInvalid):
        CallTokens(SECRET).verify(token)


@given(position=st.integers(0, 10_000), letter=st.sampled_from("AZaz09-_"))
def test_any_changed_letter_is_refused(position: int, letter: str) -> None:
    tokens = CallTokens(SECRET)
    token = tokens.sign(CALL, 60)
    position %= len(token) - 1  # the last letter of base64 has bits that mean nothing
    changed = token[:position] + letter + token[position + 1 :]
    if changed == token:
        return
    with pytest.raises(CallTokenInvalid):
        tokens.verify(changed)


@pytest.mark.parametrize("algorithm", ["none", "None", "HS512", "RS256"])
def test_another_algorithm_is_refused(algorithm: str) -> None:
    _, claims, signature = CallTokens(SECRET).sign(CALL, 60).split(".")
    header = base64.urlsafe_b64encode(orjson.dumps({"alg": algorithm, "typ": "kokoa-call+jwt"})).rstrip(b"=").decode()
    for forged in (f"{header}.{claims}.{signature}", f"{header}.{claims}."):
        with pytest.raises(CallTokenInvalid):
            CallTokens(SECRET).verify(forged)


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "é.é.é", "." * 100, "x" * 5000, "a.b.c.d.e", "\0"])
def test_nonsense_is_refused(token: str) -> None:
    with pytest.raises(CallTokenInvalid):
        CallTokens(SECRET).verify(token)


def test_a_token_ends_also_when_it_was_verified_before(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = CallTokens(SECRET)
    token = tokens.sign(CALL, 30)
    assert tokens.verify(token) == CALL
    later = time.time() + 32
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(CallTokenExpired):
        tokens.verify(token)
    with pytest.raises(CallTokenExpired):
        CallTokens(SECRET).verify(token)


def test_a_token_never_lives_longer_than_fifteen_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    token = CallTokens(SECRET).sign(CALL, 10_000_000)
    later = time.time() + 902
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(CallTokenExpired):
        CallTokens(SECRET).verify(token)


def test_memory_of_verified_tokens_is_bounded() -> None:
    tokens = CallTokens(SECRET)
    for number in range(CACHE_MAX + 10):
        tokens.verify(tokens.sign(CALL.until(number), 60))
    assert len(tokens._verified) == CACHE_MAX


def test_another_kind_of_token_under_the_same_secret_is_refused() -> None:
    _, claims, _ = CallTokens(SECRET).sign(CALL, 60).split(".")
    payload = orjson.loads(base64.urlsafe_b64decode(claims + "=="))
    other = jwt.encode({"alg": "HS256", "typ": "JWT"}, payload, OctKey.import_key(SECRET), algorithms=["HS256"])
    with pytest.raises(CallTokenInvalid):
        CallTokens(SECRET).verify(other)


def test_a_token_for_less_than_a_second_is_good_for_that_long() -> None:
    assert CallTokens(SECRET).verify(CallTokens(SECRET).sign(CALL, 0.2)) == CALL


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(Invalid):
        CallTokens(b"short")


def test_a_call_that_does_not_fit_is_refused() -> None:
    with pytest.raises(CallTooLong):
        CallTokens(SECRET).sign(Call(CALL.environment_id, CALL.caller, "a" * 32, 0, 1, ("x" * 5000,)), 60)
