"""What the extension costs a generation: one that does not use it, in two webuis, and one that is traced."""

from __future__ import annotations

from statistics import median
from typing import Any

import psutil
from support.running import PROMPT, Webui

from parts.measure import Row, ratio
from parts.webui.place import Place

__all__ = ["idle", "traced"]

_SMALL: dict[str, Any] = {"prompt": PROMPT, "steps": 20, "width": 256, "height": 256}
_NOTHING: dict[str, Any] = {"image": ""}
_TRACED = {
    "one word": {"words": "hat"},
    "every word in a grid": {"show": ["grid"]},
    "one word, refined": {"words": "hat", "refine": True},
    "one word over the steps": {"words": "hat", "show": ["steps"]},
}


def idle(place: Place) -> list[Row]:
    """A txt2img with the extension installed but idle, and one without it."""
    sides = {"with": place.idle, "without": place.without}
    images = {name: one.txt2img(**_SMALL).tobytes() for name, one in sides.items()}
    samples: dict[str, list[float]] = {f"{name} CPU s": [] for name in sides}
    for turn in range(place.rounds(20)):
        for name, one in sorted(sides.items(), reverse=turn % 2 == 0):
            samples[f"{name} CPU s"].append(_cpu_seconds(one))
    ratios = [one / other for one, other in zip(*samples.values(), strict=True)]
    same = float(images["with"] != images["without"])
    return [
        _own_calls(place),
        Row(
            "the same by two webuis in turns, median of pairs", median(ratios), "×", None,
            {**samples, "ratio of each pair": ratios},
        ),
        Row("bytes of its image that differ", same, "(0 is none)", 0.0, {}),
    ]  # fmt: skip


def _own_calls(place: Place) -> Row:
    """What the webui's calls of the idle extension take of a txt2img; the machine's noise is not in that."""
    place.measured.ask("meter/calls", _NOTHING)
    own, whole = [], []
    for _ in range(place.rounds(10)):
        whole.append(_cpu_seconds(place.measured))
        own.append(sum(place.measured.ask("meter/calls", _NOTHING)["calls CPU ms"]) / 1e3)
    assert min(own) > 0, "no call of the extension was timed"
    shares = [1 + one / (all_ - one) for one, all_ in zip(own, whole, strict=True)]
    return Row(
        "a txt2img with the extension idle / without the extension's own calls, CPU time", median(shares),
        "×", 1.005, {"own calls CPU s": own, "whole CPU s": whole},
    )  # fmt: skip


def traced(place: Place) -> list[Row]:
    """A txt2img that is traced, and the same one that is not, pictures and all."""
    asked = {name: {"alwayson_scripts": {"VXA": {"args": [one]}}} for name, one in _TRACED.items()}
    sides: dict[str, dict[str, Any]] = {"plain": {}, **asked}
    for one in sides.values():
        _cpu_seconds(place.idle, **one)
    samples: dict[str, list[float]] = {f"{side} CPU s": [] for side in sides}
    for _ in range(place.rounds(10)):
        for side, one in sides.items():
            samples[f"{side} CPU s"].append(_cpu_seconds(place.idle, **one))
    return [
        Row(
            f"a txt2img traced, {side} / untraced, CPU time",
            ratio(samples, f"{side} CPU s", "plain CPU s"), "×", None, samples,
        )
        for side in _TRACED
    ]  # fmt: skip


def _cpu_seconds(webui: Webui, **settings: Any) -> float:
    """Of the webui's process, for one image."""
    process = psutil.Process(webui.process)
    before = process.cpu_times()
    webui.txt2img(**_SMALL, **settings)
    after = process.cpu_times()
    return (after.user + after.system) - (before.user + before.system)
