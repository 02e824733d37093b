"""What a list of products is asked for, and the bounds of asking. Pure."""

from typing import Any, Literal, TypeAlias

import msgspec

from kokoa.services.catalog.errors import InvalidPage
from kokoa.services.catalog.model import PAGE_MAX, Product

FIRST_DEFAULT = 20
# A list is counted exactly up to here; a longer one has this count.
TOTAL_MAX = 10_000

SortField = Literal["NAME", "PRICE", "CREATED", "UPDATED"]


class Sort(msgspec.Struct, frozen=True):
    """The id breaks ties, in the same direction."""

    field: SortField = "NAME"
    descending: bool = False


BY_NAME = Sort()


class Condition(msgspec.Struct, frozen=True):
    """One condition.  name: in conditions.sql.  values: of its gaps."""

    name: str
    values: tuple[Any, ...] = ()


class AllOf(msgspec.Struct, frozen=True):
    """Everything holds; without parts always."""

    parts: tuple["Filter", ...] = ()


class AnyOf(msgspec.Struct, frozen=True):
    """Something holds."""

    parts: tuple["Filter", ...]


class Not(msgspec.Struct, frozen=True):
    """The part does not hold, also when it is about something that a product does not have."""

    part: "Filter"


Filter: TypeAlias = Condition | AllOf | AnyOf | Not

EVERYTHING = AllOf()


class Window(msgspec.Struct, frozen=True):
    """A page of a connection.  size: first or last.  from_end: whether it is last."""

    size: int
    from_end: bool


def require_window(first: int | None, last: int | None) -> Window:
    """first and last of a connection; neither is `first: 20`. Raises InvalidPage."""
    if first is not None and last is not None:
        raise InvalidPage("Give first or last, not both.", field="first")
    name, size = ("last", last) if last is not None else ("first", FIRST_DEFAULT if first is None else first)
    assert size is not None, "one of them is given by now"
    if not 0 <= size <= PAGE_MAX:
        raise InvalidPage(f"{name} must be 0 to {PAGE_MAX}, not {size}.", field=name)
    return Window(size, last is not None)


def key_of(product: Product, sort: Sort) -> tuple[Any, ...]:
    """Where the product stands in a list with this sort: the values it is sorted by, as its columns have them."""
    match sort.field:
        case "NAME":
            return (product.name, product.id)
        case "PRICE":
            amount = -1 if product.price_minor is None else product.price_minor
            return (product.currency or "~", amount, product.id)
        case "CREATED":
            return (product.created_at, product.id)
        case "UPDATED":
            return (product.updated_at, product.id)


def beyond(key: tuple[Any, ...], sort: Sort) -> Condition:
    """What comes after a place in the list."""
    return Condition(f"{'below' if sort.descending else 'above'}_{sort.field.lower()}", key)


def ahead_of(key: tuple[Any, ...], sort: Sort) -> Condition:
    """What comes before a place in the list."""
    return Condition(f"{'above' if sort.descending else 'below'}_{sort.field.lower()}", key)
