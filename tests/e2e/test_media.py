"""Pictures through the real program: a form in, files out, and the walls between stores."""

import http.client
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from families import Process, descendants, wait_for_the_end_of
from partners import Environment, Line, new_environment, problem
from PIL import Image
from running import Answer, RunningStore, store_up, until

SHOWN = """query($id: ID) { product(id: $id) { version thumbnail { alt url(rendition: SMALL, format: JPEG) } } }"""


def picture(colour: tuple[int, int, int] = (200, 40, 40)) -> bytes:
    out = BytesIO()
    Image.new("RGB", (600, 400), colour).save(out, "PNG")
    return out.getvalue()


def product_in(environment: Environment, name: str) -> str:
    create = "mutation($name: String!) { p: createProduct(input: {name: $name, variants: []}) { id } }"
    made = environment.graphql(create, name=name).json
    product: str = made["data"]["p"]["id"]
    return product


def send(environment: Environment, product: str, body: bytes, query: str = "", **headers: str) -> Answer:
    given = {name.replace("_", "-"): value for name, value in headers.items()} or {"Content-Type": "image/png"}
    path = f"/api/products/{product}/media{query}"
    return environment.store.request(path, method="POST", body=body, headers={**environment.secrets, **given})


@pytest.fixture(scope="module")
def mine(store: RunningStore) -> Environment:
    return new_environment(store)


@pytest.fixture(scope="module")
def theirs(store: RunningStore) -> Environment:
    return new_environment(store)


def form(content: bytes, alt: str) -> bytes:
    return (
        b'--kokoa\r\nContent-Disposition: form-data; name="alt"\r\n\r\n' + alt.encode() + b"\r\n"
        b'--kokoa\r\nContent-Disposition: form-data; name="f"; filename="v.png"\r\nContent-Type: image/png\r\n\r\n'
        + content
        + b"\r\n--kokoa--\r\n"
    )


def test_a_picture_is_sent_once_and_every_process_serves_it(store: RunningStore, mine: Environment) -> None:
    product = product_in(mine, "Vase")
    answer = send(mine, product, form(picture(), "Eine Vase"), Content_Type="multipart/form-data; boundary=kokoa")
    assert answer.status == 201, answer
    again = send(mine, product, picture())
    assert (again.status, again.json) == (201, answer.json)
    shown: Any = mine.graphql(SHOWN, id=product).json["data"]["product"]
    assert (shown["version"], shown["thumbnail"]["alt"]) == (2, "Eine Vase")
    lines: dict[str, Line] = {}
    until(lambda: len(lines) == 2 or not lines.update({(line := Line(store)).process: line}), what="two processes")
    for line in lines.values():
        file = line.request(shown["thumbnail"]["url"], headers=mine.shopper)
        assert (file.status, file.headers["content-type"]) == (200, "image/jpeg")
        assert file.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert Image.open(BytesIO(file.body)).size == (480, 320)
        known = line.request(
            shown["thumbnail"]["url"], headers={**mine.shopper, "If-None-Match": file.headers["etag"]}
        )
        assert (known.status, known.body) == (304, b"")


def test_another_store_neither_serves_nor_changes_it(mine: Environment, theirs: Environment) -> None:
    product = product_in(mine, "Bowl")
    sent = send(mine, product, picture((1, 99, 1))).json
    assert mine.get(sent["url"]).status == 200
    problem(theirs.get(sent["url"]), 404, "MEDIA_FILE_NOT_FOUND")
    problem(send(theirs, product, picture()), 404, "PRODUCT_NOT_FOUND")
    mine.operate("POST", "/domains", {"domain": f"{mine.tenant}.example.com"})
    theirs.operate("POST", "/domains", {"domain": f"{theirs.tenant}.example.com"})
    at = lambda environment: {"Host": f"{environment.tenant}.example.com"}  # noqa: E731
    until(lambda: mine.store.request(sent["url"], headers=at(mine)).status == 200, what="the domain")
    problem(mine.store.request(sent["url"], headers=at(theirs)), 404, "MEDIA_FILE_NOT_FOUND")


def test_bad_uploads_get_their_problem(mine: Environment) -> None:
    product = product_in(mine, "Cup")
    path = f"/api/products/{product}/media"
    refused = mine.store.request(path, method="POST", body=picture(), headers=mine.shopper)
    problem(refused, 403, "UPLOAD_FORBIDDEN")
    problem(send(mine, product, b"<svg xmlns='http://www.w3.org/2000/svg'/>"), 400, "IMAGE_FORMAT_UNSUPPORTED")
    problem(send(mine, product, picture()[:-30]), 400, "IMAGE_TRUNCATED")
    problem(send(mine, product, picture(), "?version=9"), 409, "PRODUCT_CHANGED")
    problem(send(mine, "no-id", picture()), 400, "INVALID_ID")
    assert status_of_announced(mine, path, length_bytes=20_100_000) == 413
    problem(mine.get("/media/" + "0" * 64 + "/..%2f..%2fx"), 400, "INVALID_PATH")
    assert mine.graphql(SHOWN, id=product).json["data"]["product"] == {"version": 1, "thumbnail": None}


def status_of_announced(environment: Environment, path: str, *, length_bytes: int) -> int:
    """The answer to a body that is announced, and waits to be asked for."""
    connection = http.client.HTTPConnection(urlsplit(environment.store.url).netloc, timeout=60)
    headers = {**environment.secrets, "Content-Length": str(length_bytes), "Expect": "100-continue"}
    connection.request("POST", path, headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


NOISY = """
import sys
from PIL import Image
Image.effect_noise((3000, 2000), 90).save(sys.stdout.buffer, "JPEG")
"""


def test_a_process_that_dies_while_it_decodes_takes_the_decoder_along_and_loses_nothing(tmp_path: Path) -> None:
    noisy = subprocess.run([sys.executable, "-c", NOISY], capture_output=True, check=True).stdout
    with store_up(tmp_path / "state") as (store, process):
        environment = new_environment(store)
        product = product_in(environment, "Vase")
        with ThreadPoolExecutor(1) as clients:
            sending = clients.submit(send, environment, product, noisy)
            found: list[Process] = []
            until(lambda: bool(found.extend(decoders(process.pid)) or found) or sending.done(), what="a decoder")
            assert found, sending.result()
            os.kill(parent_of(found[0].pid), signal.SIGKILL)
            wait_for_the_end_of(found)
            with pytest.raises(OSError):  # whichever way the connection ends
                sending.result(timeout=60)
        until(lambda: answers(environment, product), within_s=60, what="the store")
        shown = environment.graphql(SHOWN, id=product).json["data"]["product"]
        assert shown == {"version": 1, "thumbnail": None}
        assert send(environment, product, picture()).status == 201
        (left,) = uploads(store)
        two_days_ago = time.time() - 2 * 86_400
        os.utime(left, (two_days_ago, two_days_ago))
        (worker,) = [one for one in descendants(process.pid) if "serve worker" in one.command]
        os.kill(worker.pid, signal.SIGKILL)  # the next one sweeps when it starts
        until(lambda: not uploads(store), within_s=60, what="the sweeper")


def uploads(store: RunningStore) -> list[Path]:
    return [path for path in (store.state_dir / "objects" / "uploads").rglob("*") if path.is_file()]


def decoders(pid: int) -> list[Process]:
    return [one for one in descendants(pid) if "media.imaging" in one.command]


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def answers(environment: Environment, product: str) -> bool:
    try:
        return environment.graphql(SHOWN, id=product).status == 200
    except OSError:
        return False
