"""Generations of the webui as VXA traces them; checked with AUTOMATIC1111's 1.10.1.

What its denoiser is about to run, what the prompts of a batch are, where an image was pasted back, and how
pictures join the gallery and the outputs folder.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import Any

import gradio as gr
from modules import images, prompt_parser, sd_samplers, shared

from vxa.errors import RecordingError, VxaError
from vxa.webui import strings
from vxa.webui.generation.gallery import GalleryPicture, told
from vxa.webui.generation.job import Job, TracedImage
from vxa.webui.generation.options import ENTRY
from vxa.webui.generation.rows import Prompts, Rows, unmarked
from vxa.webui.generation.sampling import DenoiserCall
from vxa.webui.host.checkpoint import webui_model
from vxa.webui.host.prompts import WebuiPrompts

__all__ = [
    "add_to_gallery", "denoiser_call", "forget_said", "interrupted", "region_of", "show_in_page",
    "show_so_far",
]  # fmt: skip

_SAID = f"{ENTRY} says"


def denoiser_call(params: Any) -> DenoiserCall:
    """What the webui's denoiser is about to do, from what it tells its callbacks.

    Raises:
        VxaError: the model or its prompts cannot be read.
    """
    denoiser = params.denoiser
    prompts = _prompts(denoiser.p)
    _check(prompts, denoiser.sampler.sampler_extra_args)
    model = shared.sd_model
    latent_size = (params.x.shape[-2], params.x.shape[-1])
    contexts = (_context(params.text_cond), _context(params.text_uncond))
    return DenoiserCall(
        model=webui_model(model),
        tokens=WebuiPrompts(model).text_tokens,
        rows=Rows(*prompts.at(denoiser.step), contexts, latent_size),
        latent_size=latent_size,
        # A sampler of second order calls it twice at a step.
        step=denoiser.step * denoiser.steps // max(1, denoiser.total_steps),
        steps=denoiser.steps,
    )


def _context(conditioning: Any) -> Any:
    """What cross-attention reads of it: all, or of SDXL's dict a part."""
    return unmarked(conditioning["crossattn"] if isinstance(conditioning, dict) else conditioning)


def _prompts(p: Any) -> Prompts:
    """The texts that the batch's prompts mean, as the webui itself takes them apart."""
    steps, hires = p.firstpass_steps, None
    positive, negative = p.prompts, p.negative_prompts
    if p.is_hr_pass:
        positive, negative = p.hr_prompts, p.hr_negative_prompts
        hires = p.hr_second_pass_steps or p.steps
        config = sd_samplers.find_sampler_config(p.hr_sampler_name or p.sampler_name)
        hires = config.total_steps(hires) if config else hires
    return _parsed(tuple(positive), tuple(negative), steps, hires, shared.opts.use_old_scheduling)


@lru_cache(maxsize=4)
def _parsed(
    positive: tuple[str, ...], negative: tuple[str, ...], steps: int, hires: int | None, old: bool
) -> Prompts:
    """Parsed once: the denoiser asks at each of its steps."""
    indices, flat, _ = prompt_parser.get_multicond_prompt_list(positive)

    def schedules(given: Any) -> Any:
        return prompt_parser.get_learned_conditioning_prompt_schedules(given, steps, hires, old)

    parts = schedules(flat)
    return Prompts([[parts[index] for index, _ in image] for image in indices], schedules(negative))


def _check(prompts: Prompts, given: dict[str, Any]) -> None:
    """Raise RecordingError unless the conditioning in use was made of these texts, step by step."""
    found = [[[one.end_at_step for one in part.schedules] for part in image] for image in given["cond"].batch]
    against = [[one.end_at_step for one in schedule] for schedule in given["uncond"]]
    wanted = [[[end for end, _ in part] for part in image] for image in prompts.parts]
    if found != wanted or against != [[end for end, _ in texts_] for texts_ in prompts.negatives]:
        raise RecordingError(strings.OTHER_CONDITIONING)


