"""The tour of the README, run as it stands there: from a fresh copy by `make up`, and with the roles apart."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from running import ROOT, VENV_BIN, RunningStore, roles_apart, store_up, tour_blocks

MARK = "@@ block"


@pytest.mark.timeout(400)
def test_the_tour_works_from_a_fresh_clone(tmp_path: Path) -> None:
    """`make up` installs everything anew here, as on a machine that never saw Kokoa."""
    clone = tmp_path / "kokoa"
    copy_checkout(clone)
    with store_up(clone / ".kokoa", command=["make", "up"], cwd=clone) as (store, _):
        take_the_tour(clone, store)


@pytest.mark.timeout(240)
def test_the_tour_works_with_the_roles_apart(tmp_path: Path) -> None:
    state_dir = tmp_path / ".kokoa"
    copy_checkout(tmp_path / "kokoa")
    with roles_apart(state_dir) as store:
        take_the_tour(tmp_path / "kokoa", store, state_dir)


def copy_checkout(target: Path) -> None:
    """What a clone of the next commit would have."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    assert listed.returncode == 0, listed.stderr
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def take_the_tour(clone: Path, store: RunningStore, state_dir: Path | None = None) -> None:
    """Run the README's blocks in one shell, then look at what each printed."""
    blocks = tour_blocks(clone / "README.md", "tour")
    assert len(blocks) == 9, "the tour in README.md has changed; change this test with it"
    script = "".join(f"echo '{MARK} {number}'\n{block}\necho\n" for number, block in enumerate(blocks))
    script += f'echo \'{MARK} after\'\ncurl -si "$KOKOA_URL/api/search?q=lamp" -H "X-Tenant-ID: $KOKOA_TENANT_ID"\n'
    if state_dir is not None:
        script = script.replace(". .kokoa/demo.env", f". {state_dir}/demo.env")
        script = f"export KOKOA_STATE_DIR={state_dir}\n{script}"
    done = subprocess.run(
        ["bash", "-eu", "-c", script],
        cwd=clone,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "KOKOA_"))},
            "PATH": shell_path(clone),
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    look(
        dict(zip(["", *map(str, range(9)), "after"], re.split(rf"{MARK} \w+\n", done.stdout), strict=True)),
        done.stderr,
    )


def shell_path(clone: Path) -> str:
    """The clone's own .venv when it has one; else this checkout's, for roles that were started from it."""
    own = clone / ".venv" / "bin"
    return f"{own if own.exists() else VENV_BIN}{os.pathsep}{os.environ['PATH']}"


def look(printed: dict[str, str], errors: str) -> None:
    graphql = json.loads(printed["1"])
    assert len(graphql["data"]["products"]) == 5, graphql
    first = graphql["data"]["products"][0]
    assert isinstance(first["id"], str)
    assert isinstance(first["price"], float)
    assert {"code": "FI", "name": "Finland"} in graphql["data"]["countries"]

    native = json.loads(printed["2"])
    names = {item["name"] for item in native["items"]}
    assert "Harbour desk lamp" in names
    assert "rankedBy" not in native

    invoked = json.loads(first_json(printed["3"]))
    assert invoked["statusCode"] == 200, printed["3"]
    assert json.loads(invoked["body"])["rankedBy"] == "search-plus"

    head, _, body = printed["4"].partition("\n\n")
    assert "\nHTTP/1.1 200 OK\n" in head, printed["4"]
    overridden = json.loads(body)
    assert overridden["rankedBy"] == "search-plus"
    prices = [item["price"] for item in overridden["items"]]
    assert prices == sorted(prices)
    assert {item["name"] for item in overridden["items"]} == names

    listed, logged = printed["5"], printed["5"]
    row = next(line for line in listed.splitlines() if "/api/search" in line and "native" in line)
    assert "search-plus" in row, listed
    for word in ("START RequestId:", "END RequestId:", "REPORT RequestId:", "search-plus ranked"):
        assert word in logged, logged

    shown = json.loads(first_json(printed["7"][printed["7"].index('{"data"') :]))
    assert [one["price"] for one in shown["data"]["products"]] == [9.99] * 3, printed["7"]
    assert re.search(r"answered\D+\d", printed["8"]), printed["8"]
    assert "members-price is withdrawn" in printed["8"]

    after = json.loads(printed["after"].partition("\n\n")[2])
    assert "rankedBy" not in after
    assert "Traceback" not in errors


def first_json(text: str) -> str:
    """`aws lambda invoke … /dev/stdout` prints the answer and then its own summary."""
    value, _ = json.JSONDecoder().raw_decode(text[text.index("{") :])
    return json.dumps(value)
