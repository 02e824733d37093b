"""What an ERP's statuses mean: orders are shipped, delivered and cancelled by them, once, whatever crashes."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from contract.cart_shop import MERCHANT, SHOPPER, customer
from contract.dying import Died, die_at
from contract.order_shop import OrderStage, open_order_stage
from contract.test_catalog_statements import counting
from contract.test_order_following import REFER
from contract.test_order_fulfilments import CANCEL, DELIVER, LEAVING, SHIP, TAKE, Desk
from kokoa.kernel.ids import new_id
from kokoa.messaging import EmbeddedNats
from kokoa.services.catalog.media.objects import MediaObjects
from kokoa.services.orders.following.acting import Acting
from kokoa.services.orders.following.model import ATTEMPTS_MAX, RULES_MAX
from kokoa.services.orders.following.store import FollowingStore
from kokoa.services.orders.fulfilling import actions
from kokoa.services.orders.fulfilling.actions import ChangeActions

_MAPPING = "version rules { status displayStatus action reason }"
MAPPING = f"{{ orderStatusMapping {{ {_MAPPING} }} }}"
MEAN = f"""mutation($version: Int!, $rules: [OrderStatusRuleInput!]!) {{
  setOrderStatusMapping(input: {{version: $version, rules: $rules}}) {{ {_MAPPING} }} }}"""
_SHOWN = """id state version displayStatus
  externalStatus { status action { action state refusal { code field } } }
  fulfillments { id state } lines { sku fulfilledQuantity cancelledQuantity }"""
SAY = f"""mutation($id: ID, $of: String, $status: String!) {{
  setOrderExternalStatus(id: $id, externalReference: $of, status: $status) {{ {_SHOWN} }} }}"""
SEEN = f"query($id: ID!) {{ order(id: $id) {{ {_SHOWN} }} }}"
HISTORY = "query($id: ID!) { order(id: $id) { history { kind note actor } } }"
MINE = "query($id: ID!) { order(id: $id) { displayStatus } }"
PAGE = "{ orders { id externalStatus { status action { state } } } }"

RULES = (
    {"status": "20", "displayStatus": "Being packed"},
    {"status": "30", "action": "FULFILL"},
    {"status": "40", "displayStatus": "On its way", "action": "SHIP"},
    {"status": "50", "action": "DELIVER"},
    {"status": "90", "displayStatus": "Cancelled", "action": "CANCEL", "reason": "The ERP says so"},
)


class ErpDesk(Desk):
    """Where an ERP says what happens."""

    async def mean(self, *rules: Mapping[str, Any], version: int = 0) -> Any:
        return await self.data(MEAN, MERCHANT, version=version, rules=rules)

    async def say(self, order: Any, status: str) -> Any:
        return await self.data(SAY, MERCHANT, id=order["id"], status=status)

    async def seen(self, order: Any) -> Any:
        return await self.data(SEEN, MERCHANT, id=order["id"])

    async def refused(self, order: Any) -> list[str]:
        """What the history says of it."""
        history = (await self.data(HISTORY, MERCHANT, id=order["id"]))["history"]
        return [one["note"] for one in history if one["kind"] == "EXTERNAL_ACTION_REFUSED"]

    async def sweep_actions(self) -> int:
        """All that waits is due, and gone on with once."""
        statement = """UPDATE status_actions SET due_at = now() - interval '1 s'
                        WHERE environment_id = $1 AND due_at IS NOT NULL"""
        await self.stage.databases["orders"].execute(self.environment_id, statement)
        return await self.stage.orders.acting.sweep()


@pytest.fixture(scope="module")
async def stage(postgres: str, nats_server: EmbeddedNats, media_objects: MediaObjects) -> AsyncIterator[OrderStage]:
    async with open_order_stage(postgres, nats_server.url, media_objects) as stage:
        yield stage


@pytest.fixture
async def shop(stage: OrderStage) -> ErpDesk:
    """With ten lamps at 9.99 euros, and an ERP whose statuses mean something."""
    shop = ErpDesk(stage)
    await shop.open()
    await shop.product("lamp", price=999)
    await shop.stock("lamp", 10)
    await shop.mean(*RULES)
    return shop


def done_of(order: Any) -> tuple[str, str, str | None]:
    """What became of the action of an order's status: which, its state, why not."""
    action = order["externalStatus"]["action"]
    return action["action"], action["state"], action["refusal"] and action["refusal"]["code"]


