"""The disk fills up under a running store: callers are told so, nothing acknowledged is lost, and room mends it."""

import asyncio
import contextlib
import itertools
import json
import os
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
from books import require_the_books_agree
from hurt_store import PATIENCE_S, HurtStore, hurt_store, within
from journeys import Again, Create, Invoke, Log, Write, asked, operator, prepare
from running import TEST_DISK, until

pytestmark = pytest.mark.timeout(300)  # a busy machine takes its time; what hangs is named before that

DESCRIPTION_BYTES = 8000
# What PostgreSQL dies of: no next segment of its log, any file in a checkpoint, any file at its start.
_NO_ROOM = re.compile(r'"pg_wal/[^"]*": No space left on device|(PANIC|FATAL): .*No space left on device')
_NEXT_SEGMENT = "SELECT pg_logical_emit_message(false, 'full', 'x'); SELECT pg_switch_wal()"
PAGES_BYTES = 64 << 10
DISK_BYTES = 2 << 30  # that much must be free for a start


@pytest.fixture(scope="module")
def disk() -> Iterator[Path]:
    """A small disk of its own, where PostgreSQL's user may come: its data is on it too."""
    home = Path(tempfile.mkdtemp(prefix="kokoa-full-"))
    home.chmod(0o755)
    folder = home / "state"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=755", TEST_DISK, str(folder)], capture_output=True
    )
    if mounted.returncode != 0:
        reason = f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        shutil.rmtree(home)


@pytest.fixture(scope="module")
def hurt(disk: Path) -> Iterator[HurtStore]:
    """A store that has nothing but this disk."""
    with hurt_store(disk) as store:
        prepare(store)
        yield store


@contextlib.contextmanager
def full(disk: Path) -> Iterator[None]:
    """Leave no room, until the block ends."""
    shrink(disk)
    try:
        yield
    finally:
        resize(disk, DISK_BYTES)


def shrink(disk: Path) -> None:
    """Make the disk as small as what is on it; a store gives some room back now and then, so it is called again."""
    statistics = os.statvfs(disk)
    resize(disk, (statistics.f_blocks - statistics.f_bfree) * statistics.f_frsize)


def grow(disk: Path, by: int) -> None:
    statistics = os.statvfs(disk)
    resize(disk, statistics.f_blocks * statistics.f_frsize + by)


