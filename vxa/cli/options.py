"""The arguments and options of the command line: what each is called and how its help describes it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from vxa.pictures.colormaps import COLORMAPS
from vxa.pictures.render import MODES
from vxa.pictures.view import RESAMPLES, VIEW_NORMALIZATIONS


def _one_of(names: tuple[str, ...]) -> str:
    return f"One of {', '.join(names)}."


ImagePath = Annotated[Path, Argument(help="The image to look at.", show_default=False)]
Prompt = Annotated[str, Argument(help="What the image shows, in words.", show_default=False)]
OptionalPrompt = Annotated[str | None, Argument(help="Its prompt; not with --maps.", show_default=False)]
Output = Annotated[Path, Option("--output", "-o", help="The picture to write: .png, .jpg, .webp …")]
OutputFolder = Annotated[Path, Option("--output", "-o", help="The folder to write; new or empty.")]
WebuiFolder = Annotated[
    Path, Argument(help="The webui's models/Stable-diffusion, or any folder.", show_default=False)
]
ModelName = Annotated[
    str, Option("--model", help="papercut, a diffusers folder, a .safetensors checkpoint, or a hub id.")
]
Device = Annotated[str, Option(help="auto (CUDA where there is one), cpu, cuda, cuda:1, mps.")]
Version = Annotated[bool, Option("--version", help="Show the version and leave.")]

Words = Annotated[str | None, Option(help="Words or phrases: hat, red scarf, cat#2. Blank: all.")]
Tokens = Annotated[str | None, Option(help='Token indices instead of words: "1, 3-5", or all.')]
Sites = Annotated[str | None, Option(help="Sites or groups: mid, OUT04, f4, all; see vxa sites.")]
Refine = Annotated[bool, Option("--refine", help="Spread the map over what self-attention ties together.")]
Heads = Annotated[str, Option(help="mean, or head numbers: 0, 3.")]
Mode = Annotated[str, Option(help=_one_of(MODES))]
Against = Annotated[str | None, Option(help="Words to compare with, in mode difference. Blank: all.")]
AgainstTokens = Annotated[str | None, Option(help="Token indices to compare with, instead of words.")]
Timestep = Annotated[int, Option(help="The noise level the model is told, from 0.")]
Timesteps = Annotated[str | None, Option(help="Several noise levels: 1, 100, 300.")]
Noise = Annotated[str, Option(help="none (clean latent) or matched (the noise of the timestep).")]
Seed = Annotated[int, Option(help="Seed of the noise.")]
MaxSide = Annotated[int, Option(help="For the pass the image is scaled down to this many pixels a side.")]
Normalize = Annotated[str, Option(help=_one_of(VIEW_NORMALIZATIONS))]
Threshold = Annotated[float | None, Option(help="Of the contour, as a fraction of the maximum.")]
Opacity = Annotated[float, Option(help="Of an overlay, 0 to 1.")]
Colormap = Annotated[str, Option(help=_one_of(COLORMAPS))]
Resample = Annotated[str, Option(help=_one_of(RESAMPLES))]
Save = Annotated[Path | None, Option(help="Save the maps here too: an .npz, and a .json beside it.")]
SavedMaps = Annotated[Path | None, Option("--maps", help="Read maps saved before; no model runs.")]

Steps = Annotated[int, Option(help="Denoising steps.")]
Guidance = Annotated[float, Option(help="Guidance scale; 1 is none.")]
Size = Annotated[str | None, Option(help="HEIGHTxWIDTH in pixels; the size the model was made for if blank.")]
Negative = Annotated[str, Option(help="What the picture should not show.")]

GeneratedImage = Annotated[Path | None, Option("--image", help="Write the picture that was made here.")]
StepBins = Annotated[
    str, Option("--bins", help="Step bins to keep: a number, or each. Blank: as few as shown.")
]
Animate = Annotated[Path | None, Option(help="Write the maps over the steps here: .gif, .png or .apng.")]
MaskFolder = Annotated[Path | None, Option("--masks", help="Write a mask of each word, and coco.json, here.")]
Seeds = Annotated[str, Option(help="Seeds of the noise, averaged: 0, 1, 2.")]
Inversion = Annotated[str | None, Option(help="ddim: follow the sampler backwards instead of adding noise.")]
FirstMaps = Annotated[Path, Argument(help="Saved maps, an .npz.", show_default=False)]
SecondMaps = Annotated[Path, Argument(help="The saved maps to compare them with.", show_default=False)]
FirstImage = Annotated[Path | None, Option("--image", help="The first run's image.")]
SecondImage = Annotated[Path | None, Option("--second-image", help="The second run's image.")]
AgainstInSecond = Annotated[str | None, Option("--against", help="Words to ask the second run instead.")]

Host = Annotated[str, Option(help="The address to listen at; 0.0.0.0 is every one of this machine.")]
Port = Annotated[int, Option(help="The port to listen at.", min=1, max=65535)]
Browser = Annotated[bool, Option("--browser/--no-browser", help="Open the page in the browser.")]

SceneSeed = Annotated[int, Option("--seed", help="Which scene.")]
Split = Annotated[str, Option(help="train, dev or test.")]

Methods = Annotated[str | None, Option(help="Names, as in default, daam, daam (best). Blank: all.")]
Scenes = Annotated[int, Option(help="How many rendered scenes.")]
Generated = Annotated[int, Option(help="How many pictures made from their captions.")]
FirstSeed = Annotated[int, Option("--seed", help="The first scene, and seed of the pictures.")]
ReportFolder = Annotated[Path | None, Option("--report", help="A new folder for the report and its page.")]
