"""Promotion codes: put by merchants, tried by shoppers, used as often as they may be and never more."""

import asyncio
from random import Random
from typing import Any

import pytest

from contract.asking import MANAGEMENT, STOREFRONT, Asking, signed_in
from kokoa.kernel.ids import new_id
from kokoa.postgres import Database
from kokoa.services.promotions.service import PromotionsService

PUT = """mutation($input: PutPromotionInput!) { putPromotion(input: $input) {
  code name active kind basisPoints amounts { currency amountMinor } skus categoryPaths
  minimums { currency amountMinor } customerGroups validFrom validTo usesMax usesPerCustomerMax
  stackable used version } }"""
DISCOUNTS = """query($input: PromotionDiscountsInput!) { promotionDiscounts(input: $input) {
  currency discountMinor shippingDiscountMinor totalDiscountMinor lines { key discountMinor }
  codes { code accepted reason name minimumMinor discountMinor shippingDiscountMinor } } }"""
FOUND = "query($code: String!) { promotion(code: $code) { code version used active } }"
PAGE = "query($after: String, $limit: Int! = 50) { promotions(after: $after, limit: $limit) { code } }"
DELETE = "mutation($code: String!, $version: Int!) { deletePromotion(code: $code, version: $version) }"
REDEMPTION = "{ key code customerId redeemedAt releasedAt }"
REDEEM = f"mutation($input: RedeemPromotionInput!) {{ redeemPromotion(input: $input) {REDEMPTION} }}"
RELEASE = f"mutation($key: String!) {{ releasePromotion(key: $key) {REDEMPTION} }}"
REDEEMED = f"query($key: String!) {{ promotionRedemption(key: $key) {REDEMPTION} }}"
EVENTS = "SELECT event_type FROM outbox WHERE environment_id = $1 ORDER BY id"
COUNTED = """SELECT p.code, p.used,
       (SELECT count(*) FROM redemptions r
         WHERE r.environment_id = $1 AND r.code = p.code AND r.released_at IS NULL) AS counted,
       (SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM redemptions r
         WHERE r.environment_id = $1 AND r.code = p.code AND r.released_at IS NULL GROUP BY r.customer_id) c)
           AS by_one_customer
  FROM promotions p WHERE p.environment_id = $1"""
PAST, FUTURE = "1970-01-01T00:00:00Z", "2999-12-31T23:59:59Z"


@pytest.fixture
def shop(promotions: PromotionsService) -> Asking:
    return Asking(promotions.subgraph)


async def put(shop: Asking, code: str, **more: Any) -> Any:
    given = {"code": code, "name": code.title(), "kind": "PERCENT", **more}
    if given["kind"] == "PERCENT":
        given.setdefault("basisPoints", 1_000)
    return await shop.data(PUT, input=given)


def basket(*codes: str, **more: Any) -> dict[str, Any]:
    lines = [{"key": "1", "sku": "LAMP", "amountMinor": 10_000}, {"key": "2", "amountMinor": 5_000}]
    return {"codes": list(codes), "currency": "EUR", "lines": lines, **more}


async def reasons(shop: Asking, *codes: str, by: Any = STOREFRONT, **more: Any) -> list[str | None]:
    found = await shop.data(DISCOUNTS, by, input=basket(*codes, **more))
    return [one["reason"] for one in found["codes"]]


async def used(shop: Asking, code: str) -> int:
    return int((await shop.data(FOUND, code=code))["used"])


async def test_a_shopper_is_told_what_a_code_takes_off(shop: Asking) -> None:
    await put(shop, "Summer-26", skus=["LAMP"])
    found = await shop.data(DISCOUNTS, STOREFRONT, input=basket("sUMMER-26", shippingMinor=490))
    assert found == {
        "currency": "EUR",
        "discountMinor": 1_000,
        "shippingDiscountMinor": 0,
        "totalDiscountMinor": 1_000,
        "lines": [{"key": "1", "discountMinor": 1_000}, {"key": "2", "discountMinor": 0}],
        "codes": [
            {
                "code": "sUMMER-26",
                "accepted": True,
                "reason": None,
                "name": "Summer-26",
                "minimumMinor": None,
                "discountMinor": 1_000,
                "shippingDiscountMinor": 0,
            }
        ],
    }