# the mapping


async def test_a_mapping_is_kept_by_version_and_told(stage: OrderStage) -> None:
    shop = ErpDesk(stage)
    assert await shop.data(MAPPING, MERCHANT) == {"version": 0, "rules": []}
    kept = await shop.mean(*RULES)
    full = {"displayStatus": None, "action": None, "reason": None}
    assert kept == {"version": 1, "rules": [{**full, **rule} for rule in RULES]}
    assert await shop.data(MAPPING, MERCHANT) == kept
    assert await shop.mean(*RULES) == kept, "the same again, as a script would"
    assert await shop.code(MEAN, MERCHANT, version=0, rules=RULES[:1]) == "ORDER_STATUS_MAPPING_CHANGED"
    assert await shop.code(MEAN, MERCHANT, version=2, rules=RULES[:1]) == "ORDER_STATUS_MAPPING_CHANGED"
    assert (await shop.mean(version=1)) == {"version": 2, "rules": []}
    assert await shop.order_events() == ["OrderStatusMappingSet"] * 2


async def test_of_many_who_replace_a_mapping_at_once_one_does(stage: OrderStage) -> None:
    shop = ErpDesk(stage)
    for version in (0, 1):
        wanted = [[{"status": f"{version}-{n}", "action": "SHIP"}] for n in range(8)]
        answers = await asyncio.gather(*(shop.ask(MEAN, MERCHANT, version=version, rules=rules) for rules in wanted))
        codes = [one.errors[0]["extensions"]["code"] for one in answers if one.errors]
        assert codes == ["ORDER_STATUS_MAPPING_CHANGED"] * 7
        assert (await shop.data(MAPPING, MERCHANT))["version"] == version + 1


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ([{"status": "", "action": "SHIP"}], "rules.0.status"),
        ([{"status": " 40", "action": "SHIP"}], "rules.0.status"),
        ([{"status": "4\0", "action": "SHIP"}], "rules.0.status"),
        ([{"status": "4" * 65, "action": "SHIP"}], "rules.0.status"),
        ([{"status": "40", "action": "SHIP"}, {"status": "40", "displayStatus": "x"}], "rules.1.status"),
        ([{"status": "40"}], "rules.0"),
        ([{"status": "40", "displayStatus": ""}], "rules.0.displayStatus"),
        ([{"status": "40", "displayStatus": "x" * 101}], "rules.0.displayStatus"),
        ([{"status": "40", "action": "SHIP", "reason": "why"}], "rules.0.reason"),
        ([{"status": "90", "action": "CANCEL", "reason": "x" * 501}], "rules.0.reason"),
        ([{"status": str(n), "action": "SHIP"} for n in range(RULES_MAX + 1)], "rules"),
    ],
)
async def test_a_mapping_that_is_none_is_refused_with_its_field(shop: ErpDesk, rules: Any, field: str) -> None:
    before = await shop.data(MAPPING, MERCHANT)
    assert await shop.refusal(MEAN, MERCHANT, version=1, rules=rules) == ("INVALID_ORDER_STATUS_MAPPING", field)
    assert await shop.data(MAPPING, MERCHANT) == before


async def test_a_mapping_may_be_long_and_is_exact(shop: ErpDesk) -> None:
    most = [{"status": f"Stufe {n}", "displayStatus": f"Step {n}"} for n in range(RULES_MAX)]
    assert len((await shop.mean(*most, version=1))["rules"]) == RULES_MAX
    order = await shop.placed(lamp=1)
    assert (await shop.say(order, "stufe 7"))["displayStatus"] is None
    assert (await shop.say(order, "Stufe 7"))["displayStatus"] == "Step 7"


