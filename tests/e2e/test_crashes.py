"""kill -9 of any process of a store: nothing acknowledged is lost, no orphan stays, the store recovers by itself."""

import io
import json
import os
import signal
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from families import descendants, wait_for_the_end_of
from running import RunningStore, stop, store_up, until

CREATE = """mutation Create($name: String!, $sku: String!) {
  createProduct(input: {name: $name, variants: [{sku: $sku, priceMinor: 100, currency: "EUR"}]}) { id }
}"""

HELLO = "def handler(event, context):\n    return {'statusCode': 200, 'body': 'from the extension'}\n"


@pytest.fixture(scope="module")
def crashing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningStore, "subprocess.Popen[bytes]"]]:
    """A store of this module's own, which its tests hurt."""
    with store_up(tmp_path_factory.mktemp("crash") / "state") as (store, process):
        store.run("kokoa tenant limit demo 1000000")
        yield store, process


def kill(process: "subprocess.Popen[bytes]", *words: str) -> None:
    """SIGKILL the process below the store whose command line has all the words, and wait for its death."""
    family = descendants(process.pid)
    found = [member for member in family if all(word in member.command for word in words)]
    assert found, f"no process {words} among {family}"
    os.kill(found[0].pid, signal.SIGKILL)
    until(lambda: not found[0].alive, what="the death")


def create_product(store: RunningStore, name: str) -> bool:
    """True once the creation was acknowledged; a refusal or a lost connection is tried again with the same SKU."""
    try:
        answer = store.graphql(CREATE, {"name": name, "sku": name})
    except OSError:
        return False
    if answer.status != 200:
        return False
    errors = answer.json.get("errors")
    return not errors or errors[0]["extensions"]["code"] == "ALREADY_TAKEN"


def search_finds(store: RunningStore, name: str) -> bool:
    try:
        answer = store.storefront(f"/api/search?q={name}")
    except OSError:
        return False
    # Names that are spelt nearly so are found beside it.
    return answer.status == 200 and [item["name"] for item in answer.json["items"]].count(name) == 1


def deploy(store: RunningStore, name: str, route: str) -> None:
    """A function and a route of its own, by boto3."""
    with_keys = {"aws_access_key_id": store.variables["AWS_ACCESS_KEY_ID"]}
    with_keys |= {"aws_secret_access_key": store.variables["AWS_SECRET_ACCESS_KEY"]}
    session = boto3.Session(region_name=store.variables["AWS_REGION"], **with_keys)
    functions = session.client("lambda", endpoint_url=store.url)
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("handler.py", HELLO)
    made = functions.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Handler="handler.handler",
        Role="arn:aws:iam::000000000000:role/any",
        Code={"ZipFile": package.getvalue()},
    )
    functions.add_permission(
        FunctionName=name, StatementId="web", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com"
    )
    apis = session.client("apigatewayv2", endpoint_url=store.url)
    apis.create_api(Name=name, ProtocolType="HTTP", RouteKey=route, Target=made["FunctionArn"])


def extension_answers(store: RunningStore, path: str) -> bool:
    try:
        answer = store.storefront(path)
    except OSError:
        return False
    return answer.body == b"from the extension"


@pytest.mark.parametrize(
    "victim",
    [("postgres", "-D"), ("nats-server",), ("serve", "worker"), ("serve", "indexer"), ("serve", "web")],
    ids=["postgres", "nats", "worker", "indexer", "web"],
)
def test_the_store_recovers_and_what_was_acknowledged_is_found(
    crashing: tuple[RunningStore, "subprocess.Popen[bytes]"], victim: tuple[str, ...]
) -> None:
    store, process = crashing
    name = f"survivor{victim[-1].strip('-').replace('-', '').lower()}"
    before, after = f"{name}before", f"{name}after"
    until(lambda: create_product(store, before), what="a product before the crash")
    kill(process, *victim)
    until(lambda: create_product(store, after), within_s=40, what="a product after the crash")
    for product in (before, after):
        until(lambda product=product: search_finds(store, product), within_s=60, what=f"{product} in the index")


def test_a_killed_function_host_comes_back_and_leaves_no_sandbox(
    crashing: tuple[RunningStore, "subprocess.Popen[bytes]"],
) -> None:
    store, process = crashing
    deploy(store, "hello", "GET /api/hello")
    until(lambda: extension_answers(store, "/api/hello"), what="the extension")
    sandboxes = [member for member in descendants(process.pid) if "bwrap" in member.command]
    assert sandboxes
    kill(process, "serve", "host")
    answer = store.storefront("/api/hello")
    assert answer.status in (200, 502, 503), answer
    until(lambda: extension_answers(store, "/api/hello"), within_s=40, what="the extension after the crash")
    wait_for_the_end_of(sandboxes)


def test_a_killed_store_leaves_no_orphan_and_the_next_start_has_everything(tmp_path: Path) -> None:
    with store_up(tmp_path / "state") as (store, process):
        deploy(store, "hello", "GET /api/hello")
        until(lambda: create_product(store, "acknowledged"), what="a product")
        family = descendants(process.pid)
        assert len(family) > 5
        process.kill()
        process.wait()
        wait_for_the_end_of(family)
    begun = time.monotonic()
    with store_up(tmp_path / "state") as (store, _):
        started_s = time.monotonic() - begun
        assert extension_answers(store, "/api/hello")
        until(lambda: search_finds(store, "acknowledged"), what="the product in the index")
    assert started_s < 30, "a later start takes about two seconds on an idle machine"


def test_a_stopped_store_leaves_nothing_running(tmp_path: Path) -> None:
    with store_up(tmp_path / "state") as (_, process):
        family = descendants(process.pid)
        stop(process)
        assert [member for member in family if member.alive] == []
    assert not (tmp_path / "state" / "servers.json").exists()
    assert json.loads((tmp_path / "state" / "secrets" / "demo.json").read_text())["access_key_id"].startswith("AKIA")
