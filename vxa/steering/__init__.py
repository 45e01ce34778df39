"""Steering: controls that change what attention does while a picture is made.

vxa.generate("papercut", ["a red ball", "a blue ball"], controls=[vxa.steering.PromptToPrompt()])
"""

from __future__ import annotations

from vxa.steering.control import Control, Generation
from vxa.steering.cross_image import CrossImageAttention
from vxa.steering.from_trajectory import FromTrajectory
from vxa.steering.keep_shapes import KeepShapes
from vxa.steering.multi_diffusion import MultiDiffusion, Region
from vxa.steering.plug_and_play import PlugAndPlay
from vxa.steering.prompt_mixing import PromptMixing
from vxa.steering.prompt_to_prompt import PromptToPrompt
from vxa.steering.steer import steer
from vxa.steering.style_aligned import StyleAligned
from vxa.steering.trajectory import Trajectory
from vxa.steering.words import Ablate, Emphasize, Reweight

__all__ = [
    "CONTROLS",
    "Ablate",
    "Control",
    "CrossImageAttention",
    "Emphasize",
    "FromTrajectory",
    "Generation",
    "KeepShapes",
    "MultiDiffusion",
    "PlugAndPlay",
    "PromptMixing",
    "PromptToPrompt",
    "Region",
    "Reweight",
    "StyleAligned",
    "Trajectory",
    "steer",
]

CONTROLS: dict[str, type[Control]] = {
    each.__name__: each
    for each in (
        PromptToPrompt,
        PromptMixing,
        KeepShapes,
        FromTrajectory,
        PlugAndPlay,
        StyleAligned,
        CrossImageAttention,
        MultiDiffusion,
        Reweight,
        Emphasize,
        Ablate,
    )
}
"""Controls that ship with the package, by name."""
