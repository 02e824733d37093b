"""Programs that Kokoa starts beside itself: they die with their owner, and come back when they crash."""

from kokoa.processes.child import Child, ChildFailed
from kokoa.processes.keeper import Keeper
from kokoa.processes.keeping import kept_secret, sync_folder
from kokoa.processes.lock import AlreadyRunning, FileLock
from kokoa.processes.ports import PortBusy, free_port, require_free_port

__all__ = [
    "AlreadyRunning",
    "Child",
    "ChildFailed",
    "FileLock",
    "Keeper",
    "PortBusy",
    "free_port",
    "kept_secret",
    "require_free_port",
    "sync_folder",
]
