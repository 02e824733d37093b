"""A request for a new cart that comes twice with its idempotency key, which is as secret as the cart's token."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from contract.cart_shop import CREATE, EMAIL, FREEZE, MERCHANT, MERGE, ORDERED, SHOPPER, CartShop, CartStage, customer
from kokoa.kernel.ids import new_id
from kokoa.services.carts.opening.model import opening_of

CHANNEL = 'mutation { createChannel(input: {key: "shop", name: "Shop", currency: "EUR"}) { id } }'


@pytest.fixture
def shop(cart_stage: CartStage) -> CartShop:
    return CartShop(cart_stage)


def asked(**more: Any) -> dict[str, Any]:
    """A request with a key of its own."""
    return {"currency": "EUR", "email": "ada@example.com", "locale": "fi", "idempotencyKey": new_id(), **more}


async def answers_are_forgotten(shop: CartShop) -> None:
    assert await shop.stage.carts.store.forget_answers(datetime.now(UTC) + timedelta(days=1)) > 0


async def test_the_same_request_is_answered_with_the_cart_as_it_is_now_and_its_token(shop: CartShop) -> None:
    await shop.product("a")
    given = asked()
    made = await shop.data(CREATE, input=given)
    assert len(made["cartToken"]) == 43
    assert await shop.data(CREATE, input=given) == made
    filled = await shop.add({"token": made["cartToken"]}, a=2)
    assert await shop.data(CREATE, input=given) == {"cart": filled, "cartToken": made["cartToken"]}
    await shop.data(FREEZE, MERCHANT, id=filled["id"], key="k")
    await shop.data(ORDERED, MERCHANT, id=filled["id"], key="k", order="o-1")
    assert (await shop.data(CREATE, input=given))["cart"]["state"] == "ORDERED"
    assert [kind for kind, _ in await shop.sent()].count("CartCreated") == 1


@pytest.mark.parametrize("who", [SHOPPER, customer()], ids=["anonymous", "customer"])
async def test_many_equal_requests_at_once_make_one_cart(shop: CartShop, who: Any) -> None:
    given = asked()
    made = await asyncio.gather(*(shop.data(CREATE, who, input=given) for _ in range(50)))
    assert made == [made[0]] * 50
    assert [kind for kind, _ in await shop.sent()] == ["CartCreated"]


@pytest.mark.parametrize("who", [SHOPPER, customer()], ids=["anonymous", "customer"])
@pytest.mark.parametrize(
    "other", [{"currency": "USD"}, {"locale": "en"}, {"locale": None}, {"email": None}, {"channel": "shop"}]
)
async def test_another_request_with_the_key_is_refused(shop: CartShop, who: Any, other: dict[str, Any]) -> None:
    await shop.data(CHANNEL, MERCHANT)
    given = asked()
    await shop.data(CREATE, who, input=given)
    assert await shop.code(CREATE, who, input=given | other) == "IDEMPOTENCY_KEY_REUSED"
    assert len(await shop.sent()) == 1


@pytest.mark.parametrize("key", ["", "k", "k" * 31, "k" * 201, "ä" * 32, "k" * 32 + "\n"])
async def test_a_key_that_could_be_guessed_is_refused(shop: CartShop, key: str) -> None:
    for who in (SHOPPER, customer()):
        refused = await shop.ask(CREATE, who, input=asked(idempotencyKey=key))
        (error,) = refused.errors
        assert error["extensions"]["code"] == "INVALID_IDEMPOTENCY_KEY"
        assert error["extensions"]["field"] == "idempotencyKey"
    if key == "k":
        assert "whoever knows it has the cart" in error["message"]
        assert "fresh UUID" in error["message"]
    assert await shop.sent() == []


async def test_a_request_that_fails_leaves_its_key_free(shop: CartShop) -> None:
    given = asked(channel="shop")
    assert await shop.code(CREATE, input=given) == "INVALID_CART"
    await shop.data(CHANNEL, MERCHANT)
    assert (await shop.data(CREATE, input=given))["cart"]["version"] == 1
    ada = customer()
    mine = await shop.cart(ada)
    dollars = asked(currency="USD")
    assert await shop.code(CREATE, ada, input=dollars) == "CART_CURRENCY_DIFFERS"
    same = {"currency": "EUR", "idempotencyKey": dollars["idempotencyKey"]}
    assert (await shop.data(CREATE, ada, input=same))["cart"]["id"] == mine["id"]


async def test_a_key_is_good_in_its_environment_alone(shop: CartShop, cart_stage: CartStage) -> None:
    given, elsewhere = asked(), CartShop(cart_stage)
    made, other = await shop.data(CREATE, input=given), await elsewhere.data(CREATE, input=given)
    assert other["cart"]["id"] != made["cart"]["id"]
    assert other["cartToken"] != made["cartToken"]
    assert await elsewhere.read({"id": made["cart"]["id"], "token": made["cartToken"]}) is None


async def test_a_key_does_not_open_what_another_caller_has(shop: CartShop) -> None:
    given, ada, bob = asked(), customer(), customer()
    hers = await shop.data(CREATE, ada, input=given)
    assert hers["cartToken"] is None
    assert await shop.data(CREATE, ada, input=given) == hers
    his, anonymous = await shop.data(CREATE, bob, input=given), await shop.data(CREATE, input=given)
    assert len({one["cart"]["id"] for one in (hers, his, anonymous)}) == 3
    by_name = given | {"customerId": ada.subject}
    assert await shop.data(CREATE, MERCHANT, input=by_name) == hers, "whose cart it is counts, not who asks"


@pytest.mark.parametrize("forgotten", [False, True], ids=["remembered", "forgotten"])
async def test_a_cart_that_became_a_customers_is_not_shown_to_who_has_the_key(
    shop: CartShop, forgotten: bool
) -> None:
    given, ada = asked(), customer()
    made = await shop.data(CREATE, input=given)
    await shop.data(MERGE, ada, token=made["cartToken"])
    if forgotten:
        await answers_are_forgotten(shop)
    for who in (SHOPPER, MERCHANT):
        assert await shop.code(CREATE, who, input=given) == "CART_NOT_FOUND"
    assert (await shop.data(CREATE, ada, input=given))["cart"]["id"] == made["cart"]["id"], "signed in, it is theirs"


async def test_a_customers_old_request_makes_them_no_other_cart(shop: CartShop) -> None:
    given, ada = asked(), customer()
    made = (await shop.data(CREATE, ada, input=given))["cart"]
    await shop.data(FREEZE, MERCHANT, id=made["id"], key="k")
    await shop.data(ORDERED, MERCHANT, id=made["id"], key="k", order="o-1")
    again = (await shop.data(CREATE, ada, input=given))["cart"]
    assert (again["id"], again["state"]) == (made["id"], "ORDERED")
    assert (await shop.cart(ada))["id"] != made["id"]


async def test_a_cart_is_known_by_its_key_when_its_answer_is_forgotten(shop: CartShop) -> None:
    given = asked()
    made = await shop.data(CREATE, input=given)
    await shop.data(EMAIL, input={"cartToken": made["cartToken"], "email": "bob@example.com"})
    await answers_are_forgotten(shop)
    again = await shop.data(CREATE, input=given)
    assert (again["cart"]["id"], again["cart"]["email"]) == (made["cart"]["id"], "bob@example.com")
    assert again["cartToken"] == made["cartToken"]
    assert await shop.code(CREATE, input=given | {"currency": "USD"}) == "IDEMPOTENCY_KEY_REUSED"
    assert len(await shop.sent()) == 2


async def test_an_answer_may_outlive_its_cart(shop: CartShop) -> None:
    given = asked()
    made = (await shop.data(CREATE, input=given))["cart"]
    await shop.later(made, expires_at="now() - interval '1 hour'")
    assert (await shop.data(CREATE, input=given))["cart"]["state"] == "EXPIRED"
    await shop.stage.database.execute(
        shop.environment_id, "DELETE FROM carts WHERE environment_id = $1 AND id = $2", made["id"]
    )
    assert await shop.code(CREATE, input=given) == "CART_NOT_FOUND"
    await answers_are_forgotten(shop)
    assert (await shop.data(CREATE, input=given))["cart"]["id"] != made["id"]


async def test_nothing_that_is_kept_opens_a_cart(shop: CartShop) -> None:
    """Whoever reads the database has neither the token nor the key that makes it."""
    given, ada = asked(), customer()
    made = await shop.data(CREATE, input=given)
    await shop.data(CREATE, ada, input=given)
    said = ""
    for table in ("carts", "answered", "outbox"):
        statement = f"SELECT string_agg({table}::text, ' ') FROM {table} WHERE environment_id = $1"
        said += await shop.stage.database.fetchval(shop.environment_id, statement)
    for secret in (made["cartToken"], given["idempotencyKey"]):
        assert secret not in said
        assert secret.encode().hex() not in said
    assert opening_of(shop.environment_id, given["idempotencyKey"]).token == made["cartToken"]


@pytest.mark.parametrize("key", [{}, {"idempotencyKey": new_id()}], ids=["no key", "a key"])
async def test_a_new_cart_is_one_statement(shop: CartShop, key: dict[str, str]) -> None:
    await shop.cart()  # pins the connection that is taken next, too
    statements: list[str] = []

    def note(record: Any) -> None:
        statements.append(record.query)

    connection: asyncpg.Connection
    async with shop.stage.database._connection(shop.environment_id) as connection:
        connection.add_query_logger(note)
    try:
        await shop.data(CREATE, input={"currency": "EUR", **key})
    finally:
        connection.remove_query_logger(note)
    (statement,) = statements
    assert "INSERT INTO carts" in statement
