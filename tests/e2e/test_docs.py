"""The pages' own commands, run as they stand there against a running store; then a look at what they promise."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from partners import operate
from running import ROOT, RunningStore, tour_blocks, until

from stripe_running import SECRET_KEY

DOCS = ROOT / "docs"
PAGES = [page for page in sorted(DOCS.rglob("*.md")) if tour_blocks(page, "run")]


def a_partner_can_work(store: RunningStore, printed: str) -> None:
    """With the shell lines that were printed, the partner is who the page says, and may take what it says."""
    account = next(line for line in printed.splitlines() if line.startswith("# acme in boeing/dev, account "))
    exports = "\n".join(line for line in printed.splitlines() if line.startswith("export AWS_"))
    identity = store.run(f"{exports}\naws sts get-caller-identity --query Account --output text").stdout
    assert identity.strip() == account.rpartition(" ")[2]
    (grant,) = operate(store, "GET", "/tenants/boeing/dev/grants")
    assert (grant["partner"], grant["pattern"]) == ("acme", "/api/*")


def the_file_is_in_the_shop(store: RunningStore, printed: str) -> None:
    """What the page says each command would print, and what the shop has then."""
    outcomes = [line.rpartition(", in ")[0] for line in printed.splitlines() if "rows with errors" in line]
    assert outcomes == [
        "Nothing was changed; this would be: 3 created, 0 updated, 0 unchanged, 0 rows with errors",
        "3 created, 0 updated, 0 unchanged, 0 rows with errors",
        "0 created, 0 updated, 3 unchanged, 0 rows with errors",
        "0 created, 1 updated, 0 unchanged, 0 rows with errors",
        "1 created, 0 updated, 0 unchanged, 0 rows with errors",
        "0 created, 1 updated, 0 unchanged, 0 rows with errors",
    ]
    assert '"translations":{"fi":{"name":"Lamppu","description":"Lämmin valo"}}' in printed
    # Columns of types follow when the shop's products have any.
    (crisps,) = (line for line in printed.splitlines() if line.startswith("howto-101,"))
    assert crisps.rstrip(",") == (
        'howto-101,Oat crisps,oat-crisps-howto-101,"Crisp, ""salted""",'
        "Grocery > Snacks > Crisps,PUBLISHED,HT-101,,1.45,EUR"
    )
    small, medium = (line.split(",") for line in printed.splitlines() if line.startswith("howto-200,"))
    assert {"howtoLamp", "size=size:S|M", "40.5", "hall|kitchen", "S", "4006381333931"} <= set(small)
    assert {"HT-200-M", "M", "4006381333948"} <= set(medium)


def stock_is_counted(store: RunningStore, printed: str) -> None:
    """What the page says each command would print, and what is on hand then."""
    outcomes = [line.rpartition(", in ")[0] for line in printed.splitlines() if "rows with errors" in line]
    assert outcomes == [
        "Nothing was changed; this would be: 2 changed, 1 unchanged, 0 rows with errors",
        "2 changed, 1 unchanged, 0 rows with errors",
        "0 changed, 3 unchanged, 0 rows with errors",
        "1 changed, 0 unchanged, 0 rows with errors",
    ]
    rug = store.graphql('{ stockItem(sku: "HOWTO-RUG") { onHand } }').json
    assert rug["data"]["stockItem"] == {"onHand": 7}


def the_product_has_a_picture_and_a_german_name(store: RunningStore, printed: str) -> None:
    """The answers of the commands: the picture, its file as a storefront gets it, the texts in German."""
    lines = printed.splitlines()
    sent = json.loads(next(line for line in lines if line.startswith('{"id"')))
    assert (sent["alt"], sent["width"], sent["height"], sent["product"]["version"]) == ("An easel", 320, 240, 2)
    headers = {line.lower() for line in lines}
    assert {"content-type: image/jpeg", "cache-control: public, max-age=31536000, immutable"} <= headers
    found = json.loads(lines[-1])["data"]["localizedProduct"]
    assert found["localized"] == {"name": "Howto-Staffelei", "nameLocale": "de", "description": "Beechwood."}
    assert found["seo"] == {"title": "Howto-Staffelei", "description": "Beechwood."}
    thumbnail = store.storefront(sent["thumbnail"])
    assert (thumbnail.status, thumbnail.headers["content-type"]) == (200, "image/webp")
    other = store.request(sent["thumbnail"], headers={"X-Tenant-ID": "nobody"})
    assert other.status == 404


