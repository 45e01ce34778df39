"""Passes as the command line makes them: of no more attention layers than the picture needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxa.cli.console import quiet, status
from vxa.cli.model import check_prompt, load_quietly, tell_unknown_words
from vxa.errors import PromptError
from vxa.maps.settings import Selection
from vxa.models.settings import LoadSettings
from vxa.tracing.settings import PassSettings
from vxa.tracing.timesteps import parse_timesteps
from vxa.tracing.visualize import visualize

if TYPE_CHECKING:
    from PIL.Image import Image

    from vxa.maps.attention_maps import AttentionMaps

__all__ = ["watch_passes"]


def watch_passes(
    name: str,
    loading: LoadSettings,
    image: Image,
    prompt: str | None,
    settings: PassSettings,
    timesteps: str | None,
    selection: Selection,
    everything: bool,
) -> list[AttentionMaps]:
    """Return the maps of one pass for each timestep, of the selection's sites alone unless `everything`.

    `timesteps` are several as `parse_timesteps` reads them; None is that of the settings.
    """
    if prompt is None:
        raise PromptError('no prompt was given; describe the image after its path, as in "hat, neck"')
    check_prompt(prompt)
    loaded = load_quietly(name, loading)
    tell_unknown_words(loaded.name, prompt)
    recorded = None if everything else selection.sites or loaded.default_sites
    one = (settings.timestep,)
    chosen = one if timesteps is None else parse_timesteps(timesteps, loaded.num_timesteps)
    watched = []
    for number, timestep in enumerate(chosen, 1):
        with status(f"denoising pass {number} of {len(chosen)}"), quiet():
            maps = visualize(
                loaded, image, prompt, timestep, settings.noise, settings.seed, recorded, settings.max_side,
                self_attention=selection.refine,
            )  # fmt: skip
            watched.append(maps)
    return watched
