"""What is done to a draft before it becomes a plan: one improvement a file, applied in this order."""

from collections.abc import Callable

from kokoa.gateway.plan.draft import Draft
from kokoa.gateway.plan.passes import batch, merge_siblings, order

Pass = Callable[[Draft], None]

PASSES: tuple[Pass, ...] = (merge_siblings.apply, batch.apply, order.apply)
