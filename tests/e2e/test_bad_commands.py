"""The `kokoa` command used wrongly: each time exit status 1 and one line that says what to do."""

import os
import re
import secrets
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from partners import Environment, new_environment, operate
from running import VENV_BIN, RunningStore, free_port


def kokoa(*words: str, cwd: Path | None = None, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run the command with these settings alone."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "KOKOA_"))}
    return subprocess.run(
        [str(VENV_BIN / "kokoa"), *words],
        env={**clean, **settings},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def fails(*words: str, cwd: Path | None = None, **settings: str) -> str:
    """The one line that a command ends with."""
    done = kokoa(*words, cwd=cwd, **settings)
    assert done.returncode == 1, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


@pytest.fixture(scope="module")
def settings(store: RunningStore) -> Mapping[str, str]:
    """As the store's operator has them."""
    return {"KOKOA_STATE_DIR": str(store.state_dir), "KOKOA_URL": store.url}


@pytest.fixture(scope="module")
def shop(store: RunningStore) -> Environment:
    """A tenant with a partner."""
    shop = new_environment(store)
    shop.partner("acme")
    return shop


WRONG = {
    "unknown tenant": (
        "partner list --tenant nobody",
        "Tenant 'nobody' has no environment 'prod'. `kokoa tenant list`",
    ),
    "unknown environment": ("routes list --tenant {tenant} --environment qa", "has no environment 'qa'"),
    "unknown partner": (
        "keys create nobody --tenant {tenant}",
        "Partner 'nobody' has no account",
    ),
    "unknown key": ("keys revoke AKIANOBODY --tenant {tenant}", "no living key 'AKIANOBODY'"),
    "unknown grant": ("grants revoke acme /api/none --tenant {tenant}", "no grant for '/api/none'"),
    "tenant again": ("tenant create {tenant}", "has an environment 'prod' already"),
    "partner again": ("partner add acme --tenant {tenant}", "'acme' has an account in this environment already"),
    "bad tenant": ("tenant create Boeing!", "2 to 40 lower-case letters"),
    "bad domain": ("tenant add-domain {tenant} http://x", "is not a domain name such as shop.example.com"),
    "bad pattern": ("grants add acme api/* --tenant {tenant}", "is not a path pattern"),
    "bad part of the graph": ("grants add acme product.price --tenant {tenant}", "a field (Product.price, Query"),
    "nobody's part of the graph": ("grants add acme _Service.sdl --tenant {tenant}", "cannot be granted"),
    "unknown subgraph": ("graph withdraw none --tenant {tenant}", "No partner has a subgraph 'none'"),
    "bad limit": ("tenant limit {tenant} 0", "1 to 1,000,000"),
}


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_the_store_refuses_and_says_why(
    store: RunningStore, shop: Environment, settings: Mapping[str, str], case: str
) -> None:
    words, part = WRONG[case]
    before = operate(store, "GET", "/tenants"), shop.operate("GET", "/partners"), shop.operate("GET", "/grants")
    assert part in fails(*words.format(tenant=shop.tenant).split(), **settings)
    assert before == (
        operate(store, "GET", "/tenants"),
        shop.operate("GET", "/partners"),
        shop.operate("GET", "/grants"),
    )


PUBLISHING = {
    "nobody answers": ("graph publish reviews {file}", "Say who answers: --url"),
    "two answer": ("graph check reviews {file} --url http://a.example --fields b", "Say who answers: --url"),
    "no file": ("graph publish reviews none.graphql --fields b", "none.graphql cannot be read"),
    "no key": ("graph publish reviews {file} --fields b", "No access key: set AWS_ACCESS_KEY_ID"),
}


@pytest.mark.parametrize("case", PUBLISHING, ids=str)
def test_publishing_says_what_is_missing(tmp_path: Path, case: str) -> None:
    file = tmp_path / "reviews.graphql"
    file.write_text("type Query { acme: Int }")
    words, part = PUBLISHING[case]
    none = {
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    assert part in fails(*words.format(file=file).split(), **none)


def test_a_partners_store_that_is_away_is_named(tmp_path: Path) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "AKIANOBODY", "AWS_SECRET_ACCESS_KEY": "secret"}
    url = f"http://127.0.0.1:{free_port()}"
    assert f"No store answers at {url}" in fails("graph", "list", AWS_ENDPOINT_URL=url, **keys)


def test_an_account_has_two_keys_at_most(shop: Environment, settings: Mapping[str, str]) -> None:
    shop.partner("rotating")
    shop.operate("POST", "/partners/rotating/keys", {})
    assert "2 living keys" in fails("keys", "create", "rotating", "--tenant", shop.tenant, **settings)


def test_a_wrong_token_and_a_store_that_is_away_are_told_apart(
    tmp_path: Path, store: RunningStore, settings: Mapping[str, str]
) -> None:
    line = fails("tenant", "list", **{**settings, "KOKOA_OPERATOR_TOKEN": secrets.token_hex(16)})
    assert "needs the operator's token" in line
    line = fails("tenant", "list", **{**settings, "KOKOA_URL": f"http://127.0.0.1:{free_port()}"})
    assert re.match(r"No store answers at http://127\.0\.0\.1:\d+\. Is it up \(`kokoa up`\)\?", line)
    line = fails("tenant", "list", KOKOA_STATE_DIR=str(tmp_path), KOKOA_URL=store.url)
    assert f"{tmp_path}/operator.token cannot be read" in line
    assert "set KOKOA_OPERATOR_TOKEN" in line


def test_a_second_store_in_one_folder_names_the_first(store: RunningStore) -> None:
    holder = (store.state_dir / "up.lock").read_text()
    settings = {"KOKOA_STATE_DIR": str(store.state_dir), "KOKOA_PORT": str(free_port())}
    assert f"already running (process {holder}," in fails("up", **settings)
    assert f"already running (process {holder}," in fails("reset", "--yes", **settings)
    assert (store.state_dir / "secrets").is_dir()
    assert store.storefront("/api/products").status == 200


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_busy_port_is_named_with_its_setting(tmp_path: Path, taken_port: int) -> None:
    done = kokoa("up", KOKOA_STATE_DIR=str(tmp_path / "state"), KOKOA_PORT=str(taken_port))
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert f"Port {taken_port} on 127.0.0.1 is in use" in line
    assert "KOKOA_PORT=" in line


@pytest.mark.parametrize(
    ("variable", "value"),
    [("KOKOA_PORT", "70000"), ("KOKOA_LOG_FORMAT", "xml"), ("KOKOA_MASTER_KEY", "short")],
)
def test_a_setting_that_does_not_work_is_named(tmp_path: Path, variable: str, value: str) -> None:
    assert variable in fails("up", KOKOA_STATE_DIR=str(tmp_path / "state"), **{variable: value})


def test_reset_leaves_folders_alone_that_are_not_kokoas(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("precious")
    line = fails("reset", "--yes", KOKOA_STATE_DIR=str(precious))
    assert "does not look like a state folder of Kokoa" in line
    assert (precious / "file").read_text() == "precious"


def test_logs_without_a_key_or_of_nothing_say_so(store: RunningStore) -> None:
    assert "No access key: set AWS_ACCESS_KEY_ID" in fails("logs", "nothing", HOME="/nonexistent")
    done = store.run("kokoa logs nothing", check=False)
    assert done.returncode == 1
    assert "Nothing is logged for 'nothing' in this account" in done.stderr
    done = store.run("kokoa logs nothing --since yesterday", check=False)
    assert done.returncode == 1
    assert "write 30s, 15m, 2h or 7d" in done.stderr
