"""Progressive overrides: the right share of customers, and always the same ones."""

from kokoa.gateway.rollout import labels_on
from kokoa.kernel.call import Call, Caller
from kokoa.kernel.clock import now_ms
from kokoa.kernel.ids import new_correlation_id


def call_of(customer: str) -> Call:
    return Call("environment", Caller("storefront", customer), new_correlation_id(), now_ms() + 1_000)


def test_the_share_is_right_and_sticky() -> None:
    customers = [f"customer-{number}" for number in range(4_000)]
    on = [one for one in customers if labels_on(["percent(10)"], call_of(one))]
    assert 320 < len(on) < 480
    assert on == [one for one in customers if labels_on(["percent(10)"], call_of(one))]


def test_labels_are_decided_apart() -> None:
    both = [labels_on(["percent(50)", "percent(50.0)"], call_of(f"c{number}")) for number in range(200)]
    assert {len(one) for one in both} == {0, 1, 2}


def test_nobody_everybody_and_what_no_one_can_decide() -> None:
    assert labels_on(["percent(0)", "my-flag", "percent(x)"], call_of("a")) == frozenset()
    assert labels_on(["percent(100)"], call_of("")) == {"percent(100)"}


def test_what_a_function_asks_during_a_shoppers_request_falls_as_the_shopper() -> None:
    visitors = [f"visitor-{number}" for number in range(200)]
    shoppers = [Call("environment", Caller("storefront"), "c" * 32, 0, session=one) for one in visitors]
    functions = [Call("environment", Caller("account", "123456789012"), "c" * 32, 0, session=one) for one in visitors]
    fell = [labels_on(["percent(50)"], one) for one in shoppers]
    assert [labels_on(["percent(50)"], one) for one in functions] == fell
    assert {len(one) for one in fell} == {0, 1}


def test_each_environment_divides_its_customers_by_itself() -> None:
    calls = [Call(name, Caller("storefront"), "c" * 32, 0, session="one") for name in map(str, range(200))]
    assert {len(labels_on(["percent(50)"], one)) for one in calls} == {0, 1}
