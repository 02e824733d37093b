"""Definitions of custom fields, and what may be done to them. Pure.

An environment's definitions are one immutable value with a digest; equal definitions of two environments have equal
digests, and share a schema. A field has a number that is never given to another one of its environment: values are
kept under it, so that a field which is removed, or gets another type, leaves no value that a later one could take for
its own.
"""

import re
from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from typing import Literal

import msgspec

from kokoa.kernel.text import is_plain
from kokoa.services.catalog.custom_fields.errors import (
    CustomFieldExists,
    CustomFieldNotFound,
    InvalidCustomField,
    TooManyCustomFields,
)

Owner = Literal["PRODUCT", "VARIANT", "CATEGORY"]
Kind = Literal["STRING", "INT", "FLOAT", "BOOLEAN", "DATE", "DATE_TIME", "ENUM", "JSON"]

OWNERS: tuple[Owner, ...] = ("PRODUCT", "VARIANT", "CATEGORY")
FIELDS_MAX = 100  # of each owner
ENUM_VALUES_MAX = 200  # of one field
ENUM_VALUES_IN_ALL_MAX = 2_000
DESCRIPTION_MAX = 500

_KEY = re.compile(r"[a-z][A-Za-z0-9_]{0,62}")
_ENUM_VALUE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
# What every object of the graph has, or may come to have, in its own right.
_RESERVED_KEYS = frozenset({"id", "key", "custom", "typename", "version", "createdat", "updatedat"})
_NO_ENUM_VALUES = frozenset({"true", "false", "null"})


class CustomField(msgspec.Struct, frozen=True):
    """id: see above.  storefront: whether storefronts see it.  enum_values: of an ENUM, else none."""

    id: int
    on: Owner
    key: str
    type: Kind
    is_list: bool = False
    required: bool = False
    description: str = ""
    storefront: bool = False
    enum_values: tuple[str, ...] = ()


class FieldChanges(msgspec.Struct, frozen=True):
    """None leaves a part as it is."""

    type: Kind | None = None
    is_list: bool | None = None
    required: bool | None = None
    description: str | None = None
    storefront: bool | None = None
    enum_values: tuple[str, ...] | None = None


class Definitions(msgspec.Struct, frozen=True, dict=True):
    """All custom fields of an environment.  next_id: of the next field."""

    fields: tuple[CustomField, ...] = ()
    next_id: int = 1

    @cached_property
    def digest(self) -> str:
        """Equal for equal fields; empty without any."""
        return sha256(msgspec.json.encode(self.fields)).hexdigest() if self.fields else ""

    def of(self, owner: Owner) -> tuple[CustomField, ...]:
        """The fields of one kind of object, in the order they were declared."""
        return tuple(one for one in self.fields if one.on == owner)

    def field(self, owner: Owner, key: str) -> CustomField:
        """Raises CustomFieldNotFound."""
        for one in self.fields:
            if (one.on, one.key) == (owner, key):
                return one
        raise CustomFieldNotFound(f"There is no custom field {key[:80]!r} of {owner}.")


NO_FIELDS = Definitions()


class Loss(msgspec.Struct, frozen=True):
    """Values that a change takes.  options: only those that are one of these values of an enum; else all."""

    owner: Owner
    field_id: int
    options: tuple[str, ...] = ()


def with_field(definitions: Definitions, new: CustomField) -> Definitions:
    """With one field more; its id is set here. Raises InvalidCustomField, CustomFieldExists, TooManyCustomFields."""
    _require_key(new.key)
    _require_form(new)
    siblings = definitions.of(new.on)
    for one in siblings:
        if one.key == new.key:
            raise CustomFieldExists(f"{new.on} has a custom field {new.key!r}; change it instead.")
        if _alike(one.key) == _alike(new.key):
            raise CustomFieldExists(f"{new.key!r} differs from the custom field {one.key!r} in capitals and _ only.")
    if len(siblings) >= FIELDS_MAX:
        raise TooManyCustomFields(f"{new.on} has {FIELDS_MAX} custom fields, as many as there may be.")
    added = msgspec.structs.replace(new, id=definitions.next_id)
    return _bounded(Definitions((*definitions.fields, added), definitions.next_id + 1))


