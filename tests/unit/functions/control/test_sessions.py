"""Temporary credentials: only what was issued opens, only with its own key, only until it expires."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokoa.functions.control.access import Account
from kokoa.functions.control.credentials import LIFETIME_MS, Sessions
from kokoa.functions.control.errors import SessionExpired

ACCOUNT = Account("123456789012", "0190-env", "acme", "boeing", "prod")
SESSIONS = Sessions(b"s" * 32)


def test_what_is_issued_opens_on_any_process_with_the_same_secret() -> None:
    issued = SESSIONS.issue(ACCOUNT, at_ms=1000)
    credentials = issued.credentials
    key = Sessions(b"s" * 32).open(credentials.access_key_id, credentials.session_token, at_ms=2000)
    assert key is not None
    assert (key.account, key.secret) == (ACCOUNT, credentials.secret_access_key)
    assert credentials.access_key_id.startswith("ASIA")
    assert len(credentials.access_key_id) == 20
    assert len(credentials.secret_access_key) == 40
    assert issued.expires_ms == 1000 + LIFETIME_MS
    assert issued.renew_ms == 1000 + LIFETIME_MS // 2


def test_two_issues_share_nothing() -> None:
    one, two = (SESSIONS.issue(ACCOUNT, at_ms=1000).credentials for _ in range(2))
    assert one.access_key_id != two.access_key_id
    assert one.secret_access_key != two.secret_access_key
    assert SESSIONS.open(one.access_key_id, two.session_token, at_ms=1000) is None


def test_another_platforms_token_does_not_open() -> None:
    issued = Sessions(b"t" * 32).issue(ACCOUNT, at_ms=1000).credentials
    assert SESSIONS.open(issued.access_key_id, issued.session_token, at_ms=1000) is None


def test_expired_credentials_say_so() -> None:
    issued = SESSIONS.issue(ACCOUNT, at_ms=1000)
    credentials = issued.credentials
    with pytest.raises(SessionExpired):
        SESSIONS.open(credentials.access_key_id, credentials.session_token, at_ms=issued.expires_ms)


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_changed_token_does_not_open(at: int, change: int) -> None:
    issued = SESSIONS.issue(ACCOUNT, at_ms=1000).credentials
    raw = bytearray(base64.b64decode(issued.session_token))
    raw[at % len(raw)] ^= change
    assert SESSIONS.open(issued.access_key_id, base64.b64encode(bytes(raw)).decode(), at_ms=1000) is None


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    assert SESSIONS.open("ASIA", text, at_ms=1000) is None
    assert SESSIONS.open("ASIA", "x" * 5000, at_ms=1000) is None


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="32"):
        Sessions(b"short")
