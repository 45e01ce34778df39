"""InvokeAI: "invokeai_metadata" since version 3, "sd-metadata" and "Dream" before.

Before version 3 the negative prompt stood within the prompt, in square brackets.
"""

from __future__ import annotations

import re
from typing import Any

from vxa.io.metadata.chunks import TextChunks
from vxa.io.metadata.webui import Infotext, named_settings

__all__ = ["read"]

_NAMES = {"Steps": "steps", "CFG scale": "cfg_scale", "Seed": "seed"}
_NEGATIVE = re.compile(r"\[[^\[\]]*\]")
# A command line: the prompt, in quotes or up to the first option, such as -s50.
_COMMAND = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|(.*?))(?=\s+-[A-Za-z]|\s*$)', re.DOTALL)
_SEED = re.compile(r"\s-S\s*(\d{1,20})")


def read(chunks: TextChunks) -> Infotext | None:
    """Read what InvokeAI wrote; None if it did not write the image, or blended several prompts."""
    values = chunks.json("invokeai_metadata")
    if isinstance(values.get("positive_prompt"), str):
        named = named_settings(values, {**_NAMES, "Sampler": "scheduler"})
        return Infotext(values["positive_prompt"], named)
    return _read_older(chunks.json("sd-metadata").get("image")) or _read_command(
        chunks.texts.get("Dream", "")
    )


def _read_older(values: Any) -> Infotext | None:
    """Read the object of version 2, whose prompt is a text or a list of weighted texts."""
    if not isinstance(values, dict):
        return None
    prompts = values.get("prompt")
    if isinstance(prompts, list):
        prompts = prompts[0].get("prompt") if len(prompts) == 1 and isinstance(prompts[0], dict) else None
    if not isinstance(prompts, str):
        return None
    return Infotext(_without_negative(prompts), named_settings(values, {**_NAMES, "Sampler": "sampler"}))


def _read_command(line: str) -> Infotext | None:
    """Read the command that made an image in version 1."""
    found = _COMMAND.match(line) if len(line) < 10_000 else None
    prompt = next((text for text in found.groups() if text), "") if found else ""
    if not prompt:
        return None
    seed = _SEED.search(line)
    return Infotext(_without_negative(prompt.replace('\\"', '"')), {"Seed": seed[1]} if seed else {})


def _without_negative(prompt: str) -> str:
    return _NEGATIVE.sub("", prompt).strip()
