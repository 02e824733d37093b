"""What codes take off an order. Pure. How amounts are rounded and shared: docs/explanation/taxes.md#rounding."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from kokoa.kernel.money import is_currency
from kokoa.kernel.rounding import divided, percentage_of
from kokoa.kernel.text import is_plain
from kokoa.services.promotions.errors import InvalidPromotionInput
from kokoa.services.promotions.model import (
    AMOUNT_MAX,
    GROUP_MAX,
    GROUPS_MAX,
    PATH_MAX,
    SKU_MAX,
    Amount,
    Promotion,
)

CODES_MAX, LINES_MAX, PATHS_OF_LINE_MAX, LEVELS_MAX = 10, 500, 20, 20
KEY_MAX, SUM_MAX = 200, 2**31 - 1

Refusal = Literal[
    "UNKNOWN_CODE",
    "NOT_YET_VALID",
    "EXPIRED",
    "NOT_FOR_YOU",
    "USED_UP",
    "WRONG_CURRENCY",
    "MINIMUM_NOT_REACHED",
    "NOTHING_TO_DISCOUNT",
    "NOT_COMBINABLE",
]


class Line(msgspec.Struct, frozen=True):
    """amount_minor: of the whole line, before discounts."""

    key: str
    sku: str | None
    amount_minor: int
    quantity: int = 1
    category_paths: tuple[str, ...] = ()


class Order(msgspec.Struct, frozen=True):
    """What codes are to be taken off.  customer_id: None for nobody who is known."""

    codes: tuple[str, ...]
    currency: str
    lines: tuple[Line, ...]
    shipping_minor: int = 0
    customer_id: str | None = None
    customer_groups: tuple[str, ...] = ()

    @property
    def total_minor(self) -> int:
        """Of the lines."""
        return sum(line.amount_minor for line in self.lines)


class Known(msgspec.Struct, frozen=True):
    """A promotion, and how often the customer uses it."""

    promotion: Promotion
    used_by_customer: int


class CodeResult(msgspec.Struct, frozen=True):
    """What became of a code.  reason: None for one that is accepted."""

    code: str
    reason: Refusal | None
    name: str | None = None
    minimum_minor: int | None = None
    discount_minor: int = 0
    shipping_discount_minor: int = 0

    @property
    def accepted(self) -> bool:
        return self.reason is None


class LineDiscount(msgspec.Struct, frozen=True):
    key: str
    discount_minor: int


class Discounts(msgspec.Struct, frozen=True):
    """discount_minor: of the lines."""

    currency: str
    codes: list[CodeResult]
    lines: list[LineDiscount]
    shipping_discount_minor: int
    discount_minor: int
    total_discount_minor: int


def discounts(order: Order, known: Sequence[Known | None], now: datetime) -> Discounts:
    """known: of each code of the order, None for one that is unknown.

    Which codes are accepted depends on the order in which they are given, what they take off does not: percentages
    are of the lines' full amounts and come first, then what is fixed, each kind in the alphabet's order.
    """
    meant = _meant(order, known)
    results = [_alone(*each, order, now) for each in zip(order.codes, known, meant, strict=True)]
    accepted: dict[int, Promotion] = {}
    for index, (result, one) in enumerate(zip(results, known, strict=True)):
        if result.reason is not None or one is None:
            continue
        if accepted and not all(other.stackable for other in (*accepted.values(), one.promotion)):
            results[index] = CodeResult(result.code, "NOT_COMBINABLE")
        else:
            accepted[index] = one.promotion
    left = [line.amount_minor for line in order.lines]
    shipping_left = order.shipping_minor
    for index in sorted(accepted, key=lambda at: (accepted[at].kind == "FIXED", accepted[at].code.upper())):
        promotion = accepted[index]
        shipping_cut = shipping_left if promotion.kind == "FREE_SHIPPING" else 0
        cuts = _cuts(promotion, order, meant[index], left)
        left = [amount - cut for amount, cut in zip(left, cuts, strict=True)]
        shipping_left -= shipping_cut
        if promotion.kind != "FREE_SHIPPING" and not any(cuts):
            results[index] = CodeResult(order.codes[index], "NOTHING_TO_DISCOUNT")
        else:
            results[index] = CodeResult(order.codes[index], None, promotion.name, None, sum(cuts), shipping_cut)
    lines = [LineDiscount(line.key, line.amount_minor - rest) for line, rest in zip(order.lines, left, strict=True)]
    off, shipping_off = order.total_minor - sum(left), order.shipping_minor - shipping_left
    return Discounts(order.currency, results, lines, shipping_off, off, off + shipping_off)


def _cuts(promotion: Promotion, order: Order, meant: Sequence[bool], left: Sequence[int]) -> list[int]:
    """What is taken off each line, of which so much is left; never more than that.  meant: lines that it is for."""
    rule = promotion.rule
    if promotion.kind == "PERCENT":
        wanted = [percentage_of(line.amount_minor, rule.basis_points or 0) for line in order.lines]
        return [min(cut, rest) if is_ else 0 for cut, rest, is_ in zip(wanted, left, meant, strict=True)]
    if promotion.kind == "FREE_SHIPPING":
        return [0] * len(left)
    rests = [rest if is_ else 0 for rest, is_ in zip(left, meant, strict=True)]
    fixed = _of_currency(rule.amounts, order.currency) or 0
    return divided(min(fixed, sum(rests)), rests)


def _meant(order: Order, known: Sequence[Known | None]) -> list[list[bool]]:
    """Of each code, which lines it is for. A category is meant with all that is below it.

    By sets, once an order: hundreds of lines in many categories meet promotions of a thousand articles.
    """
    reached = [frozenset(above for path in line.category_paths for above in _levels(path)) for line in order.lines]
    found = []
    for one in known:
        skus = frozenset(one.promotion.rule.skus if one else ())
        paths = frozenset(one.promotion.rule.category_paths if one else ())
        if not skus and not paths:
            found.append([True] * len(order.lines))
            continue
        found.append(
            [
                line.sku in skus or not paths.isdisjoint(above)
                for line, above in zip(order.lines, reached, strict=True)
            ]
        )
    return found


def _levels(path: str) -> Iterator[str]:
    """The category itself and all above it."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def _alone(code: str, known: Known | None, meant: Sequence[bool], order: Order, now: datetime) -> CodeResult:
    """Whether the code would be accepted if it were the only one."""
    if known is None or not known.promotion.active:
        return CodeResult(code, "UNKNOWN_CODE")
    promotion = known.promotion
    if promotion.valid_from is not None and now < promotion.valid_from:
        return CodeResult(code, "NOT_YET_VALID")
    if promotion.valid_to is not None and now >= promotion.valid_to:
        return CodeResult(code, "EXPIRED")
    groups = promotion.rule.customer_groups
    if (groups and not set(groups) & set(order.customer_groups)) or (
        promotion.uses_per_customer_max is not None and order.customer_id is None
    ):
        return CodeResult(code, "NOT_FOR_YOU")
    if promotion.uses_max is not None and promotion.used >= promotion.uses_max:
        return CodeResult(code, "USED_UP")
    if promotion.uses_per_customer_max is not None and known.used_by_customer >= promotion.uses_per_customer_max:
        return CodeResult(code, "USED_UP")
    minimum = _of_currency(promotion.rule.minimums, order.currency)
    if (promotion.rule.minimums and minimum is None) or (
        promotion.kind == "FIXED" and _of_currency(promotion.rule.amounts, order.currency) is None
    ):
        return CodeResult(code, "WRONG_CURRENCY")
    if minimum is not None and order.total_minor < minimum:
        return CodeResult(code, "MINIMUM_NOT_REACHED", minimum_minor=minimum)
    if promotion.kind != "FREE_SHIPPING" and not any(
        _cuts(promotion, order, meant, [line.amount_minor for line in order.lines])
    ):
        return CodeResult(code, "NOTHING_TO_DISCOUNT")
    return CodeResult(code, None)


