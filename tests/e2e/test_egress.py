"""`kokoa egress`, as an operator uses it, and what functions of two environments can reach afterwards."""

import contextlib
import http.server
import threading
from collections.abc import Iterator

import pytest
from partners import Environment, Partner, new_environment
from running import RunningStore, until

CALL = """
import urllib.request

def handler(event, context):
    try:
        return urllib.request.urlopen(event, timeout=8).read().decode()
    except OSError as error:
        return f"failed: {error}"
"""


class Erp(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"stock")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def erp() -> Iterator[str]:
    """host:port of a server outside."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Erp) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"localhost:{server.server_port}"
        server.shutdown()


def partner_of(environment: Environment) -> Partner:
    partner = environment.partner("acme")
    partner.deploy("call", CALL, Timeout=20)
    return partner


def test_an_environment_lets_its_functions_out_and_no_other(store: RunningStore, erp: str) -> None:
    prod = new_environment(store)
    dev = new_environment(store, prod.tenant, "dev")
    partner, stranger = partner_of(prod), partner_of(dev)
    assert "failed" in partner.invoke("call", f"http://{erp}/")[0]
    where = f"--tenant {prod.tenant}"
    said = store.run(f"kokoa egress allow {erp} {where}").stdout
    assert said == f"Functions of {prod.tenant}/prod may connect to {erp}.\n"
    # Another process of the store may remember the old list for less than a second.
    until(lambda: partner.invoke("call", f"http://{erp}/")[0] == "stock", within_s=30, what="the way out")
    assert "failed" in stranger.invoke("call", f"http://{erp}/")[0]
    assert erp.partition(":")[2] in store.run(f"kokoa egress list {where}").stdout
    store.run(f"kokoa egress remove {erp} {where}")
    until(lambda: "failed" in partner.invoke("call", f"http://{erp}/")[0], within_s=30, what="the end of it")


def test_a_refused_name_is_in_the_functions_log_with_the_command(store: RunningStore) -> None:
    partner = partner_of(new_environment(store))
    assert "failed" in partner.invoke("call", "http://erp.example.com/")[0]

    def log() -> str:
        with contextlib.suppress(partner.client("logs").exceptions.ResourceNotFoundException):
            events = partner.client("logs").filter_log_events(logGroupName="/aws/lambda/call")["events"]
            return "".join(event["message"] for event in events)
        return ""

    until(lambda: "kokoa egress allow erp.example.com:443" in log(), within_s=60, what="the line in the log")


def test_a_destination_that_is_none_is_refused_and_changes_nothing(store: RunningStore) -> None:
    environment = new_environment(store)
    done = store.run(f"kokoa egress allow '*.example.com:443' --tenant {environment.tenant}", check=False)
    assert done.returncode != 0
    assert "no wildcards" in done.stderr
    assert (
        "Functions reach the store and nothing else"
        in store.run(f"kokoa egress list --tenant {environment.tenant}").stdout
    )
