"""Definitions as a caller gives them → as they are kept, and what becomes of values when they change. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kokoa.kernel.errors import Invalid
from kokoa.services.catalog.types.errors import InvalidProductType, ValuesInTheWay
from kokoa.services.catalog.types.model import (
    LIST_MAX,
    TEXT_MAX,
    AttributeDefinition,
    EnumValue,
    Level,
    ProductType,
    require_definitions,
)
from kokoa.services.catalog.types.values import INTEGER_MAX, checked, comparable, pattern_of


def read_definitions(given: Sequence[Mapping[str, Any]]) -> tuple[AttributeDefinition, ...]:
    """given: AttributeDefinitionInputs, in snake case. Raises InvalidProductType, which names the field."""
    found = tuple(map(_read, given))
    require_definitions(found)
    return tuple(_with_values(one, f"attributes.{index}") for index, one in enumerate(found))


def _read(given: Mapping[str, Any]) -> AttributeDefinition:
    values = tuple(EnumValue(one["key"], one.get("label") or one["key"]) for one in given.get("values") or ())
    others = {name: value for name, value in given.items() if name != "values" and value is not None}
    return AttributeDefinition(values=values, **others)


def _with_values(one: AttributeDefinition, at: str) -> AttributeDefinition:
    """Bounds, pattern and default, checked and as they are kept."""
    low, high = (_bound(one, name, f"{at}.{name}") for name in ("min", "max"))
    if low is not None and high is not None and comparable(one.type, low) > comparable(one.type, high):
        raise InvalidProductType("min is above max.", field=f"{at}.min")
    one = msgspec.structs.replace(one, min=low, max=high)
    if one.pattern is not None:
        try:
            pattern_of(one.pattern)
        except InvalidProductType as error:
            raise InvalidProductType(error.message, field=f"{at}.pattern") from error
    if one.default is None:
        return one
    try:
        default = checked(one, one.default, f"{at}.default")
    except Invalid as error:
        raise InvalidProductType(error.message, field=error.field) from error
    if default == []:
        raise InvalidProductType("An empty list is no value.", field=f"{at}.default")
    return msgspec.structs.replace(one, default=default)


def _bound(one: AttributeDefinition, name: str, at: str) -> Any:
    bound = getattr(one, name)
    if bound is None:
        return None
    if one.type == "MONEY":
        if isinstance(bound, bool) or not isinstance(bound, int) or abs(bound) > INTEGER_MAX:
            raise InvalidProductType(f"{name} of MONEY is a whole number of minor units.", field=at)
        return bound
    alone = AttributeDefinition(one.key, one.name, one.type)
    try:
        return checked(alone, bound, at)
    except Invalid as error:
        raise InvalidProductType(f"{name}: {error.message}", field=at) from error


def loosens(before: Sequence[AttributeDefinition], after: Sequence[AttributeDefinition]) -> bool:
    """Whether every product that was right before is right after, so that none has to be looked at."""
    old = {one.key: one for one in before}
    kept = {one.key for one in after}
    return old.keys() <= kept and all(_loosens(old.get(one.key), one) for one in after)


def _loosens(before: AttributeDefinition | None, after: AttributeDefinition) -> bool:
    if before is None:
        return not after.required
    return (
        (before.type, before.level, before.list, before.unique) == (after.type, after.level, after.list, after.unique)
        and before.required >= after.required
        and (after.min is None or (before.min is not None and _at(after, after.min) <= _at(before, before.min)))
        and (after.max is None or (before.max is not None and _at(after, after.max) >= _at(before, before.max)))
        and (after.min_length or 0) <= (before.min_length or 0)
        and (after.max_length or TEXT_MAX) >= (before.max_length or TEXT_MAX)
        and (after.max_values or LIST_MAX) >= (before.max_values or LIST_MAX)
        and (after.pattern is None or after.pattern == before.pattern)
        and {one.key for one in before.values} <= {one.key for one in after.values}
    )


def _at(definition: AttributeDefinition, bound: Any) -> Any:
    return comparable(definition.type, bound)


class Owner(msgspec.Struct, frozen=True):
    """A product, or a variant, and its values by key."""

    product_id: str
    owner_id: str
    attributes: dict[str, Any]

    @property
    def level(self) -> Level:
        return "PRODUCT" if self.owner_id == self.product_id else "VARIANT"


def conform(after: ProductType, owners: Sequence[Owner], *, remove_values: bool) -> list[Owner]:
    """Those whose values change when their type becomes this, as they are to be.

    Values that the type would not allow go only if they may; what it newly requires gets its default. Raises
    ValuesInTheWay.
    """
    changed: list[Owner] = []
    wrong: dict[str, list[str]] = {}
    missing: dict[str, int] = {}
    for owner in owners:
        kept, refused = _kept(after, owner)
        for key, reason in refused.items():
            wrong.setdefault(key, []).append(reason)
        for one in after.attributes:
            if one.required and one.level == owner.level and one.key not in kept:
                if one.default is None:
                    missing[one.key] = missing.get(one.key, 0) + 1
                else:
                    kept[one.key] = one.default
        if kept != owner.attributes:
            changed.append(Owner(owner.product_id, owner.owner_id, kept))
    if wrong and not remove_values:
        key, reasons = next(iter(wrong.items()))
        raise ValuesInTheWay(
            f"{len(reasons)} products or variants have a value of {key!r} that would not be allowed: {reasons[0]} "
            "Change these values first, or remove them with removeValues: true."
        )
    if missing:
        key, count = next(iter(missing.items()))
        raise ValuesInTheWay(f"{count} products or variants have no {key!r}, which is required: give it a default.")
    return changed


def _kept(after: ProductType, owner: Owner) -> tuple[dict[str, Any], dict[str, str]]:
    """(values that the type allows, why it does not allow the others)."""
    kept: dict[str, Any] = {}
    refused: dict[str, str] = {}
    for key, value in owner.attributes.items():
        definition = after.definition(key)
        if definition is None:
            refused[key] = "the type has no such attribute."
        elif definition.level != owner.level:
            refused[key] = f"it is an attribute of a {definition.level.lower()}."
        else:
            try:
                kept[key] = checked(definition, value, key)
            except Invalid as error:
                refused[key] = error.message
    return kept, refused