def fields_came_and_went(store: RunningStore, printed: str) -> None:
    """What the page says each command answers; in the end the schema is the common one again."""
    defined, _, shown, was_set, seen, _, refused, *removed = [json.loads(line) for line in printed.splitlines()]
    assert defined["data"]["defineCustomField"] == {"key": "warrantyMonths", "type": "INT"}
    assert [one["name"] for one in shown["data"]["__type"]["fields"]] == ["warrantyMonths", "material"]
    values = {"warrantyMonths": 24, "material": "OAK"}
    assert was_set["data"]["setProductCustom"] == {"version": 2, "custom": values}
    assert seen["data"]["product"] == {"name": "Howto desk", "custom": values}
    assert refused["errors"][0]["extensions"]["code"] == "CUSTOM_FIELD_HAS_VALUES"
    assert [one["data"]["removeCustomField"] for one in removed] == ["material", "warrantyMonths"]
    without = '{ __type(name: "ProductCustom") { name } }'
    until(lambda: store.graphql(without).json["data"]["__type"] is None, what="the schema without the fields")


def lamps_are_ordered(store: RunningStore, printed: str) -> None:
    """The cart with its lines, both refusals, the order for what the cart said."""
    added, mailed, stale, wrong, placed = [json.loads(line) for line in printed.splitlines()]
    assert (added["itemCount"], mailed["email"]) == (2, "aino@example.com")
    assert (stale["status"], stale["code"]) == (409, "CART_CHANGED")
    assert (wrong["status"], wrong["field"]) == (400, "lines.0.quantity")
    order = placed["order"]
    assert (placed["state"], order["email"], order["goodsMinor"]) == (
        "PLACED",
        mailed["email"],
        added["subtotalMinor"],
    )
    seen = store.graphql("query($id: ID) { order(id: $id) { state } }", {"id": order["id"]}).json
    assert seen["data"] == {"order": {"state": "CONFIRMED"}}


def the_policy_came_and_went(store: RunningStore, printed: str) -> None:
    """What each command says that the policy is then."""
    assert (
        "GET /api/search in demo/prod: 100 % of customers, deadline 30000 ms, no fallback, in shadow (ver" in printed
    )
    assert "10 % of customers, deadline 300 ms, falls back to the native answer (version 2)" in printed
    assert "100 % of customers, deadline 300 ms, falls back to the native answer (version 3)" in printed
    rows = operate(store, "GET", "/tenants/demo/prod/overrides")
    assert [row for row in rows if row["policy"]] == []


def a_subgraph_came_and_went(store: RunningStore, printed: str) -> None:
    """What the page says of each command; in the end the first version is live as the third."""
    assert "reviews can be published. It has Product.rating." in printed
    assert "reviews is live in version 1.\n" in printed
    assert "reviews is withdrawn, in version 2.\n" in printed
    (one,) = operate(store, "GET", "/tenants/airbus/dev/subgraphs")
    assert (one["name"], one["partner"], one["version"], one["live"]) == ("reviews", "acme", 3, True)


def money_was_taken(store: RunningStore, printed: str) -> None:
    """What the page says each command answers."""
    configured, authorized, captured, refunded, providers = [
        json.loads(line)["data"] for line in printed.splitlines()
    ]
    (settings,) = configured.values()
    assert settings == {"webhookSecret": None, "provider": {"active": True, "hasSecret": True, "hasSecretKey": True}}
    assert authorized["authorizePayment"]["authorizationStatus"] == "FULL"
    assert captured["capturePayment"] == {"chargeStatus": "FULL", "amounts": {"charged": 2_500}}
    assert refunded["refundPayment"] == {"chargeStatus": "PARTIAL", "amounts": {"refunded": 500}}
    assert {"key": "manual", "active": True} in providers["paymentProviders"]
    assert "sk_test" not in printed


PREPARED: dict[str, str] = {
    "how-to/take-money-by-stripe.md": (
        f"export STRIPE_SECRET_KEY={SECRET_KEY} STRIPE_WEBHOOK_SECRET=whsec_of0the0page0about0stripe"
    ),
}
"""What the reader of a page has in their shell."""

PROMISES: dict[str, Callable[[RunningStore, str], None]] = {
    "how-to/add-pictures.md": the_product_has_a_picture_and_a_german_name,
    "how-to/bring-a-partner-in.md": a_partner_can_work,
    "how-to/declare-custom-fields.md": fields_came_and_went,
    "how-to/extend-the-graph.md": a_subgraph_came_and_went,
    "how-to/import-products.md": the_file_is_in_the_shop,
    "how-to/import-stock.md": stock_is_counted,
    "how-to/order-by-rest.md": lamps_are_ordered,
    "how-to/roll-out-an-override.md": the_policy_came_and_went,
    "how-to/take-money-by-stripe.md": money_was_taken,
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_the_commands_of_a_page_work(store: RunningStore, page: Path) -> None:
    name = str(page.relative_to(DOCS))
    done = store.run("\n".join([PREPARED.get(name, ""), *tour_blocks(page, "run")]), timeout_s=100)
    assert "error:" not in done.stderr
    PROMISES[name](store, done.stdout)
