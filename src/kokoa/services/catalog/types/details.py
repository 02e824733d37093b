"""What a product has beyond its own columns: type, attributes, options, and what its variants have. Pure."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from kokoa.kernel.ids import InvalidId, require_id
from kokoa.kernel.text import is_plain
from kokoa.services.catalog.types.errors import (
    AttributeGivenTwice,
    AttributeMissing,
    AttributeOutOfRange,
    InvalidOption,
    NoProductType,
    OptionMissing,
    SameOptions,
    UnknownAttribute,
    UnknownOption,
    UnknownOptionValue,
    UnknownProductType,
    WrongAttributeLevel,
)
from kokoa.services.catalog.types.model import VALUES_BYTES_MAX, Level, ProductType
from kokoa.services.catalog.types.values import checked, sorted_values

OPTIONS_MAX = 5
OPTION_VALUES_MAX = 100
OPTION_TEXT_MAX = 100

Given = tuple[tuple[str, Any], ...]
"""Keys and values as a caller gives them."""


class Option(msgspec.Struct, frozen=True):
    """What variants of a product differ by.  values: texts in their order."""

    key: str
    name: str
    values: tuple[str, ...]


class NewOption(msgspec.Struct, frozen=True):
    """default: of variants that name no value."""

    option: Option
    default: str | None = None


class VariantDetails(msgspec.Struct, frozen=True):
    """options: the variant's value of each, by key."""

    attributes: dict[str, Any] = {}
    options: dict[str, str] = {}


class Details(msgspec.Struct, frozen=True):
    """variants: by SKU."""

    type: ProductType | None = None
    attributes: dict[str, Any] = {}
    options: tuple[Option, ...] = ()
    variants: dict[str, VariantDetails] = {}


NO_DETAILS = Details()
_NOTHING = VariantDetails()


class VariantChange(msgspec.Struct, frozen=True):
    """What a variant gets. None leaves as it is; attributes and options that are not named stay.  at: its path."""

    attributes: Given | None = None
    options: tuple[tuple[str, str], ...] | None = None
    at: str = ""


class DetailsChange(msgspec.Struct, frozen=True):
    """What a product gets; None leaves as it is.  product_type: a key, or empty for none.  variants: by SKU."""

    product_type: str | None = None
    attributes: Given | None = None
    options: tuple[NewOption, ...] | None = None
    variants: Mapping[str, VariantChange] = {}

    def says_nothing(self) -> bool:
        """Whether nothing is given, not even for a variant."""
        own = self.product_type is None and self.attributes is None and self.options is None
        return own and all(one.attributes is None and one.options is None for one in self.variants.values())

    def possible_references(self) -> set[str]:
        """Ids among the values: if an attribute is a REFERENCE, these are what it may refer to."""
        lists = [self.attributes or (), *(one.attributes or () for one in self.variants.values())]
        return {found for many in lists for _, value in many if (found := _as_id(value))}


def _as_id(value: Any) -> str:
    try:
        return require_id(value, field="value") if isinstance(value, str) else ""
    except InvalidId:
        return ""


NO_CHANGE = DetailsChange()


def changed_details(
    before: Details,
    change: DetailsChange,
    kind: ProductType | None,
    skus: Sequence[str],
    references: Collection[str],
) -> Details:
    """The details after a change.

    kind: the type that the product has then.  skus: of all its variants then.  references: which of the products are
    there that values may refer to. Raises, each with the path, what `values.checked` does and NoProductType,
    UnknownAttribute, WrongAttributeLevel, AttributeMissing, InvalidOption, UnknownOption, UnknownOptionValue,
    OptionMissing, SameOptions.
    """
    retyped = (kind.id if kind else None) != (before.type.id if before.type else None)
    reader = _Attributes(kind, references, retyped)
    attributes = reader.after(before.attributes, change.attributes or (), "PRODUCT", "attributes")
    options, defaults = _options(before, change.options)
    variants: dict[str, VariantDetails] = {}
    combinations: dict[tuple[str, ...], str] = {}
    for position, sku in enumerate(skus):
        was = before.variants.get(sku, _NOTHING)
        given = change.variants.get(sku, VariantChange(at=f"variants.{position}."))
        values = reader.after(was.attributes, given.attributes or (), "VARIANT", f"{given.at}attributes")
        chosen = _chosen(options, defaults, was.options, given.options or (), f"{given.at}options")
        variants[sku] = VariantDetails(values, chosen)
        other = combinations.setdefault(tuple(chosen.values()), sku)
        if options and other != sku:
            raise SameOptions(
                f"{other!r} and {sku!r} have the same values of all options.", field=f"{given.at}options"
            )
    return Details(kind, attributes, options, variants)


def differ(before: Details, after: Details) -> bool:
    """Whether there is anything to write."""
    own = (after.type, after.attributes, after.options) != (before.type, before.attributes, before.options)
    return own or bool(differing_variants(before, after))


def differing_variants(before: Details, after: Details) -> set[str]:
    """SKUs of the variants whose part differs."""
    skus = before.variants.keys() | after.variants.keys()
    return {sku for sku in skus if before.variants.get(sku, _NOTHING) != after.variants.get(sku, _NOTHING)}


def type_after(before: Details, change: DetailsChange, known: Mapping[str, ProductType]) -> ProductType | None:
    """The type that the product has after a change.  known: by key. Raises UnknownProductType."""
    if change.product_type is None:
        return before.type
    if not change.product_type:
        return None
    found = known.get(change.product_type)
    if found is None:
        raise UnknownProductType(f"There is no product type {change.product_type[:64]!r}.", field="productType")
    return found


