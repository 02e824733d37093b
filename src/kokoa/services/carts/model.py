"""Carts: their types, states and rules. Pure.

ACTIVE ──freeze──► FROZEN ──► ORDERED
  ▲ │ └──► MERGED    │
  │ └────► EXPIRED   │
  └────release───────┘  or its time is over
"""

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec

from kokoa.kernel.contact import PostalAddress, email_of, is_locale
from kokoa.kernel.ids import InvalidId, require_id
from kokoa.kernel.money import CURRENCIES
from kokoa.kernel.text import is_plain
from kokoa.services.carts.errors import (
    CartChanged,
    CartClosed,
    CartFrozen,
    CartFull,
    CartLineNotFound,
    CartNotFrozen,
    InvalidCart,
    InvalidCartLine,
    InvalidCartPage,
)

LINES_MAX = 200
QUANTITY_MAX = 9_999
# What GraphQL's Int holds.
AMOUNT_MAX = 2**31 - 1
FREEZE_MAX_S = 600
TEXT_MAX = 200
NOTE_MAX = 2_000
SKU_MAX = 128
PAGE_MAX = 250
CODES_MAX = 10
CODE_MAX = 64

_CHANNEL = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")

State = Literal["ACTIVE", "FROZEN", "ORDERED", "MERGED", "EXPIRED"]
Source = Literal["PRICE", "PRICE_IN", "CUSTOM"]
"""Who said what a line costs: `Variant.price`, `Variant.priceIn`, or management."""

_NEXT: Mapping[State, frozenset[State]] = {
    "ACTIVE": frozenset({"FROZEN", "MERGED", "EXPIRED"}),
    "FROZEN": frozenset({"ACTIVE", "ORDERED"}),
    "ORDERED": frozenset(),
    "MERGED": frozenset(),
    "EXPIRED": frozenset(),
}


class Line(msgspec.Struct, frozen=True):
    """So many of an article, with what was known of it when it was put in or last changed.

    variant_id, product_id: None for a line that management made up.  name: the product's.
    """

    id: str
    variant_id: str | None
    product_id: str | None
    sku: str | None
    name: str
    variant_name: str
    quantity: int
    unit_price_minor: int
    price_source: Source
    priced_at: datetime
    weight_grams: int | None = None

    @property
    def total_minor(self) -> int:
        return self.quantity * self.unit_price_minor


class Cart(msgspec.Struct, frozen=True):
    """customer_id: None for an anonymous one.  freeze_key: of whoever froze it.  merged_into: a cart's id.

    shipping_method: a key of the shipping service.  codes: of promotions, in capitals.
    """

    id: str
    state: State
    version: int
    currency: str
    customer_id: str | None
    email: str | None
    locale: str | None
    channel: str | None
    note: str | None
    shipping_address: PostalAddress | None
    billing_address: PostalAddress | None
    lines: tuple[Line, ...]
    freeze_key: str | None
    frozen_until: datetime | None
    order_id: str | None
    merged_into: str | None
    created_at: datetime
    changed_at: datetime
    expires_at: datetime
    shipping_method: str | None = None
    codes: tuple[str, ...] = ()

    @property
    def subtotal_minor(self) -> int:
        return sum(line.total_minor for line in self.lines)

    @property
    def weight_grams(self) -> int | None:
        """None when that of a line is not known, or more than a number can say."""
        weights = [line.weight_grams and line.weight_grams * line.quantity for line in self.lines]
        total = sum(one for one in weights if one is not None)
        return None if None in weights or total > AMOUNT_MAX else total


class Lifetimes(msgspec.Struct, frozen=True):
    """Days without a change after which a cart expires."""

    anonymous_days: int = 30
    customer_days: int = 90


class Who(msgspec.Struct, frozen=True):
    """Who asks.  customer_id: who is signed in; None for nobody."""

    management: bool = False
    customer_id: str | None = None


class Key(msgspec.Struct, frozen=True):
    """How a call names a cart: by id, by the token of an anonymous one; neither means the customer's own."""

    id: str | None = None
    token: str | None = None


def new_token() -> str:
    """The key of an anonymous cart: 256 random bits, to be shown once."""
    return secrets.token_urlsafe(32)


def digest_of(token: str) -> bytes:
    """What is kept of one."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def is_visible(cart: Cart, who: Who, key: Key) -> bool:
    """key: by which it was found. A token opens a cart for as long as that is nobody's."""
    if key.id is not None and cart.id != key.id:
        return False
    if who.management:
        return True
    return key.token is not None if cart.customer_id is None else cart.customer_id == who.customer_id


