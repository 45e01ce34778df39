"""The image that a person gives, handed on as the file it came in: what it is worth is read by vxa.io.images.

gradio decodes an image before a handler sees it, and what fails there says nothing on the page. It has
checked by then that a file lies in its folder of uploads; that check is all that is wanted of it here.
"""

from __future__ import annotations

from abc import ABCMeta
from pathlib import Path
from typing import Any

import gradio as gr

from vxa.ui import strings

__all__ = ["UploadedImage"]


class _Unlisted(type(gr.Image)):  # type: ignore[misc]
    """gradio 4 and later write a .pyi file beside the module of every kind of component; not of these."""

    def __new__(mcs, name: str, bases: tuple[type, ...], members: dict[str, Any]) -> Any:
        return ABCMeta.__new__(mcs, name, bases, members)


class UploadedImage(gr.Image, metaclass=_Unlisted):  # type: ignore[misc]
    """gr.Image whose value is the path of the uploaded file, whatever the file holds."""

    is_template = True  # drawn in the page as gr.Image is

    def preprocess(self, payload: Any) -> str | None:
        """The path, of which nothing is read: gradio 3 sends the file itself, in base64."""
        if isinstance(payload, str):
            path: str = self.base64_to_temp_file_if_needed(payload)
            return path
        return getattr(payload, "path", None)

    async def async_move_resource_to_block_cache(self, url_or_file_path: Any) -> Any:
        """The path in gradio's cache, of a file that lies in its folder of uploads.

        Raises gr.Error for an address, since nobody makes this server fetch, and for a file that is gone.
        """
        if str(url_or_file_path).lower().startswith(("http:", "https:")):
            raise gr.Error(strings.NO_ADDRESS)
        if url_or_file_path and not Path(url_or_file_path).exists():
            raise gr.Error(strings.IMAGE_GONE)
        return await super().async_move_resource_to_block_cache(url_or_file_path)