class _Attributes(msgspec.Struct, frozen=True):
    """Reads values.  retyped: whether the product has another type than before, so that old values are read again."""

    type: ProductType | None
    references: Collection[str]
    retyped: bool

    def after(self, before: Mapping[str, Any], given: Given, level: Level, at: str) -> dict[str, Any]:
        found = dict(before)
        seen: set[str] = set()
        for index, (key, value) in enumerate(given):
            if key in seen:
                raise AttributeGivenTwice(f"{key[:64]!r} is given twice.", field=f"{at}.{index}.key")
            seen.add(key)
            if value is None and (key in before or self.type is None):
                found.pop(key, None)  # whichever type it was of
                continue
            kept = self._value(key, value, level, f"{at}.{index}")
            if kept is None or kept == []:
                found.pop(key, None)
            else:
                found[key] = kept
        if self.retyped:
            self._read_again(found, before, level, at)
        self._complete(found, level, at)
        if given and len(msgspec.json.encode(found)) > VALUES_BYTES_MAX[level]:
            raise AttributeOutOfRange(
                f"The values take more than {VALUES_BYTES_MAX[level]} bytes in all, written as JSON.", field=at
            )
        return found

    def _value(self, key: str, value: Any, level: Level, at: str) -> Any:
        if self.type is None:
            raise NoProductType("The product has no type, and so no attributes: give productType too.", field=at)
        definition = self.type.definition(key)
        if definition is None:
            raise UnknownAttribute(f"The type {self.type.key} has no attribute {key[:64]!r}.", field=f"{at}.key")
        if definition.level != level:
            raise WrongAttributeLevel(
                f"{key} is an attribute of {'products' if level == 'VARIANT' else 'variants'}.", field=f"{at}.key"
            )
        return None if value is None else checked(definition, value, f"{at}.value", self.references)

    def _read_again(self, found: dict[str, Any], before: Mapping[str, Any], level: Level, at: str) -> None:
        for key in [key for key in before if found.get(key) == before[key]]:
            definition = self.type.definition(key) if self.type else None
            if definition is None or definition.level != level:
                kind = f"the type {self.type.key}" if self.type else "a product without a type"
                raise UnknownAttribute(
                    f"There is a value of {key!r}, which {kind} does not have: set it to null in the same change.",
                    field=at,
                )
            found[key] = checked(definition, found[key], f"{at}.{key}")

    def _complete(self, found: dict[str, Any], level: Level, at: str) -> None:
        """Defaults where a required value is missing."""
        for one in self.type.attributes if self.type else ():
            if one.required and one.level == level and one.key not in found:
                if one.default is None:
                    raise AttributeMissing(f"{one.key} is required.", field=at)
                found[one.key] = one.default


def _options(before: Details, given: tuple[NewOption, ...] | None) -> tuple[tuple[Option, ...], dict[str, str]]:
    """(options after, defaults by key)."""
    if given is None:
        return before.options, {}
    if len(given) > OPTIONS_MAX:
        raise InvalidOption(f"A product has at most {OPTIONS_MAX} options.", field="options")
    keys: set[str] = set()
    for index, new in enumerate(given):
        at, option = f"options.{index}", new.option
        _require_option_text(option.key, f"{at}.key")
        _require_option_text(option.name, f"{at}.name")
        if option.key in keys:
            raise InvalidOption(f"Two options have the key {option.key!r}.", field=f"{at}.key")
        keys.add(option.key)
        if not 1 <= len(option.values) <= OPTION_VALUES_MAX:
            raise InvalidOption(f"An option has 1 to {OPTION_VALUES_MAX} values.", field=f"{at}.values")
        for place, value in enumerate(option.values):
            _require_option_text(value, f"{at}.values.{place}")
        if len(set(option.values)) < len(option.values):
            raise InvalidOption("Two values of the option are the same.", field=f"{at}.values")
        if new.default is not None and new.default not in option.values:
            raise InvalidOption("The default is not among the values.", field=f"{at}.default")
    defaults = {new.option.key: new.default for new in given if new.default is not None}
    return tuple(new.option for new in given), defaults


def _require_option_text(text: str, at: str) -> None:
    if not text.strip() or len(text) > OPTION_TEXT_MAX or not is_plain(text):
        raise InvalidOption(f"It must have 1 to {OPTION_TEXT_MAX} characters and no NUL.", field=at)


def _chosen(
    options: Sequence[Option],
    defaults: Mapping[str, str],
    before: Mapping[str, str],
    given: Sequence[tuple[str, str]],
    at: str,
) -> dict[str, str]:
    """The variant's value of each option, in the options' order."""
    known = {option.key for option in options}
    for index, (key, _) in enumerate(given):
        if key not in known:
            raise UnknownOption(f"The product has no option {key[:64]!r}.", field=f"{at}.{index}.key")
    wanted = dict(given)
    if len(wanted) < len(given):
        raise InvalidOption("An option is named twice.", field=at)
    chosen: dict[str, str] = {}
    for option in options:
        value = wanted.get(option.key, before.get(option.key, defaults.get(option.key)))
        if value is None:
            raise OptionMissing(f"The variant names no value for {option.key!r}.", field=at)
        if value not in option.values:
            raise UnknownOptionValue(f"{option.key!r} has no value {value[:64]!r}.", field=at)
        chosen[option.key] = value
    return chosen


def unique_values(details: Details) -> list[tuple[str, str, str, str]]:
    """(type id, key, sorted value, SKU or nothing for the product itself) of what is to be unique."""
    if details.type is None:
        return []
    owners = [("", details.attributes), *((sku, one.attributes) for sku, one in details.variants.items())]
    return [
        (details.type.id, one.key, sorted_values(one, attributes[one.key])[0], sku)
        for one in details.type.attributes
        if one.unique
        for sku, attributes in owners
        if one.key in attributes
    ]
