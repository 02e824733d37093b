"""Knows whether a database transaction is open, so that whoever leaves the process can refuse to.

No graph, function, provider or NATS call happens while a transaction is open: it would hold locks for as long as
somebody else takes to answer, and its effects would stay when the transaction rolls back.
"""

from contextvars import ContextVar

open_transaction: ContextVar[str | None] = ContextVar("kokoa_open_transaction", default=None)


class CallInsideTransaction(RuntimeError):
    """A bug of ours: something left the process while a transaction was open."""


def refuse_in_transaction(what: str) -> None:
    """Raises CallInsideTransaction when this task has a transaction open.  what: `NATS publish`, `graph call`."""
    service = open_transaction.get()
    if service is not None:
        raise CallInsideTransaction(f"{what} while a transaction of {service} is open; do it before or after.")
