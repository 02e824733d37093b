"""Promotions: types, and what may be put. Pure. What codes take off is decided in discounts/model.py."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from kokoa.kernel.money import is_currency
from kokoa.kernel.periods import require_period
from kokoa.kernel.text import is_plain
from kokoa.services.promotions.errors import (
    InvalidPromotion,
    InvalidPromotionPage,
    InvalidRedemption,
    PromotionChanged,
    PromotionNotRedeemable,
    PromotionUsedUp,
    RedemptionDiffers,
)

AMOUNT_MAX = 2_000_000_000
USES_MAX = 1_000_000_000
CODE_MIN, CODE_MAX = 4, 40
NAME_MAX, SKU_MAX, PATH_MAX, GROUP_MAX, KEY_MAX = 200, 128, 1_000, 64, 200
CURRENCIES_MAX, SKUS_MAX, PATHS_MAX, GROUPS_MAX = 50, 1_000, 100, 50
PAGE_MAX = 100

_CODE = re.compile(r"[A-Za-z0-9_-]{4,40}")

Kind = Literal["PERCENT", "FIXED", "FREE_SHIPPING"]


class Amount(msgspec.Struct, frozen=True):
    currency: str
    amount_minor: int


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What is taken off, from what, for whom.

    skus, category_paths: all lines when both are empty.  minimums, customer_groups: none for any total and everybody.
    """

    basis_points: int | None = None
    amounts: tuple[Amount, ...] = ()
    skus: tuple[str, ...] = ()
    category_paths: tuple[str, ...] = ()
    minimums: tuple[Amount, ...] = ()
    customer_groups: tuple[str, ...] = ()


class Promotion(msgspec.Struct, frozen=True):
    """code: as it was put.  valid_from, valid_to, uses_max, uses_per_customer_max: None for no bound."""

    code: str
    name: str
    active: bool
    kind: Kind
    rule: Rule
    valid_from: datetime | None
    valid_to: datetime | None
    uses_max: int | None
    uses_per_customer_max: int | None
    stackable: bool
    version: int
    used: int


class Redemption(msgspec.Struct, frozen=True):
    """One use.  code: in capitals.  released_at: None for one that counts."""

    key: str
    code: str
    customer_id: str | None
    redeemed_at: datetime
    released_at: datetime | None


def folded(code: str) -> str | None:
    """As codes are compared; None for what cannot be one."""
    return code.upper() if _CODE.fullmatch(code) else None


def require_promotion(promotion: Promotion) -> None:
    """Raises InvalidPromotion, InvalidPeriod, which name the field."""
    if folded(promotion.code) is None:
        raise InvalidPromotion(
            f"code has {CODE_MIN} to {CODE_MAX} letters, digits, hyphens and underscores.", field="code"
        )
    if not promotion.name.strip() or len(promotion.name) > NAME_MAX or not is_plain(promotion.name):
        raise InvalidPromotion(f"name has 1 to {NAME_MAX} characters and no NUL.", field="name")
    for field, uses in (
        ("usesMax", promotion.uses_max),
        ("usesPerCustomerMax", promotion.uses_per_customer_max),
    ):
        if uses is not None and not 1 <= uses <= USES_MAX:
            raise InvalidPromotion(f"{field} is 1 to {USES_MAX:,}, or null for any number.", field=field)
    require_period(promotion.valid_from, promotion.valid_to)
    _require_rule(promotion.kind, promotion.rule)


def _require_rule(kind: Kind, rule: Rule) -> None:
    if kind == "PERCENT" and not 1 <= (rule.basis_points or 0) <= 10_000:
        raise InvalidPromotion("PERCENT has basisPoints of 1 to 10,000: 1050 is 10.5 %.", field="basisPoints")
    if kind != "PERCENT" and rule.basis_points is not None:
        raise InvalidPromotion("Only PERCENT has basisPoints.", field="basisPoints")
    if (kind == "FIXED") != bool(rule.amounts):
        raise InvalidPromotion("FIXED has an amount at least, others have none.", field="amounts")
    if kind == "FREE_SHIPPING" and (rule.skus or rule.category_paths):
        raise InvalidPromotion(
            "FREE_SHIPPING is for the whole order.", field="skus" if rule.skus else "categoryPaths"
        )
    _require_amounts(rule.amounts, "amounts")
    _require_amounts(rule.minimums, "minimums")
    _require_texts(rule.skus, SKUS_MAX, SKU_MAX, "skus")
    _require_texts(rule.category_paths, PATHS_MAX, PATH_MAX, "categoryPaths")
    _require_texts(rule.customer_groups, GROUPS_MAX, GROUP_MAX, "customerGroups")