async def test_nobody_else_sees_a_mapping_or_is_moved_by_it(shop: ErpDesk, stage: OrderStage) -> None:
    elsewhere = ErpDesk(stage)
    assert await elsewhere.data(MAPPING, MERCHANT) == {"version": 0, "rules": []}
    await elsewhere.open()
    await elsewhere.product("lamp", price=999)
    theirs = await elsewhere.placed(lamp=1)
    said = await elsewhere.say(theirs, "90")
    assert (said["state"], said["displayStatus"], said["externalStatus"]["action"]) == ("CONFIRMED", None, None)
    assert await elsewhere.code(SAY, MERCHANT, id=(await shop.placed(lamp=1))["id"], status="90") == "ORDER_NOT_FOUND"
    for caller in (SHOPPER, customer()):
        assert (await shop.ask(MAPPING, caller)).errors
        assert (await shop.ask(MEAN, caller, version=1, rules=[])).errors
    assert (await shop.data(MAPPING, MERCHANT))["version"] == 1


# what is shown


async def test_customers_see_what_a_status_means_and_not_the_status(shop: ErpDesk) -> None:
    who = customer()
    order = await shop.placed(who, lamp=1)
    said = await shop.say(order, "20")
    assert (said["state"], said["displayStatus"], said["externalStatus"]["action"]) == (
        "CONFIRMED",
        "Being packed",
        None,
    )
    assert await shop.data(MINE, who, id=order["id"]) == {"displayStatus": "Being packed"}
    assert (
        await shop.ask("query($id: ID!) { order(id: $id) { externalStatus { status } } }", who, id=order["id"])
    ).errors
    await shop.mean({"status": "20", "displayStatus": "Otherwise"}, version=1)
    assert await shop.data(MINE, who, id=order["id"]) == {"displayStatus": "Being packed"}, "what was said stays"
    assert (await shop.say(order, "25"))["displayStatus"] is None


# what is done


async def test_an_erp_ships_and_delivers_all_of_an_order_by_saying_so(shop: ErpDesk) -> None:
    order = await shop.placed(lamp=3)
    await shop.data(REFER, MERCHANT, id=order["id"], to="SO-1", version=1)
    shipped = await shop.data(SAY, MERCHANT, of="SO-1", status="40")
    assert done_of(shipped) == ("SHIP", "DONE", None)
    assert (shipped["state"], shipped["displayStatus"]) == ("FULFILLED", "On its way")
    assert [one["state"] for one in shipped["fulfillments"]] == ["SHIPPED"]
    assert (await shop.stock_left(), (await shop.money(order))["charged"]) == ((7, 0), 2_997)
    assert await shop.data(SAY, MERCHANT, of="SO-1", status="40") == shipped, "said again"
    delivered = await shop.say(order, "50")
    assert (done_of(delivered), delivered["fulfillments"][0]["state"]) == (("DELIVER", "DONE", None), "DELIVERED")
    assert await shop.kinds(order) == [
        "EXTERNAL_REFERENCE",
        "EXTERNAL_STATUS",
        "FULFILLMENT_CREATED",
        "SHIPPED",
        "EXTERNAL_STATUS",
        "DELIVERED",
    ]
    assert (await shop.order_events())[3:] == [
        "OrderExternalStatusChanged",
        "FulfillmentCreated",
        "OrderFulfilled",
        "FulfillmentShipped",
        "OrderExternalStatusChanged",
        "FulfillmentDelivered",
    ]


async def test_what_has_left_before_is_shipped_with_the_rest(shop: ErpDesk) -> None:
    order = await shop.placed(lamp=3)
    await shop.fulfil(order, lamp=1)
    shipped = await shop.say(order, "40")
    assert (shipped["state"], [one["state"] for one in shipped["fulfillments"]]) == ("FULFILLED", ["SHIPPED"] * 2)
    left = await shop.placed(lamp=2)
    assert [one["state"] for one in (await shop.say(left, "30"))["fulfillments"]] == ["PENDING"]
    shipped = await shop.say(left, "40")
    assert (done_of(shipped), [one["state"] for one in shipped["fulfillments"]]) == (
        ("SHIP", "DONE", None),
        ["SHIPPED"],
    )


