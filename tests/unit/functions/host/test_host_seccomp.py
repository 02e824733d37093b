"""The system call filter, run by a small interpreter of its own instead of the kernel."""

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokoa.functions.host.errors import RuntimeUnsupported
from kokoa.functions.host.sandbox import bpf, seccomp

ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
EPERM = bpf.errno(errno.EPERM)


def verdict(program: bytes, nr: int, arch: int, *args: int) -> int:
    """What the filter says about a call (linux/filter.h semantics for the instructions in use)."""
    padded = (*args, *(0,) * (6 - len(args)))
    data = struct.pack("=iIQ6Q", nr if nr < 1 << 31 else nr - (1 << 32), arch, 0, *padded)
    instructions = list(struct.iter_unpack("=HBBI", program))
    at, loaded = 0, 0
    while True:
        code, if_true, if_false, constant = instructions[at]
        at += 1
        if code == 0x20:
            (loaded,) = struct.unpack_from("=I", data, constant)
        elif code == 0x06:
            return constant
        else:
            holds = {0x15: loaded == constant, 0x35: loaded >= constant, 0x45: bool(loaded & constant)}[code]
            at += if_true if holds else if_false


@pytest.mark.parametrize(
    ("machine", "denied"),
    [
        ("x86_64", [165, 272, 308, 101, 321, 425, 323, 298, 250, 246, 169, 155, 428, 161, 303]),
        ("aarch64", [40, 97, 268, 117, 280, 425, 282, 241, 219, 104, 142, 41, 428, 51, 264]),
    ],
)
def test_calls_that_undo_sandboxes_are_refused(machine: str, denied: list[int]) -> None:
    program = seccomp.build_filter(machine)
    assert {verdict(program, nr, ARCH[machine]) for nr in denied} == {EPERM}


@pytest.mark.parametrize(
    ("machine", "allowed"), [("x86_64", [0, 1, 2, 9, 59, 202, 232]), ("aarch64", [63, 64, 56, 222, 221])]
)
def test_ordinary_calls_are_allowed(machine: str, allowed: list[int]) -> None:
    program = seccomp.build_filter(machine)
    assert {verdict(program, nr, ARCH[machine]) for nr in allowed} == {bpf.ALLOW}


@given(nr=st.integers(0, 600), arch=st.integers(0, 2**32 - 1).filter(lambda arch: arch != ARCH["x86_64"]))
def test_another_architectures_numbers_kill(nr: int, arch: int) -> None:
    assert verdict(seccomp.build_filter("x86_64"), nr, arch) == bpf.KILL_PROCESS


@given(st.integers(0, 600))
def test_the_x32_twin_of_a_call_kills(nr: int) -> None:
    assert verdict(seccomp.build_filter("x86_64"), 0x40000000 | nr, ARCH["x86_64"]) == bpf.KILL_PROCESS


@given(st.sampled_from([0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]))
def test_clone_makes_no_name_space(flag: int) -> None:
    program = seccomp.build_filter("x86_64")
    assert verdict(program, 56, ARCH["x86_64"], flag | 17) == EPERM
    assert verdict(program, 56, ARCH["x86_64"], 0x50F00) == bpf.ALLOW  # a thread
    assert verdict(program, 435, ARCH["x86_64"]) == bpf.errno(errno.ENOSYS)


def test_arguments_decide_about_sockets_personalities_and_terminals() -> None:
    program, arch = seccomp.build_filter("x86_64"), ARCH["x86_64"]
    unsupported = bpf.errno(errno.EAFNOSUPPORT)
    assert [verdict(program, 41, arch, family) for family in (1, 2, 10, 16)] == [bpf.ALLOW] * 4
    assert [verdict(program, 41, arch, family) for family in (17, 38, 40)] == [unsupported] * 3
    assert [verdict(program, 135, arch, value) for value in (0, 0xFFFFFFFF, 0x400000)] == [
        bpf.ALLOW,
        bpf.ALLOW,
        EPERM,
    ]
    assert [verdict(program, 16, arch, 0, request) for request in (0x5401, 0x5412, 0x541C)] == [
        bpf.ALLOW,
        EPERM,
        EPERM,
    ]


def test_an_unknown_machine_is_named() -> None:
    with pytest.raises(RuntimeUnsupported, match="riscv64"):
        seccomp.build_filter("riscv64")
