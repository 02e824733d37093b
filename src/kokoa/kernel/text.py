"""Text that comes from outside."""


def made_plain(text: str) -> str:
    """Without what PostgreSQL cannot hold."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode()


def is_plain(text: str) -> bool:
    """Whether PostgreSQL can hold it: no NUL, no half of a surrogate pair."""
    if text.isascii():
        return "\x00" not in text
    try:
        return b"\x00" not in text.encode()
    except UnicodeEncodeError:
        return False


def camel_case(name: str) -> str:
    """A Python name as it is called in GraphQL: `unit_price` → `unitPrice`."""
    first, *rest = name.split("_")
    return first + "".join(one.title() for one in rest)
