"""A category's place in the tree. Pure."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence

import msgspec

from kokoa.kernel.text import is_plain
from kokoa.services.catalog.errors import (
    CategoryInsideItself,
    CategoryTooDeep,
    InvalidCategory,
    InvalidPage,
    TooManyCategories,
)
from kokoa.services.catalog.model import NAME_MAX, is_slug, slug_of

DEPTH_MAX = 8
CHILDREN_MAX = 500
CATEGORIES_MAX = 10_000
SLUG_MAX = 100
# Products that follow a category to another path: each is a row that is written, about 0.1 ms, and locked.
MOVED_PRODUCTS_MAX = 50_000


class CategoryNode(msgspec.Struct, frozen=True):
    """path: slugs from the root down, with `/` between.  depth: 1 for a root.  position: among siblings, from 0."""

    id: str
    parent_id: str | None
    slug: str
    name: str
    path: str
    depth: int
    position: int
    version: int


Names = tuple[str, ...]
"""A category by the names from the root down to itself. Siblings may have one name, so several may be meant."""


class Place(msgspec.Struct, frozen=True):
    """Where a category stands or is to stand."""

    parent_id: str | None
    path: str
    depth: int


def ancestors_of(path: str) -> list[str]:
    """The paths of all ancestors, the root's first."""
    slugs = path.split("/")
    return ["/".join(slugs[:depth]) for depth in range(1, len(slugs))]


def place_below(parent: CategoryNode | None, slug: str) -> Place:
    """The place of a category with this slug below a parent; None: as a root. Raises CategoryTooDeep."""
    if parent is None:
        return Place(None, slug, 1)
    if parent.depth >= DEPTH_MAX:
        raise CategoryTooDeep(f"{parent.path} is on level {parent.depth}, the last there may be.")
    return Place(parent.id, f"{parent.path}/{slug}", parent.depth + 1)


def require_move(moved: CategoryNode, parent: CategoryNode | None, lowest_depth: int) -> Place:
    """Where the category goes.  lowest_depth: of the deepest category below it, 0 if there is none.

    Raises CategoryInsideItself, CategoryTooDeep.
    """
    if parent is not None and (parent.id == moved.id or parent.path.startswith(f"{moved.path}/")):
        raise CategoryInsideItself(f"{moved.path} cannot go below {parent.path}, which is a part of it.")
    place = place_below(parent, moved.slug)
    height = max(lowest_depth - moved.depth, 0)
    if place.depth + height > DEPTH_MAX:
        raise CategoryTooDeep(
            f"{moved.path} has {height} levels below it; at {place.path} they would be deeper than {DEPTH_MAX}."
        )
    return place


def require_room(in_all: int, beside: int) -> None:
    """Raises TooManyCategories, which names the bound."""
    if in_all >= CATEGORIES_MAX:
        raise TooManyCategories(f"An environment has at most {CATEGORIES_MAX} categories.")
    require_room_beside(beside)


def require_room_beside(beside: int) -> None:
    """Raises TooManyCategories, which names the bound."""
    if beside >= CHILDREN_MAX:
        raise TooManyCategories(f"A category has at most {CHILDREN_MAX} children, and there are as many roots.")


def require_depth(depth: int) -> None:
    """Raises InvalidPage."""
    if not 1 <= depth <= DEPTH_MAX:
        raise InvalidPage(f"depth must be 1 to {DEPTH_MAX}, not {depth}.", field="depth")


def require_name(name: str) -> None:
    """Raises InvalidCategory."""
    if not name.strip() or len(name) > NAME_MAX or not is_plain(name):
        raise InvalidCategory(f"name must have 1 to {NAME_MAX} characters and no NUL among them.", field="name")


def require_slug(slug: str) -> None:
    """Raises InvalidCategory."""
    if len(slug) > SLUG_MAX or not is_slug(slug):
        raise InvalidCategory(
            f"slug {slug[: SLUG_MAX + 1]!r} must be at most {SLUG_MAX} lower-case letters and digits with single "
            "hyphens between.",
            field="slug",
        )


def require_order(wanted: list[str], children: list[str]) -> None:
    """Raises InvalidCategory unless `wanted` names each child once."""
    if len(wanted) != len(children) or set(wanted) != set(children):
        raise InvalidCategory(
            f"ids must name each of the {len(children)} children of this parent once, in the order they shall have.",
            field="ids",
        )


class Beside(msgspec.Struct):
    """What a new child finds below its parent."""

    slugs: set[str]
    next_position: int = 0


def by_names(wanted: Iterable[Names], nodes: Iterable[CategoryNode]) -> dict[Names, list[CategoryNode]]:
    """Which of these categories, or of those above them, have these names.  nodes: parents before their children."""
    prefixes = {names[:depth] for names in wanted for depth in range(1, len(names) + 1)}
    names_of: dict[str, Names] = {}
    found: dict[Names, list[CategoryNode]] = defaultdict(list)
    for node in nodes:
        above = names_of.get(node.parent_id) if node.parent_id else ()
        if above is not None and (names := (*above, node.name)) in prefixes:
            names_of[node.id] = names
            found[names].append(node)
    return dict(found)


def missing_names(wanted: Iterable[Names], known: Container[Names]) -> list[Names]:
    """Those, and those above them, that are not there; parents before their children, else in their order."""
    prefixes = dict.fromkeys(names[:depth] for names in wanted for depth in range(1, len(names) + 1))
    return [names for names in prefixes if names not in known]


def new_by_names(
    missing: Sequence[Names],
    found: Mapping[Names, Sequence[CategoryNode]],
    children: Mapping[str | None, Beside],
    in_all: int,
    make_id: Callable[[], str],
) -> tuple[dict[Names, CategoryNode], dict[Names, TooManyCategories]]:
    """Categories for the missing names, each the last among its siblings; and which there is no room for.

    missing: parents first.  children: what is below each parent that is there, by its id; None: the roots.
    """
    rooms = {parent_id: Beside(set(one.slugs), one.next_position) for parent_id, one in children.items()}
    made: dict[Names, CategoryNode] = {}
    refused: dict[Names, TooManyCategories] = {}
    for names in missing:
        above = names[:-1]
        if above in refused:
            refused[names] = refused[above]
            continue
        parent = (made[above] if above in made else found[above][0]) if above else None
        room = rooms.setdefault(parent.id if parent else None, Beside(set()))
        try:
            require_room(in_all + len(made), len(room.slugs))
        except TooManyCategories as error:
            refused[names] = error
            continue
        slug = free_slug(names[-1], room.slugs)
        place = place_below(parent, slug)
        position = room.next_position
        made[names] = CategoryNode(make_id(), place.parent_id, slug, names[-1], place.path, place.depth, position, 1)
        room.slugs.add(slug)
        room.next_position += 1
    return made, refused


def free_slug(name: str, taken: Collection[str]) -> str:
    """A slug made from a name that no sibling has; of a name without ASCII letters and digits, by its digest."""
    slug = slug_of(name) or f"category-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    if len(slug) <= SLUG_MAX and slug not in taken:
        return slug
    stem = slug[: SLUG_MAX - len(f"-{CHILDREN_MAX}")].strip("-")
    candidates = (f"{stem}-{number}" for number in range(2, len(taken) + 3))
    return next(one for one in candidates if one not in taken)
