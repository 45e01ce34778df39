"""Cost of the extension to a generation that does not use it, and to one that is traced."""

from __future__ import annotations

from statistics import median
from typing import Any

import psutil
from support.running import PROMPT, Webui

from parts.measure import ratio
from parts.report import Row
from parts.webui.installation import Installation

__all__ = ["measure_idle", "measure_traced"]

_SMALL: dict[str, Any] = {"prompt": PROMPT, "steps": 20, "width": 256, "height": 256}
_NOTHING: dict[str, Any] = {"image": ""}
_TRACED = {
    "one word": {"words": "hat"},
    "every word in a grid": {"show": ["grid"]},
    "one word, refined": {"words": "hat", "refine": True},
    "one word over the steps": {"words": "hat", "show": ["steps"]},
}


def measure_idle(installation: Installation) -> list[Row]:
    """Measure a txt2img with the extension idle, against one in a second webui without it."""
    sides = {"with": installation.idle, "without": installation.without}
    images = {name: one.txt2img(**_SMALL).tobytes() for name, one in sides.items()}
    samples: dict[str, list[float]] = {f"{name} CPU s": [] for name in sides}
    for turn in range(installation.rounds(20)):
        for name, one in sorted(sides.items(), reverse=turn % 2 == 0):
            samples[f"{name} CPU s"].append(_cpu_seconds(one))
    ratios = [one / other for one, other in zip(*samples.values(), strict=True)]
    same = float(images["with"] != images["without"])
    return [
        _own_calls(installation),
        Row(
            "the same by two webuis in turns, median of pairs", median(ratios), "×", None,
            {**samples, "ratio of each pair": ratios},
        ),
        Row("bytes of its image that differ", same, "(0 is none)", 0.0, {}),
    ]  # fmt: skip


def _own_calls(installation: Installation) -> Row:
    """Measure the webui's calls of the idle extension during a txt2img, free of the machine's noise."""
    installation.measured.ask("meter/calls", _NOTHING)
    own, whole = [], []
    for _ in range(installation.rounds(10)):
        whole.append(_cpu_seconds(installation.measured))
        own.append(sum(installation.measured.ask("meter/calls", _NOTHING)["calls CPU ms"]) / 1e3)
    assert min(own) > 0, "no call of the extension was timed"
    shares = [1 + one / (all_ - one) for one, all_ in zip(own, whole, strict=True)]
    return Row(
        "a txt2img with the extension idle / without the extension's own calls, CPU time", median(shares),
        "×", 1.005, {"own calls CPU s": own, "whole CPU s": whole},
    )  # fmt: skip


def measure_traced(installation: Installation) -> list[Row]:
    """Measure a txt2img that is traced, its pictures included, against the same one untraced."""
    traced = {name: {"alwayson_scripts": {"VXA": {"args": [one]}}} for name, one in _TRACED.items()}
    sides: dict[str, dict[str, Any]] = {"plain": {}, **traced}
    for one in sides.values():
        _cpu_seconds(installation.idle, **one)
    samples: dict[str, list[float]] = {f"{side} CPU s": [] for side in sides}
    for _ in range(installation.rounds(10)):
        for side, one in sides.items():
            samples[f"{side} CPU s"].append(_cpu_seconds(installation.idle, **one))
    return [
        Row(
            f"a txt2img traced, {side} / untraced, CPU time",
            ratio(samples, f"{side} CPU s", "plain CPU s"), "×", None, samples,
        )
        for side in _TRACED
    ]  # fmt: skip


def _cpu_seconds(webui: Webui, **settings: Any) -> float:
    """Return the CPU time of the webui's process for one image."""
    process = psutil.Process(webui.process)
    before = process.cpu_times()
    webui.txt2img(**_SMALL, **settings)
    after = process.cpu_times()
    return (after.user + after.system) - (before.user + before.system)