def interrupted() -> bool:
    """Whether a person ended the generation, or this image of it."""
    return bool(shared.state.interrupted or shared.state.skipped or shared.state.stopping_generation)


def show_so_far(job: Job) -> None:
    """Let the webui's live preview show the maps so far, as often as it shows what is being made."""
    state, every = shared.state, shared.opts.show_progress_every_n_steps
    sampling = job.sampling
    if not shared.opts.live_previews_enable or every < 1 or state.current_latent is None or sampling is None:
        return
    if sampling.steps[0] % every:
        return
    try:
        picture = job.preview(sd_samplers.sample_to_image(state.current_latent))
    except VxaError as error:
        sampling.give_up(error)
        return
    if picture is not None:
        state.assign_current_image(picture)
        # The webui draws its own so many steps after the last one; ours comes first.
        state.current_image_sampling_step = state.sampling_step + 1


def region_of(p: Any) -> tuple[int, int, int, int] | None:
    """Where in the finished image the sampled part was pasted back (inpainting only what is masked)."""
    overlays = getattr(p, "overlay_images", None) or ()
    pasted = getattr(p, "paste_to", None)
    if pasted is None or not shared.opts.overlay_inpaint or p.batch_index >= len(overlays):
        return None
    left, top, width, height = pasted
    return left, top, width, height


def show_in_page(sentence: str) -> None:
    """Show a sentence where a generation fails: there is no gallery, and nothing below it."""
    gr.Info(sentence)


def forget_said(p: Any) -> None:
    """What was said of a generation is not said of the next one of the same object (a batch of files)."""
    (p.extra_generation_params or {}).pop(_SAID, None)


def add_to_gallery(job: Job, p: Any, processed: Any) -> None:
    """Let the pictures follow the images, each with its infotext; save them where wanted; say the rest."""
    missing = len(processed.images) - len(processed.infotexts)  # masks have none
    processed.infotexts += [processed.info] * missing
    for traced in job.traced:
        for shown in traced.shown:
            text = f"{processed.infotext(p, traced.number)}, {ENTRY} of: {_quoted(shown.of)}"
            if shared.opts.enable_pnginfo:
                shown.picture.info["parameters"] = text
            processed.images.append(shown.picture)
            processed.infotexts.append(text)
            if job.wanted.save:
                try:
                    _save(p, traced, shown, text)
                except OSError as error:
                    job.say(strings.maps_not_kept(error.strerror or str(error)))
    if job.in_plot:
        _show_first(job, processed)
    for sentence in job.said:
        processed.comments += f"{sentence}\n"
    if job.said:  # for those who ask over HTTP, and see no page
        p.extra_generation_params[_SAID] = " ".join(job.said)


def _show_first(job: Job, processed: Any) -> None:
    """Put the first picture where the plot takes it from; where there is none, the image and why."""
    shown = [one.picture for traced in job.traced for one in traced.shown]
    if not shown and processed.images:
        shown = [told(processed.images[0], " ".join(job.said))]
    for picture in shown[:1]:
        processed.images.insert(0, picture)
        processed.infotexts.insert(0, processed.info)


def _quoted(text: str) -> str:
    from modules import infotext_utils

    found: str = infotext_utils.quote(text)
    return found


def _save(p: Any, traced: TracedImage, shown: GalleryPicture, text: str) -> None:
    """Save a picture beside its image, by its name; where that was not saved, as an image of its own."""
    suffix = "-vxa-" + re.sub(r"[^\w#-]+", "_", shown.of)[:40]
    beside = getattr(traced.image, "already_saved_as", None)
    extension, where = shared.opts.samples_format, {"p": p, "info": text}
    if beside:
        folder, name = os.path.split(beside)
        forced = os.path.splitext(name)[0] + suffix
        images.save_image(
            shown.picture, folder, "", extension=extension, forced_filename=forced, save_to_dirs=False,
            **where,
        )  # fmt: skip
        return
    images.save_image(
        shown.picture, p.outpath_samples, "", p.all_seeds[traced.number], p.all_prompts[traced.number],
        extension, suffix=suffix, **where,
    )  # fmt: skip
