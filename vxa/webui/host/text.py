"""The webui's reading of a prompt: extra networks, prompt editing, chunks, text encoders.

with networks("a <lora:ink:1>"):          # LoRAs and hypernetworks as in a generation
    …
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from modules import devices, extra_networks, processing, prompt_parser, sd_hijack, shared

from vxa.errors import ModelError, PromptError
from vxa.webui import strings

__all__ = ["condition", "networks", "piece_reader", "prompt_text", "text_chunks"]

_MAX_STEPS = 150  # maximum of the webui's slider: an edited prompt may change at any step


@contextmanager
def networks(prompt: str) -> Iterator[tuple[str, ...]]:
    """Activate the prompt's extra networks for a block; yield a note of each and the webui's comments."""
    _, named = extra_networks.parse_prompt(prompt)
    generation = processing.StableDiffusionProcessingTxt2Img()
    generation.all_prompts = [prompt]  # a hypernetwork chosen in the settings is added here
    hijack = sd_hijack.model_hijack
    hijack.clear_comments()
    if os.path.exists(shared.cmd_opts.embeddings_dir):
        hijack.embedding_db.load_textual_inversion_embeddings()
    with devices.autocast():
        extra_networks.activate(generation, named)
    notes = tuple(f"{kind}: {':'.join(one.items)}" for kind, some in named.items() for one in some)
    try:
        yield (*notes, *map(str, hijack.comments))
    finally:
        extra_networks.deactivate(generation, named)


def prompt_text(prompt: str) -> str:
    """Return the part of the prompt that goes to the text encoder: all but the names of extra networks.

    Raises:
        PromptError: the prompt joins several (AND), or changes during a generation ([a:b:0.5], [a|b]).
    """
    text, _ = extra_networks.parse_prompt(prompt)
    parts, texts_of_parts, _ = prompt_parser.get_multicond_prompt_list([text])
    if len(parts[0]) > 1:
        raise PromptError(strings.SEVERAL_PROMPTS)
    schedule = prompt_parser.get_learned_conditioning_prompt_schedules(texts_of_parts, _MAX_STEPS)[0]
    if len(schedule) > 1:
        raise PromptError(strings.changing_prompt(schedule[0][1], schedule[-1][1]))
    only: str = schedule[0][1]
    return only


def text_chunks(model: Any, text: str) -> tuple[Sequence[Any], tuple[int, int, int]]:
    """Return the webui's own chunks of the text, and the ids of begin, end and padding.

    Raises:
        ModelError: the webui is exchanging the model at this moment, or VXA cannot read its prompts.
    """
    if getattr(shared.opts, "use_old_emphasis_implementation", False):
        raise ModelError(strings.OLD_EMPHASIS)
    reader = _text_model(model)
    chunks, _ = reader.process_texts([text])
    return chunks[0], (reader.id_start, reader.id_end, reader.id_pad)


def _text_model(model: Any) -> Any:
    """Return the text encoder of SD1 or SD2, or the first one of SDXL."""
    whole = getattr(model, "cond_stage_model", None)
    for part in (whole, *(getattr(whole, "embedders", None) or ())):
        if hasattr(part, "process_texts") and hasattr(part, "id_start"):
            return part
    raise ModelError(strings.BEING_LOADED)


def piece_reader(model: Any) -> Callable[[int], str]:
    """Return a function from a token's id to its piece, in CLIP's form ("hat</w>")."""
    tokenizer = getattr(_text_model(model), "tokenizer", None)
    if tokenizer is not None:
        convert: Callable[[int], str] = tokenizer.convert_ids_to_tokens
        return convert
    from modules import sd_hijack_open_clip

    pieces = sd_hijack_open_clip.tokenizer.decoder
    return lambda token: pieces.get(token, "")


def condition(model: Any, text: str, image_size: tuple[int, int]) -> Any:
    """Return the webui's conditioning of the text, for one image of (height, width)."""
    height, width = image_size
    return model.get_learned_conditioning(prompt_parser.SdConditioning([text], width=width, height=height))
