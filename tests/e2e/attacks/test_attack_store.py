"""Attacks on a whole running store: its secrets and data, other partners' accounts and environments, bad packages.

The last tests run a second store whose processes lack the defence; it is taken away by the Python path of the test.
"""

import io
import json
import os
import re
import stat
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from attacks.arena import attack_package, text_of
from partners import Environment, Partner, new_environment, refused
from running import RunningStore, store_up, until

from kokoa.functions.host import package as packages
from kokoa.functions.host.errors import FunctionCodeInvalid

FILE, LINK, FOLDER = stat.S_IFREG | 0o644, stat.S_IFLNK | 0o777, stat.S_IFDIR | 0o755


@pytest.fixture(scope="module")
def shop(store: RunningStore) -> Environment:
    return new_environment(store)


@pytest.fixture(scope="module")
def acme(shop: Environment) -> Partner:
    """A partner that serves a route by `echo`, and has the attacks of this file."""
    return armed(shop)


def armed(environment: Environment) -> Partner:
    acme = environment.partner("acme", "/api/*")
    acme.route("echo", "GET /api/search", deploy(acme, "echo"))
    for name in ("credentials", "search", "host_files", "secrets_of_processes", "unix_sockets", "network", "asks"):
        deploy(acme, name)
    return acme


def deploy(partner: Partner, name: str, **settings: Any) -> str:
    return partner.deploy_package(name, attack_package(name), Timeout=20, MemorySize=256, **settings)


def attack(partner: Partner, name: str, event: Any = None) -> Any:
    answer, function_error = partner.invoke(name, event)
    assert function_error is None, answer
    return answer


def secrets_of(store: RunningStore, shop: Environment) -> list[str]:
    """What the store's processes know and no function may."""
    servers = (store.state_dir / "servers.json").read_text()
    passwords = re.findall(r"://[^:/@]*:([^@/]+)@", servers)
    files = [
        path.read_text(errors="replace").strip()
        for path in (store.state_dir / "secrets").rglob("*")
        if path.is_file()
    ]
    found = [*passwords, *files, text_of(store.state_dir / "operator.token").strip(), *shop.secrets.values()]
    found = [secret for secret in found if len(secret) >= 8]
    assert len(found) >= 5
    return [secret for secret in found if secret != shop.tenant]


def test_the_stores_secrets_files_and_servers(store: RunningStore, shop: Environment, acme: Partner) -> None:
    secrets = secrets_of(store, shop)
    seen = json.dumps(attack(acme, "echo", {"plain": "event"}))
    assert [secret for secret in secrets if secret in seen] == []
    assert attack(acme, "secrets_of_processes", [secret[:200] for secret in secrets]) == []
    assert attack(acme, "host_files", [str(store.state_dir), *map(str, store.state_dir.iterdir())]) == []
    servers = json.loads((store.state_dir / "servers.json").read_text())
    folder = servers["database_url"].partition("host=")[2].partition("&")[0]
    sockets = [f"{folder}/.s.PGSQL.5432", str(store.state_dir / "host" / "host.sock")]
    sockets += [f"\0kokoa-sandbox-uids-{700_000 + 1024 * number}" for number in range(8)]
    assert attack(acme, "unix_sockets", sockets) == []
    ports = [urlsplit(servers["nats_url"]).port, urlsplit(store.url).port, 5432, 4222, 6222, 8222]
    assert attack(acme, "network", [["127.0.0.1", port] for port in ports] + [["169.254.169.254", 80]]) == []


def hostile_headers(shop: Environment) -> dict[str, str]:
    return {
        **shop.secrets,
        "Authorization": "Bearer kokoa_operator-canary",
        "Proxy-Authorization": "Basic canary",
        "X-Amz-Security-Token": "canary",
        "X-Kokoa-Thing": "canary",
        "Cookie": "kokoa_session=canary; own=1",
    }


def test_secrets_in_a_request_are_not_in_the_event_or_the_log(shop: Environment, acme: Partner) -> None:
    shown = shop.store.request("/api/search?q=x", headers=hostile_headers(shop))
    assert shown.status == 200, shown
    for secret in (shop.secrets["X-Tenant-Secret"], shop.secrets["X-GraphQL-Secret"], "canary"):
        assert secret not in shown.body.decode()
    logs = acme.client("logs")

    def lines() -> str:
        try:
            found = logs.filter_log_events(logGroupName="/aws/lambda/echo")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return ""  # the group comes with its first line
        return "".join(event["message"] for event in found)

    correlation_id = shown.headers["x-correlation-id"]
    text = until(lambda: lines() if correlation_id in lines() else "", within_s=60, what="the log")
    assert "canary" not in text
    assert shop.secrets["X-Tenant-Secret"] not in text


