"""What the extension costs a generation that does not use it: the same image in two webuis, in turns."""

from __future__ import annotations

from statistics import median

import psutil
from measure import Row
from running import Webui

from webui_parts.place import Place

__all__ = ["idle"]


def idle(place: Place) -> list[Row]:
    """A txt2img with the extension installed but idle, and one without it."""
    sides = {"with": place.idle, "without": place.without}
    images = {name: one.txt2img(steps=_STEPS, width=256, height=256).tobytes() for name, one in sides.items()}
    samples: dict[str, list[float]] = {f"{name} CPU s": [] for name in sides}
    for turn in range(place.rounds(20)):
        for name, one in sorted(sides.items(), reverse=turn % 2 == 0):
            samples[f"{name} CPU s"].append(_cpu_seconds(one))
    ratios = [one / other for one, other in zip(*samples.values(), strict=True)]
    same = float(images["with"] != images["without"])
    return [
        Row(
            "a txt2img with the extension idle / without it, CPU time, median of pairs", median(ratios), "×",
            1.005, {**samples, "ratio of each pair": ratios},
        ),
        Row("bytes of its image that differ", same, "(0 is none)", 0.0, {}),
    ]  # fmt: skip


_STEPS = 20


def _cpu_seconds(webui: Webui) -> float:
    """Of the webui's process, for one image."""
    process = psutil.Process(webui.process)
    before = process.cpu_times()
    webui.txt2img(steps=_STEPS, width=256, height=256)
    after = process.cpu_times()
    return (after.user + after.system) - (before.user + before.system)
