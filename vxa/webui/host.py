"""The webui as VXA sees it: its model, queue and options; checked with AUTOMATIC1111's 1.10.1.

    with job("vxa"):                          # the queue's lock, and a task that the webui shows
        model = chosen_model()                # the checkpoint that is chosen now
        with networks("a <lora:ink:1>"):      # LoRAs and hypernetworks as in a generation
            …

With host_files and host_page it is all that knows the webui's modules. Nothing is kept between calls: the
model, the device and the options are those of the moment, for a person may choose another checkpoint at any
time.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from textwrap import shorten
from typing import Any

import torch
from modules import (
    call_queue,
    devices,
    extra_networks,
    lowvram,
    processing,
    progress,
    prompt_parser,
    sd_hijack,
    sd_models,
    shared,
)

from vxa.errors import ModelError, PromptError
from vxa.models.ldm.config import SITES_KEY
from vxa.ui import strings as page_strings
from vxa.ui.stopping import Stopped
from vxa.webui import strings

__all__ = [
    "add_option",
    "api_users",
    "check_interrupt",
    "checkpoint_name",
    "checkpoint_sites",
    "chosen_model",
    "computing",
    "condition",
    "device",
    "has_api",
    "job",
    "loaded_model",
    "networks",
    "option",
    "piece_reader",
    "prompt_text",
    "text_chunks",
]

_MOST_STEPS = 150  # of the webui's own slider: a prompt may change at any of them
_CALLS = 3  # of the model in a job: for the image, the prompt, and the noise


def loaded_model() -> Any | None:
    """The model that is loaded now, without waiting for one; None before the first and after a failure."""
    return sd_models.model_data.sd_model


@contextmanager
def job(name: str) -> Iterator[None]:
    """The webui's queue for a block to itself, as a task that it shows like a generation's."""
    task = f"task({name}-{secrets.token_hex(4)})"
    progress.add_task_to_queue(task)
    try:
        with call_queue.queue_lock:
            progress.start_task(task)
            shared.state.begin(job=name)
            shared.state.job_count = 1
            shared.state.sampling_steps = _CALLS
            shared.state.textinfo = page_strings.LOOKING
            try:
                yield
            finally:
                if getattr(loaded_model(), "lowvram", False):
                    lowvram.send_everything_to_cpu()
                # What comes next was not interrupted.
                shared.state.interrupted = shared.state.skipped = False
                shared.state.end()  # which frees what the device's cache holds
    finally:
        progress.finish_task(task)


def check_interrupt() -> None:
    """Raise Stopped where a person pressed the webui's Interrupt, or its Skip."""
    if shared.state.interrupted or shared.state.skipped:
        raise Stopped(page_strings.STOPPED)


def has_api() -> bool:
    """Whether the webui was started with its HTTP API."""
    return bool(shared.cmd_opts.api or shared.cmd_opts.nowebui)


def api_users() -> dict[str, str] | None:
    """The names and passwords of --api-auth; None where everybody may ask."""
    given = shared.cmd_opts.api_auth
    return dict(one.split(":", 1) for one in given.split(",")) if given else None


def add_option(
    name: str, default: Any, label: str, kind: type[Any], arguments: dict[str, Any], by_hand: bool = False
) -> None:
    """Add an option to VXA's page of the settings; `by_hand` is one that the webui's API cannot set."""
    section = ("vxa", strings.TAB)
    shared.opts.add_option(
        name, shared.OptionInfo(default, label, kind, arguments, section=section, restrict_api=by_hand)
    )


def option(name: str, default: Any) -> Any:
    """What an option is set to; the default before the webui has asked for options."""
    return getattr(shared.opts, name, default)


def chosen_model() -> Any:
    """The model of the chosen checkpoint, for a job.

    As a generation does, it loads what was chosen but is not loaded yet, or was exchanged for a refiner.

    Raises:
        ModelError: no checkpoint can be loaded.
    """
    try:
        # The first waits for a load that is on its way, the second may only come after it.
        model = shared.sd_model
        model = sd_models.reload_model_weights() or model
    except Exception as error:
        reason = shorten(" ".join(str(error).split()), 200, placeholder=" …")
        raise ModelError(strings.not_loaded(reason)) from error
    if model is None:
        raise ModelError(page_strings.NO_CHECKPOINT)
    sd_hijack.model_hijack.apply_circular(shared.opts.tiling)  # the last generation's is still on
    return model