async def test_an_erp_cancels_what_has_not_left(shop: ErpDesk) -> None:
    order = await shop.placed(lamp=3)
    await shop.fulfil(order, lamp=1)
    cancelled = await shop.say(order, "90")
    assert (done_of(cancelled), cancelled["state"]) == (("CANCEL", "DONE", None), "CANCELLED")
    assert cancelled["lines"] == [{"sku": "lamp", "fulfilledQuantity": 1, "cancelledQuantity": 2}]
    assert (await shop.stock_left(), (await shop.money(order))["charged"]) == ((9, 0), 999)
    history = (await shop.data(HISTORY, MERCHANT, id=order["id"]))["history"]
    assert history[-1] == {"kind": "CANCELLED", "note": "The ERP says so", "actor": "server"}


async def test_what_people_have_done_already_is_done(shop: ErpDesk) -> None:
    order = await shop.placed(lamp=1)
    part = await shop.fulfil(order, lamp=1)
    await shop.data(SHIP, MERCHANT, id=part["id"])
    await shop.data(DELIVER, MERCHANT, id=part["id"])
    for status in ("30", "40", "50"):
        assert done_of(await shop.say(order, status))[1:] == ("DONE", None)
    gone = await shop.placed(lamp=1)
    await shop.data(CANCEL, MERCHANT, input={"id": gone["id"], "idempotencyKey": "by hand"})
    assert done_of(await shop.say(gone, "90")) == ("CANCEL", "DONE", None)
    assert (await shop.kinds(gone), await shop.refused(order)) == (["CANCELLED", "EXTERNAL_STATUS"], [])


@pytest.mark.parametrize(
    ("before", "status", "code"),
    [
        ("cancelled", "30", "NOTHING_LEFT"),
        ("cancelled", "40", "NOTHING_LEFT"),
        ("confirmed", "50", "NOTHING_SHIPPED"),
        ("left", "50", "NOTHING_SHIPPED"),
        ("left", "90", "ORDER_NOT_CANCELLABLE"),
        ("lost", "40", "NOT_ON_HAND"),
    ],
)
async def test_what_an_order_does_not_allow_is_no_error_and_changes_nothing(
    shop: ErpDesk, before: str, status: str, code: str
) -> None:
    order = await shop.placed(lamp=2)
    if before == "cancelled":
        await shop.cancel(order)
    elif before == "left":
        await shop.fulfil(order, lamp=2)
    elif before == "lost":
        await shop.data(TAKE, MERCHANT, input={"sku": "lamp", "delta": -9, "reason": "LOST"})
    known, books = await shop.seen(order), (await shop.stock_left(), await shop.money(order))
    said = await shop.say(order, status)
    assert done_of(said)[1:] == ("REFUSED", code)
    assert (said["state"], said["lines"]) == (known["state"], known["lines"])
    assert [one["state"] for one in said["fulfillments"] if one["state"] != "REFUSED"] == [
        one["state"] for one in known["fulfillments"]
    ]
    assert (await shop.stock_left(), await shop.money(order)) == books
    [note] = await shop.refused(order)
    assert note.startswith(f"{done_of(said)[0]}: {code}: ")
    assert (await shop.order_events())[-1] == "OrderStatusActionRefused"
    assert (await shop.say(order, status), await shop.refused(order)) == (said, [note]), "said again"


async def test_a_status_is_acted_on_each_time_that_it_comes_and_not_oftener(shop: ErpDesk) -> None:
    order = await shop.placed(lamp=2)
    answers = await asyncio.gather(*(shop.say(order, "50") for _ in range(8)))
    assert {one["id"] for one in answers} == {order["id"]}
    assert (done_of(await shop.seen(order)), len(await shop.refused(order))) == (
        ("DELIVER", "REFUSED", "NOTHING_SHIPPED"),
        1,
    )
    await shop.say(order, "40")
    assert done_of(await shop.say(order, "50")) == ("DELIVER", "DONE", None)
    assert len(await shop.refused(order)) == 1


