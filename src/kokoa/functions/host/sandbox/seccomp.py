"""Which system calls a function may not make: Docker's default denials, and what else has often broken kernels.

A deny-list, so that any runtime works; everything that could undo the sandbox is on it. New name spaces are refused
by argument (`clone`), and `clone3`, whose arguments a filter cannot see, says ENOSYS: libc then uses `clone`.
"""

import errno as errnos
import platform

from kokoa.functions.host.errors import RuntimeUnsupported
from kokoa.functions.host.sandbox import bpf

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000

# name → (x86_64, aarch64); None where the architecture does not have it.
_DENIED: dict[str, tuple[int | None, int | None]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "create_module": (174, None),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "get_kernel_syms": (177, None),
    "get_mempolicy": (239, 236),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "listmount": (458, 458),
    "lookup_dcookie": (212, 18),
    "lsm_set_self_attr": (460, 460),
    "mbind": (237, 235),
    "memfd_secret": (447, 447),
    "migrate_pages": (256, 238),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "query_module": (178, None),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "set_mempolicy": (238, 237),
    "set_mempolicy_home_node": (450, 450),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "statmount": (457, 457),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "sysfs": (139, None),
    "_sysctl": (156, None),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, None),
    "userfaultfd": (323, 282),
    "ustat": (136, None),
    "vhangup": (153, 58),
}
_CLONE = (56, 220)
_CLONE3 = (435, 435)
_PERSONALITY = (135, 92)
_SOCKET = (41, 198)
_IOCTL = (16, 29)

# CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_NEW_NAMESPACE_FLAGS = 0x80 | 0x20000 | 0x2000000 | 0x4000000 | 0x8000000 | 0x10000000 | 0x20000000 | 0x40000000
_PERSONALITIES_ALLOWED = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
# AF_UNIX, AF_INET, AF_INET6, AF_NETLINK (getifaddrs): the rest is attack surface that no function needs.
_FAMILIES_ALLOWED = (1, 2, 10, 16)
# TIOCSTI and TIOCLINUX type into the terminal of whoever started us.
_IOCTLS_DENIED = (0x5412, 0x541C)


def supported(machine: str | None = None) -> bool:
    """Whether there is a filter for this machine's architecture."""
    return (machine or platform.machine()) in _AUDIT_ARCH


def build_filter(machine: str | None = None) -> bytes:
    """The filter as bwrap's --seccomp reads it. Raises RuntimeUnsupported for an unknown architecture."""
    machine = machine or platform.machine()
    if not supported(machine):
        raise RuntimeUnsupported(
            f"There is no seccomp filter for {machine}: run the function host on {' or '.join(_AUDIT_ARCH)}."
        )
    column = list(_AUDIT_ARCH).index(machine)
    refuse = [bpf.give(bpf.errno(errnos.EPERM))]
    program = [bpf.load_arch()]
    program += bpf.unless_equal(_AUDIT_ARCH[machine], [bpf.give(bpf.KILL_PROCESS)])
    program += [bpf.load_nr()]
    if machine == "x86_64":
        program += bpf.when_at_least(_X32_BIT, [bpf.give(bpf.KILL_PROCESS)])
    for numbers in _DENIED.values():
        number = numbers[column]
        if number is not None:
            program += bpf.when_equal(number, refuse)
    program += bpf.when_equal(_CLONE3[column], [bpf.give(bpf.errno(errnos.ENOSYS))])
    program += bpf.when_equal(_CLONE[column], _allow_unless_bits(_NEW_NAMESPACE_FLAGS, refuse))
    program += bpf.when_equal(_PERSONALITY[column], _allow_only(_PERSONALITIES_ALLOWED, 0, refuse))
    unsupported = [bpf.give(bpf.errno(errnos.EAFNOSUPPORT))]
    program += bpf.when_equal(_SOCKET[column], _allow_only(_FAMILIES_ALLOWED, 0, unsupported))
    program += bpf.when_equal(_IOCTL[column], _allow_except(_IOCTLS_DENIED, 1, refuse))
    program += [bpf.give(bpf.ALLOW)]
    return bpf.assemble(program)


def _allow_unless_bits(mask: int, otherwise: list[bpf.Instruction]) -> list[bpf.Instruction]:
    return [bpf.load_arg(0), *bpf.when_any_bit(mask, otherwise), bpf.give(bpf.ALLOW)]


def _allow_only(values: tuple[int, ...], argument: int, otherwise: list[bpf.Instruction]) -> list[bpf.Instruction]:
    allow = [bpf.give(bpf.ALLOW)]
    checks = [step for value in values for step in bpf.when_equal(value, allow)]
    return [bpf.load_arg(argument), *checks, *otherwise]


def _allow_except(values: tuple[int, ...], argument: int, otherwise: list[bpf.Instruction]) -> list[bpf.Instruction]:
    checks = [step for value in values for step in bpf.when_equal(value, otherwise)]
    return [bpf.load_arg(argument), *checks, bpf.give(bpf.ALLOW)]