def _of_currency(amounts: Sequence[Amount], currency: str) -> int | None:
    return next((one.amount_minor for one in amounts if one.currency == currency), None)


def require_order(order: Order) -> None:
    """Raises InvalidPromotionInput, which names the field."""
    if not 1 <= len(order.codes) <= CODES_MAX:
        raise InvalidPromotionInput(
            f"One call takes 1 to {CODES_MAX} codes, not {len(order.codes):,}.", field="codes"
        )
    seen: dict[str, int] = {}
    for index, code in enumerate(order.codes):
        if seen.setdefault(code.upper(), index) != index:
            raise InvalidPromotionInput("This code is there twice.", field=f"codes.{index}")
    if not is_currency(order.currency):
        raise InvalidPromotionInput("currency is three capitals, such as EUR.", field="currency")
    _require_lines(order.lines)
    if not 0 <= order.shipping_minor <= AMOUNT_MAX:
        raise InvalidPromotionInput(f"It is 0 to {AMOUNT_MAX:,} minor units.", field="shippingMinor")
    if order.total_minor + order.shipping_minor > SUM_MAX:
        raise InvalidPromotionInput(f"Together they are more than {SUM_MAX:,} minor units.", field="lines")
    _require_texts(order.customer_groups, GROUPS_MAX, GROUP_MAX, "customerGroups")


def _require_lines(lines: Sequence[Line]) -> None:
    if not 1 <= len(lines) <= LINES_MAX:
        raise InvalidPromotionInput(f"One call takes 1 to {LINES_MAX} lines, not {len(lines):,}.", field="lines")
    seen: set[str] = set()
    for index, line in enumerate(lines):
        at = f"lines.{index}"
        _require_texts([line.key], 1, KEY_MAX, f"{at}.key")
        if line.key in seen:
            raise InvalidPromotionInput(f"Two lines have the key {line.key!r}.", field=f"{at}.key")
        seen.add(line.key)
        if line.sku is not None:
            _require_texts([line.sku], 1, SKU_MAX, f"{at}.sku")
        if not 0 <= line.amount_minor <= AMOUNT_MAX:
            raise InvalidPromotionInput(f"It is 0 to {AMOUNT_MAX:,} minor units.", field=f"{at}.amountMinor")
        if line.quantity < 1:
            raise InvalidPromotionInput("quantity is 1 at least.", field=f"{at}.quantity")
        _require_texts(line.category_paths, PATHS_OF_LINE_MAX, PATH_MAX, f"{at}.categoryPaths")
        if any(path.count("/") >= LEVELS_MAX for path in line.category_paths):
            raise InvalidPromotionInput(f"A path has at most {LEVELS_MAX} levels.", field=f"{at}.categoryPaths")


def _require_texts(texts: Sequence[str], count_max: int, length_max: int, field: str) -> None:
    if len(texts) > count_max:
        raise InvalidPromotionInput(f"At most {count_max:,}, not {len(texts):,}.", field=field)
    if any(not text or len(text) > length_max or not is_plain(text) for text in texts):
        raise InvalidPromotionInput(f"Each has 1 to {length_max:,} characters and no NUL.", field=field)


def by_code(order: Order, found: Mapping[str, Known]) -> list[Known | None]:
    """found: by code in capitals. Of each code of the order."""
    return [found.get(code.upper()) for code in order.codes]
