"""Definitions → the part of an environment's schema that they are. Pure."""

import re
from collections.abc import Iterator

from graphql.language.print_string import print_string

from kokoa.services.catalog.custom_fields.model import OWNERS, CustomField, Definitions, Owner

TYPE_NAMES: dict[Owner, str] = {"PRODUCT": "Product", "VARIANT": "Variant", "CATEGORY": "Category"}

_SCALARS = {
    "STRING": "String",
    "INT": "Int",
    "FLOAT": "Float",
    "BOOLEAN": "Boolean",
    "DATE": "Date",
    "DATE_TIME": "DateTime",
    "JSON": "JSON",
}
_OWN_SCALARS = {
    "DATE": ("Date", "A day: ISO 8601, such as 2026-01-31."),
    "JSON": ("JSON", "Any JSON value."),
}
_MANAGEMENT = '@requiresScopes(scopes: [["management"]])'
_VERSIONS = {
    "PRODUCT": "`version` must be the product's current one.",
    "VARIANT": "`version` must be the current one of its product.",
    "CATEGORY": "`version` must be the category's current one.",
}
_BULK = f"""
"The custom values of a product of a batch."
input BulkProductCustomInput {{
  "The product's key in the system that it comes from. One without is known by its id."
  externalReference: String!
  "The version that the change assumes; any when left out."
  version: Int
  custom: ProductCustomInput!
}}

extend type Mutation {{
  "Set custom fields of at most 1000 products in one transaction. A wrong row fails alone; `dryRun` changes nothing."
  bulkSetProductCustom(input: [BulkProductCustomInput!]!, dryRun: Boolean! = false): BulkResult! {_MANAGEMENT}
}}
"""


def environment_sdl(common: str, definitions: Definitions) -> str:
    """The schema of an environment with these fields: the common one, and what they add."""
    parts = [common, *_scalars(common, definitions)]
    for owner in OWNERS:
        fields = definitions.of(owner)
        if fields:
            parts += _part(owner, fields)
    return "\n".join(parts)


def enum_name(field: CustomField) -> str:
    """The name of an ENUM field's type; keys differ in more than capitals, so no two fields share one."""
    return f"{TYPE_NAMES[field.on]}Custom{field.key[0].upper()}{field.key[1:]}Value"


def _scalars(common: str, definitions: Definitions) -> Iterator[str]:
    used = {one.type for one in definitions.fields}
    for kind, (name, meaning) in _OWN_SCALARS.items():
        if kind in used and not re.search(rf"^scalar {name}\b", common, re.MULTILINE):
            yield f"{print_string(meaning)} scalar {name}"


def _part(owner: Owner, fields: tuple[CustomField, ...]) -> Iterator[str]:
    name = TYPE_NAMES[owner]
    seen = "" if any(one.storefront for one in fields) else f" {_MANAGEMENT}"
    meaning = print_string("What this environment has declared for itself; null where nothing was set.")
    yield f"extend type {name} {{ {meaning} custom: {name}Custom!{seen} }}"
    yield f"type {name}Custom {{\n{_lines(fields, guarded=True)}\n}}"
    help_text = print_string("What is left out stays as it is; null takes a value away.")
    yield f"{help_text}\ninput {name}CustomInput {{\n{_lines(fields, guarded=False)}\n}}"
    yield from (f"enum {enum_name(one)} {{ {' '.join(one.enum_values)} }}" for one in fields if one.type == "ENUM")
    doc = print_string(f"Set custom fields. {_VERSIONS[owner]}")
    arguments = f"id: ID!, version: Int!, input: {name}CustomInput!"
    yield f"extend type Mutation {{\n{doc}\nset{name}Custom({arguments}): {name}! {_MANAGEMENT}\n}}"
    if owner == "PRODUCT":
        yield _BULK


def _lines(fields: tuple[CustomField, ...], *, guarded: bool) -> str:
    return "\n".join(_line(one, guarded) for one in fields)


def _line(field: CustomField, guarded: bool) -> str:
    named = enum_name(field) if field.type == "ENUM" else _SCALARS[field.type]
    shown = f"[{named}!]" if field.is_list else named
    description = f"{print_string(field.description)} " if field.description else ""
    guard = f" {_MANAGEMENT}" if guarded and not field.storefront else ""
    return f"  {description}{field.key}: {shown}{guard}"