async def test_all_kinds_together(shop: Asking) -> None:
    await put(shop, "TENOFF", stackable=True)
    await put(shop, "FIVE", kind="FIXED", amounts=[{"currency": "EUR", "amountMinor": 500}], stackable=True)
    await put(shop, "FREE", kind="FREE_SHIPPING", stackable=True)
    await put(shop, "CHAIR", categoryPaths=["furniture"])
    given = basket("FIVE", "FREE", "CHAIR", "TENOFF", shippingMinor=490)
    given["lines"][1]["categoryPaths"] = ["furniture/chairs"]
    found = await shop.data(DISCOUNTS, STOREFRONT, input=given)
    assert [(one["reason"], one["discountMinor"]) for one in found["codes"]] == [
        (None, 500),
        (None, 0),
        ("NOT_COMBINABLE", 0),
        (None, 1_500),
    ]
    assert (found["discountMinor"], found["totalDiscountMinor"]) == (2_000, 2_490)


async def test_what_a_code_is_not_accepted_for(shop: Asking) -> None:
    await put(shop, "LATER", validFrom=FUTURE)
    await put(shop, "GONE", validFrom=PAST, validTo="2020-01-01T00:00:00Z")
    await put(shop, "RICH", minimums=[{"currency": "EUR", "amountMinor": 15_001}])
    await put(shop, "CLUB", customerGroups=["vip"])
    await put(shop, "DOLLAR", kind="FIXED", amounts=[{"currency": "USD", "amountMinor": 1}])
    await put(shop, "DESK", skus=["DESK"])
    await put(shop, "ONCE", usesPerCustomerMax=1)
    codes = ("LATER", "GONE", "RICH", "CLUB", "DOLLAR", "DESK", "ONCE")
    assert await reasons(shop, *codes) == [
        "NOT_YET_VALID",
        "EXPIRED",
        "MINIMUM_NOT_REACHED",
        "NOT_FOR_YOU",
        "WRONG_CURRENCY",
        "NOTHING_TO_DISCOUNT",
        "NOT_FOR_YOU",
    ]
    assert await reasons(shop, "CLUB", customerGroups=["new", "vip"]) == [None]
    assert await reasons(shop, "ONCE", by=signed_in(new_id())) == [None]
    found = await shop.data(DISCOUNTS, STOREFRONT, input=basket("RICH"))
    assert found["codes"][0]["minimumMinor"] == 15_001


async def test_what_is_unknown_inactive_or_another_stores_looks_alike(shop: Asking) -> None:
    await put(shop, "SECRET", active=False, validTo=PAST, usesMax=1, validFrom=None)
    await put(shop.elsewhere(), "THEIRS")
    answers = []
    for code in ("SECRET", "THEIRS", "NOSUCH", "x", "nul\x00", "\ud800abc", "%%%%", "ſECRET", "x" * 5_000):
        found = await shop.data(DISCOUNTS, STOREFRONT, input=basket(code))
        assert found["codes"][0].pop("code") == code
        answers.append(found)
    assert all(one == answers[0] for one in answers)
    assert answers[0]["codes"][0]["reason"] == "UNKNOWN_CODE"


