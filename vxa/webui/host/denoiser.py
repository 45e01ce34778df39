"""The webui's side of a traced generation; checked with AUTOMATIC1111's 1.10.1.

Reads the denoiser's calls, a batch's prompts and where an image was pasted back; adds pictures to the gallery
and the outputs folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import gradio as gr
from modules import images, prompt_parser, sd_samplers, shared

from vxa.errors import RecordingError, VxaError
from vxa.io.file_names import distinct_names
from vxa.webui import strings
from vxa.webui.generation.gallery import GalleryPicture, add_note
from vxa.webui.generation.job import Job, TracedImage
from vxa.webui.generation.options import ENTRY
from vxa.webui.generation.rows import Prompts, Rows, remove_mark
from vxa.webui.generation.sampling import DenoiserCall
from vxa.webui.host.checkpoint import webui_model
from vxa.webui.host.prompts import WebuiPrompts

__all__ = [
    "add_to_gallery", "denoiser_call", "forget_notes", "is_interrupted", "region_of", "show_in_page",
    "show_preview",
]  # fmt: skip

_NOTES = f"{ENTRY} says"


def denoiser_call(params: Any) -> DenoiserCall:
    """Return the denoiser's next call from the parameters of the webui's callback.

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
        # A sampler of second order calls the denoiser twice per step.
        step=denoiser.step * denoiser.steps // max(1, denoiser.total_steps),
        steps=denoiser.steps,
    )


def _context(conditioning: Any) -> Any:
    """Return what cross-attention reads of a conditioning: all of it, or one entry of SDXL's dict."""
    return remove_mark(conditioning["crossattn"] if isinstance(conditioning, dict) else conditioning)


def _prompts(p: Any) -> Prompts:
    """Return the schedules of the batch's prompts, parsed by the webui itself."""
    steps, hires = p.firstpass_steps, None
    positive, negative = p.prompts, p.negative_prompts
    if p.is_hr_pass:
        positive, negative = p.hr_prompts, p.hr_negative_prompts
        hires = p.hr_second_pass_steps or p.steps
        config = sd_samplers.find_sampler_config(p.hr_sampler_name or p.sampler_name)
        hires = config.total_steps(hires) if config else hires
    return _parse(tuple(positive), tuple(negative), steps, hires, shared.opts.use_old_scheduling)


@lru_cache(maxsize=4)
def _parse(
    positive: tuple[str, ...], negative: tuple[str, ...], steps: int, hires: int | None, old: bool
) -> Prompts:
    """Parse the prompts; cached, because each step of the denoiser needs them."""
    indices, flat, _ = prompt_parser.get_multicond_prompt_list(positive)

    def schedules(texts: Any) -> Any:
        return prompt_parser.get_learned_conditioning_prompt_schedules(texts, steps, hires, old)

    parts = schedules(flat)
    return Prompts([[parts[index] for index, _ in image] for image in indices], schedules(negative))


def _check(prompts: Prompts, extra_args: dict[str, Any]) -> None:
    """Raise RecordingError unless the sampler's conditioning has the schedules of these prompts."""
    batch = extra_args["cond"].batch
    positive = [[[one.end_at_step for one in part.schedules] for part in image] for image in batch]
    negative = [[one.end_at_step for one in schedule] for schedule in extra_args["uncond"]]
    expected = [[[end for end, _ in part] for part in image] for image in prompts.parts]
    if positive != expected or negative != [[end for end, _ in texts] for texts in prompts.negatives]:
        raise RecordingError(strings.OTHER_CONDITIONING)


def is_interrupted() -> bool:
    """Return whether the user ended the generation, or skipped this image of it."""
    return bool(shared.state.interrupted or shared.state.skipped or shared.state.stopping_generation)


def show_preview(job: Job) -> None:
    """Show the maps so far in the webui's live preview, as often as it shows the image so far."""
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
        # The webui draws its own preview `every` steps after the last one; this makes ours the last one.
        state.current_image_sampling_step = state.sampling_step + 1


def region_of(p: Any) -> tuple[int, int, int, int] | None:
    """Return the sampled part of the finished image (inpainting "only masked"); None for all of it."""
    overlays = getattr(p, "overlay_images", None) or ()
    region = getattr(p, "paste_to", None)
    if region is None or not shared.opts.overlay_inpaint or p.batch_index >= len(overlays):
        return None
    left, top, width, height = region
    return left, top, width, height


def show_in_page(sentence: str) -> None:
    """Show a sentence on the page when a generation fails, which leaves neither gallery nor comments."""
    gr.Info(sentence)


def forget_notes(p: Any) -> None:
    """Remove the last generation's notes from the object, which a batch of files uses again."""
    (p.extra_generation_params or {}).pop(_NOTES, None)


def add_to_gallery(job: Job, p: Any, processed: Any) -> None:
    """Append the pictures and their infotexts to the gallery, save them if `save` is on, show the notes."""
    missing = len(processed.images) - len(processed.infotexts)  # masks have no infotext
    processed.infotexts += [processed.info] * missing
    for traced in job.images:
        for one, suffix in zip(traced.pictures, _suffixes(traced.pictures), strict=True):
            text = f"{processed.infotext(p, traced.number)}, {ENTRY} of: {_quote(one.subject)}"
            if shared.opts.enable_pnginfo:
                one.picture.info["parameters"] = text
            processed.images.append(one.picture)
            processed.infotexts.append(text)
            if job.options.save:
                try:
                    _save(p, traced, one, suffix, text)
                except OSError as error:
                    job.add_note(strings.maps_not_kept(error.strerror or str(error)))
    if job.in_plot:
        _show_first(job, processed)
    for sentence in job.notes:
        processed.comments += f"{sentence}\n"
    if job.notes:  # for clients of the webui's API, which see no page
        p.extra_generation_params[_NOTES] = " ".join(job.notes)


def _show_first(job: Job, processed: Any) -> None:
    """Insert the first picture, or the image under its notes, where the plot takes a cell's image from."""
    pictures = [one.picture for traced in job.images for one in traced.pictures]
    if not pictures and processed.images:
        pictures = [add_note(processed.images[0], " ".join(job.notes))]
    for picture in pictures[:1]:
        processed.images.insert(0, picture)
        processed.infotexts.insert(0, processed.info)


def _quote(text: str) -> str:
    from modules import infotext_utils

    quoted: str = infotext_utils.quote(text)
    return quoted


def _suffixes(pictures: Sequence[GalleryPicture]) -> list[str]:
    """Return the suffix of each picture's file name; the webui overwrites a file of the same name."""
    subjects = [re.sub(r"[^\w#-]+", "_", one.subject)[:40] for one in pictures]
    return [f"-vxa-{subject}" for subject in distinct_names(subjects)]


def _save(p: Any, traced: TracedImage, one: GalleryPicture, suffix: str, text: str) -> None:
    """Save a picture beside its image, under the image's name; if the image was not saved, by itself."""
    beside = getattr(traced.image, "already_saved_as", None)
    extension, where = shared.opts.samples_format, {"p": p, "info": text}
    if beside:
        folder, name = os.path.split(beside)
        forced = os.path.splitext(name)[0] + suffix
        images.save_image(
            one.picture, folder, "", extension=extension, forced_filename=forced, save_to_dirs=False,
            **where,
        )  # fmt: skip
        return
    images.save_image(
        one.picture, p.outpath_samples, "", p.all_seeds[traced.number], p.all_prompts[traced.number],
        extension, suffix=suffix, **where,
    )  # fmt: skip
