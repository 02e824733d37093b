"""What kind of machine this is, as far as sandboxes care, and what to change about it. Reading is in `read_facts`;
the rest is pure."""

import errno
import os
from pathlib import Path

import msgspec

from kokoa.functions.host.sandbox.cgroups import Hierarchy, find_hierarchies

_PROC = Path("/proc")
_CONTAINERS = ("/.dockerenv", "/run/.containerenv")


class Facts(msgspec.Struct, frozen=True):
    """seccomp: a filter of somebody else's is on us.  container: we are inside one.

    hierarchies: of control groups that are mounted.  unified: the controllers that the version 2 hierarchy offers to
    our group, None when it is not mounted.  userns_max, userns_clone, userns_apparmor: kernel settings; None = the
    kernel has no such setting.
    """

    root: bool
    container: bool = False
    seccomp: bool = False
    hierarchies: tuple[Hierarchy, ...] = ()
    unified: frozenset[str] | None = None
    userns_max: int | None = None
    userns_clone: int | None = None
    userns_apparmor: int | None = None

    @property
    def generation(self) -> str:
        """Which control groups the machine has, in words."""
        if any(hierarchy.version == 1 for hierarchy in self.hierarchies):
            return "version 1"
        return "none" if self.unified is None else "version 2"


def read_facts() -> Facts:
    """Of the machine that we are on."""
    mountinfo = (_PROC / "self/mountinfo").read_text()
    found = find_hierarchies(mountinfo, (_PROC / "self/cgroup").read_text())
    unified = next((hierarchy for hierarchy in found if hierarchy.version == 2), None)
    status = dict(line.split(":", 1) for line in (_PROC / "self/status").read_text().splitlines() if ":" in line)
    return Facts(
        root=os.geteuid() == 0,
        container=any(Path(mark).exists() for mark in _CONTAINERS) or "container" in os.environ,
        seccomp=status.get("Seccomp", "0").strip() == "2",
        hierarchies=tuple(hierarchy for hierarchy in found if hierarchy.controllers),
        unified=unified.controllers if unified else None,
        userns_max=_setting("user/max_user_namespaces"),
        userns_clone=_setting("kernel/unprivileged_userns_clone"),
        userns_apparmor=_setting("kernel/apparmor_restrict_unprivileged_userns"),
    )


def _setting(name: str) -> int | None:
    try:
        return int((_PROC / "sys" / name).read_text())
    except (OSError, ValueError):
        return None


def cgroup_remedy(controller: str, refused: int | None, facts: Facts) -> str:
    """What gives us a controller.  refused: the errno of our attempt to use it; None = it is not offered at all."""
    without = "Until then functions run, but what they use of it is not limited."
    if refused == errno.EROFS:
        how = "The control groups are mounted read-only, as containers do it: start the container with --privileged, "
        how += "or mount /sys/fs/cgroup writable into it (-v /sys/fs/cgroup:/sys/fs/cgroup:rw)."
    elif facts.generation == "none":
        how = "No control groups are mounted: mount -t cgroup2 none /sys/fs/cgroup"
        how += ", or give the container its own (--cgroupns=private)." if facts.container else "."
    elif refused in (errno.EACCES, errno.EPERM) and facts.generation == "version 1":
        how = "Control groups of version 1 belong to root: run the host as root, or boot with "
        how += "systemd.unified_cgroup_hierarchy=1 and run it as a systemd service with Delegate=yes."
    elif refused in (errno.EACCES, errno.EPERM):
        how = "The group that we run in is not delegated to us: start with "
        how += "`systemd-run --user --scope -p Delegate=yes kokoa up`, or put Delegate=yes into the service."
    elif refused == errno.EBUSY:
        how = "Other processes live in our control group, so it cannot be divided: start in one of our own, with "
        how += "`systemd-run --scope -p Delegate=yes kokoa up`."
    elif facts.unified is not None and facts.unified and controller not in facts.unified:
        how = f"Our group was given {', '.join(sorted(facts.unified))} only: add Delegate={controller} to its unit "
        how += "(for users: /etc/systemd/system/user@.service.d/delegate.conf, then log in again)."
    else:
        how = "Run the host as root, or as a systemd service with Delegate=yes."
    return f"{how} {without}"


def sandbox_remedy(facts: Facts) -> str:
    """What lets bwrap make its name spaces, when it could not."""
    found = []
    if facts.userns_max == 0:
        found.append("user name spaces are turned off: sysctl -w user.max_user_namespaces=15000")
    if not facts.root and facts.userns_clone == 0:
        found.append("only root may make user name spaces: sysctl -w kernel.unprivileged_userns_clone=1")
    if not facts.root and facts.userns_apparmor == 1:
        found.append(
            "AppArmor restricts user name spaces: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, "
            "or give bwrap a profile that allows userns"
        )
    if facts.seccomp:
        found.append(
            "a system call filter from outside is on us, as containers have it: allow unshare, mount and pivot_root "
            "(docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined --cap-add SYS_ADMIN)"
        )
    elif facts.container:
        found.append("in a container a full /proc is needed too: docker run --security-opt systempaths=unconfined")
    if not found:
        found.append(
            "let this process make user name spaces and mounts; `bwrap --unshare-all --ro-bind / / true` tries it"
        )
    text = "; ".join(found)
    return f"{text[0].upper()}{text[1:]}."
