"""Steering: controls that change what attention does while a picture is made.

vxa.generate("papercut", ["a red ball", "a blue ball"], controls=[vxa.steering.PromptToPrompt()])
"""

from __future__ import annotations

from vxa.steering.control import Control, Generation
from vxa.steering.from_trajectory import FromTrajectory
from vxa.steering.plug_and_play import PlugAndPlay
from vxa.steering.prompt_to_prompt import PromptToPrompt
from vxa.steering.steer import steer
from vxa.steering.style_aligned import StyleAligned
from vxa.steering.trajectory import Trajectory
from vxa.steering.words import Ablate, Emphasize, Reweight

__all__ = [
    "CONTROLS",
    "Ablate",
    "Control",
    "Emphasize",
    "FromTrajectory",
    "Generation",
    "PlugAndPlay",
    "PromptToPrompt",
    "Reweight",
    "StyleAligned",
    "Trajectory",
    "steer",
]

CONTROLS: dict[str, type[Control]] = {
    each.__name__: each
    for each in (FromTrajectory, PromptToPrompt, PlugAndPlay, StyleAligned, Reweight, Emphasize, Ablate)
}
"""Controls that ship with the package, by name."""
