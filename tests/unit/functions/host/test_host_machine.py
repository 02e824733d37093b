"""What to change about a machine, for each kind of machine that cannot do what sandboxes need."""

import errno
from pathlib import Path

import pytest

from kokoa.functions.host.machine import Facts, cgroup_remedy, read_facts, sandbox_remedy
from kokoa.functions.host.sandbox.cgroups import Hierarchy

V1 = Hierarchy(1, Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup/memory"), frozenset({"memory"}))
V2 = Hierarchy(2, Path("/sys/fs/cgroup/user.slice"), Path("/sys/fs/cgroup"), frozenset({"memory", "pids"}))


@pytest.mark.parametrize(
    ("facts", "refused", "generation", "said"),
    [
        (Facts(root=True), None, "none", "mount -t cgroup2 none /sys/fs/cgroup."),
        (Facts(root=True, container=True), None, "none", "--cgroupns=private"),
        (Facts(root=False, hierarchies=(V1,)), errno.EACCES, "version 1", "run the host as root, or boot with"),
        (Facts(root=True, hierarchies=(V2,), unified=V2.controllers), errno.EROFS, "version 2", "--privileged"),
        (
            Facts(root=False, hierarchies=(V2,), unified=V2.controllers),
            errno.EACCES,
            "version 2",
            "systemd-run --user --scope -p Delegate=yes kokoa up",
        ),
        (
            Facts(root=True, hierarchies=(V2,), unified=V2.controllers),
            errno.EBUSY,
            "version 2",
            "Other processes live in our control group",
        ),
        (
            Facts(root=False, hierarchies=(V2,), unified=V2.controllers),
            None,
            "version 2",
            "Our group was given memory, pids only: add Delegate=cpu",
        ),
        (Facts(root=False, unified=frozenset()), None, "version 2", "Delegate=yes"),
    ],
)
def test_a_missing_controller_has_a_remedy(facts: Facts, refused: int | None, generation: str, said: str) -> None:
    assert facts.generation == generation
    remedy = cgroup_remedy("cpu", refused, facts)
    assert said in remedy
    assert remedy.endswith("not limited.")


@pytest.mark.parametrize(
    ("facts", "said", "unsaid"),
    [
        (Facts(root=False, userns_max=0), "user.max_user_namespaces=15000", "AppArmor"),
        (Facts(root=False, userns_clone=0), "kernel.unprivileged_userns_clone=1", "AppArmor"),
        (
            Facts(root=False, userns_apparmor=1),
            "apparmor_restrict_unprivileged_userns=0",
            "unprivileged_userns_clone",
        ),
        (Facts(root=True, userns_apparmor=1, userns_clone=0), "bwrap --unshare-all", "sysctl"),
        (Facts(root=True, seccomp=True, container=True), "--security-opt seccomp=unconfined", "sysctl"),
        (Facts(root=True, container=True), "systempaths=unconfined", "seccomp=unconfined"),
        (Facts(root=False, userns_max=100, userns_clone=1, userns_apparmor=0), "bwrap --unshare-all", "sysctl"),
    ],
)
def test_a_sandbox_that_cannot_be_made_has_a_remedy(facts: Facts, said: str, unsaid: str) -> None:
    remedy = sandbox_remedy(facts)
    assert said in remedy
    assert unsaid not in remedy


def test_this_machine_can_be_read() -> None:
    facts = read_facts()
    assert facts.generation in ("version 1", "version 2", "none")
    assert facts.userns_max is None or facts.userns_max >= 0
