"""Measurements inside the webui's process: a visualization, further questions, building the tab."""

from __future__ import annotations

from statistics import median
from typing import Any

from support.running import FIGURE

from parts.measure import ratio
from parts.report import Row, Samples
from parts.webui.installation import Installation

__all__ = ["measure_further", "measure_look", "measure_tab"]

_SIZES = (512, 1024)
_KINDS = (
    ("one site", "of a new image, asked for one site", 0.5),
    ("every site", "of a new image, keeping every site", None),
    ("another prompt", "of another prompt for the same image, asked for one site", 0.5),
)


def measure_look(installation: Installation) -> list[Row]:
    """Measure one visualization of one layer, by VXA and by the original extension."""
    rows = []
    for size in _SIZES:
        samples = _samples(installation, "look", size, installation.rounds(5))
        for side, how, limit in _KINDS:
            name = f"a visualization at {size}², {how} / the original extension's, CPU time"
            if "the original CPU ms" in samples:
                figure = ratio(samples, f"{side} CPU ms", "the original CPU ms")
                rows.append(Row(name, figure, "×", limit, samples))
            else:
                name = name.partition(" /")[0] + ", CPU time"
                rows.append(Row(name, median(samples[f"{side} CPU ms"]), "ms", None, samples))
    return rows


def measure_further(installation: Installation) -> list[Row]:
    """Measure another word, site and mode, on the server."""
    samples = dict(_samples(installation, "further", 512, installation.rounds(20)))
    calls = samples.pop("model calls")
    rows = [
        Row(
            f"another {name.removesuffix(' CPU ms')} at 512², CPU time",
            median(times),
            "ms",
            100.0,
            {name: times},
        )
        for name, times in samples.items()
    ]
    return [*rows, Row("model calls meanwhile", calls[0], "", 0.0, {"calls": calls})]


def measure_tab(installation: Installation) -> list[Row]:
    """Measure building the tab, as the webui does for its page."""
    samples = dict(_samples(installation, "tab", 512, installation.rounds(20)))
    loads = samples.pop("model asked for")
    return [
        Row("building the tab, CPU time", median(samples["the tab CPU ms"]), "ms", 50.0, samples),
        Row("the model asked for meanwhile", loads[0], "times", 0.0, {"times": loads}),
    ]


def _samples(installation: Installation, name: str, size: int, rounds: int) -> Samples:
    request: dict[str, Any] = {"image": str(FIGURE), "size": size, "rounds": rounds}
    samples: Samples = installation.measured.ask(f"meter/{name}", request)
    return samples
