"""Fetches in an order in which each comes after what it needs, with only the needs that nothing else implies."""

from kokoa.gateway.plan.draft import Draft, DraftFetch


def apply(draft: Draft) -> None:
    """Sort the fetches; drop a dependency that another dependency already has."""
    placed: list[DraftFetch] = []
    waiting = list(draft.fetches)
    while waiting:
        ready = next(one for one in waiting if not any(before in waiting for before in one.after))
        waiting.remove(ready)
        placed.append(ready)
    draft.fetches = placed
    for fetch in placed:
        fetch.after = {
            one for one in fetch.after if not any(other.depends_on(one) for other in fetch.after if other is not one)
        }
