"""Starts Stripe's test server, and speaks to it as the shop's page and as the customer would."""

import contextlib
import json
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kokoa.processes import free_port

SECRET_KEY = "sk_test_of0the0tests"


class StripeServer:
    """A running one. Each call waits for its answer."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, form: dict[str, str] | None = None) -> Any:
        """As whoever has the secret key. form: None to read."""
        return self._sent(path, None if form is None else urllib.parse.urlencode(form).encode())

    def tell(self, path: str, body: dict[str, Any]) -> None:
        """What is no part of Stripe's API: webhooks' addresses, faults."""
        self._sent(f"/_config/{path}", json.dumps(body).encode())

    def card(self, number: str = "4242424242424242") -> str:
        """The id of a new PaymentMethod, as Stripe.js would make it."""
        card = {"number": number, "exp_month": "12", "exp_year": "2030", "cvc": "123"}
        form = {"type": "card", **{f"card[{name}]": value for name, value in card.items()}}
        return str(self.ask("/v1/payment_methods", form)["id"])

    def authenticate(self, intent_id: str, *, success: bool) -> None:
        """What the customer does at their bank's page."""
        secret = self.ask(f"/v1/payment_intents/{intent_id}")["client_secret"]
        form = {"client_secret": secret, "success": str(success).lower()}
        self.ask(f"/v1/payment_intents/{intent_id}/_authenticate", form)

    def fault(self, path: str, fault: str) -> None:
        """Of the next request whose `METHOD /path` fits: lost request, lost answer, hang after, error."""
        self.tell("faults", {"path": path, "fault": fault})

    def hook(self, name: str, url: str, secret: str) -> None:
        """Send all events there."""
        self.tell(f"webhooks/{name}", {"url": url, "secret": secret})

    def _sent(self, path: str, body: bytes | None) -> Any:
        headers = {"Authorization": f"Bearer {SECRET_KEY}"}
        request = urllib.request.Request(self.url + path, data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.loads(response.read() or b"null")


@contextlib.contextmanager
def stripe_up() -> Iterator[StripeServer]:
    """Stripe's test server until the block ends."""
    port = free_port()
    program = Path(__file__).with_name("stripe_test_server.py")
    process = subprocess.Popen([sys.executable, str(program), str(port)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n", "Stripe's test server did not start"
        yield StripeServer(f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
