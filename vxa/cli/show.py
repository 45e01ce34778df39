"""`vxa show`: one picture of one image and its prompt, or of maps saved before."""

from __future__ import annotations

from typing import Any

import typer

from vxa.cli import options
from vxa.cli.console import columns
from vxa.cli.options import with_settings
from vxa.maps.settings import MaskSettings, Selection
from vxa.models.settings import LoadSettings
from vxa.pictures.view import View
from vxa.tracing.settings import PassSettings

__all__ = ["show"]


@with_settings
def show(
    context: typer.Context,
    image: options.ImagePath,
    prompt: options.OptionalPrompt = None,
    *,
    output: options.Output,
    selection: Selection,
    mode: options.Mode = "masked",
    against: options.Against = None,
    against_tokens: options.AgainstTokens = None,
    model: options.ModelName = "papercut",
    settings: PassSettings,
    timesteps: options.Timesteps = None,
    view: View,
    save: options.Save = None,
    maps: options.SavedMaps = None,
    masks: options.MaskFolder = None,
    mask_settings: MaskSettings,
    loading: LoadSettings,
) -> None:
    """Draw where the model sees some words of PROMPT in IMAGE."""
    from vxa.cli.mask_outputs import MaskOutputs
    from vxa.cli.outputs import check_outputs, check_passes, check_unused, saved_maps, summary, write_outputs
    from vxa.io.images import read_image
    from vxa.pictures.render import check_mode, render

    compared: dict[str, Any] = {"against": against, "against_tokens": against_tokens}
    # All that can be refused without the model is refused before it is loaded.
    check_outputs(output, save)
    check_passes(mode, timesteps, {"--maps": maps, "--save": save, "--masks": masks})
    mask_outputs = MaskOutputs(masks, mask_settings)
    mask_outputs.check()
    check_unused(context, maps)
    check_mode(mode, **compared)
    picture = read_image(image)
    asked = {**vars(selection), "sites": selection.sites or None}
    if maps is not None:
        answered = [saved_maps(maps, prompt)]
    else:
        from vxa.cli.passes import watch_passes

        everything = save is not None or (not asked["sites"] and mode in ("sites", "matrix"))
        several = (timesteps or "") if mode == "timesteps" else None
        answered = watch_passes(model, loading, picture, prompt, settings, several, selection, everything)
    drawn = render(answered, picture, mode, **asked, **compared, **vars(view))
    rows = summary(answered, answered[0].heat_map(**asked))
    write_outputs(drawn, output, answered[0], save)
    rows.append(("picture", f"{output} ({mode})"))
    rows += mask_outputs.write(answered[0], picture, selection, view.threshold)
    typer.echo(columns(*rows))
