"""Images as the webui has them: how one was made, and a picture saved among its own.

It names files by the person's patterns, in their format, writes each beside its place and moves it there
whole, and puts the infotext into it.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from modules import images, paths_internal, processing, sd_models, shared, util
from PIL import Image

from vxa.errors import SettingError
from vxa.io.images import opened_image
from vxa.io.infotext import Infotext, parse_infotext
from vxa.models.ldm.config import MODEL_KEY
from vxa.webui import strings

__all__ = ["checkpoint_source", "folder_is_shown", "image_made", "outputs_folder", "save_picture"]

_SAVING = threading.Lock()  # the webui counts the files of a folder to find the next number


def outputs_folder() -> str:
    """Where pictures of VXA are saved unless a person says otherwise: beside the webui's own."""
    folder: str = util.truncate_path(os.path.join(paths_internal.default_output_dir, "vxa-images"))
    return folder


def folder_is_shown() -> bool:
    """Whether the settings may show folders."""
    return not shared.cmd_opts.hide_ui_dir_config


def image_made(path: str) -> Infotext | None:
    """How the image in the file was made, read as the webui's PNG Info reads it."""
    try:
        with opened_image(path, "the image") as image:
            text, _ = images.read_info_from_image(image)
    except Exception:  # an image or an EXIF that is broken: whatever is raised, it says nothing
        return None
    return parse_infotext(text)


def save_picture(picture: Image.Image, made: Infotext, folder: str) -> str:
    """The name of the picture's file below the folder.

    Raises:
        SettingError: the folder cannot be written.
    """
    seed = int(made.settings["Seed"])
    generation = processing.StableDiffusionProcessingTxt2Img(
        prompt=made.prompt, seed=seed, steps=1, width=picture.width, height=picture.height
    )
    try:
        with _SAVING:
            path, _ = images.save_image(
                picture, folder, "", seed, made.prompt, shared.opts.samples_format, info=str(made),
                p=generation,
            )  # fmt: skip
    except OSError as error:
        raise SettingError(strings.not_kept(error.strerror or str(error))) from error
    return Path(os.path.relpath(path, folder)).as_posix()


def checkpoint_source(name: str) -> str:
    """What `vxa --model` is given for the checkpoint of that name; what to fill in where that is no file."""
    for info in _named(name):
        if (getattr(info, "metadata", None) or {}).get(MODEL_KEY) == "papercut":
            return "papercut"
        if info.is_safetensors and os.path.isfile(info.filename):
            return os.path.abspath(str(info.filename))
    return strings.fill_in(name)


def _named(name: str) -> list[Any]:
    """The checkpoints of that name, the one that is loaded first: folders may hold one of the same."""
    loaded = getattr(sd_models.model_data.sd_model, "sd_checkpoint_info", None)
    known = [loaded, *sd_models.checkpoints_list.values()]
    return [info for info in known if getattr(info, "name_for_extra", None) == name]