def _require_amounts(amounts: Sequence[Amount], field: str) -> None:
    if len(amounts) > CURRENCIES_MAX:
        raise InvalidPromotion(f"At most {CURRENCIES_MAX} currencies.", field=field)
    seen: set[str] = set()
    for index, amount in enumerate(amounts):
        if not is_currency(amount.currency):
            raise InvalidPromotion("currency is three capitals, such as EUR.", field=f"{field}.{index}.currency")
        if not 1 <= amount.amount_minor <= AMOUNT_MAX:
            raise InvalidPromotion(
                f"An amount is 1 to {AMOUNT_MAX:,} minor units.", field=f"{field}.{index}.amountMinor"
            )
        if amount.currency in seen:
            raise InvalidPromotion(f"{amount.currency} is there twice.", field=f"{field}.{index}.currency")
        seen.add(amount.currency)


def _require_texts(texts: Sequence[str], count_max: int, length_max: int, field: str) -> None:
    if len(texts) > count_max:
        raise InvalidPromotion(f"At most {count_max:,}, not {len(texts):,}.", field=field)
    for index, text in enumerate(texts):
        if not text.strip() or len(text) > length_max or not is_plain(text):
            raise InvalidPromotion(f"It has 1 to {length_max:,} characters and no NUL.", field=f"{field}.{index}")


def require_version(code: str, before: int, version: int | None) -> None:
    """before: 0 for what is new. Raises PromotionChanged."""
    if version is not None and version != before:
        raise PromotionChanged(
            f"The promotion {code!r} is at version {before}, not {version}. Read it again and repeat the change."
        )


def require_key(key: str) -> None:
    """Raises InvalidRedemption."""
    if not key.strip() or len(key) > KEY_MAX or not is_plain(key):
        raise InvalidRedemption(f"key has 1 to {KEY_MAX} characters and no NUL.", field="key")


def require_page(limit: int, after: str | None) -> str:
    """What to begin after, in capitals. Raises InvalidPromotionPage."""
    if not 1 <= limit <= PAGE_MAX:
        raise InvalidPromotionPage(f"limit must be 1 to {PAGE_MAX}.", field="limit")
    if after is not None and not is_plain(after):
        raise InvalidPromotionPage("after holds a NUL character or half of a surrogate pair.", field="after")
    return (after or "").upper()


def require_redeemable(promotion: Promotion, customer_id: str | None, now: datetime) -> None:
    """That it may be used by this customer now; how often it may is asked by require_uses_left.

    Raises PromotionNotRedeemable.
    """
    why = None
    if not promotion.active:
        why = "it is not active"
    elif promotion.valid_from is not None and now < promotion.valid_from:
        why = f"it is valid from {promotion.valid_from.isoformat()} on"
    elif promotion.valid_to is not None and now >= promotion.valid_to:
        why = f"it was valid until {promotion.valid_to.isoformat()}"
    elif promotion.uses_per_customer_max is not None and customer_id is None:
        why = "it is for customers who are known"
    if why is not None:
        raise PromotionNotRedeemable(f"The promotion {promotion.code!r} cannot be used: {why}.")


def require_uses_left(promotion: Promotion, used_by_customer: int) -> None:
    """Raises PromotionUsedUp."""
    if promotion.uses_max is not None and promotion.used >= promotion.uses_max:
        raise PromotionUsedUp(f"The promotion {promotion.code!r} was used {promotion.used:,} times.")
    limit = promotion.uses_per_customer_max
    if limit is not None and used_by_customer >= limit:
        raise PromotionUsedUp(
            f"The promotion {promotion.code!r} was used {used_by_customer:,} times by this customer."
        )


def the_same(known: Redemption, code: str, customer_id: str | None) -> Redemption:
    """What the key has already. Raises RedemptionDiffers."""
    if (known.code, known.customer_id) != (code, customer_id):
        raise RedemptionDiffers(f"The key {known.key!r} has a redemption of another code or customer already.")
    if known.released_at is not None:
        raise RedemptionDiffers(f"The redemption {known.key!r} was given back; take another key.")
    return known
