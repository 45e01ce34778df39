"""The webui's model object as a `Model`."""

from __future__ import annotations

from typing import Any

from vxa.attention.sites import select_sites
from vxa.errors import SiteError
from vxa.models.ldm.model import LdmModel
from vxa.webui.host.model import checkpoint_name, checkpoint_sites, device, precision
from vxa.webui.host.prompts import WebuiPrompts

__all__ = ["webui_model"]


def webui_model(model: Any, notes: tuple[str, ...] = ()) -> LdmModel:
    """Return the webui's model object as a Model. Raises ModelError for one that VXA cannot read."""
    found = LdmModel(
        model,
        WebuiPrompts(model),
        name=checkpoint_name(model),
        notes=notes,
        device=device(),
        within=precision,
    )
    found.default_sites = _default_sites(found, checkpoint_sites(model))
    return found


def _default_sites(model: LdmModel, spec: str | None) -> str:
    """Return the default sites that the checkpoint's file names; the model's own if it names none."""
    try:
        return spec if spec and select_sites(model.sites, spec) else model.default_sites
    except SiteError:  # a merged checkpoint may carry the metadata of a model with other sites
        return model.default_sites
