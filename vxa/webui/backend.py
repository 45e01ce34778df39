"""The panel's backend over the checkpoint that the webui has loaded at the time of each call."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from PIL import Image

from vxa.attention.interrupt import interruptible
from vxa.errors import ModelError
from vxa.maps.attention_maps import AttentionMaps
from vxa.tokens import Token
from vxa.tracing.visualize import visualize
from vxa.ui import strings as page_strings
from vxa.ui.backend import Backend, Progress, site_labels
from vxa.webui import strings
from vxa.webui.host.checkpoint import webui_model
from vxa.webui.host.files import checkpoint_source, image_infotext, save_picture
from vxa.webui.host.model import chosen_model, loaded_model
from vxa.webui.host.prompts import WebuiPrompts
from vxa.webui.host.queue import check_interrupt, job
from vxa.webui.host.text import networks
from vxa.webui.settings import pictures_folder, saves_every_picture

__all__ = ["model_sites", "webui_backend"]

_JOB = "vxa"


def webui_backend() -> Backend:
    """Return the backend; the webui need not have loaded a model yet."""
    return Backend(
        model=strings.WEBUI_MODEL,
        source=checkpoint_source,
        tokenize=_tokenize,
        run=_run,
        made=image_infotext,
        keep=lambda picture, made: save_picture(picture, made, pictures_folder()),
        keeps_all=saves_every_picture,
        sites=site_labels((), "", None),
        current_sites=_current_sites,
    )


def model_sites() -> dict[str, Any]:
    """Return the loaded checkpoint's name and sites as plain values. Raises ModelError if none is loaded."""
    model = webui_model(_loaded())
    sites = [asdict(site) for site in model.sites]
    return {"model": model.name, "default_sites": model.default_sites, "sites": sites}


def _current_sites() -> tuple[str, ...]:
    model = loaded_model()
    if model is None:
        return ()
    own = webui_model(model)
    return site_labels(own.sites, own.default_sites, None)


def _tokenize(prompt: str) -> tuple[Token, ...]:
    return WebuiPrompts(_loaded()).tokens(prompt)


def _loaded() -> Any:
    model = loaded_model()
    if model is None:
        raise ModelError(page_strings.NO_CHECKPOINT)
    return model


def _run(
    image: Image.Image,
    prompt: str,
    timestep: int,
    noise: str,
    seed: int,
    progress: Progress,
    sites: str | None = None,
    refine: bool = False,
) -> AttentionMaps:
    def check_stop() -> None:
        check_interrupt()
        progress(0.1, page_strings.LOOKING)

    progress(0.0, page_strings.QUEUED)
    with job(_JOB):
        check_stop()  # the page or the webui may have stopped the job while it waited
        model = chosen_model()
        with networks(prompt) as notes, interruptible(check_stop):
            maps = visualize(
                webui_model(model, notes), image, prompt, timestep, noise, seed, sites,  # type: ignore[arg-type]
                self_attention=refine,
            )  # fmt: skip
    progress(1.0, page_strings.DONE)
    return maps
