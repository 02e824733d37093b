"""Categories that imports know by their names: which are meant, and which are made."""

from hypothesis import given
from hypothesis import strategies as st

from kokoa.services.catalog.categories.model import (
    CATEGORIES_MAX,
    CHILDREN_MAX,
    SLUG_MAX,
    Beside,
    CategoryNode,
    by_names,
    free_slug,
    missing_names,
    new_by_names,
    require_slug,
)


def node(category_id: str, parent: CategoryNode | None, name: str, slug: str) -> CategoryNode:
    path, depth = (f"{parent.path}/{slug}", parent.depth + 1) if parent else (slug, 1)
    return CategoryNode(category_id, parent.id if parent else None, slug, name, path, depth, 0, 1)


def test_a_name_counts_below_its_parent_only() -> None:
    home, garden = node("1", None, "Home", "home"), node("2", None, "Garden", "garden")
    lamps, others = node("3", home, "Lamps", "lamps"), node("4", garden, "Lamps", "lamps")
    root = node("5", None, "Lamps", "lamps")
    wanted = [("Home", "Lamps"), ("Lamps", "Home")]
    found = by_names(wanted, [home, garden, root, lamps, others])
    assert found == {("Home",): [home], ("Home", "Lamps"): [lamps], ("Lamps",): [root]}
    assert missing_names(wanted, found) == [("Lamps", "Home")]


def test_parents_are_made_before_their_children_and_there_is_room_for_so_many_only() -> None:
    wanted = [("A", "B", "C"), ("A", "D")]
    missing = missing_names(wanted, {})
    assert missing == [("A",), ("A", "B"), ("A", "B", "C"), ("A", "D")]
    made, refused = new_by_names(missing, {}, {None: Beside({"a"}, 7)}, 0, iter("1234").__next__)
    assert [(one.path, one.depth, one.position) for one in made.values()] == [
        ("a-2", 1, 7),
        ("a-2/b", 2, 0),
        ("a-2/b/c", 3, 0),
        ("a-2/d", 2, 1),
    ]
    assert refused == {}
    made, refused = new_by_names(missing, {}, {}, CATEGORIES_MAX - 2, iter("1234").__next__)
    assert (list(made), list(refused)) == (missing[:2], missing[2:])
    full = {None: Beside({str(n) for n in range(CHILDREN_MAX)}, CHILDREN_MAX)}
    made, refused = new_by_names(missing, {}, full, CHILDREN_MAX, iter("1234").__next__)
    assert (list(made), list(refused)) == ([], missing)


NAMES = st.sampled_from(["Lamps", "食品", "x" * 200, "y" * SLUG_MAX, "---", "É-1"]) | st.text(
    min_size=1, max_size=200
)


@given(NAMES, st.integers(0, 30))
def test_siblings_of_one_name_get_slugs_that_are_sound_and_differ(name: str, siblings: int) -> None:
    taken: set[str] = set()
    for _ in range(siblings):
        slug = free_slug(name, taken)
        require_slug(slug)
        assert slug not in taken
        taken.add(slug)
