"""The HTTP API over a fake webui: answers, limits, credentials."""

from __future__ import annotations

import base64
import importlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.fake_host import FakeHost

import vxa
from vxa.io.infotext import parse_infotext, read_infotext
from vxa.maps.heat_map import DEFAULT_THRESHOLD, REFINED_THRESHOLD
from vxa.pictures.view import COLORMAPS
from vxa.settings import setting_of
from vxa.tracing.settings import PassSettings

fastapi = pytest.importorskip("fastapi", reason='fastapi is not installed: pip install ".[app]"')
testclient = pytest.importorskip("fastapi.testclient", reason="its client is missing")


def started(host: FakeHost) -> Any:
    app = fastapi.FastAPI()
    importlib.import_module("vxa.webui.api.routes").add_routes(None, app)
    return app


@pytest.fixture
def client(host: FakeHost, checkpoint: Any) -> Iterator[Any]:
    host.model = checkpoint
    with testclient.TestClient(started(host)) as made:
        yield made


@pytest.fixture
def given(picture: Image.Image) -> str:
    written = io.BytesIO()
    picture.save(written, "PNG")
    return base64.b64encode(written.getvalue()).decode()


def test_tokens_and_sites(client: Any) -> None:
    tokens = client.post("/vxa/v1/tokens", json={"prompt": "a (red:1.5) hat"}).json()["tokens"]
    assert [token["text"] for token in tokens[:5]] == ["<bos>", "a", "red", "hat", "<eos>"]
    assert (len(tokens), tokens[2]["weight"]) == (77, 1.5)
    answer = client.get("/vxa/v1/sites").json()
    assert answer["model"] == "one"
    assert {site["kind"] for site in answer["sites"]} == {"self", "cross"}


def test_a_picture_and_its_maps(client: Any, given: str, picture: Image.Image, tmp_path: Path) -> None:
    asked = {"image": given, "prompt": "a red hat", "words": "hat", "mode": "grey", "npz": True}
    answer = client.post("/vxa/v1/visualize", json=asked).json()
    (tmp_path / "maps.npz").write_bytes(base64.b64decode(answer["npz"]))
    (tmp_path / "maps.json").write_text(answer["json"], "utf-8")
    maps = vxa.read_maps(tmp_path / "maps.npz")
    assert (maps.provenance.model, maps.provenance.prompt) == ("one", "a red hat")
    shown = Image.open(io.BytesIO(base64.b64decode(answer["png"])))
    wanted = importlib.import_module("vxa.pictures.render").render(maps, picture, "grey", words="hat")
    np.testing.assert_array_equal(np.asarray(shown), np.asarray(wanted))
    url = client.post("/vxa/v1/visualize", json={**asked, "image": f"data:image/png;base64,{given}"}).json()
    assert url["png"] == answer["png"]


def test_refined_scaled_and_compared_as_on_the_page(
    client: Any, given: str, picture: Image.Image, tmp_path: Path
) -> None:
    asked = {"image": given, "prompt": "a red hat", "words": "hat", "mode": "difference", "against": "red"}
    asked |= {"refine": True, "normalize": "minmax", "resample": "nearest", "npz": True}
    answer = client.post("/vxa/v1/visualize", json=asked).json()
    (tmp_path / "maps.npz").write_bytes(base64.b64decode(answer["npz"]))
    (tmp_path / "maps.json").write_text(answer["json"], "utf-8")
    maps = vxa.read_maps(tmp_path / "maps.npz")
    assert maps.self_sites
    shown = Image.open(io.BytesIO(base64.b64decode(answer["png"])))
    chosen = {"words": "hat", "against": "red", "refine": True, "normalize": "minmax", "resample": "nearest"}
    wanted = importlib.import_module("vxa.pictures.render").render(maps, picture, "difference", **chosen)
    np.testing.assert_array_equal(np.asarray(shown), np.asarray(wanted))
    made = parse_infotext(answer["infotext"])
    assert made is not None
    told = {name: made.settings[f"VXA {name}"] for name in ("tokens", "against", "refine", "scale", "drawn")}
    assert told == {"tokens": "3", "against": "2", "refine": "True", "scale": "minmax", "drawn": "nearest"}
    indices = {**asked, "words": "", "tokens": "3", "against": "", "against_tokens": "2"}
    assert client.post("/vxa/v1/visualize", json=indices).json()["png"] == answer["png"]


