"""DAAM for a real image: its attention, averaged over noise levels.

    maps = attribute("papercut", "figure.png", "hat, neck", timesteps=(300, 500, 700), seeds=(0, 1))
    maps.heat_map("hat").mask()

A generation goes through every noise level; those of an image that is already there are made: with matched
noise (x_t = √ᾱ_t z + √(1 - ᾱ_t) ε), averaged over some draws of it, or by inverting DDIM, on whose trajectory
lies the one noise that would lead back to the image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from vxa.attention.hooks import watch
from vxa.attention.sites import SelfAttentionSpec, SiteSpec, watched_sites
from vxa.errors import SettingError
from vxa.io.images import read_image
from vxa.maps.attention_maps import AttentionMaps, Provenance
from vxa.maps.selection import TokenSpec, WordSpec, token_groups, union
from vxa.maps.steps import Bins, Schedule
from vxa.models import load
from vxa.models.protocol import Conditioning, Model
from vxa.tokens import Token
from vxa.tracing.ddim_inversion import ddim_levels, ddim_trajectory
from vxa.tracing.generation import GenerationInfo, Settings, TracedCall, TracedPrompt
from vxa.tracing.visualize import ImageSource, add_noise, check_prompt, prepare, whole_number
from vxa.version import versions

__all__ = ["DEFAULT_LEVELS", "INVERSIONS", "attribute"]

DEFAULT_LEVELS = (1, 100, 200)
"""Of a schedule of 1000 timesteps. Chosen on papercut's `dev` by benchmarks/papercut.py (maps_real, 138
nouns): mean IoU 0.602 and, refined, 0.742; of the middle of each fifth (100, 300, … 900) 0.556 and 0.710."""

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
    """The attention maps of `image` for `prompt`, averaged over passes at many noise levels.

    Args:
        source: as in `vxa.visualize`.
        image: a path, a PIL image or an array, of any size.
        prompt: any length.
        timesteps: the noise levels to read; None is DEFAULT_LEVELS, with inversion every level it passes.
        seeds: of the noise: one pass for each seed at each timestep. Without a use under inversion.
        inversion: "ddim" follows the deterministic sampler backwards from the image and reads what it passes
            (`vxa.inversion`); `timesteps` then choose the nearest levels that it passes.
        steps: of the inversion, each one pass.
        words, tokens: keep these alone, as in `vxa.trace`; None is every token.
        sites: as in `vxa.visualize`.
        bins, heads, self_attention: as in `vxa.trace`; a step is a noise level, from the highest down.
        max_side: as in `vxa.visualize`.
        advance: called after each pass with the number of passes done, and of all.

    Raises:
        ImageError, PromptError, SettingError, SiteError: a bad argument.
        WordError, TokenIndexError: the prompt has no such word or token.
        ModelError: the source is no model, or one that cannot be inverted.
        RecordingError: a pass could not be watched faithfully.
    """
    model = load(source)
    wanted = _levels(model, timesteps, inversion)
    drawn = _drawn(seeds, len(wanted))
    steps = whole_number("steps", steps, 1, _MAX_PASSES)
    settings = Settings(bins, heads, self_attention=self_attention)
    check_prompt(model, prompt)
    pixels, image_size, extent = prepare(read_image(image), max_side, model.multiple)
    passed = ddim_levels(model.num_timesteps, steps)[:-1]
    levels = wanted if inversion is None else _nearest(wanted, passed)
    with torch.no_grad():
        conditioning = model.encode_prompt(prompt, (pixels.shape[-2], pixels.shape[-1]))
        reading = TracedPrompt(0, prompt, conditioning.tokens, kept=_kept(conditioning.tokens, words, tokens))
        latent = model.encode_image(pixels)
        call = TracedCall(
            watched_sites(model.sites, sites, _size_of(latent), self_attention),
            [reading],
            Schedule.of(sorted(levels, reverse=True)),
            settings,
            GenerationInfo(
                _provenance(model, drawn, inversion),
                model.default_sites if sites is None else "all",
                image_size,
                extent,
            ),
        )
        count = len(levels) * len(drawn) if inversion is None else len(passed)
        reader = _Reader(model, conditioning, call, count, advance)
        if inversion is None:
            reader.read_noised(latent, levels, drawn)
        else:
            reader.follow(latent, passed, frozenset(levels))
    call.finish()
    return call.maps[0]


class _Reader:
    """Makes the passes, and adds those that are to be read."""

    def __init__(
        self,
        model: Model,
        conditioning: Conditioning,
        call: TracedCall,
        count: int,
        advance: Callable[[int, int], object] | None,
    ) -> None:
        self.call = call
        self._model, self._conditioning = model, conditioning
        self._done, self._count, self._advance = 0, count, advance

    def read(self, latent: Tensor, timestep: int) -> Tensor:
        """The network's prediction, its attention added."""
        self.call.begin(_size_of(latent), timestep, {0: 0})
        with watch(self._model.network, self.call.sites, self.call.receive) as watcher:
            prediction = self._model.denoise(latent, timestep, self._conditioning)
        watcher.check()
        self.call.end_pass()
        self._told()
        return prediction

    def read_noised(self, latent: Tensor, levels: Sequence[int], seeds: Sequence[int]) -> None:
        """Read the latent with each seed's noise at each level."""
        for level in levels:
            for seed in seeds:
                self.read(add_noise(latent, float(self._model.alphas_cumprod[level]), seed), level)

    def follow(self, latent: Tensor, passed: tuple[int, ...], levels: frozenset[int]) -> None:
        """Invert the latent through the levels passed, and read at the chosen ones among them."""

        def denoise(at: Tensor, level: int) -> Tensor:
            if level in levels:
                return self.read(at, level)
            prediction = self._model.denoise(at, level, self._conditioning)
            self._told()
            return prediction

        model = self._model
        trajectory = ddim_trajectory(latent, passed, model.alphas_cumprod, model.prediction_type, denoise)
        for last in trajectory:
            latent = last
        denoise(latent, passed[-1])

    def _told(self) -> None:
        self._done += 1
        if self._advance is not None:
            self._advance(self._done, self._count)


