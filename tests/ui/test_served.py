"""What the app's server gives away and takes, by plain HTTP, as somebody would try it who is no browser."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from support import ROOT
from support.browser import MARKS, served
from support.replayed import make_backend

from vxa.ui import strings

pytest.importorskip("gradio", reason='gradio is not installed: pip install ".[app]"')
pytestmark = MARKS

SECRET = "nobody may read this"
PROJECT = ROOT / "pyproject.toml"


@pytest.fixture(scope="module")
def address(image_file: Path) -> Iterator[str]:
    with served(lambda folder: make_backend(image_file)) as address:
        yield address


@pytest.fixture(scope="module")
def folder(address: str) -> Path:
    """Where the app's uploads and pictures lie."""
    folder = Path(os.environ["GRADIO_TEMP_DIR"])
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.txt"
    path.write_text(SECRET, "utf-8")
    return path


def asked(
    address: str, method: str, path: str, body: bytes = b"", kind: str = "application/json"
) -> tuple[int, str]:
    """The status and the text of an answer; the path is sent as it is, dots and all."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=120)
    connection.request(method, path, body or None, {"Content-Type": kind})
    answer = connection.getresponse()
    said = answer.read().decode("utf-8", "replace")
    connection.close()
    return answer.status, said


def test_what_lies_in_the_apps_folder_is_served(address: str, folder: Path):
    (folder / "own.txt").write_text("everybody may read this", "utf-8")
    assert asked(address, "GET", f"/gradio_api/file={folder}/own.txt") == (200, "everybody may read this")


@pytest.mark.parametrize(
    "route",
    ["file=", "file/", "gradio_api/file=", "gradio_api/file/", "gradio_api/proxy=", "static/", "assets/"],
)
def test_no_file_outside_the_apps_folders_can_be_fetched(
    address: str, folder: Path, secret: Path, route: str
):
    (folder / "link.txt").unlink(missing_ok=True)
    (folder / "link.txt").symlink_to(secret)
    (folder / "within").unlink(missing_ok=True)
    (folder / "within").symlink_to(secret.parent)
    upwards = os.path.relpath(secret, folder)
    tried = [
        str(secret), str(PROJECT), "/etc/passwd", "pyproject.toml", f"file://{secret}", f"//{secret}",
        f"{folder}/{upwards}", f"{folder}/./{upwards}", f"{folder}/link.txt", f"{folder}/within/secret.txt",
        f"{folder.parent}/../{secret.relative_to('/')}", f"{upwards}", "../../../../../../etc/passwd",
    ]  # fmt: skip
    for path in tried:
        once = quote(path, safe="/")
        written = {
            path,
            once,
            path.replace("/", "%2f"),
            path.replace("..", "%2e%2e"),
            quote(once),
            "\\" + path,
        }
        for form in written:
            status, said = asked(address, "GET", f"/{route}{form}")
            assert status in (400, 403, 404, 405), (form, status)
            assert SECRET not in said
            assert "hatchling" not in said
            assert "root:" not in said


def upload_event(address: str) -> int:
    """The number of what happens when an image is dropped: it is handed a file."""
    config = json.loads(asked(address, "GET", "/config")[1])
    names = {part["id"]: part["props"].get("elem_id") for part in config["components"]}
    return next(
        event["id"]
        for event in config["dependencies"]
        for target, kind in event["targets"]
        if (names.get(target), kind) == ("vxa_image", "upload")
    )


def dropped(address: str, path: str) -> tuple[int, str]:
    """The answer to a request that says that the file was uploaded."""
    given = {"path": path, "meta": {"_type": "gradio.FileData"}}
    request = {"data": [given], "fn_index": upload_event(address), "session_hash": "mine"}
    return asked(address, "POST", "/gradio_api/run/predict", json.dumps(request).encode())


def test_no_file_that_was_not_uploaded_can_be_looked_at(
    address: str, folder: Path, secret: Path, image_file: Path
):
    (folder / "another.txt").unlink(missing_ok=True)
    (folder / "another.txt").symlink_to(secret)
    inside = f"{folder}/{os.path.relpath(image_file, folder)}"
    for path in (str(image_file), str(secret), "/etc/passwd", inside, str(folder / "another.txt")):
        status, said = dropped(address, path)
        assert status == 500
        assert json.loads(said)["error"] is None
    (folder / "words.png").write_text("words", "utf-8")
    status, said = dropped(address, str(folder / "words.png"))
    assert status == 200
    assert "cannot read image &#x27;words.png&#x27;: it is not an image file" in json.loads(said)["data"][0]


def test_a_file_that_is_gone_is_told_and_nothing_of_others(address: str, folder: Path, tmp_path: Path):
    status, said = dropped(address, str(folder / "gone.png"))
    assert (status, json.loads(said)["error"]) == (500, strings.IMAGE_GONE)
    for path in (tmp_path / "gone.png", PROJECT):  # there or not: the answer is the same
        status, said = dropped(address, str(path))
        assert (status, json.loads(said)["error"]) == (500, None)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_nobody_makes_the_server_fetch_from_an_address(address: str, scheme: str):
    status, said = dropped(address, f"{scheme}://127.0.0.1:9/image.png")
    assert status == 500
    assert json.loads(said)["error"] == strings.NO_ADDRESS


def multipart(data: bytes) -> tuple[bytes, str]:
    head = b'--cut\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    return head + data + b"\r\n--cut--\r\n", "multipart/form-data; boundary=cut"


def test_an_upload_is_limited_and_the_server_stays_up(address: str, folder: Path):
    before = {path for path in folder.rglob("*.png") if path.stat().st_size > 2**20}
    status, said = asked(address, "POST", "/gradio_api/upload", *multipart(bytes(33 * 2**20)))
    assert (status, "exceeded maximum allowed size" in said) == (413, True)
    assert {path for path in folder.rglob("*.png") if path.stat().st_size > 2**20} == before
    status, said = asked(address, "POST", "/gradio_api/upload", *multipart(b"small"))
    assert status == 200
    assert Path(json.loads(said)[0]).read_bytes() == b"small"