# what waits, and what dies


async def test_an_order_that_has_no_time_does_what_it_was_told_later_and_in_order(shop: ErpDesk) -> None:
    order = await shop.placed(lamp=2, method="ok;capture=delayed")
    assert (await shop.fulfil(order, "by hand", lamp=1))["state"] == "IN_PROGRESS"
    assert done_of(await shop.say(order, "40")) == ("SHIP", "IN_PROGRESS", None)
    assert done_of(await shop.say(order, "50")) == ("DELIVER", "IN_PROGRESS", None)
    assert await shop.sweep_actions() == 1, "the first one only"
    assert (await shop.refused(order), (await shop.seen(order))["state"]) == ([], "CONFIRMED")
    async with asyncio.timeout(60):
        while done_of(await shop.seen(order))[1] == "IN_PROGRESS":
            await shop.sweep_changes()
            await shop.sweep_actions()
    seen = await shop.seen(order)
    assert (done_of(seen), seen["state"]) == (("DELIVER", "DONE", None), "FULFILLED")
    assert [one["state"] for one in seen["fulfillments"]] == ["DELIVERED"] * 2
    assert await shop.sweep_actions() == 0


async def test_what_waits_for_a_day_is_given_up_and_said(shop: ErpDesk) -> None:
    order = await shop.placed(lamp=2, method="ok;capture=delayed")
    await shop.fulfil(order, lamp=1)
    await shop.say(order, "40")
    tried = "UPDATE status_actions SET attempts = $2 WHERE environment_id = $1"
    await shop.stage.databases["orders"].execute(shop.environment_id, tried, ATTEMPTS_MAX)
    await shop.sweep_actions()
    assert done_of(await shop.seen(order)) == ("SHIP", "REFUSED", "ORDER_BUSY")
    assert len(await shop.refused(order)) == 1