async def test_customers_ask_for_themselves_only(shop: Asking) -> None:
    ada, bob = new_id(), new_id()
    await put(shop, "ONCE", usesPerCustomerMax=1)
    await shop.data(REDEEM, input={"code": "once", "key": "order-1", "customerId": ada})
    assert await reasons(shop, "ONCE", by=signed_in(ada)) == ["USED_UP"]
    assert await reasons(shop, "ONCE", by=signed_in(bob)) == [None]
    assert await reasons(shop, "ONCE", by=signed_in(bob), customerId=bob) == [None]
    assert await reasons(shop, "ONCE", by=MANAGEMENT, customerId=ada) == ["USED_UP"]
    for by in (signed_in(bob), STOREFRONT):
        error = await shop.error(DISCOUNTS, by, input=basket("ONCE", customerId=ada))
        assert error == ("INVALID_PROMOTION_INPUT", "customerId"), "or one could see what others use"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"codes": []}, "codes"),
        ({"codes": [f"CODE{n}" for n in range(11)]}, "codes"),
        ({"codes": ["SAME", "same"]}, "codes.1"),
        ({"currency": "€€€"}, "currency"),
        ({"lines": []}, "lines"),
        ({"lines": [{"key": str(n), "amountMinor": 1} for n in range(501)]}, "lines"),
        ({"lines": [{"key": "a", "amountMinor": -1}]}, "lines.0.amountMinor"),
        ({"lines": [{"key": "a", "amountMinor": 2_000_000_001}]}, "lines.0.amountMinor"),
        ({"lines": [{"key": n, "amountMinor": 2_000_000_000} for n in "ab"]}, "lines"),
        ({"lines": [{"key": "a", "amountMinor": 1}] * 2}, "lines.1.key"),
        ({"lines": [{"key": "\x00", "amountMinor": 1}]}, "lines.0.key"),
        ({"lines": [{"key": "a", "amountMinor": 1, "sku": ""}]}, "lines.0.sku"),
        ({"lines": [{"key": "a", "amountMinor": 1, "quantity": 0}]}, "lines.0.quantity"),
        ({"lines": [{"key": "a", "amountMinor": 1, "categoryPaths": ["x"] * 21}]}, "lines.0.categoryPaths"),
        ({"lines": [{"key": "a", "amountMinor": 1, "categoryPaths": ["/" * 20]}]}, "lines.0.categoryPaths"),
        ({"shippingMinor": -1}, "shippingMinor"),
        ({"customerGroups": ["x"] * 51}, "customerGroups"),
        ({"customerGroups": ["\x00"]}, "customerGroups"),
    ],
)
async def test_what_cannot_be_discounted_is_said(shop: Asking, change: dict[str, Any], field: str) -> None:
    error = await shop.error(DISCOUNTS, STOREFRONT, input=basket("CODE") | change)
    assert error == ("INVALID_PROMOTION_INPUT", field)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"code": "abc"}, "code"),
        ({"code": "x" * 41}, "code"),
        ({"code": "with space"}, "code"),
        ({"code": "ſECRET"}, "code"),
        ({"name": "\x00"}, "name"),
        ({"basisPoints": None}, "basisPoints"),
        ({"basisPoints": 0}, "basisPoints"),
        ({"basisPoints": 10_001}, "basisPoints"),
        ({"kind": "FREE_SHIPPING"}, "basisPoints"),
        ({"kind": "FIXED", "basisPoints": None}, "amounts"),
        ({"amounts": [{"currency": "EUR", "amountMinor": 1}]}, "amounts"),
        ({"kind": "FREE_SHIPPING", "basisPoints": None, "skus": ["A"]}, "skus"),
        ({"minimums": [{"currency": "eur", "amountMinor": 1}]}, "minimums.0.currency"),
        ({"minimums": [{"currency": "EUR", "amountMinor": -1}]}, "minimums.0.amountMinor"),
        ({"minimums": [{"currency": "EUR", "amountMinor": 1}] * 2}, "minimums.1.currency"),
        ({"skus": ["x"] * 1_001}, "skus"),
        ({"skus": ["\x00"]}, "skus.0"),
        ({"categoryPaths": ["x"] * 101}, "categoryPaths"),
        ({"customerGroups": [" "]}, "customerGroups.0"),
        ({"usesMax": 0}, "usesMax"),
        ({"usesPerCustomerMax": -1}, "usesPerCustomerMax"),
        ({"validFrom": FUTURE, "validTo": PAST}, "validTo"),
        ({"validFrom": "0001-01-01T00:00:00Z"}, "validFrom"),
        ({"validTo": "9999-12-31T23:59:59.999999Z"}, "validTo"),
    ],
)
async def test_a_bad_promotion_is_not_put(shop: Asking, change: dict[str, Any], field: str) -> None:
    given = {"code": "GOOD", "name": "Good", "kind": "PERCENT", "basisPoints": 1_000} | change
    code = "INVALID_PERIOD" if field.startswith("valid") else "INVALID_PROMOTION"
    assert await shop.error(PUT, input=given) == (code, field)
    assert await shop.data(PAGE) == []


