"""Generations of a fake webui, over tiny models of real ldm code: the denoiser's rows, the callbacks' order.

As in AUTOMATIC1111's 1.10.1, each image has its conditional rows (the parts of AND), and one unconditional
row per image follows. The network runs on all rows or on slices of the batch's size; conditional and
unconditional rows of different lengths run separately; the options may leave out unconditional rows. Samplers
are trivial.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from support.fake_host import FakeHost, conditioning_list, schedules, split_and


@dataclass
class Options:
    """The webui's options that the denoiser reads."""

    batch_cond_uncond: bool = True
    skip_uncond_after: int | None = None
    second_order: bool = False


@dataclass(eq=False)
class Generation:
    """modules.processing.StableDiffusionProcessing*: the part that a script sees."""

    prompt: str
    negative_prompt: str = ""
    batch_size: int = 1
    n_iter: int = 1
    steps: int = 4
    width: int = 24
    height: int = 16
    enable_hr: bool = False
    hr_second_pass_steps: int = 0
    options: Options = field(default_factory=Options)
    before_step: Callable[[Denoiser], None] = lambda denoiser: None
    comments: dict[str, int] = field(default_factory=dict)
    extra_generation_params: dict[str, Any] = field(default_factory=dict)
    overlay_images: list[Image.Image] | None = None
    paste_to: tuple[int, int, int, int] | None = None
    is_hr_pass: bool = False
    outpath_samples: str = ""
    sampler_name: str = "Euler"
    hr_sampler_name: str | None = None
    all_prompts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        count = self.batch_size * self.n_iter
        self.all_prompts = self.all_prompts or [self.prompt] * count
        self.all_negatives = [self.negative_prompt] * count
        self.all_seeds = list(range(count))
        self.iteration = self.batch_index = 0
        self.firstpass_steps = self.steps * (2 if self.options.second_order else 1)
        self.latents: list[Tensor] = []

    def comment(self, text: str) -> None:
        self.comments[text] = 1


class Interrupted(BaseException):
    """modules.sd_samplers_common.InterruptedException."""


@dataclass(eq=False)
class Params:
    """modules.script_callbacks.CFGDenoiserParams."""

    x: Tensor
    text_cond: Any
    text_uncond: Any
    denoiser: Denoiser


class Denoiser:
    """modules.sd_samplers_cfg_denoiser.CFGDenoiser of one sampling."""

    def __init__(self, webui: Webui, p: Generation, steps: int) -> None:
        self.webui, self.p, self.steps = webui, p, steps
        self.total_steps = steps * (2 if p.options.second_order else 1)
        self.step = 0
        self.texts = webui.texts(p)
        conds = [[_scheduled(webui.model, one) for one in parts] for parts in self.texts[0]]
        batch = [[SimpleNamespace(schedules=part) for part in parts] for parts in conds]
        negatives = [_scheduled(webui.model, one) for one in self.texts[1]]
        self.sampler = SimpleNamespace(
            sampler_extra_args={"cond": SimpleNamespace(batch=batch), "uncond": negatives}
        )

    def __call__(self, x: Tensor, timestep: float) -> Tensor:
        self.p.before_step(self)
        if self.webui.host.state.interrupted:
            raise Interrupted
        extra = self.sampler.sampler_extra_args
        parts = [[_now(part.schedules, self.step) for part in image] for image in extra["cond"].batch]
        tensor = _stacked([cond for image in parts for cond in image])
        uncond = torch.stack([_now(one, self.step) for one in extra["uncond"]])
        x_in = torch.cat([x[i : i + 1] for i, image in enumerate(parts) for _ in image] + [x])
        params = Params(x_in, tensor, uncond, self)
        self.webui.script.before_network(params)
        out = self._run(params, timestep, len(x))
        self.webui.script.after_network(SimpleNamespace(x=out))
        self.webui.host.state.current_latent = out[: len(x)]
        self.webui.script.after_step(SimpleNamespace(x=out))
        self.step += 1
        return out[: len(x)]

    def _run(self, params: Params, timestep: float, batch: int) -> Tensor:
        options, tensor, uncond = self.p.options, params.text_cond, params.text_uncond
        skipped = options.skip_uncond_after is not None and self.step >= options.skip_uncond_after
        if tensor.shape[1] != uncond.shape[1] and not skipped:
            size = batch * 2 if options.batch_cond_uncond else batch
            starts = range(0, len(tensor), size)
            slices = [(tensor[start : start + size], start) for start in starts]
            slices.append((uncond, len(tensor)))
        else:
            cond = tensor if skipped else torch.cat([tensor, uncond])
            size = len(cond) if options.batch_cond_uncond else batch
            slices = [(cond[start : start + size], start) for start in range(0, len(cond), size)]
        return torch.cat(
            [self._apply(params.x[start : start + len(cond)], timestep, cond) for cond, start in slices]
        )

    def _apply(self, x: Tensor, timestep: float, cond: Tensor) -> Tensor:
        result: Tensor = self.webui.model.apply_model(
            x, torch.full((len(x),), timestep), {"c_crossattn": [cond]}
        )
        return result


