"""A very small assembler for classic BPF, as far as a seccomp filter needs it (linux/filter.h, linux/seccomp.h).

A program is a list of instructions, each 8 bytes: code, jump-if-true, jump-if-false, constant. It runs over
`struct seccomp_data { int nr; u32 arch; u64 instruction_pointer; u64 args[6]; }`.
"""

import struct
from typing import NamedTuple

_LOAD_WORD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_JUMP_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_JUMP_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

_NR_OFFSET = 0
_ARCH_OFFSET = 4
_ARGS_OFFSET = 16

ALLOW = 0x7FFF0000
KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000


class Instruction(NamedTuple):
    """One BPF instruction; jumps are relative to the next instruction."""

    code: int
    if_true: int
    if_false: int
    constant: int


def errno(number: int) -> int:
    """The verdict "fail with this errno"."""
    return _ERRNO | number


def load_nr() -> Instruction:
    """Load the number of the system call."""
    return Instruction(_LOAD_WORD, 0, 0, _NR_OFFSET)


def load_arch() -> Instruction:
    """Load the AUDIT_ARCH of the system call."""
    return Instruction(_LOAD_WORD, 0, 0, _ARCH_OFFSET)


def load_arg(index: int) -> Instruction:
    """Load the low 32 bits of an argument (both architectures are little endian)."""
    return Instruction(_LOAD_WORD, 0, 0, _ARGS_OFFSET + 8 * index)


def give(verdict: int) -> Instruction:
    """Stop with this verdict."""
    return Instruction(_RETURN, 0, 0, verdict)


def when_equal(constant: int, body: list[Instruction]) -> list[Instruction]:
    """Run body only if the loaded word equals constant."""
    return [Instruction(_JUMP_EQUAL, 0, len(body), constant), *body]


def unless_equal(constant: int, body: list[Instruction]) -> list[Instruction]:
    """Run body only if the loaded word differs from constant."""
    return [Instruction(_JUMP_EQUAL, len(body), 0, constant), *body]


def when_at_least(constant: int, body: list[Instruction]) -> list[Instruction]:
    """Run body only if the loaded word is at least constant."""
    return [Instruction(_JUMP_AT_LEAST, 0, len(body), constant), *body]


def when_any_bit(mask: int, body: list[Instruction]) -> list[Instruction]:
    """Run body only if the loaded word has any bit of mask."""
    return [Instruction(_JUMP_ANY_BIT, 0, len(body), mask), *body]


def assemble(program: list[Instruction]) -> bytes:
    """The program as the kernel reads it. Raises ValueError when a jump is too far."""
    for instruction in program:
        if instruction.if_true > 255 or instruction.if_false > 255:
            raise ValueError(f"a BPF jump reaches at most 255 instructions: {instruction}")
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
