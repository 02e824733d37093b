"""The graph as real clients use it: the public audits of GraphQL over HTTP, graphql-sse, persisted operations."""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from node_tools import node
from running import RunningStore, roles_apart, store_up, until

PRODUCT = "query Product($slug: String!) { product(slug: $slug) { id name version } }"
UPDATE = "mutation($input: UpdateProductInput!) { updateProduct(input: $input) { version } }"
CHANGED = "subscription($ids: [ID!]) { productChanged(ids: $ids) { id product { name price variants { sku } } } }"
STOREFRONT = {"X-Tenant-ID": "demo", "Content-Type": "application/json"}


@pytest.mark.timeout(300)
def test_the_public_audits_of_graphql_over_http_pass(store: RunningStore) -> None:
    done = node("audits.mjs", f"{store.url}/graphql", json.dumps({"X-Tenant-ID": "demo"}))
    out, errors = done.communicate(timeout=240)
    assert done.returncode == 0, errors
    audits = [json.loads(line) for line in out.splitlines()]
    assert len(audits) > 55
    must_and_should = [one for one in audits if one["name"].startswith(("MUST", "SHOULD"))]
    assert len(must_and_should) > 30
    assert [one for one in audits if one["status"] != "ok"] == []


class Subscription:
    """The graphql-sse client, following a product. results: as they come; "complete" last."""

    def __init__(self, store: RunningStore, request: dict[str, Any], **headers: str) -> None:
        who = json.dumps({"X-Tenant-ID": "demo", **headers})
        self.process = node("subscribe.mjs", f"{store.url}/graphql", json.dumps(request), who)
        self.results: Queue[str] = Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.results.put(line.strip())

    def take(self) -> Any:
        line = self.results.get(timeout=20)
        return json.loads(line) if line.startswith("{") else line


@contextmanager
def subscribed(store: RunningStore, request: dict[str, Any], **headers: str) -> Iterator[Subscription]:
    subscription = Subscription(store, request, **headers)
    try:
        yield subscription
    finally:
        subscription.process.kill()
        subscription.process.wait()


def product_of(store: RunningStore, slug: str) -> dict[str, Any]:
    found: dict[str, Any] = store.graphql(PRODUCT, {"slug": slug}).json["data"]["product"]
    return found


def change(store: RunningStore, slug: str, name: str) -> None:
    product = product_of(store, slug)
    answer = store.graphql(UPDATE, {"input": {"id": product["id"], "version": product["version"], "name": name}}).json
    assert "errors" not in answer, answer


def follow_a_product(store: RunningStore) -> None:
    """Subscribe with the real client, change the product, see the change."""
    products = store.graphql("{ products(limit: 2) { id slug name } }").json["data"]["products"]
    mine, other = products
    with subscribed(store, {"query": CHANGED, "variables": {"ids": [mine["id"]]}}) as subscription:
        number = 0

        def heard() -> bool:
            nonlocal number
            number += 1
            change(store, mine["slug"], f"Name {number}")  # again, until the subscription is open
            return not subscription.results.empty()

        until(heard, what="the first change")
        change(store, other["slug"], "Not asked for")
        change(store, mine["slug"], "The last name")
        names = []
        while not names or names[-1] != "The last name":
            event = subscription.take()["data"]["productChanged"]
            assert event["id"] == mine["id"]
            assert event["product"]["variants"]
            names.append(event["product"]["name"])
        assert "Not asked for" not in names
    for product in products:
        change(store, product["slug"], product["name"])


@pytest.mark.timeout(300)
def test_a_subscription_follows_a_product(store: RunningStore) -> None:
    follow_a_product(store)


@pytest.mark.timeout(300)
def test_a_subscription_follows_a_product_through_all_roles(tmp_path: Path) -> None:
    with roles_apart(tmp_path / "state") as store:
        follow_a_product(store)


def test_a_refused_subscription_is_one_result_with_the_reason(store: RunningStore) -> None:
    wrong = {"query": CHANGED, "variables": {"ids": ["no-id"]}}
    with subscribed(store, wrong) as subscription:
        assert subscription.take()["errors"][0]["extensions"]["code"] == "INVALID_ID"
        assert subscription.take() == "complete"
    with subscribed(store, {"query": "subscription { nope }"}) as subscription:
        assert "Cannot query field" in subscription.take()["errors"][0]["message"]
    with subscribed(store, {"query": "{ products(limit: 1) { name } }"}) as subscription:
        assert len(subscription.take()["data"]["products"]) == 1
        assert subscription.take() == "complete"


