"""The bounded map."""

from kokoa.graphql.lru import Lru


def test_it_forgets_what_was_used_longest_ago() -> None:
    made: list[str] = []

    def make(key: str) -> str:
        made.append(key)
        return key.upper()

    kept: Lru[str, str] = Lru(2, 100, len)
    for key in ("a", "b", "a", "c", "a", "b"):
        assert kept.get_or_make(key, lambda key=key: make(key)) == key.upper()
    assert made == ["a", "b", "c", "b"]
    assert len(kept) == 2


def test_weight_bounds_it_too_but_the_newest_entry_is_always_kept() -> None:
    kept: Lru[str, int] = Lru(100, 10, len)
    for key in ("aaaa", "bbbb", "cccc"):
        kept.get_or_make(key, lambda: 1)
    assert len(kept) == 2
    kept.get_or_make("d" * 50, lambda: 1)
    assert len(kept) == 1