async def test_what_is_put_again_stays_and_what_others_changed_is_refused(
    shop: Asking, promotions_database: Database
) -> None:
    whole = {
        "kind": "FIXED",
        "amounts": [{"currency": "EUR", "amountMinor": 500}, {"currency": "SEK", "amountMinor": 5_000}],
        "skus": ["A", "B"],
        "categoryPaths": ["furniture"],
        "minimums": [{"currency": "EUR", "amountMinor": 1_000}],
        "customerGroups": ["vip"],
        "validFrom": PAST,
        "validTo": FUTURE,
        "usesMax": 50,
        "usesPerCustomerMax": 2,
        "stackable": True,
    }
    made = await put(shop, "Winter", **whole, version=0)
    assert made == {
        "code": "Winter",
        "name": "Winter",
        "active": True,
        "basisPoints": None,
        "used": 0,
        "version": 1,
        **whole,
    }
    assert await put(shop, "Winter", **whole, version=0) == made, "a repeated request"
    await shop.data(REDEEM, input={"code": "winter", "key": "o1", "customerId": new_id()})
    renamed = await put(shop, "WINTER", **whole | {"usesMax": 1}, version=1)
    assert (renamed["code"], renamed["version"], renamed["used"]) == ("WINTER", 2, 1)
    for version in (0, 1):
        late = {"code": "winter", "name": "W", "kind": "FREE_SHIPPING", "version": version}
        assert await shop.code(PUT, input=late) == "PROMOTION_CHANGED"
    assert await shop.data(PAGE) == [{"code": "WINTER"}]
    told = [row[0] for row in await promotions_database.fetch(shop.environment_id, EVENTS)]
    assert told == ["PromotionChanged", "PromotionRedeemed", "PromotionChanged"]


async def test_fifty_uses_are_fifty_however_many_ask(shop: Asking) -> None:
    await put(shop, "RUSH", usesMax=50)
    asked = [shop.ask(REDEEM, input={"code": "RUSH", "key": f"order-{number}"}) for number in range(200)]
    results = await asyncio.gather(*asked)
    refused = [one.errors[0]["extensions"]["code"] for one in results if one.errors]
    assert refused == ["PROMOTION_USED_UP"] * 150
    assert await used(shop, "RUSH") == 50
    assert await reasons(shop, "RUSH") == ["USED_UP"]
    first = next(number for number, one in enumerate(results) if not one.errors)
    await asyncio.gather(*(shop.data(RELEASE, key=f"order-{first}") for _ in range(10)))
    assert await used(shop, "RUSH") == 49, "given back once"
    await shop.data(REDEEM, input={"code": "RUSH", "key": "late"})
    assert await shop.code(REDEEM, input={"code": "RUSH", "key": "later"}) == "PROMOTION_USED_UP"


async def test_a_customer_uses_a_code_so_many_times(shop: Asking) -> None:
    ada = new_id()
    await put(shop, "TWICE", usesPerCustomerMax=2)
    given = [{"code": "TWICE", "key": f"ada-{number}", "customerId": ada} for number in range(20)]
    results = await asyncio.gather(*(shop.ask(REDEEM, input=one) for one in given))
    assert sum(not one.errors for one in results) == 2
    assert await shop.code(REDEEM, input={"code": "TWICE", "key": "nobody"}) == "PROMOTION_NOT_REDEEMABLE"
    await shop.data(REDEEM, input={"code": "TWICE", "key": "bob", "customerId": new_id()})
    assert await used(shop, "TWICE") == 3


