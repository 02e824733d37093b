"""Type, attributes and options that the records of a product say together. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from kokoa.cli.products.cells import ATTRIBUTE, OPTION, BadCell, Definition, Types, read_cell, read_options
from kokoa.cli.products.model import Problem, Record


class Details(msgspec.Struct, frozen=True):
    """own: parts of a BulkProductInput.  variants: parts of a VariantInput for each variant."""

    own: Mapping[str, Any] = {}
    variants: Sequence[Mapping[str, Any]] = ()
    problems: Sequence[Problem] = ()


NO_DETAILS = Details()


def read_details(records: Sequence[Record], lines: Sequence[int], found: Mapping[str, str], types: Types) -> Details:
    """lines: of the records that are variants.  found: the product's own cells."""
    reader = _Reader(records, frozenset(lines), types.get(found.get("productType", ""), {}))
    if problem := _untyped(records, found, types):
        return Details(problems=[problem])
    own: dict[str, Any] = {}
    if found.get("productType"):
        own["productType"] = found["productType"]
    if attributes := reader.attributes_of_product():
        own["attributes"] = attributes
    variants = [reader.of_variant(record) for record in reader.sold]
    options = reader.options(found.get("options", ""), [one.get("options", ()) for one in variants])
    if options:
        own["options"] = options
    return Details(own, variants, reader.problems)


def _untyped(records: Sequence[Record], found: Mapping[str, str], types: Types) -> Problem | None:
    """Cells of attributes can be read only by the product's type."""
    first, key = records[0], found.get("productType", "")
    if not any(name.startswith(ATTRIBUTE) for name in first.cells) or key in types:
        return None
    reference = first.cells["externalReference"]
    if key:
        message = f"There is no product type {key[:64]!r}."
        return Problem(first.line, "productType", "UNKNOWN_PRODUCT_TYPE", message, reference)
    for record in records:
        for name, cell in record.cells.items():
            if cell and name.startswith(ATTRIBUTE):
                message = f"{name} needs the productType in the product's first row: it says how the cell is read."
                return Problem(record.line, "productType", "MISSING_VALUE", message, reference)
    return None


class _Reader:
    """Of one product.  lines: of its variants.  definitions: of its type, by key."""

    def __init__(
        self, records: Sequence[Record], lines: frozenset[int], definitions: Mapping[str, Definition]
    ) -> None:
        self.problems: list[Problem] = []
        self.sold = [record for record in records if record.line in lines]
        self._records = records
        self._definitions = definitions
        self._reference = records[0].cells["externalReference"]
        names = records[0].cells
        self._attributes = [name.removeprefix(ATTRIBUTE) for name in names if name.startswith(ATTRIBUTE)]
        self._options = [name.removeprefix(OPTION) for name in names if name.startswith(OPTION)]
        self._require_places(lines)

    def attributes_of_product(self) -> list[dict[str, Any]]:
        """An empty cell takes the value away."""
        return list(self._values("PRODUCT", self._records[0]))

    def of_variant(self, record: Record) -> dict[str, Any]:
        """Attributes and options of a variant, if its record has any."""
        chosen = [{"key": key, "value": cell} for key in self._options if (cell := record.cells[OPTION + key])]
        given = {"attributes": list(self._values("VARIANT", record)), "options": chosen}
        return {name: value for name, value in given.items() if value}

    def options(self, cell: str, chosen: Sequence[Sequence[Mapping[str, str]]]) -> list[dict[str, Any]]:
        """What the cell says; without one, what the variants have, in their order."""
        if cell:
            try:
                return read_options(cell)
            except BadCell as bad:
                self._problem(self._records[0], "options", bad.code, bad.message)
                return []
        values: dict[str, dict[str, None]] = {}
        for one in (pair for many in chosen for pair in many):
            values.setdefault(one["key"], {})[one["value"]] = None
        return [{"key": key, "name": key, "values": list(values[key])} for key in self._options if key in values]

    def _values(self, level: str, record: Record) -> Iterator[dict[str, Any]]:
        for key in self._attributes:
            definition = self._definitions.get(key)
            if definition is not None and definition.level == level:
                try:
                    yield {"key": key, "value": read_cell(definition, record.cells[ATTRIBUTE + key])}
                except BadCell as bad:
                    self._problem(record, ATTRIBUTE + key, bad.code, bad.message)

    def _require_places(self, lines: frozenset[int]) -> None:
        """A product's values are in its first row or repeated, a variant's in the variant's."""
        first = self._records[0].cells
        for record in self._records:
            for key in self._attributes:
                name, cell = ATTRIBUTE + key, record.cells[ATTRIBUTE + key]
                definition = self._definitions.get(key)
                if not cell:
                    continue
                if definition is None:
                    self._problem(record, name, "UNKNOWN_ATTRIBUTE", f"The product's type has no attribute {key!r}.")
                elif definition.level == "VARIANT" and record.line not in lines:
                    self._problem(record, "sku", "MISSING_VALUE", f"{name} is of variants: the row needs a SKU.")
                elif definition.level == "PRODUCT" and cell != first[name]:
                    message = f"{name} differs from the product's first row; repeat it, or leave the cell empty."
                    self._problem(record, name, "DIFFERENT_VALUE", message)
            for key in self._options:
                if record.cells[OPTION + key] and record.line not in lines:
                    message = f"{OPTION}{key} is of variants: the row needs a SKU."
                    self._problem(record, "sku", "MISSING_VALUE", message)

    def _problem(self, record: Record, column: str, code: str, message: str) -> None:
        self.problems.append(Problem(record.line, column, code, message, self._reference))
