"""Named steps: the moments between the stages of a piece of work, at which a test may stop or kill a process.

`reached("relay.published")` does nothing, at the cost of one comparison, unless the process was started with
KOKOA_STEPS=<folder>. Then a file `armed/<step>` in that folder stops the first process that reaches the step: it
takes the file away, writes its pid to `reached/<step>` and stops itself (SIGSTOP), so that a test may kill the
process of its choice exactly there. A folder, and not a step's name: one store then serves many steps, and a step
can be armed when everything before it is over.

A new stage is one line here and one call; tests/e2e/faults makes its matrix of this table, and a test fails when a
step is never called or never reached.
"""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final

VARIABLE: Final = "KOKOA_STEPS"

STEPS: Final[Mapping[str, str]] = {
    "write.inserted": "A product's rows and its event are inserted, the transaction is open.",
    "write.committed": "The transaction of a product is committed, the caller has no answer yet.",
    "import.inserted": "A batch of an import and its events are inserted, the transaction is open.",
    "import.committed": "The transaction of a batch is committed, the importing command has no answer yet.",
    "relay.read": "The relay has read events from an outbox.",
    "relay.published": "JetStream has stored them, the outbox still has them.",
    "relay.marked": "They are gone from the outbox.",
    "index.noted": "What events have named waits to be indexed, JetStream does not know it yet.",
    "index.put": "Products are in the search index, and still among those that wait.",
    "create.stored": "The package of a new function is on disk, no row names it.",
    "create.written": "The row of a new function is committed, the caller has no answer yet.",
    "update.stored": "The package of an update is on disk, the function still has the old one.",
    "update.written": "The row with the new package is committed, the caller has no answer yet.",
    "update.drained": "A sandbox with the old code is told to end, one with the new code is not chosen yet.",
    "aws.answered": "The AWS endpoint has sent its answer.",
    "override.granted": "The grant of a path is committed, the operator has no answer yet.",
    "override.written": "An HTTP API with its routes is committed, the partner has no answer yet.",
    "override.noticed": "A web process has read a changed route table, no request was served by it yet.",
    "publish.inserted": "A version of a subgraph and its event are inserted, the transaction is open.",
    "publish.committed": "The version is committed, no other process knows it and the partner has no answer yet.",
    "payment.requested": "What a payment's provider is to do is written down and committed, it knows nothing.",
    "payment.answered": "The provider has done it and answered, nobody has written that down.",
    "payment.settled": "What became of it is committed, the caller has no answer yet.",
    "order.priced": "The cart that is being ordered is frozen and priced, the placement does not say so.",
    "order.stock_reserved": "Its goods are reserved, the placement does not say so.",
    "order.codes_redeemed": "Its promotion codes are redeemed, the placement does not say so.",
    "order.payment_created": "Its payment is there, the placement does not name it.",
    "order.payment_authorized": "Its payment is authorised, the placement does not say so.",
    "order.committed": "The order is written, its cart is frozen still.",
    "order.cart_closed": "Its cart is ordered, the placement does not say so.",
    "refusal.payment_voided": "An order is refused, its money is given up, its goods are reserved still.",
    "refusal.codes_released": "Its codes are released, too, its goods are reserved still.",
    "refusal.stock_given_back": "Its goods are given back, too, its cart is frozen still.",
    "fulfilment.left": "A part of an order has left the stock, the fulfilment does not say so.",
    "fulfilment.priced": "What is captured for it is known, and not written down.",
    "fulfilment.captured": "It is captured, the fulfilment does not say so.",
    "cancellation.released": "An order is cancelled, its goods are free, the cancellation does not say so.",
    "cancellation.refunded": "Its money is given back, too, the order is not cancelled yet.",
    "reception.restocked": "Goods that came back are in stock again, their return does not say so.",
    "refund.given": "Some of an order's payment is given back, the refund does not say so.",
    "invoke.admitted": "The host lets an invocation run, it has no sandbox yet.",
    "invoke.taken": "A sandbox is chosen for an invocation.",
    "invoke.delivered": "The function's runtime has the event.",
    "invoke.answered": "The host has the function's answer, the caller has not.",
    "log.shipped": "JetStream has stored what functions printed, nobody has written it down.",
    "log.written": "What functions printed is in the database, JetStream does not know it yet.",
}
"""Step → what is true at that moment. The part before the dot names the piece of work."""

_folder: Final = Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None


def reached(step: str) -> None:
    """Say that the work has come to a step; stops this process if a test wants it stopped there."""
    if _folder is not None:
        stop_if_armed(_folder, step)


def stop_if_armed(folder: Path, step: str) -> None:
    """Stop this process if `armed/<step>` is in the folder; of several processes, the one that takes the file."""
    try:
        (folder / "armed" / step).unlink()
    except FileNotFoundError:
        return
    announced = folder / "reached" / step
    partial = announced.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(str(os.getpid()))
    partial.rename(announced)
    os.kill(os.getpid(), signal.SIGSTOP)