async def test_a_repeated_use_is_answered_alike(shop: Asking, promotions_database: Database) -> None:
    await put(shop, "ONCE", usesMax=1)
    await put(shop, "OTHER")
    given = {"code": "Once", "key": "order-1", "customerId": new_id()}
    answers = await asyncio.gather(*(shop.data(REDEEM, input=given) for _ in range(20)))
    assert all(one == answers[0] for one in answers)
    assert (answers[0]["code"], answers[0]["releasedAt"]) == ("ONCE", None)
    await put(shop, "ONCE", usesMax=1, active=False)
    assert await shop.data(REDEEM, input=given) == answers[0], "as it was answered then"
    assert await shop.data(REDEEMED, key="order-1") == answers[0]
    for change in ({"code": "OTHER"}, {"customerId": None}, {"customerId": new_id()}):
        assert await shop.code(REDEEM, input=given | change) == "REDEMPTION_DIFFERS"
    released = await asyncio.gather(*(shop.data(RELEASE, key="order-1") for _ in range(10)))
    assert all(one == released[0] for one in released)
    assert released[0]["releasedAt"] is not None
    assert await used(shop, "ONCE") == 0
    assert await shop.code(REDEEM, input=given) == "REDEMPTION_DIFFERS", "what was given back stays so"
    told = [row[0] for row in await promotions_database.fetch(shop.environment_id, EVENTS)]
    assert told.count("PromotionRedeemed") == told.count("PromotionReleased") == 1


async def test_one_key_is_one_use_also_of_two_codes_at_once(shop: Asking) -> None:
    codes = ["ALPHA", "BRAVO"]
    for code in codes:
        await put(shop, code)
    for number in range(10):
        asked = [shop.ask(REDEEM, input={"code": code, "key": f"o{number}"}) for code in codes]
        results = await asyncio.gather(*asked)
        assert sum(not one.errors for one in results) == 1
    assert await used(shop, "ALPHA") + await used(shop, "BRAVO") == 10


async def test_whatever_many_do_at_once_uses_are_what_was_redeemed_and_not_given_back(
    shop: Asking, promotions_database: Database
) -> None:
    random = Random(7)
    codes, customers = ["ALPHA", "BRAVO"], [new_id() for _ in range(3)]
    for code in codes:
        await put(shop, code, usesMax=9, usesPerCustomerMax=4)

    async def do_anything() -> None:
        for _ in range(25):
            key, code = f"o{random.randrange(40)}", random.choice(codes)
            match random.randrange(8):
                case 0 | 1 | 2 | 3:
                    given = {"code": code, "key": key, "customerId": random.choice(customers)}
                    result = await shop.ask(REDEEM, input=given)
                case 4 | 5 | 6:
                    result = await shop.ask(RELEASE, key=key)
                case _:
                    uses = {"usesMax": random.randrange(5, 10), "usesPerCustomerMax": 4}
                    given = {"code": code, "name": code, "kind": "FREE_SHIPPING", **uses}
                    result = await shop.ask(PUT, input=given)
            codes_seen.update(one["extensions"]["code"] for one in result.errors or ())

    codes_seen: set[str] = set()
    await asyncio.gather(*(do_anything() for _ in range(8)))
    rows = await promotions_database.fetch(shop.environment_id, COUNTED)
    assert {row["code"] for row in rows} == set(codes)
    for row in rows:
        assert row["used"] == row["counted"] <= 9
        assert row["by_one_customer"] <= 4
    assert codes_seen <= {"PROMOTION_USED_UP", "REDEMPTION_DIFFERS", "REDEMPTION_NOT_FOUND"}


