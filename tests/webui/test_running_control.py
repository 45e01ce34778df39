"""Traced generations beside the webui's ControlNet.

pytest -m webui tests/webui --webui PATH --controlnet PATH
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.networks import write_control
from support.running import FIGURE, Webui, data_folder, models_folder, started
from support.shapes import write_shapes
from support.traced_webui import BASE, Generated, hooks, keep, same_pictures


@pytest.fixture(scope="module")
def controlled(
    pytestconfig: pytest.Config, installation: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Webui]:
    """A webui with ControlNet in it, and a control model for papercut."""
    given = pytestconfig.getoption("--controlnet", default=None)
    if not given:
        pytest.skip("no ControlNet was given: pytest -m webui tests/webui --webui PATH --controlnet PATH")
    data = data_folder(tmp_path_factory.mktemp("data"))
    extension = data / "extensions" / "sd-webui-controlnet"
    extension.symlink_to(Path(given).expanduser().resolve(), target_is_directory=True)
    write_control(data / "models" / "ControlNet" / "ink.safetensors")
    flags = ["--ckpt", str(models_folder(data) / "papercut.safetensors")]
    with started(*installation, data, flags) as one:
        one.choose("papercut.safetensors")
        yield one


def generate(
    webui: Webui, traced: dict[str, Any] | None, control: dict[str, Any], **settings: Any
) -> Generated:
    unit = {"enabled": True, "image": base64.b64encode(FIGURE.read_bytes()).decode(), **control}
    scripts: dict[str, Any] = {"ControlNet": {"args": [unit]}}
    if traced is not None:
        scripts["VXA"] = {"args": [traced]}
    return Generated(webui.ask("sdapi/v1/txt2img", {**BASE, **settings, "alwayson_scripts": scripts}))


def ink(webui: Webui, weight: float) -> dict[str, Any]:
    (model,) = webui.ask("controlnet/model_list?update=true")["model_list"]
    return {"module": "none", "model": model, "weight": weight}


def test_a_control_of_no_weight_changes_no_map(controlled: Webui, tmp_path: Path) -> None:
    """Its mark precedes the tokens even so, and is not read as one of them."""
    free = Generated(
        controlled.ask("sdapi/v1/txt2img", {**BASE, "alwayson_scripts": {"VXA": {"args": [{}]}}})
    )
    made = generate(controlled, {}, ink(controlled, 0.0))
    keep(made, "weightless", tmp_path)
    assert (made.said, made.of) == ("", ["a", "red", "hat"])
    pictures = [made.images[number] for number in range(len(made.images)) if _is_figure(made.images[number])]
    for one, other in zip(pictures, free.images[1:], strict=True):
        same_pictures(one, other)


@pytest.mark.parametrize("settings", [{}, {"batch_size": 2, "negative_prompt": "a cat"}])
def test_what_is_controlled_is_traced_and_stays(
    controlled: Webui, settings: dict[str, Any], tmp_path: Path
) -> None:
    count = settings.get("batch_size", 1)
    control = ink(controlled, 2.0)
    plain = generate(controlled, None, control, **settings)
    before = hooks(controlled)
    made = generate(controlled, {"words": "hat"}, control, **settings)
    keep(made, f"controlled-{count}", tmp_path)
    assert (made.said, made.of) == ("", ["hat"] * count)
    assert [one.tobytes() for one in made.images[:count]] == [one.tobytes() for one in plain.images[:count]]
    free = generate(controlled, None, ink(controlled, 0.0), **settings)
    assert free.images[0].tobytes() != plain.images[0].tobytes()
    assert hooks(controlled) == before


def test_a_reference_runs_the_network_twice_and_that_is_told(
    controlled: Webui, installation: tuple[Path, Path]
) -> None:
    """reference_only needs the blocks of a network of real depth; papercut has fewer."""
    write_shapes(models_folder(controlled.data) / "papercut.safetensors", *installation)
    controlled.ask("sdapi/v1/refresh-checkpoints", {})
    controlled.choose("sd2-v.safetensors")
    control = {"module": "reference_only", "model": "None"}
    plain = generate(controlled, None, control)
    before = hooks(controlled)
    made = generate(controlled, {"words": "hat"}, control)
    assert made.of == []
    assert "ran more than once in one forward" in made.said
    assert made.images[0].tobytes() == plain.images[0].tobytes()
    assert hooks(controlled) == before


def _is_figure(image: Image.Image) -> bool:
    """Whether it is a heat map, larger than what was generated and than ControlNet's hints."""
    return image.width > BASE["width"]
