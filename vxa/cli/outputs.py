"""Saved maps in, pictures and maps out, and the summary that commands print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vxa.errors import SettingError, VxaError
from vxa.io.images import check_image_path, save_image
from vxa.io.maps_file import check_maps_path, read_maps, sidecar_path, write_maps
from vxa.tokens import shorten

if TYPE_CHECKING:
    from PIL.Image import Image

    from vxa.maps.attention_maps import AttentionMaps
    from vxa.maps.heat_map import HeatMap

__all__ = ["check_outputs", "check_passes", "check_unused", "saved_maps", "summary", "write_outputs"]

_OF_A_PASS = ("model", "device", "dtype", "offload", "timestep", "noise", "seed", "max_side")
_NAMED = 8  # tokens named one by one in the summary
_SEARCHED = 1024  # pixels a side within which the peak of a huge map is searched


def check_outputs(output: Path, save: Path | None) -> None:
    """Raise a VxaError for a picture or maps that could not be written."""
    check_image_path(output)
    if save is not None:
        check_maps_path(save)


def check_passes(mode: str, timesteps: str | None, of_one: Mapping[str, Path | None]) -> None:
    """Raise SettingError for several timesteps where one pass is wanted, and one pass where several are.

    `of_one` has the paths of what is of one pass, by option.
    """
    if mode != "timesteps" and timesteps is not None:
        raise SettingError(f"mode {mode!r} shows one timestep; choose mode timesteps, or give --timestep")
    given = [option for option, path in of_one.items() if path is not None]
    if mode == "timesteps" and given:
        raise SettingError(
            f"saved maps and masks are of one timestep; leave {' and '.join(given)} out of mode timesteps"
        )


def check_unused(context: typer.Context, maps: Path | None) -> None:
    """Raise SettingError for options that only a pass heeds, beside saved maps."""
    sources = {name: context.get_parameter_source(name) for name in _OF_A_PASS}
    given = [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    if maps is not None and given:
        options = ", ".join("--" + name.replace("_", "-") for name in given)
        raise SettingError(f"saved maps need no pass, and {options} would do nothing; leave it or --maps out")


def saved_maps(path: Path, prompt: str | None) -> AttentionMaps:
    """Read saved maps; a prompt beside them must be theirs."""
    maps = read_maps(path)
    if prompt is not None and prompt != maps.provenance.prompt:
        raise SettingError(
            f"the maps are of the prompt {shorten(maps.provenance.prompt)!r}, not {shorten(prompt)!r}; "
            "leave the prompt out"
        )
    return maps


def summary(passes: Sequence[AttentionMaps], heat: HeatMap) -> list[tuple[str, str]]:
    """Return the selection and its peak in the first pass, as rows of name and value."""
    maps = passes[0]
    levels = ", ".join(each.provenance.level.removeprefix("t = ") for each in passes)
    chosen = ", ".join(f"{index} {maps.tokens[index].text}" for index in heat.tokens[:_NAMED])
    more = f" and {len(heat.tokens) - _NAMED} more" if len(heat.tokens) > _NAMED else ""
    provenance = maps.provenance
    return [
        ("tokens", chosen + more),
        ("sites", ", ".join(dict.fromkeys(heat.sites))),
        ("timestep", f"{levels}, noise {provenance.noise}"),
        ("peak", _peak(heat)),
        *(("note", note) for note in provenance.notes),
    ]


def _peak(heat: HeatMap) -> str:
    """Return the largest value of the map and its place, in pixels of the image."""
    height, width = heat.image_size
    shrink = max(1.0, max(height, width) / _SEARCHED)
    values = heat.upsampled(max(1, round(height / shrink)), max(1, round(width / shrink)))
    row, column = divmod(int(values.argmax()), values.shape[1])
    row = int((row + 0.5) * height / values.shape[0])
    column = int((column + 0.5) * width / values.shape[1])
    return f"{values.max():.3g} at row {row}, column {column} of {height}x{width}"


def write_outputs(picture: Image, output: Path, maps: AttentionMaps, save: Path | None) -> None:
    """Write the maps, where they are wanted, and the picture; when the picture fails the maps go too."""
    if save is not None:
        write_maps(maps, save)
    try:
        save_image(picture, output)
    except VxaError:
        for path in () if save is None else (save, sidecar_path(save)):
            with suppress(OSError):  # on Windows, a file that another program has open stays
                path.unlink()
        raise