def new_cart(cart_id: str, currency: str, now: datetime, lifetimes: Lifetimes, **details: Any) -> Cart:
    """details: customer_id, email, locale, channel; what is missing is None. Raises InvalidCart."""
    if currency not in CURRENCIES:
        raise InvalidCart(f"{currency[:10]!r} is not an ISO 4217 currency code such as EUR.", field="currency")
    locale, channel = details.get("locale"), details.get("channel")
    if locale is not None and not is_locale(locale):
        raise InvalidCart("This is no locale, such as fi or en-GB.", field="locale")
    if channel is not None and not (len(channel) <= 64 and _CHANNEL.fullmatch(channel)):
        raise InvalidCart("This cannot be a channel's key.", field="channel")
    customer_id = details.get("customer_id")
    return Cart(
        id=cart_id,
        state="ACTIVE",
        version=1,
        currency=currency,
        customer_id=customer_id,
        email=require_email(details.get("email")),
        locale=locale,
        channel=channel,
        note=None,
        shipping_address=None,
        billing_address=None,
        lines=(),
        freeze_key=None,
        frozen_until=None,
        order_id=None,
        merged_into=None,
        created_at=now,
        changed_at=now,
        expires_at=_expiry(customer_id, now, lifetimes),
    )


def as_of(cart: Cart, now: datetime) -> Cart:
    """As it is when what time does to it is done: it thaws, and it expires."""
    if cart.state == "FROZEN" and cart.frozen_until is not None and cart.frozen_until <= now:
        cart = _become(cart, "ACTIVE", freeze_key=None, frozen_until=None)
    if cart.state == "ACTIVE" and cart.expires_at <= now:
        cart = _become(cart, "EXPIRED")
    return cart


def touched(cart: Cart, now: datetime, lifetimes: Lifetimes) -> Cart:
    """With its next version, and as fresh as one that was changed now."""
    return msgspec.structs.replace(
        cart,
        version=cart.version + 1,
        changed_at=now,
        expires_at=_expiry(cart.customer_id, now, lifetimes) if cart.state == "ACTIVE" else cart.expires_at,
    )


def require_version(cart: Cart, version: int | None) -> None:
    """version: None for whatever it is. Raises CartChanged."""
    if version is not None and cart.version != version:
        raise CartChanged(
            f"The cart is at version {cart.version}, not {version}. Read it again and repeat the change."
        )


def require_active(cart: Cart) -> None:
    """Raises CartFrozen, CartClosed."""
    if cart.state == "FROZEN":
        until = cart.frozen_until.isoformat(timespec="seconds") if cart.frozen_until else "later"
        raise CartFrozen(f"An order is being made of the cart; it cannot be changed until {until}.")
    if cart.state != "ACTIVE":
        raise CartClosed(f"The cart is {cart.state}; create another one.")


def with_added(cart: Cart, additions: Sequence[Line]) -> Cart:
    """With these lines; one of a variant that the cart has adds to its line, which takes the price of the newer.

    Raises InvalidCartLine, which names the place among the additions, and CartFull.
    """
    lines = {line.id: line for line in cart.lines}
    of_variant = {line.variant_id: line.id for line in cart.lines if line.variant_id is not None}
    for index, new in enumerate(additions):
        known = of_variant.get(new.variant_id) if new.variant_id is not None else None
        if known is not None:
            new = msgspec.structs.replace(new, id=known, quantity=lines[known].quantity + new.quantity)
            if new.quantity > QUANTITY_MAX:
                raise InvalidCartLine(
                    f"The cart would have {new.quantity:,} of it; at most {QUANTITY_MAX:,} are allowed.",
                    field=f"lines.{index}.quantity",
                )
        elif new.variant_id is not None:
            of_variant[new.variant_id] = new.id
        lines[new.id] = new
    return with_lines(cart, lines.values())


def with_quantities(cart: Cart, quantities: Mapping[str, int]) -> Cart:
    """quantities: by line; 0 removes it. Raises CartLineNotFound, CartFull."""
    require_lines_of(cart, quantities)
    lines = (
        msgspec.structs.replace(line, quantity=quantities.get(line.id, line.quantity))
        for line in cart.lines
        if quantities.get(line.id, line.quantity)
    )
    return with_lines(cart, lines)


def with_lines(cart: Cart, lines: Iterable[Line]) -> Cart:
    """With these lines and no others. Raises CartFull."""
    after = msgspec.structs.replace(cart, lines=tuple(lines))
    if len(after.lines) > LINES_MAX:
        raise CartFull(f"A cart has at most {LINES_MAX} lines.")
    if after.subtotal_minor > AMOUNT_MAX:
        raise CartFull(f"A cart is worth at most {AMOUNT_MAX:,} minor units of its currency.")
    return after