def test_a_masks_usual_threshold_is_of_its_kind(client: Any, given: str) -> None:
    asked = {"image": given, "prompt": "a red hat", "words": "hat", "mode": "contour"}
    for refine, usual in ((False, DEFAULT_THRESHOLD), (True, REFINED_THRESHOLD)):
        told = client.post("/vxa/v1/visualize", json={**asked, "refine": refine}).json()
        named = client.post("/vxa/v1/visualize", json={**asked, "refine": refine, "threshold": usual}).json()
        assert told["png"] == named["png"]
        assert "VXA threshold" not in told["infotext"]


def test_a_picture_says_how_it_was_made(client: Any, given: str) -> None:
    asked = {"image": given, "prompt": "a red hat", "words": "hat", "timestep": 300, "noise": "matched"}
    asked["seed"] = 41
    answer = client.post("/vxa/v1/visualize", json=asked).json()
    with Image.open(io.BytesIO(base64.b64decode(answer["png"]))) as picture:
        assert picture.info["parameters"] == answer["infotext"]
    made = parse_infotext(answer["infotext"])
    assert made is not None
    told = {name: made.settings[f"VXA {name}"] for name in ("words", "tokens", "timestep", "noise", "mode")}
    assert told == {"words": "hat", "tokens": "3", "timestep": "300", "noise": "matched", "mode": "overlay"}
    assert (made.prompt, made.settings["Seed"], "saved" in answer) == ("a red hat", "41", False)
    other = client.post("/vxa/v1/visualize", json={**asked, "seed": 42}).json()
    assert other["png"] != answer["png"]


def test_a_picture_is_saved_below_the_outputs_folder_alone(client: Any, host: FakeHost, given: str) -> None:
    asked = {"image": given, "prompt": "hat", "save": True}
    assert client.post("/vxa/v1/visualize", json=asked).status_code == 200
    (saved,) = (host.folder / "outputs").rglob("*.png")
    assert read_infotext(saved) is not None
    for path in ("/tmp/x.png", "../x.png", ["x.png"], 1):
        answer = client.post("/vxa/v1/visualize", json={**asked, "save": path})
        assert (answer.status_code, "give a JSON boolean" in answer.json()["detail"]) == (422, True)
    assert client.post("/vxa/v1/visualize", json={**asked, "folder": "/tmp"}).status_code == 422
    assert [path for path in host.folder.rglob("*") if path.is_file()] == [saved]


def test_the_saved_files_name_is_told(client: Any, host: FakeHost, given: str) -> None:
    answer = client.post(
        "/vxa/v1/visualize", json={"image": given, "prompt": "a red hat", "save": True}
    ).json()
    assert answer["saved"] == "2026-01-31/00000-0-a red hat.png"
    saved = host.folder / "outputs" / "vxa-images" / answer["saved"]
    with Image.open(saved) as picture:
        assert picture.info["parameters"] == answer["infotext"]