@dataclass(eq=False)
class Webui:
    """A fake webui that generates, with VXA's script in it."""

    host: FakeHost
    script: Any  # the module vxa.webui.host.script
    failed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tab = self.script.VxaTrace()

    @property
    def model(self) -> Any:
        return self.host.model

    def texts(self, p: Generation) -> tuple[list[list[Any]], list[Any]]:
        """The schedules of the batch's parts and of its negative prompts."""
        hires = p.hr_second_pass_steps or p.steps if p.is_hr_pass else None
        indices, flat, _ = split_and(p.prompts)
        made = schedules(flat, p.firstpass_steps, hires)
        parts = [[made[index] for index, _ in image] for image in indices]
        return parts, schedules(p.negative_prompts, p.firstpass_steps, hires)

    def generate(self, p: Generation, *args: Any) -> Any:
        """modules.processing.process_images: an exception leaves it, and `postprocess` is not called then."""
        self.tab.before_process(p, *args)
        self.tab.process(p, *args)
        processed = SimpleNamespace(images=[], infotexts=[], comments="", info="")
        for iteration in range(p.n_iter):
            p.iteration = iteration
            if self.host.state.interrupted:
                break
            own = slice(p.iteration * p.batch_size, (p.iteration + 1) * p.batch_size)
            p.prompts, p.negative_prompts = p.all_prompts[own], p.all_negatives[own]
            p.hr_prompts, p.hr_negative_prompts = p.prompts, p.negative_prompts
            self.tab.process_batch(p, *args, batch_number=p.iteration)
            for place, latent in enumerate(self._sampled(p)):
                p.batch_index = place
                p.latents.append(latent)
                pp = SimpleNamespace(image=_finished(p, latent))
                self.tab.postprocess_image_after_composite(p, pp, *args)
                processed.images.append(pp.image)
                processed.infotexts.append(f"{p.prompt}\nSeed: {p.iteration * p.batch_size + p.batch_index}")
        processed.infotext = lambda p, index: processed.infotexts[index]
        processed.comments = "".join(f"{text}\n" for text in p.comments)
        self.tab.postprocess(p, processed, *args)
        return processed

    def _sampled(self, p: Generation) -> Tensor:
        generator = torch.Generator().manual_seed(p.iteration)
        x = torch.randn(p.batch_size, 4, p.height // 2, p.width // 2, generator=generator)
        x = self._sample(p, x, p.steps)
        if p.enable_hr and not self.host.state.interrupted:
            p.is_hr_pass = True
            x = torch.nn.functional.interpolate(x, scale_factor=2)
            x = self._sample(p, x, p.hr_second_pass_steps or p.steps)
            p.is_hr_pass = False
        return x

    def _sample(self, p: Generation, x: Tensor, steps: int) -> Tensor:
        denoiser = Denoiser(self, p, steps)
        calls = 2 if p.options.second_order else 1
        try:
            for step in range(steps):
                for call in range(calls):
                    with torch.no_grad():
                        x = x - 0.1 * denoiser(x, 901.5 - 200 * step - 50 * call)
        except Interrupted:
            pass
        return x


def _scheduled(model: Any, texts: Sequence[tuple[int, str]]) -> list[Any]:
    return [
        SimpleNamespace(
            end_at_step=end, cond=model.get_learned_conditioning(conditioning_list([text], 0, 0))[0]
        )
        for end, text in texts
    ]


def _now(texts: Sequence[Any], step: int) -> Tensor:
    cond: Tensor = next((one for one in texts if step <= one.end_at_step), texts[0]).cond
    return cond


def _stacked(conds: list[Tensor]) -> Tensor:
    """Contexts stacked at one length: a shorter one repeats its last vector."""
    length = max(map(len, conds))
    return torch.stack([torch.cat([one, one[-1:].repeat(length - len(one), 1)]) for one in conds])


def _finished(p: Generation, latent: Tensor) -> Image.Image:
    """A picture of the latent, pasted back where only a part was sampled."""
    grey = (latent.mean(0).clamp(-1, 1) * 127 + 128).byte().numpy()
    size = (latent.shape[2] * 2, latent.shape[1] * 2)
    image = Image.fromarray(grey).convert("RGB").resize(size)
    if p.paste_to is None or p.overlay_images is None:
        return image
    left, top, width, height = p.paste_to
    whole = p.overlay_images[p.batch_index].convert("RGB")
    whole.paste(image.resize((width, height)), (left, top))
    return whole
