"""The webui's model object as a `Model`."""

from __future__ import annotations

from typing import Any

from vxa.attention.sites import select_sites
from vxa.errors import SiteError
from vxa.models.ldm.model import LdmModel
from vxa.webui.host.model import checkpoint_name, checkpoint_sites, computing, device
from vxa.webui.host.prompts import WebuiPrompts

__all__ = ["webui_model"]


def webui_model(model: Any, notes: tuple[str, ...] = ()) -> LdmModel:
    """The webui's model object as a Model. Raises ModelError for one that VXA cannot read."""
    found = LdmModel(
        model,
        WebuiPrompts(model),
        name=checkpoint_name(model),
        notes=notes,
        device=device(),
        within=computing,
    )
    found.default_sites = _sites_of_the_checkpoint(found, checkpoint_sites(model))
    return found


def _sites_of_the_checkpoint(model: LdmModel, said: str | None) -> str:
    """What the checkpoint's file says is read when no sites are named; the usual where it names none."""
    try:
        return said if said and select_sites(model.sites, said) else model.default_sites
    except SiteError:  # metadata is carried along by those who merge checkpoints
        return model.default_sites