def require_lines_of(cart: Cart, line_ids: Iterable[str]) -> None:
    """Raises CartLineNotFound."""
    known = {line.id for line in cart.lines}
    missing = [one for one in line_ids if one not in known]
    if missing:
        raise CartLineNotFound(f"The cart has no line {missing[0]}.")


def merged(into: Cart, anonymous: Cart) -> tuple[Cart, Cart]:
    """The customer's cart with all lines of the anonymous one, and that, merged. Quantities stop at their bound.

    What the customer's cart does not know, of e-mail, addresses, delivery and note, it takes over, and codes while
    there is room. Both are the customer's now: whoever finds the token in a browser sees nothing of them.
    Raises CartFull.
    """
    known = {line.variant_id: line for line in into.lines if line.variant_id is not None}
    lines = {line.id: line for line in into.lines}
    for line in anonymous.lines:
        same = known.get(line.variant_id) if line.variant_id is not None else None
        if same is None:
            lines[line.id] = line
            continue
        newer = max(same, line, key=lambda one: one.priced_at)
        quantity = min(same.quantity + line.quantity, QUANTITY_MAX)
        lines[same.id] = msgspec.structs.replace(newer, id=same.id, quantity=quantity)
    details = {
        name: getattr(into, name) if getattr(into, name) is not None else getattr(anonymous, name)
        for name in ("email", "note", "shipping_address", "billing_address", "shipping_method")
    }
    codes = tuple(dict.fromkeys((*into.codes, *anonymous.codes)))[:CODES_MAX]
    after = msgspec.structs.replace(with_lines(into, lines.values()), codes=codes, **details)
    return after, _become(anonymous, "MERGED", merged_into=into.id, customer_id=into.customer_id)


def frozen(cart: Cart, key: str, seconds: int, now: datetime) -> Cart:
    """Kept as it is for an order; again with the same key for longer, never for less.

    Raises InvalidCart, CartFrozen, CartClosed.
    """
    require_freeze_key(key)
    if not 1 <= seconds <= FREEZE_MAX_S:
        raise InvalidCart(f"seconds must be 1 to {FREEZE_MAX_S}.", field="seconds")
    until = now + timedelta(seconds=seconds)
    if cart.state == "FROZEN" and cart.freeze_key == key:
        return msgspec.structs.replace(cart, frozen_until=max(until, cart.frozen_until or until))
    require_active(cart)
    return _become(cart, "FROZEN", freeze_key=key, frozen_until=until)


def released(cart: Cart, key: str) -> Cart:
    """To be changed again; one that is not frozen stays as it is. Raises InvalidCart, CartFrozen, CartClosed."""
    require_freeze_key(key)
    if cart.state == "FROZEN" and cart.freeze_key == key:
        return _become(cart, "ACTIVE", freeze_key=None, frozen_until=None)
    require_active(cart)
    return cart


def ordered(cart: Cart, key: str, order_id: str) -> Cart:
    """For good; again the same is no error. Raises InvalidCart, CartFrozen, CartNotFrozen, CartClosed."""
    require_freeze_key(key)
    if not order_id or len(order_id) > TEXT_MAX or not is_plain(order_id):
        raise InvalidCart(f"orderId has 1 to {TEXT_MAX} characters.", field="orderId")
    if cart.state == "ORDERED" and (cart.freeze_key, cart.order_id) == (key, order_id):
        return cart
    if cart.state == "ACTIVE":
        raise CartNotFrozen(
            "The cart is not frozen, or its time was over. Freeze it, and see whether it is the same."
        )
    if cart.state != "FROZEN" or cart.freeze_key != key:
        require_active(cart)
    return _become(cart, "ORDERED", order_id=order_id, frozen_until=None)


def _become(cart: Cart, state: State, **fields: Any) -> Cart:
    """The only way to another state. Raises CartClosed."""
    if state not in _NEXT[cart.state]:
        raise CartClosed(f"A cart that is {cart.state} does not become {state}.")
    return msgspec.structs.replace(cart, state=state, **fields)


def _expiry(customer_id: str | None, now: datetime, lifetimes: Lifetimes) -> datetime:
    """The end of the day in UTC: so the index by it stands still while a cart is filled."""
    days = lifetimes.anonymous_days if customer_id is None else lifetimes.customer_days
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(days=days + 1)


