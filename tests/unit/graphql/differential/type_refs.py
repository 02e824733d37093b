"""Type references as text: `[Int!]!` and what is inside it."""


def nullable(ref: str) -> str:
    """The type without its outermost `!`."""
    return ref.removesuffix("!")


def is_non_null(ref: str) -> bool:
    """Whether null is no value of the type."""
    return ref.endswith("!")


def is_list(ref: str) -> bool:
    """Whether the type is a list, nullable or not."""
    return ref.startswith("[")


def item_of(ref: str) -> str:
    """The type of a list's items."""
    return nullable(ref)[1:-1]


def named(ref: str) -> str:
    """The innermost type's name."""
    return ref.strip("[]!")
