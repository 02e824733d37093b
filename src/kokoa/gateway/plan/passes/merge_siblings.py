"""Two fetches of one subgraph for objects at the same place become one, unless one of them needs the other."""

from kokoa.gateway.plan.draft import Draft, DraftEntities, DraftFetch


def apply(draft: Draft) -> None:
    """Merge until nothing can be merged."""
    merged = True
    while merged:
        merged = _merge_one(draft)


def _merge_one(draft: Draft) -> bool:
    seen: dict[tuple[str, tuple[str, ...]], list[DraftFetch]] = {}
    for fetch in draft.fetches:
        if fetch.root is not None:
            continue
        place = (fetch.subgraph, tuple(str(step) for step in fetch.path))
        for other in seen.setdefault(place, []):
            if not fetch.depends_on(other) and not other.depends_on(fetch) and _fits(other, fetch):
                _merge(draft, other, fetch)
                return True
        seen[place].append(fetch)
    return False


def _fits(one: DraftFetch, other: DraftFetch) -> bool:
    """Whether entities of the same type mean the same objects in both."""
    return all(
        one.entities[name].types == entities.types
        for name, entities in other.entities.items()
        if name in one.entities
    )


def _merge(draft: Draft, kept: DraftFetch, gone: DraftFetch) -> None:
    for name, entities in gone.entities.items():
        mine = kept.entities.setdefault(name, DraftEntities(entities.node, entities.types))
        mine.need(entities.needs.values())
        if mine.node is not entities.node:
            mine.node.absorb(entities.node)
    kept.after |= gone.after
    kept.after.discard(kept)
    draft.fetches.remove(gone)
    for fetch in draft.fetches:
        if gone in fetch.after:
            fetch.after.discard(gone)
            fetch.after.add(kept)
