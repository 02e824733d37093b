"""The server ends when it is told to, however often and in whichever moment."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from running import until

from kokoa.processes import free_port
from kokoa.web.server import Wakeup

SERVED = """
import sys
from kokoa.web.server import ServerSettings, run_server

def make():
    async def app(scope, receive, send):
        raise RuntimeError("nobody asks")
    return app

if __name__ == "__main__":
    run_server(ServerSettings(target="served:make", port=int(sys.argv[1]), workers=1))
"""


def test_a_server_that_is_told_many_times_to_end_ends(tmp_path: Path) -> None:
    """As when its parent dies and the whole group is interrupted; its handlers interrupt each other then."""
    (tmp_path / "served.py").write_text(SERVED)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    for _ in range(3):
        server = subprocess.Popen([sys.executable, str(tmp_path / "served.py"), str(free_port())], env=environment)
        try:
            children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
            until(lambda children=children: children.read_text().strip(), within_s=60, what="a worker")
            for _ in range(2_000):
                server.send_signal(signal.SIGTERM)
                server.send_signal(signal.SIGINT)
            server.wait(60)
        finally:
            server.kill()
            server.wait()


def test_whoever_waits_goes_on_once_it_is_set_and_not_before() -> None:
    wakeup = Wakeup(lambda: False)
    assert not wakeup.wait(0.01)
    threading.Timer(0.05, wakeup.set).start()
    assert wakeup.wait(60)
    assert wakeup.is_set()
    wakeup.clear()
    assert not wakeup.wait(0.01), "what was set before is over"
    for _ in range(200_000):  # more than a pipe holds
        wakeup.set()
    assert wakeup.wait(60)


def test_a_server_that_was_told_to_stop_waits_for_nothing_whatever_was_cleared() -> None:
    told: list[bool] = []
    wakeup = Wakeup(lambda: bool(told))
    told.append(True)
    wakeup.set()
    wakeup.clear()
    assert wakeup.wait(60)
