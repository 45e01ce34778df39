"""Generations of a running webui, traced or not, and its answers."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from support.running import Webui

__all__ = ["BASE", "Generated", "encoded", "generate", "hooks", "keep", "same_pictures"]

BASE = {"prompt": "a red hat", "seed": 1, "steps": 4, "width": 192, "height": 192, "cfg_scale": 5}


class Generated:
    """The webui's answer to a generation."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.images = [Image.open(io.BytesIO(base64.b64decode(one))) for one in answer["images"]]
        self.info = json.loads(answer["info"])

    @property
    def of(self) -> list[str]:
        """The subject of each added picture, from its infotext."""
        texts = self.info["infotexts"]
        return [text.rpartition("VXA trace of: ")[2] for text in texts if "VXA trace of: " in text]

    @property
    def said(self) -> str:
        return str(self.info["extra_generation_params"].get("VXA trace says", ""))


def generate(
    webui: Webui, traced: dict[str, Any] | None = None, kind: str = "txt2img", **settings: Any
) -> Generated:
    body: dict[str, Any] = {**BASE, **settings}
    if traced is not None:
        body["alwayson_scripts"] = {"VXA": {"args": [traced]}}
    return Generated(webui.ask(f"sdapi/v1/{kind}", body))


def hooks(webui: Webui) -> tuple[int, int]:
    state = webui.ask("probe/state")
    return state["hooks"], state["everywhere"]


def keep(made: Generated, name: str, folder: Path) -> None:
    for number, image in enumerate(made.images):
        image.save(folder / f"{name}-{number}.png")


def same_pictures(one: Image.Image, other: Image.Image) -> None:
    assert one.size == other.size
    difference = np.abs(np.asarray(one.convert("RGB"), float) - np.asarray(other.convert("RGB"), float))
    assert difference.mean() < 0.5


def encoded(image: Image.Image) -> str:
    written = io.BytesIO()
    image.save(written, "PNG")
    return base64.b64encode(written.getvalue()).decode()
