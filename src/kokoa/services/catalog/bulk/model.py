"""Rules of a batch: what each row wants, what is known, and so what is to be written. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from kokoa.kernel.errors import KokoaError
from kokoa.kernel.money import CURRENCIES, Money
from kokoa.kernel.text import is_plain
from kokoa.services.catalog.bulk.details import DetailsPlan, KnownDetails
from kokoa.services.catalog.bulk.errors import (
    DuplicateReference,
    InvalidBatch,
    InvalidCategoryPath,
    UnknownCurrency,
)
from kokoa.services.catalog.bulk.parts import (
    NO_CHANGES,
    NO_PARTS,
    ChangedParts,
    KnownParts,
    PartsChange,
    PartsPlan,
    read_parts,
)
from kokoa.services.catalog.categories.model import DEPTH_MAX, CategoryNode, Names, ancestors_of
from kokoa.services.catalog.errors import AlreadyTaken, InvalidCursor, InvalidPage, InvalidProduct, ProductChanged
from kokoa.services.catalog.model import (
    NAME_MAX,
    REFERENCE_MAX,
    NewProduct,
    NewVariant,
    Product,
    Status,
    Variant,
    first_version,
    require_product,
    slug_of,
)
from kokoa.services.catalog.relations.errors import VariantInBundle
from kokoa.services.catalog.types.details import (
    NO_CHANGE,
    Details,
    DetailsChange,
    differ,
    differing_variants,
)
from kokoa.services.catalog.types.errors import AttributeValueTaken
from kokoa.services.catalog.types.inputs import read_details

ROWS_MAX = 1_000
PAGE_MAX = 250

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

RowStatus = Literal["CREATED", "UPDATED", "UNCHANGED", "ERROR"]


class Row(msgspec.Struct, frozen=True):
    """What a row wants of a product. None leaves a field as it is; without names there is no category."""

    index: int
    reference: str
    version: int | None
    name: str | None
    slug: str | None
    description: str | None
    category: Names | None
    variants: tuple[NewVariant, ...] | None
    status: Status | None
    details: DetailsChange = NO_CHANGE
    parts: PartsChange = NO_PARTS


class Failure(msgspec.Struct, frozen=True):
    """code, path: as in the extensions of other errors."""

    code: str
    message: str
    path: str


class Outcome(msgspec.Struct, frozen=True):
    """What became of a row."""

    index: int
    external_reference: str
    status: RowStatus
    id: str | None = None
    version: int | None = None
    error: Failure | None = None


class Categories(msgspec.Struct, frozen=True):
    """What the names in rows mean.

    found: those that are there, the first among equals first.  made: new ones, to be written if a product comes into
    them.  refused: why others cannot be made.
    """

    found: Mapping[Names, Sequence[CategoryNode]] = {}
    made: Mapping[Names, CategoryNode] = {}
    refused: Mapping[Names, KokoaError] = {}

    def path_of(self, names: Names, current: str | None) -> str | None:
        """The path that names mean for a product that is in `current`: where it is, if it is called so.

        Raises TooManyCategories.
        """
        if not names:
            return None
        if names in self.refused:
            raise self.refused[names]
        if names in self.made:
            return self.made[names].path
        paths = [node.path for node in self.found[names]]
        return current if current in paths else paths[0]

    def needed(self, products: Iterable[Product]) -> list[CategoryNode]:
        """The new ones that these products are in, with those above them; parents first."""
        paths = {product.category_slug for product in products if product.category_slug}
        wanted = paths.union(*map(ancestors_of, paths))
        return [node for node in self.made.values() if node.path in wanted]


class Known(msgspec.Struct, frozen=True):
    """What the store has, as far as a batch touches it.

    products: by reference.  variants: by product id, each product's in its order.  slugs, skus: whose they are.
    references: (product id, SKU) of the variants that have them.
    bundled: ids of variants that a row leaves out, and that must stay because they are in a bundle.
    """

    products: Mapping[str, Product]
    variants: Mapping[str, Sequence[Variant]]
    slugs: Mapping[str, str]
    skus: Mapping[str, str]
    references: Mapping[str, tuple[str, str]]
    categories: Categories
    bundled: frozenset[str] = frozenset()
    details: KnownDetails = KnownDetails()
    parts: KnownParts = KnownParts()


class Update(msgspec.Struct, frozen=True):
    """A product as it is to be.  status_before: it may be the same.  edited: whether more than the status differs."""

    product: Product
    status_before: Status
    edited: bool


class ChangedDetails(msgspec.Struct, frozen=True):
    """What a product has beyond its columns.  variant_ids: by SKU, after the change.  gone: ids of variants."""

    product_id: str
    before: Details
    after: Details
    variant_ids: Mapping[str, str]
    gone: Sequence[str]


class Changes(msgspec.Struct, frozen=True):
    """What is to be written.  variants: (position, variant), new or changed.  gone: ids of variants."""

    created: list[Product]
    updated: list[Update]
    variants: list[tuple[int, Variant]]
    gone: list[str]
    outcomes: list[Outcome]
    details: list[ChangedDetails]
    parts: ChangedParts = NO_CHANGES


def read_rows(given: Sequence[Mapping[str, Any]]) -> tuple[list[Row], list[Outcome]]:
    """The rows that make sense by themselves, and why the others do not. Raises InvalidBatch for too many."""
    if len(given) > ROWS_MAX:
        raise InvalidBatch(f"A batch has at most {ROWS_MAX} rows, not {len(given)}. Send several.", field="input")
    rows: list[Row] = []
    failed: list[Outcome] = []
    seen: dict[str, int] = {}
    for index, one in enumerate(given):
        reference: str = one["external_reference"]
        try:
            row = _read_row(index, reference, one)
            first = seen.setdefault(reference, index)
            if first != index:
                raise DuplicateReference(f"Row {first} has this externalReference too.", field="externalReference")
            rows.append(row)
        except KokoaError as error:
            failed.append(failure_of(index, reference, error))
    return rows, failed


def failure_of(index: int, reference: str, error: KokoaError) -> Outcome:
    """The outcome of a row that went wrong."""
    failure = Failure(error.code, error.message, getattr(error, "field", ""))
    return Outcome(index, reference, "ERROR", error=failure)


def _read_row(index: int, reference: str, given: Mapping[str, Any]) -> Row:
    if not reference.strip() or len(reference) > REFERENCE_MAX or not is_plain(reference):
        raise InvalidProduct(
            f"externalReference must have 1 to {REFERENCE_MAX} characters and no NUL.", field="externalReference"
        )
    category, variants = given.get("category"), given.get("variants")
    return Row(
        index=index,
        reference=reference,
        version=given.get("version"),
        name=given.get("name"),
        slug=given.get("slug"),
        description=given.get("description"),
        category=None if category is None else _require_names(tuple(category)),
        variants=None if variants is None else tuple(map(_new_variant, range(len(variants)), variants)),
        status=given.get("status"),
        details=read_details(given, variants or ()),
        parts=read_parts(given),
    )


def _require_names(names: Names) -> Names:
    if len(names) > DEPTH_MAX:
        raise InvalidCategoryPath(f"A category is at most {DEPTH_MAX} deep, not {len(names)}.", field="category")
    for name in names:
        if not name.strip() or len(name) > NAME_MAX or not is_plain(name):
            raise InvalidCategoryPath(
                f"Each name of a category has 1 to {NAME_MAX} characters and no NUL.", field="category"
            )
    return names


def _new_variant(position: int, given: Mapping[str, Any]) -> NewVariant:
    currency = given["currency"]
    if currency not in CURRENCIES:
        raise UnknownCurrency(f"{currency!r} is no currency of ISO 4217.", field=f"variants.{position}.currency")
    return NewVariant(
        given["sku"],
        given.get("name", ""),
        Money(given["price_minor"], currency),
        given.get("weight_grams"),
        given.get("external_reference"),
    )


def looks_like_id(reference: str) -> bool:
    """Whether a reference may be the id of a product that has none: an export writes it in that place."""
    return _ID.fullmatch(reference) is not None


def slug_for(row: Row) -> str:
    """The slug that the row gives, or one made of name and reference, for a new product."""
    return row.slug or slug_of(f"{row.name or ''} {row.reference}")[:NAME_MAX].strip("-")


def plan_batch(rows: Iterable[Row], known: Known, make_id: Callable[[], str], now: datetime) -> Changes:
    """What to write, as if the rows were applied one after the other; a row that cannot be is left out whole."""
    parts = PartsPlan(known.parts)
    plan = Changes([], [], [], [], [], [], parts.changed)
    slugs, skus, references = dict(known.slugs), dict(known.skus), dict(known.references)
    details = DetailsPlan(known.details)
    for row in rows:
        before = known.products.get(row.reference)
        old = known.variants.get(before.id, ()) if before else ()
        try:
            wanted = _wanted(row, before, old, known.categories)
            product_id = before.id if before else make_id()
            more = details.after(product_id, row.details, [variant.sku for variant in wanted.variants])
            other = parts.after(product_id, row.parts)
        except KokoaError as error:
            plan.outcomes.append(failure_of(row.index, row.reference, error))
            continue
        refused = (
            _bundled(row, old, known.bundled)
            or _taken(wanted, row, product_id, slugs, skus)
            or _reference_taken(wanted, product_id, references)
            or _failure(AttributeValueTaken, details.taken(product_id, more))
            or _failure(AlreadyTaken, parts.taken(product_id, row.parts, other) if other else None)
        )
        if refused:
            plan.outcomes.append(Outcome(row.index, row.reference, "ERROR", error=refused))
            continue
        keep = {variant.sku for variant in wanted.variants}
        gone = [variant for variant in old if variant.sku not in keep]
        plan.gone.extend(variant.id for variant in gone)
        _claim(wanted, product_id, gone, slugs, skus, references)
        details.keep(product_id, more)
        if other:
            parts.keep(other)
        was = known.details.before(product_id)
        changed = changed_variants(wanted.variants, old, product_id, make_id, differing_variants(was, more))
        plan.variants.extend(changed)
        if differ(was, more):
            ids = {one.sku: one.id for one in (*old, *(variant for _, variant in changed)) if one.sku in keep}
            plan.details.append(ChangedDetails(product_id, was, more, ids, [variant.id for variant in gone]))
        if before is None:
            plan.created.append(first_version(product_id, wanted, now))
            plan.outcomes.append(Outcome(row.index, row.reference, "CREATED", product_id, 1))
        else:
            edited = bool(changed or gone or other) or differ(was, more)
            plan.outcomes.append(_update(plan, row, before, wanted, edited))
    return plan


def _claim(
    wanted: NewProduct,
    product_id: str,
    gone: Sequence[Variant],
    slugs: dict[str, str],
    skus: dict[str, str],
    references: dict[str, tuple[str, str]],
) -> None:
    """Remember whose slug, SKUs and references are after a row.  gone: variants that it takes away."""
    slugs[wanted.slug] = product_id
    for variant in gone:
        skus.pop(variant.sku, None)
    for one in wanted.variants:
        skus[one.sku] = product_id
        if one.external_reference:
            references[one.external_reference] = (product_id, one.sku)


def _update(plan: Changes, row: Row, before: Product, wanted: NewProduct, parts_differ: bool) -> Outcome:
    after = _changed(before, wanted)
    if after == before and not parts_differ:
        return Outcome(row.index, row.reference, "UNCHANGED", before.id, before.version)
    edited = parts_differ or msgspec.structs.replace(after, status=before.status) != before
    after = msgspec.structs.replace(after, version=before.version + 1)
    plan.updated.append(Update(after, before.status, edited))
    return Outcome(row.index, row.reference, "UPDATED", after.id, after.version)


def _wanted(row: Row, before: Product | None, old: Sequence[Variant], categories: Categories) -> NewProduct:
    """The product as the row wants it. Raises InvalidProduct, ProductChanged, TooManyCategories."""
    if row.version is not None and row.version != (before.version if before else 0):
        found = f"is at version {before.version}" if before else "does not exist"
        raise ProductChanged(f"The product {found}; the row assumes {row.version}.")
    category = before.category_slug if before else None
    if row.category is not None:
        category = categories.path_of(row.category, category)
    variants = row.variants
    if variants is None:
        variants = tuple(NewVariant(one.sku, one.name, Money(one.price_minor, one.currency)) for one in old)
    if before is None and row.name is None:
        raise InvalidProduct("A new product needs a name.", field="name")
    wanted = NewProduct(
        name=row.name if row.name is not None else before.name if before else "",
        slug=(row.slug or before.slug) if before else slug_for(row),
        description=row.description if row.description is not None else before.description if before else "",
        category_slug=category,
        # One that is known by its id stays without a reference.
        external_reference=before.external_reference if before else row.reference,
        variants=variants,
        status=row.status or (before.status if before else "PUBLISHED"),
    )
    require_product(wanted)
    return wanted


def _failure(kind: type[KokoaError], said: tuple[str, str] | None) -> Failure | None:
    """said: message and path, or nothing."""
    return Failure(kind.code, *said) if said else None


def _taken(
    wanted: NewProduct, row: Row, product_id: str, slugs: Mapping[str, str], skus: Mapping[str, str]
) -> Failure | None:
    if slugs.get(wanted.slug, product_id) != product_id:
        return Failure(AlreadyTaken.code, f"Another product has the slug {wanted.slug!r}.", "slug")
    if row.variants is not None:
        for position, variant in enumerate(wanted.variants):
            if skus.get(variant.sku, product_id) != product_id:
                message = f"Another product has the SKU {variant.sku!r}."
                return Failure(AlreadyTaken.code, message, f"variants.{position}.sku")
    return None


def _reference_taken(
    wanted: NewProduct, product_id: str, references: Mapping[str, tuple[str, str]]
) -> Failure | None:
    keep = {variant.sku for variant in wanted.variants}
    for position, variant in enumerate(wanted.variants):
        owner = references.get(variant.external_reference or "", (product_id, variant.sku))
        gone = owner[0] == product_id and owner[1] not in keep
        if owner != (product_id, variant.sku) and not gone:
            message = f"Another variant has the externalReference {variant.external_reference!r}."
            return Failure(AlreadyTaken.code, message, f"variants.{position}.externalReference")
    return None


def gone_variants(row: Row, old: Sequence[Variant]) -> list[Variant]:
    """The variants that a row takes away."""
    if row.variants is None:
        return []
    keep = {variant.sku for variant in row.variants}
    return [variant for variant in old if variant.sku not in keep]


def _bundled(row: Row, old: Sequence[Variant], bundled: frozenset[str]) -> Failure | None:
    for variant in gone_variants(row, old) if bundled else ():
        if variant.id in bundled:
            message = f"The variant {variant.sku!r} is in a bundle, so it cannot be left out."
            return Failure(VariantInBundle.code, message, "variants")
    return None


def changed_variants(
    wanted: Sequence[NewVariant],
    old: Sequence[Variant],
    product_id: str,
    make_id: Callable[[], str],
    differing: AbstractSet[str] = frozenset(),
) -> list[tuple[int, Variant]]:
    """(position, variant) of those that are new or differ; a variant is known by its SKU.

    differing: SKUs of variants whose attributes or options change.
    """
    known = {variant.sku: (position, variant) for position, variant in enumerate(old)}
    changed = []
    for position, one in enumerate(wanted):
        was = known.get(one.sku)
        variant = Variant(
            was[1].id if was else make_id(),
            product_id,
            one.sku,
            one.name,
            one.price.amount_minor,
            one.price.currency,
            one.weight_grams if one.weight_grams is not None or not was else was[1].weight_grams,
            one.external_reference if one.external_reference is not None or not was else was[1].external_reference,
            was[1].version if was else 1,
        )
        if was != (position, variant) or one.sku in differing:
            changed.append((position, variant))
    return changed


def _changed(before: Product, wanted: NewProduct) -> Product:
    after = first_version(before.id, wanted, before.updated_at)
    return msgspec.structs.replace(after, version=before.version, created_at=before.created_at)


def require_page(limit: int) -> None:
    """Raises InvalidPage, which names the bound."""
    if not 1 <= limit <= PAGE_MAX:
        raise InvalidPage(f"limit must be 1 to {PAGE_MAX}, not {limit}.", field="limit")


def export_cursor(last: Product) -> str:
    """Where the page after this product begins."""
    return f"id:{last.id}" if last.external_reference is None else f"ref:{last.external_reference}"


def read_export_cursor(cursor: str | None) -> tuple[str | None, str]:
    """(reference to go on after, or None when only products without one are left; id to go on after)."""
    nobody = str(UUID(int=0))
    if cursor is None:
        return "", nobody
    kind, _, rest = cursor.partition(":")
    if kind == "ref" and rest and "\x00" not in rest:
        return rest, nobody
    try:
        if kind == "id":
            return None, str(UUID(rest))
    except ValueError:
        pass
    raise InvalidCursor(f"{cursor[:80]!r} is no cursor of an export.", field="after")
