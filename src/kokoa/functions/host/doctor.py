"""What this machine offers to sandboxes, and what to do about what it does not. For `kokoa doctor` and for tests."""

import os
import platform
import tempfile
from pathlib import Path

import msgspec

from kokoa.functions.host.foundation import lay_foundation
from kokoa.functions.host.machine import Facts, cgroup_remedy, read_facts, sandbox_remedy
from kokoa.functions.host.process import open_cgroups
from kokoa.functions.host.runtimes import Runtimes, find_interpreters
from kokoa.functions.host.sandbox import seccomp
from kokoa.functions.host.sandbox.box import Slot, open_box
from kokoa.functions.host.sandbox.cgroups import CONTROLLERS, CgroupTree
from kokoa.functions.host.sandbox.layout import running_as_root
from kokoa.kernel.errors import KokoaError

_NOBODY = 700_000 - 1


class Finding(msgspec.Struct, frozen=True):
    """One mechanism.  ok: the machine gives it.  required: without it no function runs.  why, remedy: if not ok."""

    name: str
    ok: bool
    why: str = ""
    remedy: str = ""
    required: bool = True


async def examine() -> list[Finding]:
    """Try every mechanism for real; takes about a second."""
    facts = read_facts()
    findings = [_architecture(), _privileges(), await _interpreters(), _generation(facts)]
    cgroups = open_cgroups(f"kokoa-doctor-{os.getpid()}")
    try:
        findings += [_controller(cgroups, name, facts) for name in CONTROLLERS]
        if all(finding.ok for finding in findings if finding.required):
            findings.append(await _sandbox(cgroups, facts))
    finally:
        cgroups.close()
    return findings


def _architecture() -> Finding:
    machine = platform.machine()
    if platform.system() == "Linux" and seccomp.supported():
        return Finding("architecture", ok=True)
    return Finding(
        "architecture",
        ok=False,
        why=f"functions need Linux on x86_64 or aarch64; this is {platform.system()} on {machine}",
        remedy="Run the function host on such a machine or in such a virtual machine.",
    )


def _privileges() -> Finding:
    if running_as_root():
        return Finding("a uid for each sandbox", ok=True, required=False)
    return Finding(
        "a uid for each sandbox",
        ok=False,
        why="the host does not run as root: sandboxes share its uid, and cold starts cannot be prepared",
        remedy="For other people's code, run the host as root: sandboxes then run under uids that nobody else has.",
        required=False,
    )


async def _interpreters() -> Finding:
    found = Runtimes(await find_interpreters()).interpreters
    if found:
        return Finding("Python for functions", ok=True)
    return Finding(
        "Python for functions",
        ok=False,
        why="no Python ≥ 3.10 was found",
        remedy="Install one, e.g. apt install python3.",
    )


def _generation(facts: Facts) -> Finding:
    """Said even when all is well, for whoever asks for help."""
    return Finding(f"control groups: {facts.generation}", ok=facts.generation != "none", required=False)


def _controller(cgroups: CgroupTree, name: str, facts: Facts) -> Finding:
    why = cgroups.missing.get(name, "")
    remedy = cgroup_remedy(name, cgroups.refused.get(name), facts) if why else ""
    return Finding(f"cgroup {name}", ok=not why, why=why, remedy=remedy, required=False)


async def _sandbox(cgroups: CgroupTree, facts: Facts) -> Finding:
    """Start one sandbox and, as root, mount something into it."""
    with tempfile.TemporaryDirectory(prefix="kokoa-doctor-") as name:
        folder = Path(name)
        try:
            foundation = await lay_foundation(folder, folder / "host", cgroups)
        except (KokoaError, OSError) as error:
            return _broken(str(error), facts)
        ground, runtimes = foundation.ground, foundation.runtimes
        try:
            slot = Slot(0, _NOBODY if running_as_root() else -1)
            runtime = runtimes.find(f"python{runtimes.interpreters[-1].minor}")
            box = await open_box(ground, slot, runtime.interpreter, runtime.start_environment({}), None)
            try:
                if ground.layout.staged:
                    await box.mount_code(folder / "host" / "code")
            finally:
                await box.close()
                box.close_descriptors()
        except KokoaError as error:
            return _broken(f"{error.message} {error.detail}".strip(), facts)
        finally:
            await ground.spawner.stop()
    return Finding("sandbox", ok=True)


def _broken(why: str, facts: Facts) -> Finding:
    return Finding("sandbox", ok=False, why=why, remedy=sandbox_remedy(facts))
