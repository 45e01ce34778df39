"""Traced generations beside ADetailer: pytest -m webui tests/webui --webui PATH --adetailer PATH.

ADetailer generates again each part of an image that its detector finds, before the image is finished, with a
copy of the generation's object. It also calls the other scripts' end and beginning in the middle of the
generation. The detector here has random weights: the parts that it finds are no faces, but are generated
again all the same.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.running import Webui, data_folder, models_folder, started
from support.traced_webui import BASE, Generated, hooks, keep

_DETECTOR = """
import sys, torch
from ultralytics import YOLO
torch.manual_seed(0)
YOLO("yolov8n.yaml").save(sys.argv[1])
"""
_DETAIL = {"ad_model": "any.pt", "ad_confidence": 0.0, "ad_mask_k": 1, "ad_prompt": "a cat"}


@pytest.fixture(scope="module")
def detailing(
    pytestconfig: pytest.Config, installation: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Webui]:
    """A webui with ADetailer in it, and a detector."""
    given = pytestconfig.getoption("--adetailer", default=None)
    if not given:
        pytest.skip("no ADetailer was given: pytest -m webui tests/webui --webui PATH --adetailer PATH")
    data = data_folder(tmp_path_factory.mktemp("data"))
    extension = data / "extensions" / "adetailer"
    extension.symlink_to(Path(given).expanduser().resolve(), target_is_directory=True)
    detectors = data / "models" / "adetailer"
    detectors.mkdir(parents=True)
    subprocess.run([str(installation[1]), "-c", _DETECTOR, str(detectors / "any.pt")], check=True, cwd=data)
    flags = ["--ckpt", str(models_folder(data) / "papercut.safetensors"), "--ad-no-huggingface"]
    with started(*installation, data, flags) as one:
        one.choose("papercut.safetensors")
        yield one


def generate(
    webui: Webui, traced: dict[str, Any] | None, detailed: bool = True, **settings: Any
) -> Generated:
    scripts: dict[str, Any] = {"ADetailer": {"args": [detailed, False, _DETAIL]}}
    if traced is not None:
        scripts["VXA"] = {"args": [traced]}
    return Generated(webui.ask("sdapi/v1/txt2img", {**BASE, **settings, "alwayson_scripts": scripts}))


@pytest.mark.parametrize("only_some", [True, False], ids=["as it is", "with every script"])
def test_maps_are_of_the_generation_and_its_image_is_the_detailed_one(
    detailing: Webui, only_some: bool, tmp_path: Path
) -> None:
    many = {"batch_size": 2, "n_iter": 2}
    with detailing.options(ad_only_selected_scripts=only_some):
        plain = generate(detailing, {"words": "hat"}, detailed=False, **many)
        detailed = generate(detailing, None, **many)
        before = hooks(detailing)
        made = generate(detailing, {"words": "hat"}, **many)
    keep(made, f"detailed-{only_some}", tmp_path)
    assert hooks(detailing) == before
    assert (made.said, made.of) == ("", ["hat"] * 4)
    for image, other, without in zip(made.images[:4], detailed.images, plain.images, strict=False):
        assert image.tobytes() == other.tobytes()
        assert image.tobytes() != without.tobytes()
    # The same maps as without it, over an image that differs where it was generated again.
    for one, other in zip(made.images[4:], plain.images[4:], strict=True):
        assert np.mean(np.asarray(one.convert("RGB")) == np.asarray(other.convert("RGB"))) > 0.5