def test_temporary_keys_against_other_accounts_and_environments(shop: Environment, acme: Partner) -> None:
    rival = shop.partner("rival")
    theirs = rival.deploy("theirs", "def handler(event, context):\n    return 'theirs'\n")
    elsewhere = new_environment(shop.store, shop.tenant, "dev").partner("acme")
    own_elsewhere = elsewhere.deploy("mine", "def handler(event, context):\n    return 'dev'\n")
    calls = []
    for arn in (theirs, own_elsewhere):
        account, name = arn.split(":")[4], arn.rpartition(":")[2]
        for named in (arn, f"{account}:function:{name}"):
            calls += [
                ["lambda", what, {"FunctionName": named}] for what in ("get_function", "invoke", "delete_function")
            ]
            calls.append(["lambda", "update_function_code", {"FunctionName": named, "ZipFile": "UEs="}])
            calls.append(["lambda", "add_permission", permission(named)])
        calls.append(["lambda", "get_function", {"FunctionName": name}])
        calls.append(["logs", "filter_log_events", {"logGroupName": f"/aws/lambda/{name}"}])
    found = attack(acme, "credentials", calls)
    refusals = {"AccessDeniedException", "ResourceNotFoundException", "InvalidParameterValueException"}
    assert {json.dumps(answer) for answer in found["answers"]} <= {json.dumps(code) for code in refusals}
    assert rival.invoke("theirs") == ("theirs", None)
    assert elsewhere.invoke("mine") == ("dev", None)
    environment = found["environment"]
    assert environment["AWS_SECRET_ACCESS_KEY"] not in (acme.secret, rival.secret)
    assert not [name for name in environment if name.startswith("KOKOA") or "PASSWORD" in name]


def permission(named: str) -> dict[str, str]:
    return {"FunctionName": named, "StatementId": "x", "Action": "lambda:InvokeFunction", "Principal": "*"}


def test_another_environments_data_by_the_function_channel(shop: Environment, acme: Partner) -> None:
    """The store answers as the function's own environment, whatever the request claims."""
    body = json.dumps({"query": "{ store { alias environment } }"})
    claims = (
        "X-Tenant-ID: demo\r\nX-Environment: dev\r\nX-Tenant-Secret: x\r\nX-Kokoa-Call: y\r\nForwarded: host=demo\r\n"
    )
    head = f"POST /graphql HTTP/1.1\r\nHost: demo\r\n{claims}Content-Type: application/json\r\nConnection: close\r\n"
    answer = attack(acme, "asks", {"request": f"{head}Content-Length: {len(body)}\r\n\r\n{body}"})
    assert json.dumps({"alias": shop.tenant, "environment": "prod"}).replace(" ", "") in answer.replace(" ", "")


# packages


