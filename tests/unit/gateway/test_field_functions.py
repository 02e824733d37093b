"""Field functions: what a function is told, and what of its answers becomes part of the graph."""

import msgspec
import orjson
import pytest
from extension_fakes import Answer, Shop, all_policies
from gateway_fakes import make_call

from kokoa.kernel.call import Caller

LISTING = "{ products(limit: 3) { id points } }"


def codes(result: object) -> list[str]:
    return [one["extensions"]["code"] for one in result.errors]  # type: ignore[attr-defined]


async def test_a_field_of_a_level_is_one_event() -> None:
    shop = Shop(lambda event: [int(one["id"]) * 2 for one in event["parents"]])
    call = msgspec.structs.replace(make_call(), caller=Caller("storefront", "customer-7"))
    result = await shop.ask(LISTING, call)
    assert result.data == {"products": [{"id": str(one), "points": one * 2} for one in (1, 2, 3)]}
    (event,) = shop.functions.events
    remaining = event["context"].pop("remainingMs")
    assert 0 < remaining <= 20_000
    assert event == {
        "field": "Product.points",
        "arguments": {},
        "parents": [{"__typename": "Product", "id": str(one)} for one in (1, 2, 3)],
        "context": {
            "correlationId": call.correlation_id,
            "caller": {"kind": "storefront", "customer": "customer-7"},
            "environment": "boeing/prod",
        },
    }


async def test_arguments_come_in_the_spelling_of_the_schema_and_root_fields_have_one_empty_parent() -> None:
    shop = Shop(lambda event: [f"Hello {event['arguments']['toWhom']}"])
    result = await shop.ask("query($who: String!) { greeting(toWhom: $who) }", who="Ada")
    assert result.data == {"greeting": "Hello Ada"}
    (event,) = shop.functions.events
    assert (event["field"], event["parents"]) == ("Query.greeting", [{}])


async def test_whole_objects_are_read_by_the_names_of_the_schema() -> None:
    label = {"longText": "long", "parts": [{"textValue": "x", "kind": "BIG"}, {"kind": "SMALL"}], "more": 1}
    shop = Shop(lambda event: [label, None])
    result = await shop.ask("{ products(limit: 2) { label { longText parts { textValue kind } } } }")
    assert result.errors == ()
    assert result.data == {
        "products": [
            {
                "label": {
                    "longText": "long",
                    "parts": [{"textValue": "x", "kind": "BIG"}, {"textValue": None, "kind": "SMALL"}],
                }
            },
            {"label": None},
        ]
    }


async def test_snake_case_is_not_what_the_schema_says() -> None:
    shop = Shop(lambda event: [{"long_text": "x", "parts": []}])
    result = await shop.ask("{ products(limit: 1) { label { longText } } }")
    assert codes(result) == ["EXTENSION_ANSWER_INVALID"]


async def test_objects_that_a_function_returned_are_asked_on_by_their_keys() -> None:
    def function(event: dict[str, object]) -> list[object]:
        if event["field"] == "Query.recommended":
            return [[{"id": "4", "secret": 1}, {"id": "5", "points": 50}]]
        return [int(one["id"]) for one in event["parents"]]  # type: ignore[attr-defined]

    shop = Shop(function)
    result = await shop.ask("{ recommended { id name points } }")
    assert result.data == {
        "recommended": [
            {"id": "4", "name": "product 4", "points": 4},
            {"id": "5", "name": "product 5", "points": 50},  # it was there already
        ]
    }
    assert [one["parents"] for one in shop.functions.events] == [[{}], [{"__typename": "Product", "id": "4"}]]


async def test_one_object_may_fail_alone() -> None:
    failing = {"errorMessage": "no such customer", "errorType": "NoCustomer"}
    shop = Shop(lambda event: [{"longText": "a", "parts": []}, failing])
    result = await shop.ask("{ products(limit: 2) { id label { longText } } }")
    assert result.data == {"products": [{"id": "1", "label": {"longText": "a"}}, {"id": "2", "label": None}]}
    (error,) = result.errors
    assert error["message"] == "no such customer"
    assert error["path"] == ["products", 1, "label"]
    assert error["extensions"] == {"code": "FIELD_FUNCTION_ERROR", "subgraph": "prices"}


