"""The panel's backend over whatever checkpoint the webui has loaded when a person asks."""

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
from vxa.webui.host.files import checkpoint_source, image_made, save_picture
from vxa.webui.host.model import chosen_model, loaded_model
from vxa.webui.host.prompts import WebuiPrompts
from vxa.webui.host.queue import check_interrupt, job
from vxa.webui.host.text import networks
from vxa.webui.settings import keeps_all, kept_folder

__all__ = ["model_sites", "webui_backend"]

_JOB = "vxa"


def webui_backend() -> Backend:
    """The backend; it needs no model to be there yet."""
    return Backend(
        model=strings.WEBUI_MODEL,
        source=checkpoint_source,
        tokenize=_tokenize,
        run=_run,
        made=image_made,
        keep=lambda picture, made: save_picture(picture, made, kept_folder()),
        keeps_all=keeps_all,
        sites=site_labels((), "", None),
        current_sites=_current_sites,
    )


def model_sites() -> dict[str, Any]:
    """The checkpoint that is loaded now, and its sites, as plain values. Raises ModelError where none is."""
    model = webui_model(_loaded())
    sites = [asdict(site) for site in model.sites]
    return {"model": model.name, "default_sites": model.default_sites, "sites": sites}


def _current_sites() -> tuple[str, ...]:
    model = loaded_model()
    if model is None:
        return ()
    found = webui_model(model)
    return site_labels(found.sites, found.default_sites, None)


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
    def wanted() -> None:
        check_interrupt()
        progress(0.1, page_strings.LOOKING)

    progress(0.0, page_strings.QUEUED)
    with job(_JOB):
        wanted()  # it may have been stopped while it waited
        model = chosen_model()
        with networks(prompt) as notes, interruptible(wanted):
            maps = visualize(
                webui_model(model, notes), image, prompt, timestep, noise, seed, sites,  # type: ignore[arg-type]
                self_attention=refine,
            )  # fmt: skip
    progress(1.0, page_strings.DONE)
    return maps
