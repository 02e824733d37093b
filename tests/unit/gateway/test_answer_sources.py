"""Who answered what partners have taken over is told to services that ask, object by object, and to nobody else."""

from typing import Any

from extension_fakes import Shop, all_policies
from test_extension_policies import failing, halved

from kokoa.kernel.overrides import AnswerSource, merged_answers, source_of

LISTING = "{ products(limit: 3) { id price { amount } stock } }"


def second_fails(event: dict[str, Any]) -> list[Any]:
    values = halved(event)
    if event["field"] == "Product.price":
        values[1] = {"errorMessage": "no price"}
    return values


async def test_each_object_has_who_answered_for_it() -> None:
    result = await Shop(second_fails).ask(LISTING)
    assert result.answered == {
        "Product.price": {"1": "prices", "2": "catalog", "3": "prices"},
        "Product.stock": {"1": "prices", "2": "prices", "3": "prices"},
    }
    assert set(result.response()) == {"data"}, "clients are not told"


async def test_what_nobody_answered_has_nobody() -> None:
    shop = Shop(failing, policies=all_policies(fallback=False))
    assert (await shop.ask(LISTING)).answered is None


async def test_what_nobody_has_taken_over_is_not_told() -> None:
    assert (await Shop(halved).ask("{ products { id name } }")).answered is None


async def test_in_shadow_the_store_answers_as_it_always_did() -> None:
    shadowed = await Shop(halved, policies=all_policies(shadow=True)).ask(LISTING)
    assert shadowed.answered is None


def test_a_fallback_is_the_stores_own_answer_where_a_partners_was_due() -> None:
    answered = {"Query.taxes": {"": "acme"}, "Variant.price": {"1": "catalog"}}
    assert source_of(answered, "Query.taxes", "taxes") == AnswerSource("acme")
    assert source_of(answered, "Variant.price", "catalog", "1") == AnswerSource("catalog", fallback=True)
    assert source_of(answered, "Variant.price", "catalog", "2") == AnswerSource("catalog")
    assert source_of({}, "Query.taxes", "taxes") == AnswerSource("taxes")


def test_answers_of_several_fetches_are_told_together() -> None:
    more = {"Variant.price": {"2": "catalog"}, "Query.taxes": {"": "acme"}}
    found = merged_answers({"Variant.price": {"1": "acme"}}, None, more)
    assert found == {"Variant.price": {"1": "acme", "2": "catalog"}, "Query.taxes": {"": "acme"}}
    assert merged_answers(None, {}) is None