def test_another_environment_hears_nothing(store: RunningStore) -> None:
    store.run("kokoa tenant create silent")
    product = store.graphql("{ products(limit: 1) { id slug name } }").json["data"]["products"][0]
    request = {"query": "subscription { productChanged { id } }"}
    with subscribed(store, request) as mine, subscribed(store, request, **{"X-Tenant-ID": "silent"}) as theirs:
        number = 0

        def heard() -> bool:
            nonlocal number
            number += 1
            change(store, product["slug"], f"Name {number}")
            return not mine.results.empty()

        until(heard, what="our own change")
        assert mine.take()["data"]["productChanged"]["id"] == product["id"]
        assert theirs.results.empty()
        assert theirs.process.poll() is None
    change(store, product["slug"], product["name"])


@pytest.mark.timeout(300)
def test_an_open_stream_does_not_hold_up_the_end_of_the_store(tmp_path: Path) -> None:
    with (
        store_up(tmp_path / "state") as (store, process),
        subscribed(store, {"query": "subscription { productChanged { id } }"}),
    ):
        until(lambda: change_any(store), what="a store that answers")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) in (0, 130)


def change_any(store: RunningStore) -> bool:
    product = store.graphql("{ products(limit: 1) { slug name } }").json["data"]["products"][0]
    change(store, product["slug"], product["name"])
    return True


def ask(store: RunningStore, body: dict[str, Any], **headers: str) -> Any:
    answer = store.request(
        "/graphql", method="POST", body=json.dumps(body).encode(), headers={**STOREFRONT, **headers}
    )
    return answer.json


def hash_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def by_hash(text: str) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash_of(text)}}}


def test_an_automatic_document_is_sent_once(store: RunningStore) -> None:
    text = "{ products(limit: 2) { id } }"
    first = ask(store, by_hash(text))
    assert first["errors"][0]["message"] == "PersistedQueryNotFound"
    assert first["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"

    def known() -> bool:
        """Each web process learns it for itself."""
        ask(store, {"query": text, **by_hash(text)})
        return all("errors" not in ask(store, by_hash(text)) for _ in range(12))

    until(known, what="the document in all processes")
    wrong = ask(store, {"query": "{ products { name } }", **by_hash(text)})
    assert wrong["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_HASH_MISMATCH"


def test_registered_documents_by_the_command_line(store: RunningStore, tmp_path: Path) -> None:
    text = "query Page { products(limit: 1) { name } }"
    single, manifest = tmp_path / "page.graphql", tmp_path / "manifest.json"
    single.write_text(text)
    apollo = [{"id": "page-v2", "name": "Page", "type": "query", "body": text}]
    manifest.write_text(json.dumps({"format": "apollo-persisted-query-manifest", "version": 1, "operations": apollo}))
    store.run("kokoa tenant create register")
    where = "--tenant register"
    said = store.run(f"kokoa operations register {single} {manifest} {where}").stdout
    assert "2 documents are registered in register/prod, 2 of them new" in said
    assert "0 of them new" in store.run(f"kokoa operations register {single} {manifest} {where}").stdout
    listed = json.loads(store.run(f"kokoa operations list --json {where}").stdout)
    assert {one["id"] for one in listed} == {"page-v2", hash_of(text)}
    mine = {"X-Tenant-ID": "register"}
    for body in ({"documentId": "page-v2"}, {"documentId": f"sha256:{hash_of(text)}"}, by_hash(text)):
        assert ask(store, body, **mine)["data"] == {"products": []}
    assert ask(store, {"documentId": "page-v2"})["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"

    store.run(f"kokoa operations require on {where}")
    other = {"query": "{ products { id } }"}
    until(lambda: "errors" in ask(store, other, **mine), what="the refusal of other documents")
    refused = ask(store, other, **mine)["errors"][0]
    assert refused["extensions"]["code"] == "OPERATION_NOT_REGISTERED"
    assert "kokoa operations register" in refused["message"]
    assert "errors" not in ask(store, {"query": text}, **mine)
    assert "errors" not in ask(store, other)
    store.run(f"kokoa operations require off {where}")
    until(lambda: "errors" not in ask(store, other, **mine), what="other documents again")

    store.run(f"kokoa operations remove page-v2 {where}")
    until(lambda: "errors" in ask(store, {"documentId": "page-v2"}, **mine), what="the end of page-v2")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.graphql", "{ nope }", "Cannot query field 'nope'"),
        ("a.graphql", "{", "Syntax Error"),
        ("a.json", "[1]", "is no manifest"),
        ("a.json", "{", "is not JSON"),
        ("a.json", '{"two words": "{ products { id } }"}', "cannot be a document's id"),
    ],
)
def test_a_document_that_does_not_fit_is_refused(
    store: RunningStore, tmp_path: Path, name: str, content: str, said: str
) -> None:
    file = tmp_path / name
    file.write_text(content)
    done = store.run(f"kokoa operations register {file} --tenant demo", check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert json.loads(store.run("kokoa operations list --json --tenant demo").stdout) == []
