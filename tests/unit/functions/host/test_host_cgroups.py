"""Control groups of both generations, on folders that look like theirs."""

from pathlib import Path

import pytest

from kokoa.functions.host.sandbox.cgroups import CONTROLLERS, Hierarchy, Limits, find_hierarchies, open_tree

LIMITS = Limits(memory_mb=128, cpus=1.5, processes=64)


def test_version_one_hierarchies_are_found() -> None:
    mountinfo = (
        "33 32 0:29 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"
        "34 32 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "35 32 0:31 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
        "36 32 0:32 / /proc rw - proc proc rw\n"
    )
    own = "4:memory:/machine/a\n3:cpu,cpuacct:/\n1:name=systemd:/x\n0::/\n"
    found = find_hierarchies(mountinfo, own)
    assert [(each.version, str(each.own), sorted(each.controllers)) for each in found] == [
        (1, "/sys/fs/cgroup/memory/machine/a", ["memory"]),
        (1, "/sys/fs/cgroup/cpu,cpuacct", ["cpu"]),
    ]


def test_a_version_two_hierarchy_is_found_from_inside_a_container(tmp_path: Path) -> None:
    own = tmp_path / "kokoa.service"
    own.mkdir()
    (own / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    mountinfo = f"30 29 0:26 /outer {tmp_path} rw - cgroup2 cgroup2 rw\n"
    (found,) = find_hierarchies(mountinfo, "0::/outer/kokoa.service\n")
    assert (found.version, found.own) == (2, own)
    assert found.controllers == set(CONTROLLERS)


@pytest.fixture
def version_one(tmp_path: Path) -> Path:
    return tmp_path


def test_limits_of_version_one(version_one: Path) -> None:
    hierarchy = Hierarchy(1, version_one, version_one, frozenset(CONTROLLERS))
    tree = open_tree("kokoa-x", [hierarchy])
    assert tree.missing == {}
    group = tree.create("s1")
    group.limit(LIMITS)
    folder = version_one / "kokoa-x" / "s1"
    assert (folder / "memory.limit_in_bytes").read_text() == str(128 << 20)
    assert (folder / "pids.max").read_text() == "64"
    assert (folder / "cpu.cfs_quota_us").read_text() == "150000"
    (folder / "memory.max_usage_in_bytes").write_text(str(36 * (1 << 20) + 1))
    (folder / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    assert (group.memory_peak_mb(), group.out_of_memory_kills()) == (37, 2)
    group.freeze()
    assert (folder / "freezer.state").read_text() == "FROZEN"
    group.thaw()
    assert (folder / "freezer.state").read_text() == "THAWED"


def test_limits_of_version_two(tmp_path: Path) -> None:
    hierarchy = Hierarchy(2, tmp_path, tmp_path, frozenset(CONTROLLERS))
    group = open_tree("kokoa-x", [hierarchy]).create("s1")
    group.limit(LIMITS)
    folder = tmp_path / "kokoa-x" / "s1"
    wanted = {"memory.max": str(128 << 20), "memory.swap.max": "0", "memory.oom.group": "1"}
    wanted |= {"pids.max": "64", "cpu.max": "150000 100000"}
    assert {name: (folder / name).read_text() for name in wanted} == wanted
    for parent in (tmp_path, tmp_path / "kokoa-x"):
        assert (parent / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    assert group.memory_peak_mb() == 0  # a kernel without memory.peak
    (folder / "memory.events").write_text("low 0\noom 1\noom_kill 1\n")
    assert group.out_of_memory_kills() == 1


def test_what_the_machine_does_not_give_is_named_and_left_out(tmp_path: Path) -> None:
    tree = open_tree("kokoa-x", [Hierarchy(1, tmp_path / "absent", tmp_path, frozenset({"memory"}))])
    assert tree.missing.keys() == set(CONTROLLERS)
    assert str(tmp_path / "absent") in tree.missing["memory"]
    group = tree.create("s1")
    group.limit(LIMITS)
    group.freeze()
    group.thaw()
    assert (group.memory_peak_mb(), group.out_of_memory_kills(), group.open_members(), group.remove()) == (
        0,
        0,
        [],
        True,
    )


def test_what_an_earlier_host_left_is_swept(tmp_path: Path) -> None:
    hierarchy = Hierarchy(1, tmp_path, tmp_path, frozenset({"pids"}))
    (tmp_path / "kokoa-x" / "s7").mkdir(parents=True)
    (tmp_path / "kokoa-y" / "s1").mkdir(parents=True)
    open_tree("kokoa-x", [hierarchy])
    assert [path.name for path in tmp_path.rglob("s*")] == ["s1"]


def test_the_end_of_a_host_takes_what_a_sandbox_left_that_was_killed_while_it_was_made(tmp_path: Path) -> None:
    hierarchies = [Hierarchy(1, tmp_path / name, tmp_path, frozenset({name})) for name in ("pids", "memory")]
    for hierarchy in hierarchies:
        hierarchy.own.mkdir()
    tree = open_tree("kokoa-x", hierarchies)
    tree.create("s1")
    (tmp_path / "pids" / "kokoa-x" / "s2").mkdir()
    tree.close()
    assert list(tmp_path.rglob("kokoa-x")) == []
    tree.close()  # the spawner may have been quicker
