"""A category's place in the tree. Pure."""

import msgspec

from kokoa.services.catalog.errors import (
    CategoryInsideItself,
    CategoryTooDeep,
    InvalidCategory,
    InvalidPage,
    TooManyCategories,
)
from kokoa.services.catalog.model import NAME_MAX, is_plain, is_slug

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
