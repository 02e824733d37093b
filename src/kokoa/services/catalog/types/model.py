"""Product types and their attribute definitions: what they may be, and how they may change. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from kokoa.kernel.text import is_plain
from kokoa.services.catalog.model import NAME_MAX
from kokoa.services.catalog.types.errors import InvalidProductType

ATTRIBUTES_MAX = 100
ENUM_VALUES_MAX = 1_000
TYPES_MAX = 500
PAGE_MAX = 100
KEY_MAX = 64
LIST_MAX = 100
TEXT_MAX = 10_000
PATTERN_MAX = 200
# All definitions of a type, as JSON: they are read with every list that selects attributes.
DEFINITIONS_BYTES_MAX = 262_144
# All values of a product, or of a variant, as JSON.
VALUES_BYTES_MAX: Mapping[str, int] = {"PRODUCT": 65_536, "VARIANT": 16_384}
# What one change of a type may look at: products and variants that may have to change with it.
OWNERS_MAX = 20_000

AttributeType = Literal["TEXT", "NUMBER", "INTEGER", "BOOLEAN", "DATE", "ENUM", "MONEY", "REFERENCE"]
Level = Literal["PRODUCT", "VARIANT"]

_KEY = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")
_BOUNDED = frozenset({"NUMBER", "INTEGER", "DATE", "MONEY"})
_LISTED = frozenset({"TEXT", "NUMBER", "INTEGER", "BOOLEAN", "DATE", "ENUM"})


class EnumValue(msgspec.Struct, frozen=True):
    """A declared value.  label: for people."""

    key: str
    label: str


class AttributeDefinition(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an attribute may be.

    list: up to max_values of them.  min, max: as values of the type (of MONEY in minor units).  min_length,
    max_length, pattern: of TEXT.  values: of ENUM.  default: what a required one gets where none is given.
    """

    key: str
    name: str
    type: AttributeType
    level: Level = "PRODUCT"
    list: bool = False
    required: bool = False
    unique: bool = False
    min: Any = None
    max: Any = None
    min_length: int | None = None
    max_length: int | None = None
    max_values: int | None = None
    pattern: str | None = None
    values: tuple[EnumValue, ...] = ()
    default: Any = None


class ProductType(msgspec.Struct, frozen=True):
    """attributes: in the merchant's order."""

    id: str
    key: str
    name: str
    attributes: tuple[AttributeDefinition, ...]
    version: int

    def definition(self, key: str) -> AttributeDefinition | None:
        return next((one for one in self.attributes if one.key == key), None)


def require_key(key: str, field: str) -> None:
    """Raises InvalidProductType unless it is like a name of GraphQL."""
    if len(key) > KEY_MAX or not _KEY.fullmatch(key) or key.startswith("__"):
        raise InvalidProductType(
            f"{key[:KEY_MAX]!r} must be letters, digits and underscores, at most {KEY_MAX}, no digit first, not "
            "two underscores first.",
            field=field,
        )


def require_name(name: str, field: str, most: int = NAME_MAX) -> None:
    """Raises InvalidProductType, which names the field."""
    if not name.strip() or len(name) > most or not is_plain(name):
        raise InvalidProductType(f"{field} must have 1 to {most} characters and no NUL.", field=field)


def require_definitions(definitions: Sequence[AttributeDefinition]) -> None:
    """Everything but defaults, which are checked as values are. Raises InvalidProductType, which names the field."""
    if len(definitions) > ATTRIBUTES_MAX:
        raise InvalidProductType(
            f"A product type has at most {ATTRIBUTES_MAX} attributes, not {len(definitions)}.", field="attributes"
        )
    seen: set[str] = set()
    for index, one in enumerate(definitions):
        at = f"attributes.{index}"
        require_key(one.key, f"{at}.key")
        require_name(one.name, f"{at}.name")
        if one.key in seen:
            raise InvalidProductType(f"Two attributes have the key {one.key!r}.", field=f"{at}.key")
        seen.add(one.key)
        _require_fitting(one, at)
        _require_text_rules(one, at)
        _require_enum(one, at)
        if one.default is not None and not one.required:
            raise InvalidProductType("Only a required attribute has a default.", field=f"{at}.default")
        if one.default is not None and one.unique:
            raise InvalidProductType("A default could not be unique.", field=f"{at}.default")


def definitions_text(definitions: Sequence[AttributeDefinition]) -> str:
    """Definitions as their column has them. Raises InvalidProductType when they are too long."""
    encoded = msgspec.json.encode(definitions)
    if len(encoded) > DEFINITIONS_BYTES_MAX:
        raise InvalidProductType(
            f"The definitions take {len(encoded)} bytes as JSON; at most {DEFINITIONS_BYTES_MAX} are allowed. Give "
            "fewer or shorter values of enums.",
            field="attributes",
        )
    return encoded.decode()


def _require_fitting(one: AttributeDefinition, at: str) -> None:
    """That it has no rule which its type does not know."""
    unfitting = {
        "list": one.list and one.type not in _LISTED,
        "unique": one.unique and (one.list or one.type == "BOOLEAN"),
        "min": one.min is not None and one.type not in _BOUNDED,
        "max": one.max is not None and one.type not in _BOUNDED,
        "minLength": one.min_length is not None and one.type != "TEXT",
        "maxLength": one.max_length is not None and one.type != "TEXT",
        "pattern": one.pattern is not None and one.type != "TEXT",
        "values": bool(one.values) and one.type != "ENUM",
        "maxValues": one.max_values is not None and not one.list,
    }
    for name, wrong in unfitting.items():
        if wrong:
            what = f"a list of {one.type}" if one.list else one.type
            raise InvalidProductType(f"{name} does not go with {what}.", field=f"{at}.{name}")
    if one.max_values is not None and not 1 <= one.max_values <= LIST_MAX:
        raise InvalidProductType(f"maxValues must be 1 to {LIST_MAX}.", field=f"{at}.maxValues")


def _require_text_rules(one: AttributeDefinition, at: str) -> None:
    least, most = one.min_length or 0, TEXT_MAX if one.max_length is None else one.max_length
    if least < 0:
        raise InvalidProductType("minLength must not be negative.", field=f"{at}.minLength")
    if not 1 <= most <= TEXT_MAX:
        raise InvalidProductType(f"maxLength must be 1 to {TEXT_MAX}.", field=f"{at}.maxLength")
    if least > most:
        raise InvalidProductType("minLength is above maxLength.", field=f"{at}.minLength")
    if one.pattern is not None and (len(one.pattern) > PATTERN_MAX or not is_plain(one.pattern)):
        raise InvalidProductType(
            f"pattern must have at most {PATTERN_MAX} characters and no NUL.", field=f"{at}.pattern"
        )


def _require_enum(one: AttributeDefinition, at: str) -> None:
    if one.type != "ENUM":
        return
    if not 1 <= len(one.values) <= ENUM_VALUES_MAX:
        raise InvalidProductType(f"An ENUM has 1 to {ENUM_VALUES_MAX} values.", field=f"{at}.values")
    keys: set[str] = set()
    for index, value in enumerate(one.values):
        where = f"{at}.values.{index}"
        require_name(value.key, f"{where}.key", KEY_MAX)
        require_name(value.label, f"{where}.label")
        if value.key in keys:
            raise InvalidProductType(f"Two values have the key {value.key!r}.", field=f"{where}.key")
        keys.add(value.key)
