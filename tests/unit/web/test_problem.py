"""Errors become problem documents with the right status, and bugs show nothing."""

import pytest
from starlette.types import Message, Receive, Scope, Send

from kokoa.kernel.errors import (
    KINDS,
    DeadlineExceeded,
    Invalid,
    KokoaError,
    NotFound,
    Throttled,
    Unavailable,
    kind_of,
)
from kokoa.web.correlation import Correlation
from kokoa.web.errors import BadGateway, MethodNotAllowed, PayloadTooLarge
from kokoa.web.problem import STATUS, Problems, problem_of, problem_response, status_of, status_of_code
from unit.web.asgi_client import ask


class LampNotFound(NotFound):
    """Only for this test."""


def app_that_raises(error: Exception) -> Correlation:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    return Correlation(Problems(app))


def test_every_kind_has_a_status() -> None:
    assert set(KINDS) <= set(STATUS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_subclass_has_its_kinds_status(kind: type[KokoaError]) -> None:
    subclass = type("Something", (kind,), {})
    assert status_of(subclass("x")) == STATUS[kind]
    assert kind_of(subclass("x")) is kind


async def test_problem_names_code_field_and_correlation_id() -> None:
    answer = await ask(
        app_that_raises(Invalid("Too short.", field="lines.0.name")),
        "GET",
        "/",
        headers={"X-Correlation-Id": "a" * 32},
    )
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-correlation-id"] == "a" * 32
    assert answer.json() == {
        "type": "/problems/invalid",
        "title": "Invalid",
        "status": 400,
        "detail": "Too short.",
        "code": "INVALID",
        "correlation_id": "a" * 32,
        "field": "lines.0.name",
    }


async def test_class_name_gives_type_and_title() -> None:
    document = (await ask(app_that_raises(LampNotFound("No lamp.")), "GET", "/")).json()
    assert (document["type"], document["title"], document["status"]) == (
        "/problems/lamp-not-found",
        "Lamp not found",
        404,
    )


async def test_a_bug_shows_only_a_correlation_id() -> None:
    answer = await ask(app_that_raises(ValueError("password=hunter2")), "GET", "/")
    assert answer.status == 500
    assert answer.json()["code"] == "INTERNAL"
    assert b"hunter2" not in answer.body
    assert answer.headers["x-correlation-id"] in answer.json()["detail"]


async def test_detail_never_leaves() -> None:
    answer = await ask(app_that_raises(NotFound("No.", detail="SELECT secret")), "GET", "/")
    assert b"SELECT" not in answer.body


def test_headers_say_when_and_how_to_try_again() -> None:
    assert dict(problem_of(Throttled("x", retry_after_s=2.1), "").headers)["retry-after"] == "3"
    assert dict(problem_of(MethodNotAllowed("x", allowed=("GET", "HEAD")), "").headers)["allow"] == "GET, HEAD"


def test_every_503_says_when_to_try_again_also_one_that_came_as_a_code() -> None:
    assert dict(problem_of(Unavailable("x"), "").headers)["retry-after"] == "1"
    assert dict(problem_response(503, "DATABASE_UNAVAILABLE", "x", "").headers)["retry-after"] == "1"
    assert "retry-after" not in dict(problem_of(DeadlineExceeded("x"), "").headers)


def test_statuses_of_transport_errors() -> None:
    statuses = [status_of(error) for error in (PayloadTooLarge("x"), BadGateway("x"), DeadlineExceeded("x"))]
    assert statuses == [413, 502, 504]


@pytest.mark.parametrize(
    ("code", "status"),
    [("LAMP_NOT_FOUND", 404), ("THROTTLED", 429), ("INTERNAL", 500), ("SHIP_NOT_FOUND", 404), ("NO_IDEA", 502)],
)
def test_status_of_a_code_without_its_class(code: str, status: int) -> None:
    assert status_of_code(code) == status


async def test_head_gets_the_length_but_no_body() -> None:
    answer = await ask(app_that_raises(NotFound("x")), "HEAD", "/")
    assert answer.body == b""
    assert int(answer.headers["content-length"]) > 0


async def test_after_an_answer_has_begun_no_second_one_is_sent() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError("too late")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(ValueError, match="too late"):
        await Problems(app)({"type": "http", "method": "GET", "path": "/"}, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start"]
