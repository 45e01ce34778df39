"""The backend of the app: a model in this process, one pass at a time, and examples of papercut's world."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from vxa.attention.interrupt import interruptible
from vxa.generation.generate import make_image
from vxa.generation.preview import previewing
from vxa.generation.settings import GenerationSettings
from vxa.io.images import save_image
from vxa.maps.attention_maps import AttentionMaps
from vxa.models.protocol import Model
from vxa.papercut.scene import scene
from vxa.tracing.pipeline import trace
from vxa.tracing.visualize import visualize
from vxa.ui import strings
from vxa.ui.assets import asset
from vxa.ui.backend import Backend, Example, Paint, Painted, Progress, site_labels
from vxa.ui.turns import Turns

__all__ = ["examples", "local_backend"]

_FIGURE_PROMPT = "a boy wearing a red hat and his white cat"
_FIGURE_SCENE = 83
_SCENES = (7, 12, 21, 30)

STEP_BINS = 5
"""Of an image that is made: 40 MB of sums for SD1 at 512²."""


def local_backend(
    model: Model, source: str, latent_size: tuple[int, int] | None, shown: tuple[Example, ...]
) -> Backend:
    """The backend over a model that is loaded; `latent_size` is the one it was made for."""
    turns = Turns()
    return Backend(
        model=model.name,
        source=lambda name: source,
        tokenize=model.tokenize,
        run=_run(model, turns),
        sites=site_labels(model.sites, model.default_sites, latent_size),
        timesteps=model.num_timesteps,
        examples=shown,
        paint=_paint(model, turns) if getattr(model, "pipeline", None) is not None else None,
    )


def _run(model: Model, turns: Turns) -> Callable[..., AttentionMaps]:
    def run(
        image: Image.Image,
        prompt: str,
        timestep: int,
        noise: str,
        seed: int,
        progress: Progress,
        sites: str | None = None,
        refine: bool = False,
    ) -> AttentionMaps:
        with turns.turn(lambda ahead: progress(0.0, strings.ahead(ahead))):
            with interruptible(lambda: progress(0.1, strings.LOOKING)):
                maps = visualize(
                    model, image, prompt, timestep, noise, seed, sites,  # type: ignore[arg-type]
                    self_attention=refine,
                )  # fmt: skip
            progress(1.0, strings.DONE)
            return maps

    return run


def _paint(model: Model, turns: Turns) -> Paint:
    def paint(
        prompt: str, seed: int, refine: bool, progress: Progress, seen: Callable[[Painted], None]
    ) -> Painted:
        wanted = GenerationSettings(seed=seed)
        done, pace = 0, Pace()
        image: Image.Image | None = None

        def advance() -> None:
            nonlocal done
            if done + 1 < wanted.steps:
                pace.take(decode)
                assert image is not None
                seen(Painted(image, maps()))
            done += 1

        def decode() -> None:
            nonlocal image
            (found,) = traced.maps
            image = preview.image(found.image_size)

        def tell() -> None:
            progress(done / wanted.steps, strings.denoising(done, wanted.steps))

        def maps() -> AttentionMaps:
            (found,) = traced.maps
            return replace(found, provenance=replace(found.provenance, seed=seed))

        with turns.turn(lambda ahead: progress(0.0, strings.ahead(ahead))), interruptible(tell):
            with (
                previewing(model) as preview,
                trace(model, bins=STEP_BINS, self_attention=refine) as traced,
            ):
                picture = make_image(model, prompt, wanted, advance)
            progress(1.0, strings.DONE)
            return Painted(picture, maps())

    return paint


@dataclass
class Pace:
    """Looks now and then: together they take no more than `share` of the time.

    Attributes:
        share: of the time, above 0 and up to 1.
        clock: seconds, never going back.
    """

    share: float = 0.25
    clock: Callable[[], float] = time.perf_counter
    _next: float = float("-inf")

    def take(self, look: Callable[[], object]) -> None:
        """Look, where it is time for it."""
        begun = self.clock()
        if begun >= self._next:
            look()
            self._next = begun + (self.clock() - begun) / self.share


def examples(folder: Path) -> tuple[Example, ...]:
    """The README's figure and some scenes of papercut's test split, as files in the folder."""
    figure = folder / "figure.png"
    shutil.copyfile(asset("examples/figure.png"), figure)  # Windows could not delete a read-only copy
    return (Example(figure, _FIGURE_PROMPT, _FIGURE_SCENE), *(_scene(folder, seed) for seed in _SCENES))


def _scene(folder: Path, seed: int) -> Example:
    made = scene(seed)
    return Example(save_image(made.image, folder / f"scene-{seed}.png"), made.caption, seed)