def resize(disk: Path, size: int) -> None:
    """tmpfs takes another size while it is mounted, but none below what is used."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], capture_output=True)


def test_a_full_disk_refuses_what_it_cannot_keep_and_room_mends_it(hurt: HurtStore, disk: Path) -> None:
    kept = [Write(hurt, number) for number in range(3)]
    for write in kept:
        write.finish()
    written = {write.name for write in kept}
    with full(disk):
        refusals = refused_writes(hurt, disk, written)
        assert any("full" in refusal or "UNAVAILABLE" in refusal for refusal in refusals), refusals
        create = refused_package(hurt, disk)
        grant_until(hurt, disk, "write error on EVENTS", lambda: write_errors(hurt, "EVENTS"))
        printed = Invoke(hurt, 903)
        printed.attempt()
    after = [Write(hurt, 901), create, Log(hurt, 902)]
    for journey in after:
        journey.finish()
    until(hurt.serves, within_s=PATIENCE_S, what="the store")
    require_the_books_agree(hurt, written | {after[0].name})


def refused_writes(hurt: HurtStore, disk: Path, written: set[str]) -> list[str]:
    """Write until ten were refused; what was acknowledged on the way counts."""
    refusals: list[str] = []
    numbers = iter(range(100, 800))
    for _ in within(PATIENCE_S):
        write = Write(hurt, next(numbers))
        write.description = secrets.token_hex(DESCRIPTION_BYTES // 2)  # that is no shorter on the disk
        try:
            write.attempt()
            written.add(write.name)
        except Again as again:
            refusals.append(str(again))
        if len(refusals) >= 10:
            return refusals
        shrink(disk)
    raise AssertionError(f"only {len(refusals)} writes were refused: {refusals}")


def refused_package(hurt: HurtStore, disk: Path) -> Create:
    """A function whose package finds no room.

    PostgreSQL may have died of the full disk before it is asked who calls: it is given room then, and the disk is
    filled again.
    """
    refusals: list[str] = []
    for number in range(920, 930):
        create = Create(hurt, number)
        try:
            create.attempt()
        except Again as again:
            refusals.append(str(again))
            if "disk of the package store is full" in refusals[-1]:
                return create
        resize(disk, DISK_BYTES)
        until(hurt.serves, within_s=PATIENCE_S, what="the store")
        shrink(disk)
    raise AssertionError(f"no package was refused for want of room: {refusals}")


def test_a_disk_that_is_too_full_for_postgres_to_live_on_mends_by_room_alone(hurt: HurtStore, disk: Path) -> None:
    """Its write-ahead log finds no room: that is a panic, and it cannot start again either."""
    before = Write(hurt, 910)
    before.finish()
    already = len(postgres_log(hurt))
    # Else checkpoints give used segments back as new ones, sometimes as fast as they are used up.
    as_superuser(hurt, "SELECT pg_create_physical_replication_slot('full', immediately_reserve => true)")
    with full(disk):
        until(lambda: log_used_up(hurt, disk, already), within_s=2 * PATIENCE_S, what="a log without room")
        for _ in range(5):
            with pytest.raises(Again):
                Write(hurt, 911).attempt()
    for journey in (before, Write(hurt, 911), Create(hurt, 912), Log(hurt, 913)):
        journey.finish()
    until(hurt.serves, within_s=PATIENCE_S, what="the store")
    as_superuser(hurt, "SELECT pg_drop_replication_slot('full')")


def log_used_up(hurt: HurtStore, disk: Path, already: int) -> bool:
    """Begin one segment after another until there is no room for the next; whether PostgreSQL has said so.

    already: how much it had said before.  A checkpoint may come first, and meet the full disk with a file of its own.
    """
    with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        as_superuser(hurt, *[_NEXT_SEGMENT] * 100, after_each=lambda: shrink(disk))
    return _NO_ROOM.search(postgres_log(hurt), already) is not None


def postgres_log(hurt: HurtStore) -> str:
    return (hurt.state_dir / "postgres" / "log" / "postgres.log").read_text(errors="replace")


def as_superuser(hurt: HurtStore, *statements: str, after_each: Callable[[], None] = lambda: None) -> None:
    """On a connection that ends with the server."""
    address = json.loads((hurt.state_dir / "servers.json").read_text())["database_url"]
    password = (hurt.state_dir / "secrets" / "postgres").read_text()

    async def run() -> None:
        admin = await asyncpg.connect(address, user="kokoa", password=password, timeout=30)
        try:
            for statement in statements:
                await admin.execute(statement)
                after_each()
        finally:
            admin.terminate()

    asyncio.run(run())


def grant_until(hurt: HurtStore, disk: Path, what: str, condition: Callable[[], bool]) -> None:
    """Make small changes, which PostgreSQL has room for in what it has, until their events meet the full disk.

    Where PostgreSQL is the one that has no room left, it is given some pages: no change, no event.
    """
    numbers = itertools.count()
    for _ in within(PATIENCE_S):
        try:
            body = json.dumps({"partner": hurt.partner.name, "pattern": f"/full/{next(numbers)}"}).encode()
            asked(lambda body=body: operator(hurt, "POST", "/grants", body))
        except Again:
            grow(disk, PAGES_BYTES)
        else:
            shrink(disk)
        if condition():
            return
    raise AssertionError(f"no {what}")


def write_errors(hurt: HurtStore, stream: str) -> bool:
    """Whether NATS has said that it could not write to a stream."""
    log = (hurt.state_dir / "nats" / "nats.log").read_text()
    return f"Filestore [{stream}] Critical write error" in log