@pytest.mark.parametrize(
    ("answer", "code", "why"),
    [
        ([1], "EXTENSION_ANSWER_INVALID", "1 items for 2 parents"),
        ({"points": 1}, "EXTENSION_ANSWER_INVALID", "must be a list"),
        (b"<html>", "EXTENSION_ANSWER_INVALID", "not JSON"),
        (b"[" + b" " * (6 * 1024 * 1024) + b"]", "EXTENSION_ANSWER_INVALID", "6291458 bytes"),
        (
            Answer(orjson.dumps({"errorType": "KeyError", "errorMessage": "x"}), "Unhandled"),
            "EXTENSION_FAILED",
            "KeyError: x",
        ),
        (Answer(b"not json", "Unhandled"), "EXTENSION_FAILED", ""),
        (Answer(orjson.dumps({"errorType": "Sandbox.Timedout"}), "Unhandled"), "DEADLINE_EXCEEDED", ""),
    ],
)
async def test_a_wrong_answer_is_one_error_for_all(answer: object, code: str, why: str) -> None:
    shop = Shop(lambda _: answer)
    call = msgspec.structs.replace(make_call(), caller=Caller("account", shop.extension.account_id))
    result = await shop.ask("{ products(limit: 2) { id points } }", call)
    assert result.data is None  # points must not be null
    assert set(codes(result)) == {code}
    assert why in str(result.errors[0]["extensions"].get("details"))
    other = msgspec.structs.replace(make_call(), caller=Caller("account", "999999999999"))
    told = (await shop.ask("{ products(limit: 2) { id points } }", other)).errors[0]
    assert set(told["extensions"]) == {"code", "subgraph"}
    assert not why or why not in told["message"]


@pytest.mark.parametrize("value", ["x", {}, [1], 1.5, {"a": 1}, 2**40])
async def test_values_are_checked_by_the_schema(value: object) -> None:
    shop = Shop(lambda event: [value] * len(event["parents"]))
    result = await shop.ask("{ products(limit: 1) { stock } }")
    assert result.data == {"products": [{"stock": 1}]}  # the native one
    assert shop.reports.counts() == {("Product.stock", "invalid"): 1}
    strict = Shop(lambda event: [value] * len(event["parents"]), policies=all_policies(fallback=False))
    refused = await strict.ask("{ products(limit: 1) { stock } }")
    assert refused.data == {"products": [{"stock": None}]}
    assert codes(refused) == ["EXTENSION_ANSWER_INVALID"]


async def test_an_event_that_no_function_takes_is_refused_before_it_is_sent() -> None:
    shop = Shop()
    result = await shop.ask("query($w: String!) { greeting(toWhom: $w) }", w="x" * (6 * 1024 * 1024))
    assert codes(result) == ["EXTENSION_EVENT_TOO_LARGE"]
    assert shop.functions.events == []


async def test_mutations_run_one_after_the_other_and_only_once() -> None:
    shop = Shop(lambda event: [{"newBalance": event["arguments"]["points"]}])
    result = await shop.ask("mutation { a: redeem(points: 1) { newBalance } b: redeem(points: 2) { newBalance } }")
    assert result.data == {"a": {"newBalance": 1}, "b": {"newBalance": 2}}
    assert [one["arguments"] for one in shop.functions.events] == [{"points": 1}, {"points": 2}]
    assert shop.functions.running_max == 1


async def test_what_a_field_requires_is_told_to_the_function() -> None:
    sdl = """
    type Product @key(fields: "id") { id: ID!  stock: Int @external  scarce: Boolean @requires(fields: "stock") }
    """
    shop = Shop(lambda event: [one["stock"] < 2 for one in event["parents"]], sdl=sdl)
    result = await shop.ask("{ products(limit: 2) { scarce } }")
    assert result.data == {"products": [{"scarce": True}, {"scarce": False}]}
    assert shop.functions.events[0]["parents"][0] == {"__typename": "Product", "id": "1", "stock": 1}
