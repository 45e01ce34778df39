"""Images and checkpoints as the webui's files: an image's infotext, saved pictures, a checkpoint's path.

The webui names a saved file by the user's pattern, in the user's format, writes it under a temporary name,
moves it into place when it is complete, and puts the infotext into it.
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
from vxa.io.infotext import Infotext, parse_infotext, read_infotext
from vxa.models.ldm.config import MODEL_KEY
from vxa.webui import strings

__all__ = ["checkpoint_source", "image_infotext", "outputs_folder", "save_picture", "shows_folders"]

_SAVING = threading.Lock()  # the webui counts a folder's files to find the next number


def outputs_folder() -> str:
    """Return the default folder for VXA's pictures: beside the folders of the webui's own images."""
    folder: str = util.truncate_path(os.path.join(paths_internal.default_output_dir, "vxa-images"))
    return folder


def shows_folders() -> bool:
    """Return whether the settings may show folders."""
    return not shared.cmd_opts.hide_ui_dir_config


def image_infotext(path: str) -> Infotext | None:
    """Read the infotext of an image file as the webui's PNG Info does, or else what another program wrote.

    Returns None if there is neither.
    """
    try:
        with opened_image(path, "the image") as image:
            text, _ = images.read_info_from_image(image)
    except Exception:  # a broken image or EXIF may raise anything; such a file has no infotext
        return None
    return parse_infotext(text) or read_infotext(path)


def save_picture(picture: Image.Image, infotext: Infotext, folder: str) -> str:
    """Save a picture with its infotext; return its path relative to the folder.

    Raises:
        SettingError: the folder cannot be written to.
    """
    seed = int(infotext.settings["Seed"])
    generation = processing.StableDiffusionProcessingTxt2Img(
        prompt=infotext.prompt, seed=seed, steps=1, width=picture.width, height=picture.height
    )
    try:
        with _SAVING:
            path, _ = images.save_image(
                picture, folder, "", seed, infotext.prompt, shared.opts.samples_format, info=str(infotext),
                p=generation,
            )  # fmt: skip
    except OSError as error:
        raise SettingError(strings.not_kept(error.strerror or str(error))) from error
    return Path(os.path.relpath(path, folder)).as_posix()


def checkpoint_source(name: str) -> str:
    """Return the argument of `vxa --model` for a checkpoint; a placeholder if it is no file vxa can load."""
    for info in _checkpoints_named(name):
        if (getattr(info, "metadata", None) or {}).get(MODEL_KEY) == "papercut":
            return "papercut"
        if info.is_safetensors and os.path.isfile(info.filename):
            return os.path.abspath(str(info.filename))
    return strings.fill_in(name)


def _checkpoints_named(name: str) -> list[Any]:
    """Return the checkpoints of a name, the loaded one first: several folders may each hold one."""
    loaded = getattr(sd_models.model_data.sd_model, "sd_checkpoint_info", None)
    known = [loaded, *sd_models.checkpoints_list.values()]
    return [info for info in known if getattr(info, "name_for_extra", None) == name]