def with_changes(
    definitions: Definitions, owner: Owner, key: str, changes: FieldChanges
) -> tuple[Definitions, Loss | None]:
    """With a field of another form, and which values that takes.

    Raises CustomFieldNotFound, InvalidCustomField, TooManyCustomFields.
    """
    if changes == FieldChanges():
        raise InvalidCustomField("There is nothing to change: give at least one part of the field.", field="input")
    before = definitions.field(owner, key)
    given = {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not None}
    if given.get("type", before.type) != "ENUM":
        given.setdefault("enum_values", ())
    after = msgspec.structs.replace(before, **given)
    next_id, loss = definitions.next_id, None
    if (after.type, after.is_list) != (before.type, before.is_list):
        loss = Loss(owner, before.id)
        after = msgspec.structs.replace(after, id=next_id)
        next_id += 1
    elif gone := tuple(sorted(set(before.enum_values) - set(after.enum_values))):
        loss = Loss(owner, before.id, gone)
    _require_form(after)
    fields = tuple(after if one is before else one for one in definitions.fields)
    return _bounded(Definitions(fields, next_id)), loss


def without_field(definitions: Definitions, owner: Owner, key: str) -> tuple[Definitions, Loss]:
    """Without a field, and which values that takes. Raises CustomFieldNotFound."""
    gone = definitions.field(owner, key)
    rest = tuple(one for one in definitions.fields if one is not gone)
    return Definitions(rest, definitions.next_id), Loss(owner, gone.id)


def takes_away(before: Definitions, after: Definitions) -> bool:
    """Whether a document that the schema of `before` takes might be refused by that of `after`."""
    then = {(one.on, one.key): one for one in after.fields}
    for field in before.fields:
        now = then.get((field.on, field.key))
        if now is None or now.id != field.id or not set(field.enum_values) <= set(now.enum_values):
            return True
    return False


def _alike(key: str) -> str:
    return key.replace("_", "").lower()


def _require_key(key: str) -> None:
    if not _KEY.fullmatch(key):
        raise InvalidCustomField(
            f"key {key[:80]!r} must be 1 to 63 letters, digits and _ of ASCII, and begin with a small letter.",
            field="input.key",
        )
    if _alike(key) in _RESERVED_KEYS:
        raise InvalidCustomField(f"key {key!r} is reserved; choose another one.", field="input.key")


def _require_form(field: CustomField) -> None:
    if len(field.description) > DESCRIPTION_MAX or not is_plain(field.description):
        raise InvalidCustomField(
            f"description has at most {DESCRIPTION_MAX} characters, and no NUL or half of a surrogate pair.",
            field="input.description",
        )
    if field.type == "ENUM":
        _require_enum_values(field.enum_values)
    elif field.enum_values:
        raise InvalidCustomField(
            f"enumValues goes with the type ENUM, not with {field.type}.", field="input.enumValues"
        )


def _require_enum_values(values: Sequence[str]) -> None:
    if not 1 <= len(values) <= ENUM_VALUES_MAX:
        raise InvalidCustomField(f"An ENUM has 1 to {ENUM_VALUES_MAX} enumValues.", field="input.enumValues")
    for index, value in enumerate(values):
        if not _ENUM_VALUE.fullmatch(value) or value in _NO_ENUM_VALUES:
            raise InvalidCustomField(
                f"{value[:80]!r} must be 1 to 63 letters, digits and _ of ASCII, begin with a letter, and not be "
                "true, false or null.",
                field=f"input.enumValues.{index}",
            )
    if len(set(values)) < len(values):
        raise InvalidCustomField("Two enumValues are the same.", field="input.enumValues")


def _bounded(definitions: Definitions) -> Definitions:
    if sum(len(one.enum_values) for one in definitions.fields) > ENUM_VALUES_IN_ALL_MAX:
        raise TooManyCustomFields(
            f"All ENUM fields of an environment have at most {ENUM_VALUES_IN_ALL_MAX} values together."
        )
    return definitions
