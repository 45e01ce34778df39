"""Image generation from prompts, by the model's own pipeline, with the maps of their words where wanted.

result = generate("papercut", "a red hat", seed=3, trace=True)
result.image.save("hat.png")
result.maps[0].heat_map("hat")
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from vxa.errors import PromptError, SettingError
from vxa.generation.expected import expected_maps
from vxa.generation.images import make_image, make_images
from vxa.generation.settings import GenerationSettings
from vxa.generation.traced_image import TracedImage, TracedImages, make_images_traced, make_traced
from vxa.maps.attention_maps import AttentionMaps
from vxa.models import load
from vxa.steering.control import Control
from vxa.steering.steer import check_controls, steer
from vxa.tracing.pipeline import trace as traced

__all__ = ["GenerationResult", "generate"]

_EXPECTED = ("words", "tokens", "sites", "bins", "heads", "negative", "self_attention")


@dataclass(frozen=True, eq=False)
class GenerationResult:
    """Pictures, and the maps of what each word of their prompts painted.

    Attributes:
        images: one for each prompt.
        maps: one for each image; none where nothing was traced.
        negative_maps: one for each image, of its negative prompt, where that was traced.
    """

    images: tuple[Image.Image, ...]
    maps: tuple[AttentionMaps, ...] = ()
    negative_maps: tuple[AttentionMaps, ...] = ()

    @property
    def image(self) -> Image.Image:
        """The first image."""
        return self.images[0]


def generate(
    source: object,
    prompt: str | Sequence[str],
    *,
    negative: str = GenerationSettings.negative,
    seed: int = GenerationSettings.seed,
    steps: int = GenerationSettings.steps,
    guidance: float = GenerationSettings.guidance,
    size: str | None = GenerationSettings.size,
    controls: Sequence[Control] = (),
    trace: bool | Mapping[str, Any] = False,
    on_step: Callable[[], object] = lambda: None,
) -> GenerationResult:
    """Make a picture of each prompt, each from the noise of the same seed.

    Without controls they are made one after the other, with controls in one batch; controls that align
    pictures of their own (`StyleAligned`) begin them from the seeds seed, seed + 1 …

    What can be known of a bad argument is refused before the first step. A later error has the pictures that
    were made as its `images`. Where tracing fails after the first step, the picture is still made, without a
    trace, and is the last of them.

    Args:
        source: a pipeline, a model with one, or what `vxa.load` takes.
        prompt: one, or several; of any length.
        negative, seed, steps, guidance, size: see `GenerationSettings`. Where a control has latents to begin
            from, the size is theirs.
        controls: what to change while they are made, as `vxa.steering.PromptToPrompt()`.
        trace: keep the maps of every word; a mapping has further settings of `vxa.trace`, as
            {"self_attention": True, "bins": "each"}.
        on_step: called after each step; what it raises ends the generation.

    Raises:
        ModelError: the source is no model, or one without a pipeline.
        SettingError, PromptError: a bad argument.
        RecordingError, SiteError, WordError, TokenIndexError: as `vxa.trace`.
        SteeringError: as `vxa.steering.steer`.
    """
    prompts = _check_prompts(prompt)
    options = _check_trace(trace)
    settings = GenerationSettings(negative, seed, steps, guidance, size)
    if options is not None and options.get("negative") and settings.guidance <= 1:
        raise SettingError(
            f"guidance {settings.guidance:g} reads no negative prompt to trace; give a guidance above 1, or "
            "trace without negative"
        )
    if controls:
        check_controls(controls)
    model = load(source)
    if options is not None:
        _check_expected(model, prompts, settings, options)
    if controls:
        return _make_steered(model, prompts, settings, controls, options, on_step)
    made: list[TracedImage] = []
    try:
        for each in prompts:
            if options is None:
                made.append(TracedImage(make_image(model, each, settings, on_step)))
            else:
                made.append(make_traced(model, each, settings, lambda found: on_step(), options))
                made[-1].check()
    except Exception as error:
        error.images = tuple(one.image for one in made)  # type: ignore[attr-defined]
        raise
    return GenerationResult(
        tuple(one.image for one in made),
        tuple(maps for one in made for maps in one.maps),
        tuple(maps for one in made for maps in one.negative_maps),
    )


def _make_steered(
    model: Any,
    prompts: Sequence[str],
    settings: GenerationSettings,
    controls: Sequence[Control],
    options: Mapping[str, Any] | None,
    on_step: Callable[[], object],
) -> GenerationResult:
    """Make the pictures in one batch, under the controls; what fails once they are made has them, too."""
    images: list[Image.Image] = []
    problems: list[Exception] = []
    own_noise = any(control.own_noise for control in controls)
    start = next((control.start for control in controls if control.start is not None), None)
    if start is not None:
        settings = _sized(model, settings, start.shape[-2:])

    def make(step: Callable[[], object]) -> Sequence[Image.Image]:
        try:
            with steer(model, *controls):
                images[:] = make_images(model, prompts, settings, step, own_noise, start)
        except Exception as error:
            if not images:
                raise
            problems.append(error)
        return images

    made = TracedImages(())
    if options is None:
        make(on_step)
    else:
        seeds = [settings.seed + number * own_noise for number in range(len(prompts))]
        made = make_images_traced(model, make, seeds, lambda found: on_step(), options)
    for error in filter(None, (*problems, made.problem)):
        error.images = tuple(images)  # type: ignore[attr-defined]
        raise error
    return GenerationResult(tuple(images), made.maps, made.negative_maps)


def _sized(model: Any, settings: GenerationSettings, latent_size: Sequence[int]) -> GenerationSettings:
    """Return the settings with the size of the latents. Raises SettingError for another size."""
    sides = tuple(side * model.pixels_per_latent for side in latent_size)
    size = "x".join(map(str, sides))
    if settings.pixels() not in (None, sides):
        raise SettingError(
            f"size {settings.size} is not that of the latents that a control begins from, {size}; omit it"
        )
    return replace(settings, size=size)


def _check_prompts(prompt: str | Sequence[str]) -> list[str]:
    prompts = [prompt] if isinstance(prompt, str) or not isinstance(prompt, Sequence) else list(prompt)
    if not prompts or not all(isinstance(each, str) for each in prompts):
        raise PromptError(f'{prompt!r} is no prompt; give text such as "a red hat", or several in a list')
    return prompts


def _check_trace(trace: bool | Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the settings of the trace, None for no trace. Raises SettingError."""
    if isinstance(trace, bool):
        return {} if trace else None
    if not isinstance(trace, Mapping):
        raise SettingError(f'trace {trace!r} is not allowed; give True, False, or settings as {{"bins": 4}}')
    known = [name for name in inspect.signature(traced).parameters if name != "source"]
    for name in trace:
        if name not in known:
            raise SettingError(f"trace has no setting {name!r}; its settings are {', '.join(known)}")
    return dict(trace)


def _check_expected(
    model: Any, prompts: Sequence[str], settings: GenerationSettings, options: Mapping[str, Any]
) -> None:
    """Raise, before the first step, what `vxa.trace` would raise of its settings and of each prompt."""
    with traced(model, **options):
        pass
    known = {name: options[name] for name in _EXPECTED if name in options}
    for prompt in prompts:
        expected_maps(model, prompt, settings, **known)
