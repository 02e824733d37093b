"""What no linter knows: the rules of the house, as failing tests. An exception stands here, with its reason."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kokoa.postgres import load_queries

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "kokoa"
SERVICES = SOURCE / "services"

ROOMS = {
    "__init__.py",
    "schema.graphql",
    "queries.sql",
    "model.py",
    "errors.py",
    "events.py",
    "store.py",
    "actions.py",
    "resolvers.py",
    "service.py",
}
FUNCTION_LINES_MAX = 50
FILE_LINES_MAX = 500
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}

# path → why it may be longer
LONG_FILES: dict[str, str] = {}
# path::function → why it may be longer
LONG_FUNCTIONS: dict[str, str] = {}
# statements that do not name the environment: why
ANYWHERE = {
    "tenants": "the directory answers before an environment is known; it goes through SECURITY DEFINER functions",
}


def python_files() -> list[Path]:
    folders = ("src", "tests", "benchmarks", "examples", "tools")
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def tracked_files() -> list[Path]:
    """What git has or would take; in an export without git, every file of the source folders."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode != 0:
        return [path for folder in ("src", "tests", "docs") for path in (ROOT / folder).rglob("*") if path.is_file()]
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_module_says_what_it_is_for() -> None:
    silent = [named(path) for path in python_files() if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []


def test_files_and_functions_stay_readable() -> None:
    too_long = []
    for path in python_files():
        text = path.read_text()
        if len(text.splitlines()) > FILE_LINES_MAX and named(path) not in LONG_FILES:
            too_long.append(f"{named(path)}: {len(text.splitlines())} lines")
        for name, lines in functions(ast.parse(text)):
            key = f"{named(path)}::{name}"
            if lines > FUNCTION_LINES_MAX and key not in LONG_FUNCTIONS:
                too_long.append(f"{key}: {lines} lines")
    assert too_long == []


def functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [named(path) for path in python_files() if path.stem in VAGUE_NAMES] == []


def test_nothing_is_left_for_later() -> None:
    unfinished = re.compile(r"\b(TODO|FIXME|XXX)\b")
    allowed = {"tests/test_tidy.py"}
    found = [
        f"{named(path)}:{number}"
        for path in python_files()
        if named(path) not in allowed
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if unfinished.search(line)
    ]
    assert found == []


def test_not_implemented_stands_only_in_abstract_seams() -> None:
    allowed = {
        "src/kokoa/postgres/events.py",  # Event.key: every event class has its own
        "src/kokoa/roles/settings.py",  # msgspec's dec_hook protocol for types it does not know
        "tests/test_tidy.py",
    }
    found = [named(p) for p in python_files() if "NotImplementedError" in p.read_text() and named(p) not in allowed]
    assert found == []


def test_no_test_sleeps_or_is_skipped_without_a_reason() -> None:
    found = []
    for path in (ROOT / "tests").rglob("*.py"):
        if path.name == "test_tidy.py":
            continue
        text = path.read_text()
        found += [f"{named(path)}: time.sleep" for _ in re.findall(r"\btime\.sleep\((?!POLL|_POLL)", text)]
        found += [
            f"{named(path)}: skip without reason" for _ in re.findall(r"mark\.(skip|xfail)\s*(\(\s*\))?\n", text)
        ]
    assert found == []


@pytest.mark.parametrize("service", sorted(p.name for p in SERVICES.iterdir() if p.is_dir() and p.name[0] != "_"))
def test_every_service_has_the_same_rooms(service: str) -> None:
    folder = SERVICES / service
    files = {path.name for path in folder.iterdir() if path.is_file() and path.suffix != ".pyc"}
    assert files == ROOMS
    assert sorted(folder.glob("migrations/0001_*.sql")), f"{service} has no first migration"


def query_files() -> list[Path]:
    return sorted(SOURCE.rglob("queries.sql"))


@pytest.mark.parametrize("path", query_files(), ids=lambda path: path.parent.name)
def test_every_statement_names_its_environment(path: Path) -> None:
    """The second lock is row-level security; the first is that no statement forgets the environment."""
    careless = [
        name
        for name, statement in load_queries(path)
        if not ("environment_id" in statement and "$1" in statement) and not is_definer_call(path, statement)
    ]
    assert careless == []


def is_definer_call(path: Path, statement: str) -> bool:
    """`SELECT … FROM a_function(…)` of a SECURITY DEFINER function of the same service."""
    called = re.search(r"(?:SELECT|FROM)\s+([a-z_]+)\s*\(", statement.split("*/", 1)[1])
    migrations = "\n".join(file.read_text() for file in path.parent.glob("migrations/*.sql"))
    return called is not None and bool(
        re.search(rf"CREATE FUNCTION {called[1]}\b.*?SECURITY DEFINER", migrations, re.DOTALL)
    )


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    private = re.compile(rb"pypi\.org|pythonhosted|registry\.npmjs|/root/|/home/[a-z]|/work/")
    allowed = {
        "tests/test_tidy.py",
        "src/kokoa/postgres/place.py",  # says that /root may be closed to others
    }
    found = [
        named(path)
        for path in tracked_files()
        if named(path) not in allowed and private.search(path.read_bytes()) and b"\0" not in path.read_bytes()[:1024]
    ]
    assert found == []
