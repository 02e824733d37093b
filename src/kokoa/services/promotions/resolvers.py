"""GraphQL ⇄ actions and store."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kokoa.kernel.call import Call
from kokoa.kernel.clock import now_ms, to_datetime
from kokoa.kernel.ids import require_id
from kokoa.services.promotions.actions import PromotionsActions
from kokoa.services.promotions.discounts.model import Line, Order, by_code, discounts, require_order
from kokoa.services.promotions.errors import InvalidPromotionInput
from kokoa.services.promotions.model import Amount, Promotion, Rule, folded, require_key, require_page
from kokoa.services.promotions.store import PromotionsStore

Arguments = Mapping[str, Any]

_RULE_FIELDS = {
    "basisPoints": "basis_points",
    "amounts": "amounts",
    "skus": "skus",
    "categoryPaths": "category_paths",
    "minimums": "minimums",
    "customerGroups": "customer_groups",
}


class PromotionsResolvers:
    """Field resolvers of schema.graphql."""

    def __init__(self, store: PromotionsStore, actions: PromotionsActions) -> None:
        self._store = store
        self._actions = actions

    def table(self) -> dict[str, Any]:
        """Resolvers by `Type.field`."""
        return {
            "Query.promotionDiscounts": self.discounts,
            "Query.promotion": self.promotion,
            "Query.promotions": self.promotions,
            "Query.promotionRedemption": self.redemption,
            "Mutation.putPromotion": self.put,
            "Mutation.deletePromotion": self.delete,
            "Mutation.redeemPromotion": self.redeem,
            "Mutation.releasePromotion": self.release,
            **{f"Promotion.{field}": _of_rule(name) for field, name in _RULE_FIELDS.items()},
        }

    async def discounts(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        order = _order(args["input"], call)
        require_order(order)
        codes = [code for code in map(folded, order.codes) if code is not None]
        found = await self._store.known(call.environment_id, codes, order.customer_id)
        return [discounts(order, by_code(order, found), to_datetime(now_ms()))]

    async def promotion(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        code = folded(args["code"])
        return [None if code is None else await self._store.find(call.environment_id, code)]

    async def promotions(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        after = require_page(args["limit"], args.get("after"))
        return [await self._store.page(call.environment_id, after, args["limit"])]

    async def redemption(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        require_key(args["key"])
        return [await self._store.redemption(call.environment_id, args["key"])]

    async def put(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        put = self._actions.put(
            call.environment_id, _promotion(given), given.get("version"), correlation_id=call.correlation_id
        )
        return [await put]

    async def delete(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        code, version = args["code"], args["version"]
        await self._actions.delete(call.environment_id, code, version, correlation_id=call.correlation_id)
        return [code]

    async def redeem(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        given = args["input"]
        customer = given.get("customer_id")
        redeemed = self._actions.redeem(
            call.environment_id,
            given["code"],
            given["key"],
            None if customer is None else require_id(customer, field="customerId"),
            correlation_id=call.correlation_id,
        )
        return [await redeemed]

    async def release(self, _: Sequence[Any], args: Arguments, call: Call) -> Sequence[Any]:
        released = self._actions.release(call.environment_id, args["key"], correlation_id=call.correlation_id)
        return [await released]


def _order(given: Arguments, call: Call) -> Order:
    return Order(
        tuple(given["codes"]),
        given["currency"],
        tuple(
            Line(
                one["key"],
                one.get("sku"),
                one["amount_minor"],
                one["quantity"],
                tuple(one["category_paths"]),
            )
            for one in given["lines"]
        ),
        given["shipping_minor"],
        _customer_of(given.get("customer_id"), call),
        tuple(given["customer_groups"]),
    )


def _customer_of(named: str | None, call: Call) -> str | None:
    """The one that management names, or whoever is signed in. Raises InvalidPromotionInput."""
    customer = None if named is None else require_id(named, field="customerId")
    if "management" in call.caller.scopes:
        return customer
    own = call.caller.subject if call.caller.kind == "storefront" else ""
    if customer is not None and customer != own:
        raise InvalidPromotionInput("Customers ask for themselves only; leave customerId out.", field="customerId")
    return own or None


def _promotion(given: Arguments) -> Promotion:
    rule = Rule(
        basis_points=given.get("basis_points"),
        amounts=_amounts(given["amounts"]),
        skus=tuple(given["skus"]),
        category_paths=tuple(given["category_paths"]),
        minimums=_amounts(given["minimums"]),
        customer_groups=tuple(given["customer_groups"]),
    )
    return Promotion(
        given["code"],
        given["name"],
        given["active"],
        given["kind"],
        rule,
        given.get("valid_from"),
        given.get("valid_to"),
        given.get("uses_max"),
        given.get("uses_per_customer_max"),
        given["stackable"],
        0,
        0,
    )


def _amounts(given: Sequence[Arguments]) -> tuple[Amount, ...]:
    return tuple(Amount(one["currency"], one["amount_minor"]) for one in given)


def _of_rule(name: str) -> Callable[[Sequence[Promotion], Arguments, Call], Sequence[Any]]:
    """A field that is the rule's."""

    def resolve(parents: Sequence[Promotion], _: Arguments, __: Call) -> Sequence[Any]:
        values = [getattr(parent.rule, name) for parent in parents]
        return [list(value) if isinstance(value, tuple) else value for value in values]

    return resolve