def zipped(*entries: tuple[str, bytes, int]) -> bytes:
    """A zip of (name, content, unix mode with its type)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return buffer.getvalue()


def overlapping() -> bytes:
    """Many names for the same bytes: each alone is small, all together are 30 GB."""
    whole = zipped(("a", bytes(10_000_000), FILE))
    at = whole.index(b"PK\x01\x02")
    body, entry = whole[:at], whole[at : whole.index(b"PK\x05\x06")]
    directory = entry * 3000
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 3000, 3000, len(directory), len(body), 0)
    return body + directory + end


def encrypted() -> bytes:
    data = bytearray(zipped(("handler.py", b"x", FILE)))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    return bytes(data)


EVIL = "kokoa-attack-evil"
PACKAGES: dict[str, Callable[[], bytes]] = {
    "a name that leads out": lambda: zipped((f"../{EVIL}", b"x", FILE)),
    "an absolute name": lambda: zipped((f"/tmp/{EVIL}", b"x", FILE)),
    "a name with a drive": lambda: zipped((f"..\\{EVIL}", b"x", FILE)),
    "a link that leads out": lambda: zipped(("link", b"../../..", LINK)),
    "an absolute link": lambda: zipped(("link", b"/etc", LINK)),
    "a file through a link": lambda: zipped(("link", b".", LINK), (f"link/../../{EVIL}", b"x", FILE)),
    "links that lead out together": lambda: zipped(
        ("a/b/f", b"", FILE), ("a/b/up", b"../..", LINK), ("out", b"a/b/up/..", LINK), (f"out/{EVIL}", b"x", LINK)
    ),
    "a device": lambda: zipped(("null", b"", stat.S_IFCHR | 0o666)),
    "a block device": lambda: zipped(("disk", b"", stat.S_IFBLK | 0o666)),
    "a socket": lambda: zipped(("socket", b"", stat.S_IFSOCK | 0o666)),
    "a pipe": lambda: zipped(("pipe", b"", stat.S_IFIFO | 0o666)),
    "one name twice": lambda: zipped(("handler.py", b"1", FILE), ("./handler.py", b"2", FILE)),
    "a file and a folder of one name": lambda: zipped(("a", b"1", FILE), ("a/b", b"2", FILE)),
    "a bomb": lambda: zipped(*((f"z{number}", bytes(30_000_000), FILE) for number in range(9))),
    "overlapping entries": overlapping,
    "too many entries": lambda: zipped(*((f"{number}", b"", FILE) for number in range(50_001))),
    "too many folders": lambda: zipped(*((f"{number}/" + "a/" * 90 + "f", b"", FILE) for number in range(600))),
    "an encrypted entry": encrypted,
    "no zip": lambda: b"PK\x03\x04" + bytes(1000),
}


@pytest.mark.parametrize("case", PACKAGES)
def test_poisoned_packages_are_refused_and_leave_nothing(store: RunningStore, acme: Partner, case: str) -> None:
    before = leftovers()
    code, status, message = refused(
        acme.lambda_.create_function,
        FunctionName="poisoned",
        Runtime="python3.11",
        Handler="handler.handler",
        Role="arn:aws:iam::000000000000:role/any",
        Code={"ZipFile": PACKAGES[case]()},
    )
    assert (code, status) == ("InvalidParameterValueException", 400), message
    assert "poisoned" not in acme.functions
    assert leftovers() - before == set()
    assert acme.invoke("echo", {})[1] is None


def leftovers() -> set[str]:
    """Traces of a package outside of its own folder."""
    return {path for path in (f"{tempfile.gettempdir()}/{EVIL}", f"/{EVIL}", f"/etc/{EVIL}") if os.path.lexists(path)}


CHECKS = {
    "a name that leads out": "_check_name",
    "links that lead out together": "_check_places",
}


@pytest.mark.parametrize("case", CHECKS)
def test_teeth_of_the_checks_of_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    """In a folder of the test's own: without the check the file lies outside of the package's folder."""
    folder = tmp_path / "in"
    folder.mkdir()
    with pytest.raises(FunctionCodeInvalid):
        packages.unpack(PACKAGES[case](), folder)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    monkeypatch.setattr(packages, CHECKS[case], lambda _: None)
    monkeypatch.setattr(packages, "_goes_up", lambda part: True)
    packages.unpack(PACKAGES[case](), folder)
    assert os.path.lexists(tmp_path / EVIL)


# the defences of the store, taken away

# Two locks stand before another account's function: its name is refused, and statements name the key's own account.
TOOTHLESS = """
import re
import kokoa.edge.events.secrets as secrets
import kokoa.functions.control.names as names
secrets._SECRET_HEADERS = frozenset()
secrets._PLATFORM_AUTHORIZATION = re.compile("(?!)")
parse, named = names.parse_function, []
def parse_function(text, *, account_id, qualifier=""):
    named.append(names._FUNCTION.fullmatch(text)["account"] or account_id)
    return parse(text, account_id=named[-1], qualifier=qualifier)
names.parse_function = parse_function
import kokoa.functions.control.store as store
find = store.FunctionStore.find
async def find_any(self, environment_id, account_id, name):
    return await find(self, environment_id, named.pop() if named else account_id, name)
store.FunctionStore.find = find_any
"""


@pytest.fixture(scope="module")
def toothless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """A store whose processes neither strip secrets from events nor compare accounts."""
    folder = tmp_path_factory.mktemp("toothless")
    (folder / "python").mkdir()
    (folder / "python" / "sitecustomize.py").write_text(TOOTHLESS)
    with store_up(folder / "state", settings={"PYTHONPATH": str(folder / "python")}) as (running, _):
        yield new_environment(running)


def test_teeth_of_stripping_secrets_and_comparing_accounts(toothless: Environment) -> None:
    acme, rival = armed(toothless), toothless.partner("rival")
    theirs = rival.deploy("theirs", "def handler(event, context):\n    return 'theirs'\n")
    shown = toothless.store.request("/api/search?q=x", headers=hostile_headers(toothless)).body.decode()
    assert toothless.secrets["X-Tenant-Secret"] in shown
    assert "kokoa_operator-canary" in shown
    answers = attack(acme, "credentials", [["lambda", "get_function", {"FunctionName": theirs}]])["answers"]
    assert answers[0]["Configuration"]["FunctionName"] == "theirs"
