"""Trajectories: the latents through which a real image is inverted to the noise that makes it again.

    trajectory = vxa.invert("papercut", "photo.png", "a red hat", method="direct")
    trajectory.write("hat.safetensors")
    vxa.steering.Trajectory.read("hat.safetensors").start       # [1, channels, h, w]

The file is one .safetensors whose metadata has all that is no tensor, as JSON. Nothing is unpickled.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from vxa.errors import SettingError, TrajectoryFileError
from vxa.io.atomic import atomic_file, check_folder_writable
from vxa.tokens import shorten
from vxa.tracing.settings import INVERSION_METHODS

__all__ = ["Trajectory", "check_trajectory_path"]

_FORMAT, _SCHEMA = "vxa-trajectory", 1
_SUFFIX = ".safetensors"
_TENSORS = ("latents", "contexts", "noises")


@dataclass(frozen=True, eq=False, repr=False)
class Trajectory:
    """An inverted image.

    Attributes:
        prompt: the text of the image.
        latents: at every level, from the image's own to the start, float32 [steps + 1, channels, h, w].
        levels: the timestep of each step, in the order of a generation: from the highest down.
        method: how it was inverted, one of `vxa.tracing.settings.INVERSION_METHODS`.
        guidance: the guidance scale that it was made for.
        extent: the fraction (of height, of width) of the padded plane that is image.
        contexts: for null-text, the negative prompt's context of each step, float32 [steps, tokens,
            channels].
        noises: for edit-friendly, the noise that each step adds, float32 [steps, channels, h, w].

    Raises SettingError for parts that do not fit each other.
    """

    prompt: str
    latents: Tensor
    levels: tuple[int, ...]
    method: str
    guidance: float
    extent: tuple[float, float] = (1.0, 1.0)
    contexts: Tensor | None = None
    noises: Tensor | None = None

    def __post_init__(self) -> None:
        steps, shape = len(self.levels), tuple(self.latents.shape)
        if not steps or len(shape) != 4 or shape[0] != steps + 1:
            raise SettingError(f"latents {shape} are not those of {steps} steps; give [steps + 1, c, h, w]")
        for name, each, ndim in (("contexts", self.contexts, 3), ("noises", self.noises, 4)):
            if each is not None and (each.ndim != ndim or len(each) != steps):
                raise SettingError(
                    f"{name} {tuple(each.shape)} are not those of {steps} steps; give one each"
                )
        if self.method not in INVERSION_METHODS:
            known = ", ".join(INVERSION_METHODS)
            raise SettingError(f"method {self.method!r} is unknown; choose one of {known}")
        for name, each, method in (
            ("contexts", self.contexts, "null-text"), ("noises", self.noises, "edit-friendly")
        ):  # fmt: skip
            if (each is not None) != (self.method == method):
                raise SettingError(f"{method} has {name}, and no other method; this one is {self.method}")
        if self.noises is not None and self.noises.shape[1:] != self.latents.shape[1:]:
            raise SettingError(f"noises {tuple(self.noises.shape)} do not fit latents {shape}")

    def __repr__(self) -> str:
        size = "x".join(map(str, self.latent_size))
        return f"Trajectory({shorten(self.prompt)!r}, {self.method}, {self.steps} steps, {size})"

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.levels)

    @property
    def latent_size(self) -> tuple[int, int]:
        """(height, width) of the latents."""
        return self.latents.shape[-2], self.latents.shape[-1]

    @property
    def start(self) -> Tensor:
        """Latents [1, channels, h, w] from which a generation begins."""
        return self.latents[-1:]

    def after(self, step: int) -> Tensor:
        """Return the latents [channels, h, w] that a step of the generation leads to."""
        return self.latents[self.steps - 1 - step]

    def crop(self, picture: Image.Image) -> Image.Image:
        """Return a generated picture without what was padded."""
        width, height = picture.size
        return picture.crop((0, 0, round(width * self.extent[1]), round(height * self.extent[0])))

    def write(self, path: str | Path) -> Path:
        """Write it as a .safetensors file and return the path. Raises TrajectoryFileError."""
        from safetensors.torch import save

        path = check_trajectory_path(path)
        header = {name: getattr(self, name) for name in ("prompt", "levels", "method", "guidance", "extent")}
        tensors = {name: getattr(self, name) for name in _TENSORS if getattr(self, name) is not None}
        entry = json.dumps({"format": _FORMAT, "schema": _SCHEMA, **header}, allow_nan=False)
        try:
            with atomic_file(path) as handle:
                handle.write(
                    save({name: each.contiguous() for name, each in tensors.items()}, {"vxa": entry})
                )
        except OSError as error:
            raise TrajectoryFileError(
                f"cannot write {str(path)!r}: {error.strerror or error}; choose another place"
            ) from error
        return path

    @classmethod
    def read(cls, path: str | Path) -> Trajectory:
        """Read what `write` wrote. Raises TrajectoryFileError for any other file."""
        from safetensors import SafetensorError, safe_open

        path = Path(path)
        if not path.is_file():
            raise TrajectoryFileError(
                f"there is no file {str(path)!r}; check the path, or make it with vxa invert"
            )
        try:
            with safe_open(str(path), "pt") as stored:
                header = json.loads((stored.metadata() or {})["vxa"])
                tensors = {name: stored.get_tensor(name) for name in _TENSORS if name in stored.keys()}  # noqa: SIM118
            return cls(**tensors, **_checked(header, tensors))
        except OSError as error:
            raise _bad(path, f"{error.strerror or error}") from error
        except (SafetensorError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise _bad(
                path, f"it does not hold what VXA writes ({' '.join(str(error).split())[:120]})"
            ) from error


def check_trajectory_path(path: str | Path) -> Path:
    """Return the path if a trajectory can be written there. Raises TrajectoryFileError."""
    path = Path(path)
    reason = ""
    if path.suffix != _SUFFIX:
        reason = f"end the file name in {_SUFFIX}"
    elif not os.path.isdir(path.parent):
        reason = f"there is no folder {str(path.parent)!r}; create it"
    else:
        try:
            check_folder_writable(path.parent)
        except OSError as error:
            reason = f"{error.strerror or error}; choose another place"
    if reason:
        raise TrajectoryFileError(f"cannot write {str(path)!r}: {reason}")
    return path


def _checked(header: dict[str, Any], tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Return the values of a file's metadata. Raises ValueError, LookupError or TypeError for other ones."""
    if header["format"] != _FORMAT or header["schema"] != _SCHEMA:
        raise ValueError(f"its format is {header['format']!r} of schema {header['schema']!r}")
    if not all(each.dtype == torch.float32 and each.isfinite().all() for each in tensors.values()):
        raise ValueError("its tensors are not finite numbers in float32")
    found = {
        "prompt": header["prompt"],
        "method": header["method"],
        "guidance": float(header["guidance"]),
        "levels": tuple(header["levels"]),
        "extent": tuple(map(float, header["extent"])),
    }
    if not all(isinstance(found[name], str) for name in ("prompt", "method")):
        raise ValueError("its prompt is no text")
    if not all(type(level) is int and level >= 0 for level in found["levels"]):
        raise ValueError("its levels are not timesteps")
    if len(found["extent"]) != 2 or not all(0 < part <= 1 for part in found["extent"]):
        raise ValueError("its extent is none")
    if not math.isfinite(found["guidance"]):
        raise ValueError("its guidance is no number")
    return found


def _bad(path: Path, reason: str) -> TrajectoryFileError:
    return TrajectoryFileError(f"cannot read the trajectory {str(path)!r}: {reason}; make it again")
