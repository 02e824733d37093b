"""What rows of a batch want of types, attributes and options, as if they were applied one after the other. Pure."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from kokoa.kernel.errors import KokoaError
from kokoa.services.catalog.types.details import (
    NO_DETAILS,
    Details,
    DetailsChange,
    Given,
    changed_details,
    type_after,
    unique_values,
)
from kokoa.services.catalog.types.model import Level, ProductType
from kokoa.services.catalog.types.values import checked, sorted_values

UniqueValue = tuple[str, str, str]
"""Type id, key and sorted value."""

ValueOwner = tuple[str, str]
"""Product id, and the variant's SKU or nothing for the product itself."""


class KnownDetails(msgspec.Struct, frozen=True):
    """What there is: details by product id, types by key, products that values may refer to, whose values are."""

    details: Mapping[str, Details] = {}
    types: Mapping[str, ProductType] = {}
    there: frozenset[str] = frozenset()
    unique: Mapping[UniqueValue, ValueOwner] = {}

    def before(self, product_id: str) -> Details:
        return self.details.get(product_id, NO_DETAILS)


class DetailsPlan:
    """Follows rows through their batch: a value that one row gives up another may take."""

    def __init__(self, known: KnownDetails) -> None:
        self._known = known
        self._unique = dict(known.unique)

    def after(self, product_id: str, change: DetailsChange, skus: Sequence[str]) -> Details:
        """The details that a row wants. Raises UnknownProductType and what `changed_details` does."""
        before = self._known.before(product_id)
        if before == NO_DETAILS and change.says_nothing():
            return before
        kind = type_after(before, change, self._known.types)
        return changed_details(before, change, kind, skus, self._known.there)

    def taken(self, product_id: str, after: Details) -> tuple[str, str] | None:
        """(message, path) for a value that is to be unique and is somebody else's."""
        skus = list(after.variants)
        seen: dict[UniqueValue, ValueOwner] = {}
        for type_id, key, value, sku in unique_values(after):
            one, owner = (type_id, key, value), (product_id, sku)
            found = seen.setdefault(one, self._unique.get(one, owner))
            gone = found[0] == product_id and found[1] not in ("", *skus)
            if gone:
                seen[one] = owner
            elif found != owner and not self._given_up(found, one, product_id, after):
                path = f"variants.{skus.index(sku)}.attributes" if sku else "attributes"
                return f"Another product or variant has this value of {key!r}, which is to be unique.", path
        return None

    @staticmethod
    def _given_up(found: ValueOwner, one: UniqueValue, product_id: str, after: Details) -> bool:
        """Whether the owner is of the same product, and has another value after this row."""
        return found[0] == product_id and (*one, found[1]) not in unique_values(after)

    def keep(self, product_id: str, after: Details) -> None:
        """Remember whose values are after a row."""
        for *one, _ in unique_values(self._known.before(product_id)):
            if self._unique.get((one[0], one[1], one[2]), ("", ""))[0] == product_id:
                del self._unique[one[0], one[1], one[2]]
        for type_id, key, value, sku in unique_values(after):
            self._unique[type_id, key, value] = (product_id, sku)


def wanted_unique(change: DetailsChange, before: Details, types: Mapping[str, ProductType]) -> Iterable[UniqueValue]:
    """Values that a row might want to have for itself alone; wrong ones are left out."""
    kind = types.get(change.product_type) if change.product_type else before.type
    if kind is None:
        return
    if kind != before.type:
        moved = msgspec.structs.replace(before, type=kind)
        yield from ((type_id, key, value) for type_id, key, value, _ in _readable(moved))
    levels: list[tuple[Level, Given]] = [("PRODUCT", change.attributes or ())]
    levels += [("VARIANT", one.attributes or ()) for one in change.variants.values()]
    for level, given in levels:
        for key, value in given:
            definition = kind.definition(key)
            if definition and definition.unique and definition.level == level and value is not None:
                try:
                    kept = checked(definition, value, key)
                except KokoaError:
                    continue
                yield kind.id, key, sorted_values(definition, kept)[0]


def _readable(details: Details) -> list[tuple[str, str, str, str]]:
    try:
        return unique_values(details)
    except (ArithmeticError, TypeError, ValueError, KeyError):
        return []  # values of another kind, which the row will be told of
