"""The backend of the app: a model in this process, one pass at a time, and examples of papercut's world."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from PIL import Image

from vxa.attention.interrupt import interruptible
from vxa.generation.expected import expected_maps
from vxa.generation.generate import generate
from vxa.generation.images import make_image
from vxa.generation.preview import Preview, previewing
from vxa.generation.settings import GenerationSettings
from vxa.generation.traced_image import make_images_traced, seeded
from vxa.io.images import save_image
from vxa.maps.attention_maps import AttentionMaps
from vxa.models.protocol import Model
from vxa.papercut.scene import scene
from vxa.tokens import Token
from vxa.tracing.pipeline import Trace
from vxa.tracing.visualize import visualize
from vxa.ui import strings
from vxa.ui.assets import asset
from vxa.ui.backend import Backend, Example, Models, Paint, Painted, Progress, site_labels
from vxa.ui.slot import LoadedModel, ModelSlot
from vxa.ui.steering import Steering
from vxa.ui.stopping import Stopped
from vxa.ui.turns import Turns

__all__ = ["choosing_backend", "examples", "local_backend"]

_FIGURE_PROMPT = "a boy wearing a red hat and his white cat"
_FIGURE_SCENE = 83
_SCENES = (7, 12, 21, 30)

STEP_BINS = 5
"""Of an image that is made: 40 MB of sums for SD1 at 512²."""


def local_backend(
    model: Model, source: str, latent_size: tuple[int, int] | None, shown: tuple[Example, ...]
) -> Backend:
    """The backend over a model that is loaded; `latent_size` is the one it was made for."""
    slot, turns = ModelSlot(LoadedModel(model, source, latent_size)), Turns()
    makes = getattr(model, "pipeline", None) is not None
    return Backend(
        model=model.name,
        source=lambda name: source,
        tokenize=model.tokenize,
        run=_run(slot, turns),
        sites=site_labels(model.sites, model.default_sites, latent_size),
        timesteps=model.num_timesteps,
        examples=shown,
        paint=_paint(slot, turns) if makes else None,
        expected=_expected(slot) if makes else None,
    )


def choosing_backend(models: Models, slot: ModelSlot, shown: tuple[Example, ...]) -> Backend:
    """The backend over the models that `models` loads into the slot; there need not be one yet."""
    turns = Turns()

    def tokenize(prompt: str) -> Sequence[Token]:
        return slot.loaded.model.tokenize(prompt) if slot.loaded else ()

    return Backend(
        model=models.status.model,
        source=lambda name: name,  # a model that was loaded by its name has that as its name
        tokenize=tokenize,
        run=_run(slot, turns),
        sites=site_labels((), "", None),
        examples=shown,
        paint=_paint(slot, turns),
        expected=_expected(slot),
        models=models,
    )


def _run(slot: ModelSlot, turns: Turns) -> Callable[..., AttentionMaps]:
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
        with slot.hold(progress) as held, turns.turn(lambda ahead: progress(0.0, strings.ahead(ahead))):
            with interruptible(lambda: progress(0.1, strings.LOOKING)):
                maps = visualize(
                    held.model, image, prompt, timestep, noise, seed, sites,  # type: ignore[arg-type]
                    self_attention=refine,
                )  # fmt: skip
            progress(1.0, strings.DONE)
            return maps

    return run


def _expected(slot: ModelSlot) -> Callable[[str, bool], AttentionMaps]:
    def expected(prompt: str, refine: bool) -> AttentionMaps:
        with slot.hold(lambda fraction, what: None) as held:
            return expected_maps(held.model, prompt, bins=STEP_BINS, self_attention=refine)

    return expected


def _paint(slot: ModelSlot, turns: Turns) -> Paint:
    def paint(
        prompt: str,
        seed: int,
        refine: bool,
        progress: Progress,
        seen: Callable[[Painted], None],
        steering: Steering | None = None,
    ) -> Painted:
        wanted = GenerationSettings(seed=seed)
        options = {"bins": STEP_BINS, "self_attention": refine}
        traced = untraced = 0  # steps; where tracing fails the image is made once more without it

        def advance(found: Trace | None) -> None:
            nonlocal traced, untraced
            if found is None:
                untraced += 1
                return
            if traced + 1 < wanted.steps:
                showing.show(found)
            traced += 1

        def tell() -> None:
            done = untraced or traced
            progress(done / wanted.steps, strings.denoising(done, wanted.steps))

        with (
            slot.hold(progress) as held,
            turns.turn(lambda ahead: progress(0.0, strings.ahead(ahead))),
            interruptible(tell),
            previewing(held.model) as preview,
        ):
            showing = _Showing(preview, seed, seen)
            making = _Making(held.model, prompt, wanted, steering)
            seeds = steering.seeds(seed) if steering else [seed]
            made = make_images_traced(held.model, making.make, seeds, advance, options)
        problem = made.problem or making.problem or showing.problem
        first, *others = zip_longest(made.images, made.maps)
        return Painted(*first, problem, tuple(Painted(*each) for each in others))

    return paint


@dataclass
class _Making:
    """The pictures of a prompt; those that are made stay where the control that made them fails afterwards.

    Attributes:
        model, prompt, settings: as in `make_image`.
        steering: what makes more pictures together with that of the prompt.
        problem: what the control failed with once they were made.
    """

    model: Model
    prompt: str
    settings: GenerationSettings
    steering: Steering | None
    problem: Exception | None = None

    def make(self, on_step: Callable[[], object]) -> Sequence[Image.Image]:
        """Make them; `on_step` is called after each step."""
        if self.steering is None:
            return [make_image(self.model, self.prompt, self.settings, on_step)]
        try:
            return generate(
                self.model, self.steering.prompts, controls=[self.steering.control], on_step=on_step,
                seed=self.settings.seed, steps=self.settings.steps, guidance=self.settings.guidance,
            ).images  # fmt: skip
        except Exception as error:
            made: tuple[Image.Image, ...] = getattr(error, "images", ())
            if not made:
                raise
            self.problem = error
            return made


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


@dataclass
class _Showing:
    """The image in the making as the page sees it; where that fails it is seen no more, and still made.

    Attributes:
        preview: what the image is heading for.
        seed: that of the image.
        seen: shown what there is.
        problem: what went wrong.
    """

    preview: Preview
    seed: int
    seen: Callable[[Painted], None]
    problem: Exception | None = None
    _pace: Pace = field(default_factory=Pace)
    _image: Image.Image | None = None

    def show(self, found: Trace) -> None:
        """Show what there is after a step. Raises Stopped."""
        if self.problem is not None:
            return
        try:
            self._look(found)
        except Stopped:
            raise
        except Exception as error:
            self.problem = error

    def _look(self, found: Trace) -> None:
        (maps,) = seeded(found.maps[:1], self.seed)
        self._pace.take(lambda: self._decode(maps.image_size))
        assert self._image is not None
        self.seen(Painted(self._image, maps))

    def _decode(self, size: tuple[int, int]) -> None:
        self._image = self.preview.image(size)


def examples(folder: Path) -> tuple[Example, ...]:
    """The README's figure and some scenes of papercut's test split, as files in the folder."""
    figure = folder / "figure.png"
    shutil.copyfile(asset("examples/figure.png"), figure)  # Windows could not delete a read-only copy
    return (Example(figure, _FIGURE_PROMPT, _FIGURE_SCENE), *(_scene(folder, seed) for seed in _SCENES))


def _scene(folder: Path, seed: int) -> Example:
    made = scene(seed)
    return Example(save_image(made.image, folder / f"scene-{seed}.png"), made.caption, seed)
