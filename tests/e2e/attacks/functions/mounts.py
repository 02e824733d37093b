"""Mounts and roots: every call that changes what a path means."""

from typing import Any

import attacking

CALLS = {
    "mount proc": (165, b"proc", b"/tmp", b"proc", 0, 0),
    "bind": (165, b"/", b"/tmp", 0, 0x1000, 0),
    "remount writable": (165, 0, b"/", 0, 0x20 | 0x1000, 0),
    "umount": (166, b"/proc", 2),
    "pivot_root": (155, b"/tmp", b"/tmp"),
    "chroot": (161, b"/tmp"),
    "open_tree": (428, -100, b"/", 1),
    "move_mount": (429, -100, b"/tmp", -100, b"/dev/shm", 0),
    "fsopen": (430, b"tmpfs", 0),
    "fspick": (433, -100, b"/", 0),
    "mount_setattr": (442, -100, b"/", 0, b"\0" * 32, 32),
    "statmount": (457, b"\0" * 64, 0, 0, 0),
    "listmount": (458, b"\0" * 64, 0, 0, 0),
}


def handler(event: Any, context: Any) -> Any:
    """Those that were not refused."""
    return {
        name: result for name, code in CALLS.items() if (result := attacking.call(*code)) not in ("EPERM", "ENOSYS")
    }
