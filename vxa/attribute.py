"""DAAM for a real image: its attention, averaged over noise levels.

    maps = attribute(load("papercut"), "figure.png", "hat, neck", timesteps=(300, 500, 700), seeds=(0, 1))
    maps.heat_map("hat").mask()

A generation passes through every noise level; of an image that is already there, each level is made: with
matched noise (x_t = √ᾱ_t z + √(1 - ᾱ_t) ε), some draws of it averaged, or by inverting the sampler of DDIM,
whose trajectory is the one noise that would lead back to the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from vxa.attention.site import SiteSpec, select_sites
from vxa.attention.watch import watch
from vxa.errors import SettingError
from vxa.images import read_image
from vxa.inversion import ddim_trajectory
from vxa.maps import AttentionMaps, Provenance
from vxa.models.base import Model
from vxa.steps import Bins, Schedule
from vxa.timesteps import whole
from vxa.trace.call import Facts, Reading, Settings, TracedCall
from vxa.version import versions
from vxa.visualize import ImageSource, add_noise, check_prompt, prepare

__all__ = ["DEFAULT_TIMESTEPS", "attribute"]

DEFAULT_TIMESTEPS = (100, 300, 500, 700, 900)
"""The middle of each fifth of a schedule of 1000 levels, in every one of which a generation spends its steps."""

_INVERSIONS = ("ddim",)
_MAX_STEPS = 1000


def attribute(
    model: Model,
    image: ImageSource,
    prompt: str,
    timesteps: Sequence[int] | None = None,
    seeds: Sequence[int] = (0,),
    inversion: Literal["ddim"] | None = None,
    *,
    steps: int = 20,
    sites: SiteSpec = None,
    bins: Bins = 1,
    heads: bool = False,
    max_side: int = 1024,
    advance: Callable[[int, int], object] = lambda done, all_: None,
) -> AttentionMaps:
    """The attention maps of `image` for `prompt`, averaged over passes at many noise levels.

    Args:
        model: see `vxa.load`.
        image: a path, a PIL image or an array, of any size.
        prompt: any length.
        timesteps: the noise levels to read; None is DEFAULT_TIMESTEPS, with inversion every level gone through.
        seeds: of the noise: a pass for each seed at each timestep. Unused with inversion.
        inversion: "ddim" follows the deterministic sampler backwards from the image, without guidance
            (Song et al. 2021, eq. 14), and reads what it passes; `timesteps` are then read at the nearest level.
        steps: of the inversion: that many passes.
        sites: as in `visualize`.
        bins, heads: as in `vxa.trace`; a step is a noise level, from the highest down.
        max_side: as in `visualize`.
        advance: called after each pass with the number of passes done and of all.

    Raises:
        ImageError, PromptError, SettingError, SiteError: a bad argument.
        RecordingError: a pass could not be watched faithfully.
    """
    levels, drawn = _checked(model, timesteps, seeds, inversion, steps)
    check_prompt(model, prompt)
    pixels, image_size, extent = prepare(read_image(image), max_side, model.multiple)
    with torch.no_grad():
        latent = model.encode_image(pixels)
        conditioning = model.encode_prompt(prompt, (pixels.shape[-2], pixels.shape[-1]))
        latent_size = (latent.shape[-2], latent.shape[-1])
        cross = tuple(site for site in model.sites if site.kind == "cross")
        wanted = select_sites(cross, sites, latent_size)
        if inversion is None:
            passes, total = _noised(model, latent, levels, drawn), len(levels) * len(drawn)
        else:
            passes, total = ddim_trajectory(model, latent, conditioning, steps), steps
            levels = _nearest(levels if timesteps is not None else None, model, steps)
        provenance = Provenance(
            model.name, prompt, 0, inversion or "matched", drawn[0], versions(), _notes(model, drawn, inversion)
        )
        call = TracedCall(
            wanted,
            [Reading(0, prompt, conditioning.tokens)],
            Schedule.of(sorted(levels, reverse=True)),
            Settings(bins, heads),
            Facts(provenance, model.default_sites if sites is None else "all", image_size, extent),
        )
        row = model.rows(1, guided=False)[0]
        for done, (noised, timestep, forward) in enumerate(passes, 1):
            if timestep in levels:
                call.begin(latent_size, timestep, {row: 0})
                with watch(model.network, wanted, call.receive) as watcher:
                    forward(model.denoise(noised, timestep, conditioning))
                watcher.check()
                call.end_pass()
            else:
                forward(model.denoise(noised, timestep, conditioning))
            advance(done, total)
    call.finish()
    return call.images[0]