def test_a_picture_alone_needs_no_more_of_the_pass_than_its_sites(
    client: Any, given: str, checkpoint: Any
) -> None:
    behind: list[Any] = []
    asked = {"image": given, "prompt": "a red hat", "words": "hat", "sites": "M00"}
    whole = client.post("/vxa/v1/visualize", json={**asked, "npz": True}).json()
    checkpoint.model.diffusion_model.out.register_forward_pre_hook(lambda module, given: behind.append(1))
    last = checkpoint.model.diffusion_model.output_blocks[-1]
    last.register_forward_pre_hook(lambda module, given: behind.append(module))
    alone = client.post("/vxa/v1/visualize", json=asked).json()
    assert (alone["png"], behind) == (whole["png"], [])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"opacity": 2}, "opacity 2 is out of range"),
        ({"threshold": -1}, "threshold -1 is out of range"),
        ({"colormap": "none"}, "colormap"),
        ({"resample": "none"}, "resample"),
        ({"normalize": "none"}, "normalize"),
        ({"mode": "none"}, "there is no mode"),
        ({"against": "hat"}, "compares nothing"),
    ],
)
def test_a_setting_of_the_picture_is_refused_before_the_pass(
    client: Any, given: str, checkpoint: Any, changed: dict[str, Any], said: str
) -> None:
    ran: list[Any] = []
    checkpoint.model.diffusion_model.register_forward_pre_hook(lambda module, given: ran.append(1))
    asked = {"image": given, "prompt": "a red hat", **changed}
    answer = client.post("/vxa/v1/visualize", json=asked)
    assert (answer.status_code, ran) == (422, [])
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"image": "http://127.0.0.1/secret.png"}, "never fetched"),
        ({"image": "/etc/passwd"}, "never fetched"),
        ({"image": "aGVsbG8="}, "cannot read image 'image'"),
        ({"prompt": " "}, "no words"),
        ({"prompt": 3}, "give a JSON string"),
        ({"timestep": True}, "give a JSON integer"),
        ({"timestep": 1000}, "from 0 to 999"),
        ({"timestep": 1.5}, "give a JSON integer"),
        ({"seed": -1}, "seed"),
        ({"words": "dog"}, "not in the prompt"),
        ({"tokens": "1, 99"}, "out of range"),
        ({"sites": "OUT99"}, "no site"),
        ({"mode": "nonsense"}, "mode"),
        ({"opacity": "1"}, "give a JSON number"),
        ({"path": "/etc/passwd"}, "the names are: image"),
    ],
)
def test_what_cannot_be_answered_is_one_sentence(
    client: Any, given: str, changed: dict[str, Any], said: str
) -> None:
    asked = {"image": given, "prompt": "a red hat", **changed}
    answer = client.post("/vxa/v1/visualize", json=asked)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert "\n" not in answer.json()["detail"]


def test_what_is_missing_is_named(client: Any) -> None:
    answer = client.post("/vxa/v1/visualize", json={"mode": "grey"})
    assert (answer.status_code, answer.json()["detail"]) == (422, "the request lacks: image, prompt")


@pytest.mark.parametrize("body", [b"[1]", b"nonsense", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object(client: Any, body: bytes) -> None:
    assert client.post("/vxa/v1/tokens", content=body).status_code == 400


def test_a_body_that_is_too_long_is_not_read_to_its_end(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("vxa.webui.api.routes"), "MOST_BYTES", 1000)
    sent: list[int] = []

    def body() -> Iterator[bytes]:
        for number in range(1000):
            sent.append(number)
            yield b" " * 100

    answer = client.post("/vxa/v1/tokens", content=body())
    assert answer.status_code == 413


ROUTES = [("GET", "/vxa/v1/sites"), ("POST", "/vxa/v1/tokens"), ("POST", "/vxa/v1/visualize")]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_with_api_auth_nobody_else_is_answered(client: Any, host: FakeHost, method: str, path: str) -> None:
    host.flags.api_auth = "ann:one:two,bob:zwei"
    for user in (None, ("ann", "zwei"), ("eve", ""), ("", ""), ("bob", "zweiä")):
        answer = client.request(method, path, auth=user, json={"prompt": "a hat"})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Basic")
    for user in (("ann", "one:two"), ("bob", "zwei")):
        answer = client.request(method, path, auth=user, json={"prompt": "a hat"})
        assert answer.status_code == (422 if path.endswith("visualize") else 200)


def test_every_route_asks_who_it_is(host: FakeHost) -> None:
    routes = [route for route in started(host).routes if route.path.startswith("/vxa/")]
    assert sorted((*route.methods, route.path) for route in routes) == sorted(ROUTES)


def test_without_api_there_is_none(host: FakeHost) -> None:
    host.flags.api = False
    assert not [route for route in started(host).routes if route.path.startswith("/vxa/")]


def test_the_routes_are_in_the_openapi_page(client: Any) -> None:
    described = client.get("/openapi.json").json()["paths"]
    body = described["/vxa/v1/visualize"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["required"] == ["image", "prompt"]
    timestep = body["properties"]["timestep"]
    assert (timestep["type"], timestep["default"], timestep["minimum"]) == ("integer", 50, 0)
    assert timestep["description"] == setting_of(PassSettings, "timestep").help
    assert body["properties"]["colormap"]["enum"] == list(COLORMAPS)
    json.dumps(described)