def require_quantity(quantity: int, field: str, *, least: int = 1) -> int:
    """Raises InvalidCartLine."""
    if not least <= quantity <= QUANTITY_MAX:
        raise InvalidCartLine(f"quantity must be {least} to {QUANTITY_MAX:,}.", field=field)
    return quantity


def require_count(count: int) -> None:
    """How many lines a call names. Raises InvalidCartLine."""
    if not 1 <= count <= LINES_MAX:
        raise InvalidCartLine(f"Name 1 to {LINES_MAX} lines.", field="lines")


def require_line_ids(ids: Sequence[str], fields: Sequence[str]) -> list[str]:
    """In their canonical form, each once. Raises InvalidCartLine."""
    require_count(len(ids))
    found: list[str] = []
    for text, field in zip(ids, fields, strict=True):
        try:
            line_id = require_id(text, field=field)
        except InvalidId as error:
            raise InvalidCartLine(error.message, field=field) from None
        if line_id in found:
            raise InvalidCartLine("The line is named twice.", field=field)
        found.append(line_id)
    return found


def require_custom_line(name: str, sku: str | None, unit_price_minor: int, weight_grams: int | None) -> None:
    """Raises InvalidCartLine."""
    if not name.strip() or len(name) > TEXT_MAX or not is_plain(name):
        raise InvalidCartLine(f"name must have 1 to {TEXT_MAX} characters and no NUL.", field="name")
    if sku is not None:
        require_sku(sku, "sku")
    if not 0 <= unit_price_minor <= AMOUNT_MAX:
        raise InvalidCartLine(f"unitPriceMinor must be 0 to {AMOUNT_MAX:,}.", field="unitPriceMinor")
    if weight_grams is not None and not 0 <= weight_grams <= AMOUNT_MAX:
        raise InvalidCartLine(f"weightGrams must be 0 to {AMOUNT_MAX:,}.", field="weightGrams")


def require_sku(sku: str, field: str) -> str:
    """Raises InvalidCartLine."""
    if not sku.strip() or len(sku) > SKU_MAX or not is_plain(sku):
        raise InvalidCartLine(f"A SKU has 1 to {SKU_MAX} characters and no NUL.", field=field)
    return sku


def require_email(text: str | None) -> str | None:
    """As it is compared: in small letters. Raises InvalidCart."""
    if text is None:
        return None
    email = email_of(text)
    if email is None:
        raise InvalidCart("This is no e-mail address.", field="email")
    return email


def require_note(text: str | None) -> str | None:
    """Raises InvalidCart."""
    if text is not None and (len(text) > NOTE_MAX or not is_plain(text)):
        raise InvalidCart(f"note has at most {NOTE_MAX:,} characters and no NUL.", field="note")
    return text or None


def with_code(cart: Cart, code: str) -> Cart:
    """With a code, the last one; one that is there already changes nothing. Raises InvalidCart."""
    if code in cart.codes:
        return cart
    if len(cart.codes) >= CODES_MAX:
        raise InvalidCart(f"A cart has at most {CODES_MAX} codes; remove one.", field="code")
    return msgspec.structs.replace(cart, codes=(*cart.codes, code))


def without_code(cart: Cart, code: str) -> Cart:
    """Without a code; one that is not there changes nothing."""
    return msgspec.structs.replace(cart, codes=tuple(one for one in cart.codes if one != code))


def require_code(text: str) -> str:
    """As it is compared: in capitals, without spaces around it. Raises InvalidCart."""
    code = text.strip().upper()
    if not 0 < len(code) <= CODE_MAX or not is_plain(code) or not code.isprintable():
        raise InvalidCart(f"code has 1 to {CODE_MAX} printable characters.", field="code")
    return code


def require_shipping_method(key: str | None) -> str | None:
    """Whether it is offered says what the cart costs. Raises InvalidCart."""
    if key is not None and not (0 < len(key) <= TEXT_MAX and is_plain(key) and key.isprintable()):
        raise InvalidCart(f"key has 1 to {TEXT_MAX} printable characters; null takes it away.", field="key")
    return key


def require_freeze_key(key: str) -> None:
    """Raises InvalidCart."""
    if not key or len(key) > TEXT_MAX or not is_plain(key):
        raise InvalidCart(f"key has 1 to {TEXT_MAX} characters and no NUL.", field="key")


def require_page(limit: int) -> None:
    """Raises InvalidCartPage."""
    if not 1 <= limit <= PAGE_MAX:
        raise InvalidCartPage(f"limit must be 1 to {PAGE_MAX}.", field="limit")
