"""DAAM for a real image: its attention, averaged over noise levels.

    maps = attribute("papercut", "figure.png", "hat, neck", timesteps=(300, 500, 700), seeds=(0, 1))
    maps.heat_map("hat").mask()

A generation passes through every noise level. For an existing image the noised latents must be created, in
one of two ways: by adding matched noise (x_t = √ᾱ_t z + √(1 - ᾱ_t) ε) and averaging over several seeds, or by
DDIM inversion, whose trajectory leads to the one noise from which DDIM would generate the image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from vxa.attention.sites import SelfAttentionSpec, SiteSpec, watched_sites
from vxa.errors import SettingError
from vxa.io.images import ImageSource, image_name, read_image
from vxa.maps.attention_maps import AttentionMaps, Provenance
from vxa.maps.selection import TokenSpec, WordSpec, token_groups, union
from vxa.maps.steps import Bins, Schedule
from vxa.models import load
from vxa.models.protocol import Conditioning, Model
from vxa.models.session import Pass, Row, announced
from vxa.tokens import Token
from vxa.tracing.call_info import GenerationInfo, Settings, TracedPrompt
from vxa.tracing.ddim_inversion import ddim_levels, ddim_trajectory
from vxa.tracing.generation import TracedCall
from vxa.tracing.recorder import Recorder
from vxa.tracing.visualize import add_noise, check_prompt, prepare, whole_number
from vxa.version import versions

__all__ = ["DEFAULT_LEVELS", "INVERSIONS", "attribute"]

DEFAULT_LEVELS = (1, 100, 200)
"""Default noise levels for 1000 timesteps, scaled for other schedules.

Chosen on papercut's `dev` with its weights of version 0.1 (138 nouns): mean IoU 0.602, refined 0.742. The
middle of each fifth (100, 300, … 900) gave 0.556, refined 0.710."""

INVERSIONS = ("ddim",)

_MAX_PASSES = 1000


def attribute(
    source: object,
    image: ImageSource,
    prompt: str,
    timesteps: Sequence[int] | None = None,
    seeds: Sequence[int] = (0,),
    inversion: Literal["ddim"] | None = None,
    *,
    steps: int = 20,
    words: WordSpec = None,
    tokens: TokenSpec = None,
    sites: SiteSpec = None,
    bins: Bins = 1,
    heads: bool = False,
    self_attention: SelfAttentionSpec = False,
    max_side: int = 1024,
    advance: Callable[[int, int], object] | None = None,
) -> AttentionMaps:
    """Return the attention maps of `image` for `prompt`, averaged over passes at several noise levels.

    Args:
        source: as in `vxa.visualize`.
        image: a path, a PIL image or an array, of any size.
        prompt: a text of any length.
        timesteps: the noise levels to read. None is DEFAULT_LEVELS, or with inversion every level on its
            trajectory.
        seeds: the seeds of the noise: one pass per seed and timestep. Not used with inversion.
        inversion: "ddim" runs the deterministic sampler backwards from the image and reads the latents of its
            trajectory (`vxa.tracing.ddim_inversion`). `timesteps` then select the nearest of its levels.
        steps: the number of steps of the inversion, one pass each.
        words, tokens: keep only these, as in `vxa.trace`; None is every token.
        sites: as in `vxa.visualize`.
        bins, heads, self_attention: as in `vxa.trace`; a step is a noise level, from the highest down.
        max_side: as in `vxa.visualize`.
        advance: called after each pass with the number of passes done and the total.

    Raises:
        ImageError, PromptError, SettingError, SiteError: an argument is invalid.
        WordError, TokenIndexError: the prompt has no such word or token.
        ModelError: the source is no model, or one that cannot be inverted.
        RecordingError: a pass could not be watched faithfully.
    """
    model = load(source)
    requested = _check_levels(model, timesteps, inversion)
    noise_seeds = _check_seeds(seeds, len(requested))
    steps = whole_number("steps", steps, 1, _MAX_PASSES)
    settings = Settings(bins, heads, self_attention=self_attention)
    check_prompt(model, prompt)
    pixels, image_size, extent = prepare(read_image(image), max_side, model.multiple)
    trajectory = ddim_levels(model.num_timesteps, steps)[:-1]
    levels = requested if inversion is None else _nearest(requested, trajectory)
    with torch.no_grad():
        conditioning = model.encode_prompt(prompt, (pixels.shape[-2], pixels.shape[-1]))
        kept = _kept_tokens(conditioning.tokens, words, tokens)
        traced_prompt = TracedPrompt(0, prompt, conditioning.tokens, kept=kept)
        latent = model.encode_image(pixels)
        schedule = Schedule.of(sorted(levels, reverse=True))
        call = TracedCall(
            watched_sites(model.sites, sites, _size_of(latent), self_attention),
            [traced_prompt],
            schedule,
            settings,
            GenerationInfo(
                replace(_provenance(model, noise_seeds, inversion), image=image_name(image)),
                model.default_sites if sites is None else "all",
                image_size,
                extent,
            ),
        )
        count = len(levels) * len(noise_seeds) if inversion is None else len(trajectory)
        passes = _Passes(model, conditioning, call, schedule, count, advance)
        if inversion is None:
            passes.record_noised(latent, levels, noise_seeds)
        else:
            passes.record_inversion(latent, trajectory, frozenset(levels))
    call.finish()
    return call.maps[0]


class _Passes:
    """Passes of the model, recorded into a call, with a count of those done."""

    def __init__(
        self,
        model: Model,
        conditioning: Conditioning,
        call: TracedCall,
        schedule: Schedule,
        count: int,
        advance: Callable[[int, int], object] | None,
    ) -> None:
        self.call, self._schedule = call, schedule
        self._model, self._conditioning = model, conditioning
        self._done, self._count, self._advance = 0, count, advance

    def record(self, latent: Tensor, timestep: int) -> Tensor:
        """Make one pass, add its attention to the call, and return the network's prediction."""
        run = Pass(self._schedule.step_of(timestep), timestep, _size_of(latent), {0: Row(0)})
        network = self._model.network
        with (
            Recorder(self.call, network, {Row(0): 0}.get) as recorder,
            announced(network, lambda args, kwargs: run, recorder),
        ):
            prediction = self._model.denoise(latent, timestep, self._conditioning)
        self._count_pass()
        return prediction

    def record_noised(self, latent: Tensor, levels: Sequence[int], seeds: Sequence[int]) -> None:
        """Record a pass on the latent with each seed's noise at each level."""
        for level in levels:
            for seed in seeds:
                self.record(add_noise(latent, float(self._model.alphas_cumprod[level]), seed), level)

    def record_inversion(self, latent: Tensor, trajectory: tuple[int, ...], levels: frozenset[int]) -> None:
        """Invert the latent along the trajectory, and record the passes at the chosen levels."""

        def denoise(at: Tensor, level: int) -> Tensor:
            if level in levels:
                return self.record(at, level)
            prediction = self._model.denoise(at, level, self._conditioning)
            self._count_pass()
            return prediction

        model = self._model
        latents = ddim_trajectory(latent, trajectory, model.alphas_cumprod, model.prediction_type, denoise)
        for following in latents:
            latent = following
        denoise(latent, trajectory[-1])

    def _count_pass(self) -> None:
        self._done += 1
        if self._advance is not None:
            self._advance(self._done, self._count)


