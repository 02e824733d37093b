"""What a caller gives of a product's type, attributes and options → `DetailsChange`. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from kokoa.kernel.text import is_plain
from kokoa.services.catalog.types.details import DetailsChange, Given, NewOption, Option, VariantChange
from kokoa.services.catalog.types.errors import UnknownProductType

_Given = Mapping[str, Any]


def read_details(given: _Given, variants: Sequence[_Given] = ()) -> DetailsChange:
    """given: an input of a product.  variants: its VariantInputs. Raises UnknownProductType."""
    product_type, options = given.get("product_type"), given.get("options")
    if product_type is not None and not is_plain(product_type):
        raise UnknownProductType("No product type has a NUL character in its key.", field="productType")
    return DetailsChange(
        product_type=product_type,
        attributes=_attributes(given),
        options=None if options is None else tuple(map(_new_option, options)),
        variants={one["sku"]: read_variant(one, f"variants.{position}.") for position, one in enumerate(variants)},
    )


def read_variant(given: _Given, at: str) -> VariantChange:
    """at: what stands before the path of each field."""
    options = given.get("options")
    chosen = None if options is None else tuple((one["key"], one["value"]) for one in options)
    return VariantChange(_attributes(given), chosen, at)


def _attributes(given: _Given) -> Given | None:
    attributes = given.get("attributes")
    return None if attributes is None else tuple((one["key"], one.get("value")) for one in attributes)


def _new_option(given: _Given) -> NewOption:
    return NewOption(Option(given["key"], given["name"], tuple(given["values"])), given.get("default"))
