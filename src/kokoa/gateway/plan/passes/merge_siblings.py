"""Two fetches of one subgraph for objects at the same place become one, unless one of them needs the other."""

from kokoa.gateway.plan.draft import Draft, DraftEntities, DraftFetch, DraftGroup
from kokoa.gateway.plan.model import Path


def apply(draft: Draft) -> None:
    """Merge each fetch into the first before it that it fits."""
    seen: dict[tuple[str, Path], list[DraftFetch]] = {}
    for fetch in list(draft.fetches):
        if fetch.root is not None:
            continue
        others = seen.setdefault((fetch.subgraph, fetch.groups[0].paths[0]), [])
        kept = next((one for one in others if _may_merge(one, fetch)), None)
        if kept is None:
            others.append(fetch)
        else:
            _merge(kept.groups[0], fetch.groups[0])
            draft.replace(fetch, kept)


def _may_merge(one: DraftFetch, other: DraftFetch) -> bool:
    return _fits(one, other) and not one.depends_on(other) and not other.depends_on(one)


def _fits(one: DraftFetch, other: DraftFetch) -> bool:
    return all(
        _is_compatible(_partner(one.groups[0], each), each)
        and not any(_overlap(each, mine) for mine in one.groups[0].entities)
        for each in other.groups[0].entities
    )


def _overlap(one: DraftEntities, other: DraftEntities) -> bool:
    """Whether what is selected for one type would be selected for entities of the other, an interface, as well."""
    first, second = one.node.source, other.node.source
    return first.owner != second.owner and bool(first.view.possible(first.owner) & second.view.possible(second.owner))


def _partner(group: DraftGroup, entities: DraftEntities) -> DraftEntities | None:
    """What the group asks about entities of the same type already."""
    return next((one for one in group.entities if one.node.source.owner == entities.node.source.owner), None)


def _is_compatible(mine: DraftEntities | None, entities: DraftEntities) -> bool:
    """Whether one selection does for both: the same objects may be asked for more, others for just the same."""
    if mine is None:
        return True
    return mine.fits(entities) if mine.types == entities.types else mine.same(entities)


def _merge(kept: DraftGroup, gone: DraftGroup) -> None:
    for entities in gone.entities:
        mine = _partner(kept, entities)
        if mine is None:
            kept.entities.append(entities)
            continue
        mine.need(entities.needs.values())
        if mine.types != entities.types:
            mine.types = tuple(dict.fromkeys((*mine.types, *entities.types))) if mine.types and entities.types else ()
        elif mine.node is not entities.node:
            mine.node.absorb(entities.node)