def _check_levels(model: Model, timesteps: Sequence[int] | None, inversion: str | None) -> tuple[int, ...]:
    """Return the requested timesteps, each once, or none for every level of an inversion.

    Raises SettingError for an unknown inversion or an invalid timestep.
    """
    if inversion is not None and inversion not in INVERSIONS:
        raise SettingError(f"inversion {inversion!r} is unknown; use None or one of: {', '.join(INVERSIONS)}")
    count = model.num_timesteps
    if timesteps is None:
        return () if inversion else tuple(level * count // 1000 for level in DEFAULT_LEVELS)
    checked = [whole_number("timestep", level, 0, count - 1) for level in _as_list("timesteps", timesteps)]
    return tuple(dict.fromkeys(checked))


def _check_seeds(seeds: Sequence[int], levels: int) -> tuple[int, ...]:
    """Return the seeds, each once. Raises SettingError for an invalid one, or too many passes."""
    each = (whole_number("seed", seed, 0, 2**63 - 1) for seed in _as_list("seeds", seeds))
    distinct = tuple(dict.fromkeys(each))
    if levels * len(distinct) > _MAX_PASSES:
        raise SettingError(f"{levels * len(distinct)} passes are too many; give at most {_MAX_PASSES}")
    return distinct


def _kept_tokens(
    prompt_tokens: Sequence[Token], words: WordSpec, tokens: TokenSpec
) -> tuple[int, ...] | None:
    """Return the indices of the tokens to keep, in order; None is all of them."""
    if words is None and tokens is None:
        return None
    return tuple(sorted(union(token_groups(prompt_tokens, words, tokens)[1])))


def _as_list(name: str, values: Sequence[int] | int) -> list[int]:
    listed: list[int] = [values] if isinstance(values, int) else list(values)
    if not listed:
        raise SettingError(f"no {name} were given; give at least one")
    return listed


def _nearest(requested: tuple[int, ...], trajectory: tuple[int, ...]) -> tuple[int, ...]:
    """Return the trajectory's levels nearest to the requested ones, or all of them if none is requested."""
    chosen = {min(trajectory, key=lambda each: abs(each - level)) for level in requested}
    return tuple(level for level in trajectory if level in chosen or not chosen)


def _provenance(model: Model, seeds: tuple[int, ...], inversion: str | None) -> Provenance:
    """Return the provenance; the call fills in the prompt and the timesteps."""
    if inversion is not None:
        return Provenance(model.name, "", 0, inversion, None, versions(), model.notes)
    note = (f"averaged over {len(seeds)} seeds from {seeds[0]} to {seeds[-1]}",) if len(seeds) > 1 else ()
    return Provenance(model.name, "", 0, "matched", seeds[0], versions(), (*model.notes, *note))


def _size_of(latent: Tensor) -> tuple[int, int]:
    return latent.shape[-2], latent.shape[-1]
