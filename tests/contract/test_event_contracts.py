"""What is published of events, contracts/events/, is what the code tells, and stays what others rely on."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

import told_events

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "event_contracts.py"
FILES = sorted((ROOT / "contracts" / "events").rglob("*.json"))
OPTIONS = {"anyOf": [{"type": "string"}, {"type": "null"}]}


def test_every_event_has_its_contract_and_its_line_on_the_page() -> None:
    done = subprocess.run([sys.executable, str(TOOL), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(FILES) > 90


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_contract_is_a_schema_that_its_own_example_meets(file: Path) -> None:
    schema = json.loads(file.read_text())
    jsonschema_rs.Draft202012Validator(schema)
    assert schema["title"] == file.name.split(".")[0]
    assert schema["description"], "say in the class's docstring when it is told"
    for example in schema["examples"]:
        assert told_events.check_message(json.dumps(example).encode()) == schema["title"]


def changed(folder: Path, change: Any) -> subprocess.CompletedProcess[str]:
    """What the tool says when OrderPlaced was published otherwise than it is today."""
    copied = folder / "contracts" / "events"
    for file in FILES:
        place = copied / file.relative_to(ROOT / "contracts" / "events")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.read_bytes())
    (folder / "docs" / "reference").mkdir(parents=True)
    (folder / "tools").mkdir()
    tool = folder / "tools" / TOOL.name
    tool.write_bytes(TOOL.read_bytes())
    published = copied / "orders" / "OrderPlaced.1.json"
    schema = copy.deepcopy(json.loads(published.read_text()))
    change(schema["properties"]["data"])
    published.write_text(json.dumps(schema))
    done = subprocess.run([sys.executable, str(tool)], capture_output=True, text=True)
    assert (published.read_text() == json.dumps(schema)) == bool(done.returncode), "what is refused writes nothing"
    return done


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda data: data["properties"].update(coupon={"type": "string"}), "`coupon` is gone"),
        (lambda data: data["properties"].update(total_minor={"type": "string"}), "`total_minor` is of another type"),
        (lambda data: data["properties"].update(number=OPTIONS), "`number` is of another type"),
    ],
)
def test_a_published_field_neither_goes_nor_changes_its_type(tmp_path: Path, change: Any, why: str) -> None:
    done = changed(tmp_path, change)
    assert done.returncode == 1
    assert f"orders/OrderPlaced.1.json: {why}" in done.stderr
    assert "schema_version" in done.stderr, "it says what to do"


def test_a_field_may_be_added(tmp_path: Path) -> None:
    done = changed(tmp_path, lambda data: (data["properties"].pop("total_minor"), data["required"].pop()))
    assert done.returncode == 0, done.stderr


def test_an_event_that_is_published_is_told_for_good(tmp_path: Path) -> None:
    gone = tmp_path / "contracts" / "events" / "orders" / "OrderForgotten.1.json"
    gone.parent.mkdir(parents=True)
    gone.write_text("{}")
    done = changed(tmp_path, lambda data: data["required"].pop())
    assert done.returncode == 1
    assert "orders/OrderForgotten.1.json: nobody tells it any more" in done.stderr


@pytest.mark.parametrize(
    ("change", "raised"),
    [
        ({"total_minor": "8990"}, jsonschema_rs.ValidationError),
        ({"total_minor": None}, jsonschema_rs.ValidationError),
        ({"coupon": "X"}, AssertionError),
    ],
)
def test_the_check_of_outboxes_sees_what_is_not_as_published(change: dict[str, Any], raised: type[Exception]) -> None:
    schema = json.loads((ROOT / "contracts" / "events" / "orders" / "OrderPlaced.1.json").read_text())
    message = schema["examples"][0]
    message["data"] |= change
    with pytest.raises(raised):
        told_events.check_message(json.dumps(message).encode())
