"""Every error a user of VXA can cause, in one tree.

    VxaError
    ├── ImageError       (ValueError)    an image that is missing, broken or too large
    ├── PromptError      (ValueError)    a prompt without words, or that does not match its embeddings
    ├── SettingError     (ValueError)    a setting outside its range: timestep, noise, mode, threshold
    ├── WordError        (LookupError)   a word that is not in the prompt
    ├── TokenIndexError  (LookupError)   an index list that cannot be read, or points outside the prompt
    ├── SiteError        (LookupError)   a site, or group of sites, that the model does not have
    ├── HeadError        (LookupError)   an attention head that the sites do not have
    ├── ModelError       (ValueError)    a source that is missing, unsafe, or not a model VXA understands
    ├── RecordingError   (RuntimeError)  a forward pass that could not be watched faithfully
    ├── SteeringError    (RuntimeError)  a control that reached or changed nothing, or lacks what it needs
    ├── MapsFileError    (ValueError)    a saved maps file that is corrupt, truncated or foreign
    └── TrajectoryFileError (ValueError) a saved trajectory that is corrupt, truncated or foreign

A message names the value received, the values allowed, and the next action. Front ends show a VxaError as a
message; any other exception is a defect and keeps its traceback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "HeadError",
    "ImageError",
    "MapsFileError",
    "ModelError",
    "PromptError",
    "RecordingError",
    "SettingError",
    "SiteError",
    "SteeringError",
    "TokenIndexError",
    "TrajectoryFileError",
    "VxaError",
    "WordError",
]


class VxaError(Exception):
    """Root of the tree: `except VxaError` catches every error that a user can cause.

    Attributes:
        images: the pictures that `vxa.generate` had made when this was raised.
    """

    images: tuple[Image, ...] = ()


class ImageError(VxaError, ValueError):
    """An image is missing, broken or too large."""


class PromptError(VxaError, ValueError):
    """A prompt has no words, or does not match its embeddings."""


class SettingError(VxaError, ValueError):
    """A setting is outside its range."""


class WordError(VxaError, LookupError):
    """A word is not in the prompt."""


class TokenIndexError(VxaError, LookupError):
    """A list of token indices cannot be read, or points outside the prompt."""


class SiteError(VxaError, LookupError):
    """The model has no such site or group of sites."""


class HeadError(VxaError, LookupError):
    """The sites have no such attention head."""


class ModelError(VxaError, ValueError):
    """A source is missing, unsafe, or not a model VXA understands."""


class RecordingError(VxaError, RuntimeError):
    """A forward pass could not be watched faithfully."""


class SteeringError(VxaError, RuntimeError):
    """A control reached or changed nothing, or lacks what it needs."""


class MapsFileError(VxaError, ValueError):
    """A saved maps file is corrupt, truncated or foreign."""


class TrajectoryFileError(VxaError, ValueError):
    """A saved trajectory is corrupt, truncated or foreign."""
