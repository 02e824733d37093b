"""Fetches of one subgraph that could start at the same stage become one request, wherever their objects stand.

Groups that ask for the same by the same become one list of representations, so that an entity that stands in several
places of the response is asked for once.
"""

from kokoa.gateway.plan.draft import Draft, DraftFetch, DraftGroup


def apply(draft: Draft) -> None:
    """Merge entity fetches of equal subgraph and stage; these never need each other."""
    stages: dict[tuple[str, int], DraftFetch] = {}
    depths = {fetch: fetch.depth() for fetch in draft.fetches}
    for fetch in list(draft.fetches):
        if fetch.root is not None:
            continue
        kept = stages.setdefault((fetch.subgraph, depths[fetch]), fetch)
        if kept is not fetch:
            for group in fetch.groups:
                _add(kept, group)
            draft.replace(fetch, kept)


def _add(fetch: DraftFetch, group: DraftGroup) -> None:
    for mine in fetch.groups:
        if _same(mine, group):
            mine.paths += [path for path in group.paths if path not in mine.paths]
            return
    fetch.groups.append(group)


def _same(one: DraftGroup, other: DraftGroup) -> bool:
    return len(one.entities) == len(other.entities) and all(
        mine.types == theirs.types and mine.same(theirs)
        for mine, theirs in zip(one.entities, other.entities, strict=True)
    )
