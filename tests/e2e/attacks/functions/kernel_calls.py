"""The parts of the kernel in which holes are found most often."""

from typing import Any

import attacking

CALLS = {
    "bpf": (321, 0, b"\0" * 128, 128),
    "io_uring_setup": (425, 4, b"\0" * 120),
    "io_uring_enter": (426, 0, 0, 0, 0, 0, 0),
    "io_uring_register": (427, 0, 0, 0, 0),
    "keyctl": (250, 0, -3, 1, 0, 0),
    "add_key": (248, b"user", b"x", b"y", 1, -3),
    "request_key": (249, b"user", b"x", 0, -3),
    "userfaultfd": (323, 1),
    "perf_event_open": (298, b"\0" * 112, 0, -1, -1, 0),
    "open_by_handle_at": (304, -100, b"\0" * 8, 0),
    "name_to_handle_at": (303, -100, b"/", b"\0" * 136, b"\0" * 8, 0),
    "kexec_load": (246, 0, 0, 0, 0),
    "kexec_file_load": (320, -1, -1, 0, 0, 0),
    "init_module": (175, b"", 0, b""),
    "finit_module": (313, -1, b"", 0),
    "delete_module": (176, b"x", 0),
    "fanotify_init": (300, 0, 0),
    "acct": (163, 0),
    "syslog": (103, 3, b"\0" * 64, 64),
    "quotactl": (179, 0, 0, 0, 0),
    "memfd_secret": (447, 0),
    "modify_ldt": (154, 0, b"\0" * 16, 16),
    "iopl": (172, 3),
    "ioperm": (173, 0x80, 1, 1),
    "personality": (135, 0x0400000),
    "mbind": (237, 0, 0, 0, 0, 0, 0),
    "migrate_pages": (256, 0, 0, 0, 0),
    "vhangup": (153,),
    "lookup_dcookie": (212, 0, 0, 0),
    "process_madvise": (440, -1, 0, 0, 0, 0),
}


def handler(event: Any, context: Any) -> Any:
    """Those that were not refused."""
    return {
        name: result for name, code in CALLS.items() if (result := attacking.call(*code)) not in ("EPERM", "ENOSYS")
    }
