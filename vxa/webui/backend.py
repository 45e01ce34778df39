"""The panel's backend over whatever checkpoint the webui has loaded when a person asks."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from PIL import Image

from vxa.attention.interrupt import interruptible
from vxa.attention.sites import select_sites
from vxa.errors import ModelError, SiteError
from vxa.maps.attention_maps import AttentionMaps
from vxa.models.ldm.model import LdmModel
from vxa.tokens import Token
from vxa.tracing.visualize import visualize
from vxa.ui import strings as page_strings
from vxa.ui.backend import Backend, Progress, site_labels
from vxa.webui import host, strings
from vxa.webui.host_files import checkpoint_source, image_made, save_picture
from vxa.webui.prompts import WebuiPrompts
from vxa.webui.settings import keeps_all, kept_folder

__all__ = ["model_sites", "webui_backend", "webui_model"]

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
    model = host.loaded_model()
    if model is None:
        return ()
    found = webui_model(model)
    return site_labels(found.sites, found.default_sites, None)


def _tokenize(prompt: str) -> tuple[Token, ...]:
    return WebuiPrompts(_loaded()).tokens(prompt)


def _loaded() -> Any:
    model = host.loaded_model()
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
        host.check_interrupt()
        progress(0.1, page_strings.LOOKING)

    progress(0.0, page_strings.QUEUED)
    with host.job(_JOB):
        wanted()  # it may have been stopped while it waited
        model = host.chosen_model()
        with host.networks(prompt) as notes, interruptible(wanted):
            maps = visualize(
                webui_model(model, notes), image, prompt, timestep, noise, seed, sites,  # type: ignore[arg-type]
                refine=refine,
            )  # fmt: skip
    progress(1.0, page_strings.DONE)
    return maps


def webui_model(model: Any, notes: tuple[str, ...] = ()) -> LdmModel:
    """The webui's model object as a Model. Raises ModelError for one that VXA cannot read."""
    found = LdmModel(
        model,
        WebuiPrompts(model),
        name=host.checkpoint_name(model),
        notes=notes,
        device=host.device(),
        within=host.computing,
    )
    found.default_sites = _sites_of_the_checkpoint(found, host.checkpoint_sites(model))
    return found


def _sites_of_the_checkpoint(model: LdmModel, said: str | None) -> str:
    """What the checkpoint's file says is read when no sites are named; the usual where it names none."""
    try:
        return said if said and select_sites(model.sites, said) else model.default_sites
    except SiteError:  # metadata is carried along by those who merge checkpoints
        return model.default_sites
