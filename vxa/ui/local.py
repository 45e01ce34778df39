"""The backend of the app: a model in this process, one pass at a time, and examples of papercut's world."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from vxa.attention.interrupt import interruptible
from vxa.generate import Generation, generate
from vxa.images import save_image
from vxa.maps import AttentionMaps
from vxa.models.base import Model
from vxa.papercut.scene import scene
from vxa.ui import texts
from vxa.ui.assets import asset
from vxa.ui.backend import Backend, Example, Progress, site_labels
from vxa.ui.turns import Turns
from vxa.visualize import visualize

__all__ = ["examples", "local_backend"]

_FIGURE_PROMPT = "a boy wearing a red hat and his white cat"
_SCENES = (7, 12, 21, 30)


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
        generate=_generate(model, turns) if getattr(model, "pipeline", None) is not None else None,
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
    ) -> AttentionMaps:
        with turns.turn(lambda ahead: progress(0.0, texts.ahead(ahead))):
            with interruptible(lambda: progress(0.1, texts.LOOKING)):
                maps = visualize(model, image, prompt, timestep, noise, seed, sites)  # type: ignore[arg-type]
            progress(1.0, texts.DONE)
            return maps

    return run


def _generate(model: Model, turns: Turns) -> Callable[[str, int, Progress], Image.Image]:
    def make(prompt: str, seed: int, progress: Progress) -> Image.Image:
        wanted = Generation(prompt, seed=seed)
        done = 0

        def advance() -> None:
            nonlocal done
            done += 1

        def tell() -> None:
            progress(done / wanted.steps, texts.denoising(done, wanted.steps))

        with turns.turn(lambda ahead: progress(0.0, texts.ahead(ahead))), interruptible(tell):
            return generate(model, wanted, advance)

    return make


def examples(folder: Path) -> tuple[Example, ...]:
    """The README's figure and some scenes of papercut's test split, as files in the folder."""
    figure = Path(shutil.copy(asset("examples/figure.png"), folder))
    return (Example(figure, _FIGURE_PROMPT), *(_scene(folder, seed) for seed in _SCENES))


def _scene(folder: Path, seed: int) -> Example:
    made = scene(seed)
    return Example(save_image(made.image, folder / f"scene-{seed}.png"), made.caption)