async def test_what_cannot_be_used_is_said(shop: Asking) -> None:
    await put(shop, "LATER", validFrom=FUTURE)
    await put(shop, "GONE", validTo="2020-01-01T00:00:00Z")
    await put(shop, "OFF0", active=False)
    for code in ("LATER", "GONE", "OFF0"):
        assert await shop.code(REDEEM, input={"code": code, "key": "k"}) == "PROMOTION_NOT_REDEEMABLE"
    for code in ("NOSUCH", "\x00", "x" * 5_000):
        assert await shop.code(REDEEM, input={"code": code, "key": "k"}) == "PROMOTION_NOT_FOUND"
        assert await shop.code(DELETE, code=code, version=1) == "PROMOTION_NOT_FOUND"
        assert await shop.data(FOUND, code=code) is None
    for key in ("", "\x00", "x" * 201):
        assert await shop.error(REDEEM, input={"code": "GONE", "key": key}) == ("INVALID_REDEMPTION", "key")
        assert await shop.code(RELEASE, key=key) == "INVALID_REDEMPTION"
        assert await shop.code(REDEEMED, key=key) == "INVALID_REDEMPTION"
    assert await shop.code(RELEASE, key="never") == "REDEMPTION_NOT_FOUND"
    assert await shop.code(REDEEM, input={"code": "GONE", "key": "k", "customerId": "x"}) == "INVALID_ID"


async def test_what_was_used_stays(shop: Asking) -> None:
    await put(shop, "USED")
    await put(shop, "FRESH")
    await shop.data(REDEEM, input={"code": "USED", "key": "k"})
    await shop.data(RELEASE, key="k")
    assert await shop.code(DELETE, code="used", version=1) == "PROMOTION_IN_USE"
    assert await shop.code(DELETE, code="fresh", version=2) == "PROMOTION_CHANGED"
    assert await shop.data(DELETE, code="fresh", version=1) == "fresh"
    assert await shop.data(PAGE) == [{"code": "USED"}]


async def test_pages_have_bounds(shop: Asking) -> None:
    for code in ("bbbb", "AAAA", "cccc"):
        await put(shop, code)
    assert await shop.data(PAGE, limit=2) == [{"code": "AAAA"}, {"code": "bbbb"}]
    assert await shop.data(PAGE, after="bbbb") == [{"code": "cccc"}]
    for given in ({"limit": 0}, {"limit": 101}, {"after": "\x00"}):
        assert await shop.code(PAGE, **given) == "INVALID_PROMOTION_PAGE"


async def test_another_environment_has_codes_and_keys_of_its_own(shop: Asking) -> None:
    await put(shop, "MINE", usesMax=1)
    await shop.data(REDEEM, input={"code": "MINE", "key": "k"})
    other = shop.elsewhere()
    assert await other.data(FOUND, code="MINE") is None
    assert await other.data(REDEEMED, key="k") is None
    assert await other.code(RELEASE, key="k") == "REDEMPTION_NOT_FOUND"
    assert await other.code(REDEEM, input={"code": "MINE", "key": "k"}) == "PROMOTION_NOT_FOUND"
    await put(other, "MINE", basisPoints=5_000)
    assert (await other.data(REDEEM, input={"code": "MINE", "key": "k"}))["key"] == "k"
    assert (await other.data(DISCOUNTS, STOREFRONT, input=basket("MINE")))["discountMinor"] == 7_500
    assert await used(shop, "MINE") == 1


@pytest.mark.parametrize(
    "document",
    [
        '{ promotion(code: "MINE") { name } }',
        "{ promotions { code } }",
        '{ promotionRedemption(key: "k") { code } }',
        'mutation { putPromotion(input: {code: "MINE", name: "N", kind: FREE_SHIPPING}) { code } }',
        'mutation { deletePromotion(code: "MINE", version: 1) }',
        'mutation { redeemPromotion(input: {code: "MINE", key: "k"}) { key } }',
        'mutation { releasePromotion(key: "k") { key } }',
    ],
)
async def test_a_storefront_may_only_try_codes(shop: Asking, document: str) -> None:
    assert await shop.code(document, STOREFRONT) == "FORBIDDEN"
    assert await shop.code(document, signed_in(new_id())) == "FORBIDDEN"
