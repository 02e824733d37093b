"""The reference pages are whole: every setting, command, option and error code is there, every link leads on."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cyclopts import App

from kokoa.cli.main import COMMANDS, command_line
from kokoa.roles.settings import Settings

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]

# Settings of the command line alone: they say which store it asks.
OF_THE_COMMAND = {"KOKOA_OPERATOR_TOKEN"}


def rows_of(page: Path) -> dict[str, list[str]]:
    """First cell of each table row → the other cells, without backticks."""
    lines = [line for line in page.read_text().splitlines() if line.startswith("| `")]
    cells = [[cell.strip().replace("`", "") for cell in line.strip("| ").split(" | ")] for line in lines]
    return {first: rest for first, *rest in cells}


def test_every_setting_is_documented_with_its_default() -> None:
    documented = rows_of(REFERENCE / "settings.md")
    fields = {f"KOKOA_{field.name.upper()}": field for field in msgspec.structs.fields(Settings)}
    assert documented.keys() == fields.keys() | OF_THE_COMMAND
    for variable, field in fields.items():
        default = field.default
        if default not in ("", Path(".kokoa")):
            shown = str(default).lower() if isinstance(default, bool) else str(default)
            assert documented[variable][0] == shown, variable


def commands() -> Iterator[tuple[str, App]]:
    """Every command with its words."""
    for name in COMMANDS:
        yield from below(command_line(name)[name], name)


def below(app: App, words: str) -> Iterator[tuple[str, App]]:
    if app.default_command is not None:
        yield words, app
    for name in app:
        if not name.startswith("-"):
            yield from below(app[name], f"{words} {name}")


@pytest.mark.parametrize(
    ("words", "app"), list(commands()), ids=lambda given: given if isinstance(given, str) else ""
)
def test_every_command_is_documented_with_its_options(words: str, app: App) -> None:
    page = (REFERENCE / "cli.md").read_text()
    # A command of several options has a section of its own; the others have one row.
    described = next((line for line in page.splitlines() if f"`kokoa {words}" in line), "")
    assert described, f"docs/reference/cli.md does not have `kokoa {words}`"
    section = page[page.index(described) :].split("\n## ")[0] if not described.startswith("|") else described
    for argument in app.assemble_argument_collection():
        option = argument.names[0]
        positional = option.removeprefix("--").upper()
        assert option in section or positional in section, f"kokoa {words} {option}"


def test_every_command_says_what_it_does_and_gives_help() -> None:
    for words, app in commands():
        assert app.help, f"kokoa {words} has no help"


@pytest.mark.parametrize("tool", ["errors_page.py", "rest_page.py"])
def test_every_error_code_and_route_is_documented(tool: str) -> None:
    done = subprocess.run([sys.executable, str(ROOT / "tools" / tool), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_one_code_means_one_thing() -> None:
    codes = re.findall(r"^\| `([A-Z0-9_]+)` \|", (REFERENCE / "errors.md").read_text(), re.MULTILINE)
    assert len(codes) > 100
    assert sorted(codes) == sorted(set(codes))


def test_the_codes_of_graphql_over_http_are_documented() -> None:
    source = (ROOT / "src" / "kokoa" / "graphql" / "http.py").read_text()
    page = (REFERENCE / "errors.md").read_text()
    codes = set(re.findall(r'"([A-Z]{2,}(?:_[A-Z]+)+)"', source))
    assert {"BAD_REQUEST", "NOT_ACCEPTABLE"} <= codes
    assert {code for code in codes if f"`{code}`" not in page} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    local = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in local if not (page.parent / target).exists()] == []
