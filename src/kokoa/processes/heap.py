"""How often a process looks for garbage in cycles."""

import gc

# A full collection stops everything else of the process for as long as its heap is large.
_COLLECT_AFTER = (5_000, 10, 20)


def settle_heap() -> None:
    """What is here after the start stays: the collector need not look at it again, and less often at the rest."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