def checkpoint_name(model: Any) -> str:
    """The checkpoint's name, without its folder and ending."""
    info = getattr(model, "sd_checkpoint_info", None)
    return str(getattr(info, "name_for_extra", None) or type(model).__name__)


def checkpoint_sites(model: Any) -> str | None:
    """The sites that the checkpoint's file says are read when none are named."""
    metadata = getattr(getattr(model, "sd_checkpoint_info", None), "metadata", None) or {}
    said = metadata.get(SITES_KEY)
    return said if isinstance(said, str) else None


def device() -> torch.device:
    """Where the webui computes."""
    found: torch.device = devices.device
    return found


@contextmanager
def computing() -> Iterator[None]:
    """The precision that the webui computes in, for one call of the model, which its progress counts."""
    shared.state.sampling_step = min(shared.state.sampling_step + 1, _CALLS)
    with devices.without_autocast() if devices.unet_needs_upcast else devices.autocast():
        yield


@contextmanager
def networks(prompt: str) -> Iterator[tuple[str, ...]]:
    """The prompt's extra networks at work in this block, and a note of each."""
    _, named = extra_networks.parse_prompt(prompt)
    generation = processing.StableDiffusionProcessingTxt2Img()
    generation.all_prompts = [prompt]  # a network chosen in the settings adds itself here
    hijack = sd_hijack.model_hijack
    hijack.clear_comments()
    if os.path.exists(shared.cmd_opts.embeddings_dir):
        hijack.embedding_db.load_textual_inversion_embeddings()
    with devices.autocast():
        extra_networks.activate(generation, named)
    given = tuple(f"{kind}: {':'.join(one.items)}" for kind, some in named.items() for one in some)
    try:
        yield (*given, *map(str, hijack.comments))
    finally:
        extra_networks.deactivate(generation, named)


def prompt_text(prompt: str) -> str:
    """What of the prompt goes to the text encoder: without the names of extra networks.

    Raises:
        PromptError: the prompt is several (AND), or changes while a generation goes on ([a:b:0.5], [a|b]).
    """
    text, _ = extra_networks.parse_prompt(prompt)
    parts, texts_of_parts, _ = prompt_parser.get_multicond_prompt_list([text])
    if len(parts[0]) > 1:
        raise PromptError(strings.SEVERAL_PROMPTS)
    schedule = prompt_parser.get_learned_conditioning_prompt_schedules(texts_of_parts, _MOST_STEPS)[0]
    if len(schedule) > 1:
        raise PromptError(strings.changing_prompt(schedule[0][1], schedule[-1][1]))
    found: str = schedule[0][1]
    return found


def text_chunks(model: Any, text: str) -> tuple[Sequence[Any], tuple[int, int, int]]:
    """The webui's own chunks of the text, and the ids of begin, end and padding.

    Raises:
        ModelError: the model is being exchanged at this moment, or reads prompts in another way.
    """
    if getattr(shared.opts, "use_old_emphasis_implementation", False):
        raise ModelError(strings.OLD_EMPHASIS)
    reader = _text_model(model)
    chunks, _ = reader.process_texts([text])
    return chunks[0], (reader.id_start, reader.id_end, reader.id_pad)


def _text_model(model: Any) -> Any:
    """SD1's and SD2's text encoder, the first one of SDXL."""
    whole = getattr(model, "cond_stage_model", None)
    for part in (whole, *(getattr(whole, "embedders", None) or ())):
        if hasattr(part, "process_texts") and hasattr(part, "id_start"):
            return part
    raise ModelError(strings.BEING_LOADED)


def piece_reader(model: Any) -> Callable[[int], str]:
    """What turns a token's id into its piece, in CLIP's form ("hat</w>")."""
    tokenizer = getattr(_text_model(model), "tokenizer", None)
    if tokenizer is not None:
        convert: Callable[[int], str] = tokenizer.convert_ids_to_tokens
        return convert
    from modules import sd_hijack_open_clip

    pieces = sd_hijack_open_clip.tokenizer.decoder
    return lambda token: pieces.get(token, "")


def condition(model: Any, text: str, image_size: tuple[int, int]) -> Any:
    """What the webui tells the network of the text, for one image of (height, width)."""
    height, width = image_size
    return model.get_learned_conditioning(prompt_parser.SdConditioning([text], width=width, height=height))
