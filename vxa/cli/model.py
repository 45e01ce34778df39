"""The model as the command line has it: loaded quietly, on the wanted device, asked for its passes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vxa.cli.console import quiet, status
from vxa.errors import PromptError, SettingError
from vxa.tracing.timesteps import parse_timesteps

if TYPE_CHECKING:
    from PIL.Image import Image

    from vxa.maps.attention_maps import AttentionMaps
    from vxa.models.protocol import Model

__all__ = ["check_prompt", "load_quietly", "native_latent", "watch_passes"]

_DEVICES = ("auto", "cpu", "cuda", "mps", "xpu")


def load_quietly(name: str, device: str = "cpu") -> Model:
    """The named model on the device."""
    from vxa.models import load

    with status(f"loading {name}"), quiet():
        loaded = load(name)
        if device != "cpu":
            _place(loaded, device)
    return loaded


def _place(model: Any, device: str) -> None:
    import torch

    if device.partition(":")[0] not in _DEVICES:
        raise SettingError(f"there is no device {device!r}; choose one of {', '.join(_DEVICES)}")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        model.pipeline.to(device)
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise SettingError(f"device {device!r} cannot be used ({reason}); choose cpu") from error


def watch_passes(
    name: str,
    device: str,
    image: Image,
    prompt: str | None,
    timesteps: int | str,
    sites: str | None,
    everything: bool,
    settings: dict[str, Any],
) -> list[AttentionMaps]:
    """The maps of one pass for each timestep, of no more sites than the picture needs unless `everything`.

    The timesteps are one number, or several as `parse_timesteps` reads them.
    """
    from vxa.tracing.visualize import visualize

    if prompt is None:
        raise PromptError('no prompt was given; describe the image after its path, as in "hat, neck"')
    check_prompt(prompt)
    loaded = load_quietly(name, device)
    recorded = None if everything else sites or loaded.default_sites
    if isinstance(timesteps, int):
        wanted: tuple[int, ...] = (timesteps,)
    else:
        wanted = parse_timesteps(timesteps, loaded.num_timesteps)
    watched = []
    for number, timestep in enumerate(wanted, 1):
        with status(f"denoising pass {number} of {len(wanted)}"), quiet():
            watched.append(visualize(loaded, image, prompt, timestep, sites=recorded, **settings))
    return watched


def check_prompt(prompt: str) -> None:
    """Raise PromptError for a prompt of no words, or of what is no text, before the model is loaded."""
    if not prompt.strip():
        raise PromptError(f'the prompt {prompt!r} has no words; describe the image, as in "hat, neck"')
    try:
        prompt.encode()
    except UnicodeEncodeError:
        raise PromptError(f"the prompt {prompt!r} is not UTF-8 text; type it again") from None


def native_latent(model: Any) -> tuple[int, int] | None:
    """(height, width) of the latents the network was made for, where it says so."""
    size = getattr(model.network.config, "sample_size", None)
    if size is None:
        return None
    return (size, size) if isinstance(size, int) else (size[0], size[1])