@pytest.mark.parametrize("step", LEAVING)
async def test_what_died_on_its_way_is_done_once(shop: ErpDesk, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    order = await shop.placed(lamp=3)
    died = die_at(step, monkeypatch, actions)
    with pytest.raises(Died):
        await shop.say(order, "40")
    assert died == [step]
    assert done_of(await shop.say(order, "40")) == ("SHIP", "IN_PROGRESS", None), "asked again by the ERP"
    await shop.sweep_actions()
    assert done_of(await shop.seen(order)) == ("SHIP", "IN_PROGRESS", None), "it waits for the fulfilment"
    await shop.sweep_changes()
    await asyncio.gather(*(shop.sweep_actions() for _ in range(4)))
    seen = await shop.seen(order)
    assert (done_of(seen), [one["state"] for one in seen["fulfillments"]]) == (("SHIP", "DONE", None), ["SHIPPED"])
    assert (await shop.stock_left(), (await shop.money(order))["charged"]) == ((7, 0), 2_997)
    assert await shop.kinds(order) == ["EXTERNAL_STATUS", "FULFILLMENT_CREATED", "SHIPPED"]


@pytest.mark.parametrize("moment", ["begin", "carry"])
async def test_what_died_between_the_status_and_its_meaning_is_done_by_the_sweeper(
    shop: ErpDesk, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await shop.placed(lamp=3)

    async def dies(*_: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(ChangeActions, moment, dies)
        with pytest.raises(Died):
            await shop.say(order, "40")
    assert done_of(await shop.seen(order)) == ("SHIP", "IN_PROGRESS", None)
    assert await shop.stage.orders.acting.sweep() == 0, "its lease holds"
    assert await shop.sweep_actions() == 1
    seen = await shop.seen(order)
    assert (done_of(seen), [one["state"] for one in seen["fulfillments"]]) == (("SHIP", "DONE", None), ["SHIPPED"])
    assert await shop.kinds(order) == ["EXTERNAL_STATUS", "FULFILLMENT_CREATED", "SHIPPED"]


async def test_what_was_refused_and_died_is_not_tried_anew(shop: ErpDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    order = await shop.placed(lamp=2)
    await shop.data(TAKE, MERCHANT, input={"sku": "lamp", "delta": -9, "reason": "LOST"})

    async def dies(*_: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(Acting, "_settle", dies)
        with pytest.raises(Died):
            await shop.say(order, "40")
    await shop.data(TAKE, MERCHANT, input={"sku": "lamp", "delta": 9, "reason": "RECEIVED"})
    await shop.sweep_actions()
    assert done_of(await shop.seen(order)) == ("SHIP", "REFUSED", "NOT_ON_HAND")
    assert await shop.kinds(order) == ["EXTERNAL_STATUS", "FULFILLMENT_REFUSED", "EXTERNAL_ACTION_REFUSED"]


async def test_who_comes_too_late_says_nothing(shop: ErpDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    order = await shop.placed(lamp=2)
    settle: Any = Acting._settle

    async def late(*given: object) -> None:
        taken = "UPDATE status_actions SET lease = gen_random_uuid() WHERE environment_id = $1"
        await shop.stage.databases["orders"].execute(shop.environment_id, taken)
        await settle(*given)

    with monkeypatch.context() as patch:
        patch.setattr(Acting, "_settle", late)
        assert done_of(await shop.say(order, "50")) == ("DELIVER", "IN_PROGRESS", None)
    assert await shop.refused(order) == []
    await shop.sweep_actions()
    assert (done_of(await shop.seen(order))[1], len(await shop.refused(order))) == ("REFUSED", 1)


async def test_of_an_order_only_the_first_is_gone_on_with(shop: ErpDesk) -> None:
    order = await shop.placed(lamp=2, method="ok;capture=delayed")
    await shop.fulfil(order, lamp=1)
    for status in ("40", "50", "90"):
        await shop.say(order, status)
    due = """UPDATE status_actions SET due_at = now() - interval '1 s' WHERE environment_id = $1
              RETURNING id, order_version"""
    database = shop.stage.databases["orders"]
    rows = sorted(await database.fetch(shop.environment_id, due), key=lambda row: int(row["order_version"]))
    first, *others = [str(row["id"]) for row in rows]
    store = FollowingStore(database)
    overdue = await store.overdue(50, 10)
    assert [one for environment, one in overdue if environment == shop.environment_id] == [first]
    for other in others:
        assert await store.claim(shop.environment_id, other, new_id()) is None
    assert await store.claim(shop.environment_id, first, new_id()) is not None


async def test_what_is_refused_late_moves_the_order_in_the_feed(shop: ErpDesk) -> None:
    order = await shop.placed(lamp=2, method="ok;capture=delayed")
    await shop.fulfil(order, "by hand", lamp=2)
    waiting = await shop.say(order, "90")
    assert done_of(waiting) == ("CANCEL", "IN_PROGRESS", None)
    async with asyncio.timeout(60):
        while done_of(await shop.seen(order))[1] == "IN_PROGRESS":
            await shop.sweep_changes()
            await shop.sweep_actions()
    seen = await shop.seen(order)
    assert done_of(seen) == ("CANCEL", "REFUSED", "ORDER_NOT_CANCELLABLE")
    # The fulfilment, and the refusal.
    assert seen["version"] == waiting["version"] + 2


async def test_what_a_page_of_orders_does_is_read_at_once(shop: ErpDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = [await shop.placed(lamp=1) for _ in range(4)]
    for order, status in zip(orders, ("20", "40", "50"), strict=False):
        await shop.say(order, status)
    with counting(monkeypatch) as sent:
        page = await shop.data(PAGE, MERCHANT)
    assert [one["externalStatus"] for one in reversed(page)] == [
        {"status": "20", "action": None},
        {"status": "40", "action": {"state": "DONE"}},
        {"status": "50", "action": {"state": "REFUSED"}},
        None,
    ]
    assert len(sent) == 2, sent
