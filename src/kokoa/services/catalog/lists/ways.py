"""Ways to a page of a list: which conditions bound the index of its order, and which have an index that counts. Pure.

A page is read from one of two ends. Where few products fit, an index of the filter tells which, and they are looked
up and sorted: *gathered*. Where many fit, products are *walked* in the list's order until the page is full; the
filter's ids may be *marked* before, so that of all others only the order's index is read. Which is right hangs on how
many fit, and PostgreSQL does not know: its statistics are of all environments together, or not there yet. So the
statement itself counts by the filter's index, up to a bound, and goes on from what it saw.
"""

from collections.abc import Iterator, Sequence

import msgspec

from kokoa.services.catalog.lists.model import AllOf, AnyOf, Condition, Filter, Not, Sort


class Bounds(msgspec.Struct, frozen=True):
    """Where one way ends and the next begins, in products.

    A row that is looked up by key costs 3 to 4 µs, one that is walked 0.5, one that only its index is read for 0.2.
    gathered: at most so many are looked up and sorted.
    marked, marked_plain: at most so many become a set beside the walk; plain: where what is walked needs no look-up.
    walked, walked_names: so many are looked at before the set is made after all, of at most `marked_after`.
    merged: a category with at most so many below it is read category by category.  keyed: with more, so many products
    are sorted by what their index holds.
    """

    gathered: int = 500
    marked: int = 8_000
    marked_plain: int = 2_000
    marked_after: int = 100_000
    walked: int = 2_000
    walked_names: int = 6_000
    merged: int = 200
    keyed: int = 5_000


BOUNDS = Bounds()

# Conditions that are about other tables: looking at one product takes a look-up.
LOOK_UPS = {"skus", "product_type", "attribute_values", "attribute_range", "channel"}
# How likely it is that few products fit, the best first; what is not here has no index.
_RANKS = {
    "ids": 0,
    "skus": 0,
    "external_references": 0,
    "attribute_values": 1,
    "name_prefix": 2,
    "category": 3,
    "category_id": 3,
    "subtree": 4,
    "subtree_id": 4,
    "attribute_range": 5,
    "price_from": 6,
    "price_to": 6,
    "created_from": 7,
    "created_to": 7,
    "updated_from": 7,
    "updated_to": 7,
    "currency": 8,
    "product_type": 8,
    "name_contains": 9,
}
SURELY_FEW, NAMES = 0, 9
# What is surely few: a hundred values of each of 64 conditions.
SURELY_FEW_MAX = 6_400
# Conditions that are one range of one index together.
_TOGETHER = ({"currency", "price_from", "price_to"}, {"created_from", "created_to"}, {"updated_from", "updated_to"})
_RANGES = {
    "NAME": {"above_name", "below_name", "published", "category", "category_id"},
    "PRICE": {"above_price", "below_price", "currency", "price_from", "price_to"},
    "CREATED": {"above_created", "below_created", "created_from", "created_to"},
    "UPDATED": {"above_updated", "below_updated", "updated_from", "updated_to"},
}


class Source(msgspec.Struct, frozen=True):
    """Where ids of all products come from that can fit: of any of the alternatives, each of conditions on one index.

    rank: as above, the worst of the alternatives.
    says: what of the filter is told by it, so that its products need not be asked again.
    """

    rank: int
    alternatives: tuple[tuple[Condition, ...], ...]
    says: tuple[Filter, ...] = ()


class Ways(msgspec.Struct, frozen=True):
    """What is known of a list.

    range: conditions that bound the index of the order, so that a walk begins and ends with them.
    rest: what is left to look at.  sources: the two best, the best first.
    """

    range: tuple[Condition, ...]
    rest: tuple[Filter, ...]
    sources: tuple[Source, ...]

    @property
    def looks_up(self) -> bool:
        """Whether looking at a product takes look-ups."""
        return any(map(looks_up, self.rest))


def ways_of(wanted: Filter, sort: Sort) -> Ways:
    """What is known of a list."""
    bounding: list[Condition] = []
    rest: list[Filter] = []
    for part in conjuncts_of(wanted):
        if isinstance(part, Condition) and part.name in _RANGES[sort.field]:
            bounding.append(part)
        else:
            rest.append(part)
    return Ways(tuple(bounding), tuple(rest), tuple(sources_of(rest)[:2]))


def conjuncts_of(wanted: Filter) -> Iterator[Filter]:
    """Everything that must hold."""
    if isinstance(wanted, AllOf):
        for part in wanted.parts:
            yield from conjuncts_of(part)
    else:
        yield wanted


def conditions_in(wanted: Filter) -> Iterator[Condition]:
    """All conditions of a filter."""
    match wanted:
        case Condition():
            yield wanted
        case Not():
            yield from conditions_in(wanted.part)
        case AllOf() | AnyOf():
            for part in wanted.parts:
                yield from conditions_in(part)


def looks_up(part: Filter) -> bool:
    """Whether looking at a product takes a look-up."""
    return any(one.name in LOOK_UPS for one in conditions_in(part))


def sources_of(parts: Sequence[Filter]) -> list[Source]:
    """Each source that what must hold has, the best first."""
    found = [source for part in _joined(parts) if (source := _source_of(part)) is not None]
    return sorted(found, key=lambda source: source.rank)


def _joined(parts: Sequence[Filter]) -> Iterator[tuple[Condition, ...] | Filter]:
    """The same parts; those that are one range together are one."""
    joined = [
        tuple(part for part in parts if isinstance(part, Condition) and part.name in names) for names in _TOGETHER
    ]
    yield from (group for group in joined if group)
    taken = {id(part) for group in joined for part in group}
    yield from (part for part in parts if id(part) not in taken)


def _source_of(part: tuple[Condition, ...] | Filter) -> Source | None:
    match part:
        case tuple():
            return Source(min(_RANKS[one.name] for one in part), (part,), part)
        case Condition() if part.name in _RANKS:
            return Source(_RANKS[part.name], ((part,),), (part,))
        case AllOf():
            found = sources_of(tuple(conjuncts_of(part)))
            return Source(found[0].rank, found[0].alternatives) if found else None
        case AnyOf():
            of_each = [_source_of(one) for one in part.parts]
            sources = [one for one in of_each if one is not None]
            if len(sources) < len(of_each):
                return None
            return Source(max(one.rank for one in sources), tuple(way for one in sources for way in one.alternatives))
        case _:
            return None
