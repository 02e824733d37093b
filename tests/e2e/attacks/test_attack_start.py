"""A function's own code and variables come into effect only where no listening socket is held any more."""

import pytest
from attacks.arena import Arena, source

from kokoa.functions.host.runtimes import Runtime
from kokoa.functions.host.sandbox.layout import Interpreter, Layout

EARLY = {"sitecustomize.py": source("early"), "usercustomize.py": source("early")}
VARIABLES = [
    {"PYTHONPATH": "/var/task"},
    {"PYTHONPATH": "/var/task:/var/runtime", "PYTHONINSPECT": "1"},
    {"PYTHONUSERBASE": "/var/task", "PYTHONPATH": "/var/task", "LD_LIBRARY_PATH": "/var/task"},
]


@pytest.mark.parametrize("variables", VARIABLES, ids=str)
async def test_code_that_starts_before_the_bootstrap_holds_no_socket(arena: Arena, variables: dict[str, str]) -> None:
    weapon = arena.weapon("early_report", files=EARLY, environment=variables)
    found = await arena.host.answer(weapon)
    assert found == {"early": True, "held": [], "inherited": [], "listening": 0}
    assert await arena.host.answer(arena.weapon("early_report")) == {
        "early": False,
        "held": [],
        "inherited": [],
        "listening": 0,
    }


async def test_teeth_with_a_bootstrap_that_is_not_isolated(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the isolated start the same code takes all three sockets, and the control socket."""
    options = Layout.options

    def with_variables(layout: Layout, interpreter: Interpreter, environment: dict[str, str], code: object) -> object:
        started = Runtime("python3.11", interpreter).start_environment(VARIABLES[0])
        return options(layout, interpreter, environment | started, code)  # type: ignore[arg-type]

    monkeypatch.setattr(Layout, "options", with_variables)
    monkeypatch.setattr(Layout, "isolated_command", Layout.command)
    weapon = arena.weapon("early_report", files=EARLY, environment=VARIABLES[0])
    found = await arena.host.answer(weapon)
    assert (found["held"], found["inherited"]) == (["9001", "9002", "9003"], ["3"])
