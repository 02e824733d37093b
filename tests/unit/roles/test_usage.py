"""Which documents are told to tenants: each once a day, in batches, within bounds."""

from datetime import UTC, date, datetime

import pytest

from kokoa.kernel.errors import Unavailable
from kokoa.roles import usage
from kokoa.roles.seams import UsedDocument
from kokoa.roles.usage import UsageNotes

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


class FakeOperations:
    def __init__(self) -> None:
        self.told: list[tuple[str, str, date]] = []
        self.down = False

    async def note(self, environment_id: str, used: list[UsedDocument]) -> None:
        if self.down:
            raise Unavailable("Tenants does not answer.")
        self.told += [(environment_id, one.document, one.last_used) for one in used]


class Place:
    def __init__(self) -> None:
        self.now = NOON
        self.operations = FakeOperations()
        self.notes = UsageNotes(self.operations, clock=lambda: self.now)  # type: ignore[arg-type]


async def test_a_document_is_told_once_a_day_without_what_graphql_ignores() -> None:
    place = Place()
    for text in ("{ a, b }", "{ a, b }", "{ a b } # the same"):
        place.notes.note("one", text)
    place.notes.note("two", "{ a, b }")
    await place.notes.flush()
    day = date(2026, 3, 1)
    assert place.operations.told == [("one", "{a b}", day), ("two", "{a b}", day)]
    place.notes.note("one", "{ a, b }")
    await place.notes.flush()
    assert len(place.operations.told) == 2
    place.now += 86_400
    place.notes.note("one", "{ a, b }")
    await place.notes.flush()
    assert place.operations.told[2:] == [("one", "{a b}", date(2026, 3, 2))]


async def test_what_could_not_be_told_is_told_when_it_is_asked_again() -> None:
    place = Place()
    place.operations.down = True
    place.notes.note("one", "{ a }")
    await place.notes.flush()
    place.operations.down = False
    await place.notes.flush()
    assert place.operations.told == []
    place.notes.note("one", "{ a }")
    await place.notes.flush()
    assert [document for _, document, _ in place.operations.told] == ["{a}"]


async def test_a_flood_is_bounded_and_takes_nobody_elses_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "PENDING_OF_ENVIRONMENT_MAX", 3)
    monkeypatch.setattr(usage, "PENDING_MAX", 5)
    place = Place()
    for number in range(50):
        place.notes.note("one", f"{{ a{number} }}")
    for number in range(50):
        place.notes.note("two", f"{{ a{number} }}")
    place.notes.note("one", "{ " + "a " * usage.CHARACTERS_MAX + "}")
    await place.notes.flush()
    assert len(place.operations.told) == 5
    place.notes.note("one", "{ a49 }")
    await place.notes.flush()
    assert place.operations.told[5:] == [("one", "{a49}", date(2026, 3, 1))]
    monkeypatch.setattr(usage, "PENDING_CHARACTERS_MAX", 12)
    for number in range(60, 64):
        place.notes.note("three", f"{{ a{number} }}")
    await place.notes.flush()
    assert [name for name, _, _ in place.operations.told].count("three") == 1
    monkeypatch.setattr(usage, "PENDING_CHARACTERS_MAX", 1024 * 1024)
    told = len(place.operations.told)
    long = "{ " + " ".join(f"a{number}" for number in range(20_000)) + " }"
    place.notes.note("one", long)
    await place.notes.flush()
    assert len(place.operations.told) == told, "longer than 64 KiB without blanks is not kept"


async def test_secrets_in_a_document_are_not_told() -> None:
    place = Place()
    long = f'{{ a(secretKey: "sk_live_x") {" " * 70_000} }}'
    blocks = 'mutation { a(input: {key: "stripe", secretKey: """sk_live_x"""}) }'
    for text in (
        'mutation { a(input: {key: "stripe", secretKey: "sk_live_x", webhookSecret: "whsec_x"}) { id } }',
        blocks,
        long,
        'query($cartToken: String = "tok_x", $one: Int = 1) { b(password: "pass_x", token: $cartToken, note: "n") }',
    ):
        place.notes.note("one", text)
    await place.notes.flush()
    assert [document for _, document, _ in place.operations.told] == [
        'mutation{a(input:{key:"stripe" secretKey:"" webhookSecret:""}){id}}',
        'mutation{a(input:{key:"stripe" secretKey:""})}',
        'query($cartToken:String=""$one:Int=1){b(password:"" token:$cartToken note:"n")}',
    ]
