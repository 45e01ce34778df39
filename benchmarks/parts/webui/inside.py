"""What is measured inside the webui's process: a visualization, further questions, building the tab."""

from __future__ import annotations

from statistics import median
from typing import Any

from support.running import FIGURE

from parts.measure import Row, Samples, ratio
from parts.webui.place import Place

__all__ = ["further", "look", "tab"]

_SIZES = (512, 1024)
_LOOKS = (
    ("one site", "of a new image, asked for one site", 0.5),
    ("every site", "of a new image, keeping every site", None),
    ("another prompt", "of another prompt for the same image, asked for one site", 0.5),
)


def look(place: Place) -> list[Row]:
    """One visualization of one layer, by VXA and by the original extension."""
    rows = []
    for size in _SIZES:
        samples = _measured(place, "look", size, place.rounds(5))
        for side, how, limit in _LOOKS:
            name = f"a visualization at {size}², {how} / the original extension's, CPU time"
            if "the original CPU ms" in samples:
                figure = ratio(samples, f"{side} CPU ms", "the original CPU ms")
                rows.append(Row(name, figure, "×", limit, samples))
            else:
                name = name.partition(" /")[0] + ", CPU time"
                rows.append(Row(name, median(samples[f"{side} CPU ms"]), "ms", None, samples))
    return rows


def further(place: Place) -> list[Row]:
    """Another word, site and mode, on the server."""
    samples = dict(_measured(place, "further", 512, place.rounds(20)))
    calls = samples.pop("model calls")
    rows = [
        Row(
            f"another {name.removesuffix(' CPU ms')} at 512², CPU time",
            median(taken),
            "ms",
            100.0,
            {name: taken},
        )
        for name, taken in samples.items()
    ]
    return [*rows, Row("model calls meanwhile", calls[0], "", 0.0, {"calls": calls})]


def tab(place: Place) -> list[Row]:
    """Building the tab, as the webui does for its page."""
    samples = dict(_measured(place, "tab", 512, place.rounds(20)))
    asked = samples.pop("model asked for")
    return [
        Row("building the tab, CPU time", median(samples["the tab CPU ms"]), "ms", 50.0, samples),
        Row("the model asked for meanwhile", asked[0], "times", 0.0, {"times": asked}),
    ]


def _measured(place: Place, name: str, size: int, rounds: int) -> Samples:
    asked: dict[str, Any] = {"image": str(FIGURE), "size": size, "rounds": rounds}
    found: Samples = place.measured.ask(f"meter/{name}", asked)
    return found