def _levels(model: Model, timesteps: Sequence[int] | None, inversion: str | None) -> tuple[int, ...]:
    """The timesteps as they were given, checked; none for all that an inversion passes."""
    if inversion is not None and inversion not in INVERSIONS:
        raise SettingError(f"inversion {inversion!r} is unknown; use None or one of: {', '.join(INVERSIONS)}")
    count = model.num_timesteps
    if timesteps is None:
        return () if inversion else tuple(level * count // 1000 for level in DEFAULT_LEVELS)
    checked = [whole_number("timestep", level, 0, count - 1) for level in _several("timesteps", timesteps)]
    return tuple(dict.fromkeys(checked))


def _drawn(seeds: Sequence[int], levels: int) -> tuple[int, ...]:
    """The seeds, each once, checked: a pass is made for each at each level."""
    each = (whole_number("seed", seed, 0, 2**63 - 1) for seed in _several("seeds", seeds))
    drawn = tuple(dict.fromkeys(each))
    if levels * len(drawn) > _MAX_PASSES:
        raise SettingError(f"{levels * len(drawn)} passes are too many; give at most {_MAX_PASSES}")
    return drawn


def _kept(read: Sequence[Token], words: WordSpec, tokens: TokenSpec) -> tuple[int, ...] | None:
    """The tokens to keep of those that are read, in their order; None is all of them."""
    if words is None and tokens is None:
        return None
    return tuple(sorted(union(token_groups(read, words, tokens)[1])))


def _several(name: str, values: Sequence[int] | int) -> list[int]:
    listed: list[int] = [values] if isinstance(values, int) else list(values)
    if not listed:
        raise SettingError(f"no {name} were given; give at least one")
    return listed


def _nearest(wanted: tuple[int, ...], passed: tuple[int, ...]) -> tuple[int, ...]:
    """The levels passed that are nearest to those wanted; all of them where none are."""
    chosen = {min(passed, key=lambda each: abs(each - level)) for level in wanted}
    return tuple(level for level in passed if level in chosen or not chosen)


def _provenance(model: Model, seeds: tuple[int, ...], inversion: str | None) -> Provenance:
    """Of the whole; the call fills in the prompt and the timesteps."""
    if inversion is not None:
        return Provenance(model.name, "", 0, inversion, None, versions(), model.notes)
    several = (f"averaged over {len(seeds)} seeds from {seeds[0]} to {seeds[-1]}",) if len(seeds) > 1 else ()
    return Provenance(model.name, "", 0, "matched", seeds[0], versions(), (*model.notes, *several))


def _size_of(latent: Tensor) -> tuple[int, int]:
    return latent.shape[-2], latent.shape[-1]
