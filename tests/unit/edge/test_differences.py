"""Two answers are compared as what they mean, and the first difference is named."""

from typing import Any

import orjson
import pytest

from kokoa.edge.differences import JSON_BYTES_MAX, difference
from kokoa.web.http import Response


def of(value: Any, status: int = 200, kind: str = "application/json") -> Response:
    body = value if isinstance(value, bytes) else orjson.dumps(value)
    return Response(status, (("Content-Type", kind),), body)


@pytest.mark.parametrize(
    ("native", "other"),
    [
        ({"a": 1, "b": [1.0, None]}, b'{ "b": [1, null], "a": 1.0 }'),
        (b"plain", b"plain"),
        ([], b" [ ]"),
        (b"[" * 900 + b"]" * 900, b"[ " + b"[" * 899 + b"]" * 900),
    ],
)
def test_what_means_the_same_is_equal(native: Any, other: bytes) -> None:
    assert difference(of(native), of(other, kind="text/plain")) is None


@pytest.mark.parametrize(
    ("native", "other", "reason", "ours", "theirs"),
    [
        ({"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"c": 2}]}}, "a.b.0.c differs", 1, 2),
        ({"a": 1}, {}, "a is missing", 1, None),
        ({}, {"a": 1}, "a is not in the native answer", None, 1),
        ([1, 2], [1], "the body has 1 items instead of 2", [1, 2], [1]),
        ({"a": True}, {"a": 1}, "a differs", True, 1),
        ({"a": None}, {"a": False}, "a differs", None, False),
        ({"a": 0}, {"a": ""}, "a differs", 0, ""),
        ({"a": []}, {"a": {}}, "a differs", [], {}),
        ({"a": 1, "b": 1}, {"b": 2, "a": 2}, "a differs", 1, 2),
        ("x", "y", "the body differs", "x", "y"),
        ({"k" * 300: 1}, {"k" * 300: 2}, "k" * 63 + "… differs", 1, 2),
        ({"a": 1}, b"<html>", "the body is no JSON", b'{"a":1}', b"<html>"),
        (b"one", b"two", "the bodies differ", b"one", b"two"),
    ],
)
def test_the_first_difference_is_named(native: Any, other: Any, reason: str, ours: Any, theirs: Any) -> None:
    found = difference(of(native), of(other))
    assert found is not None
    assert found == (reason, ours, theirs)


def test_statuses_come_first_and_a_problem_has_nothing_else_to_compare() -> None:
    found = difference(of({"a": 1}), of({"a": 1}, 404))
    assert found is not None
    assert found.reason == "status 404 instead of 200"
    problem = of({"detail": "one"}, 404, "application/problem+json; charset=utf-8")
    assert difference(problem, of(b"other", 404)) is None
    assert difference(of([1]), of([2]), head_only=True) is None


def test_what_is_very_long_is_compared_by_bytes() -> None:
    long = b"[" + b" " * JSON_BYTES_MAX + b"1]"
    assert difference(of(long), of(long)) is None
    found = difference(of(long), of([1]))
    assert found is not None
    assert found.reason == "the bodies differ"


def test_a_path_in_a_reason_is_short() -> None:
    deep_native, deep_other = b'{"abcdefghij":' * 500 + b"1" + b"}" * 500, b'{"abcdefghij":' * 500 + b"2" + b"}" * 500
    found = difference(of(deep_native), of(deep_other))
    assert found is not None
    assert len(found.reason) < 450
    assert found.reason.startswith("…")
