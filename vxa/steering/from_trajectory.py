"""Generation from an inverted image: the first picture is that image, made again on its trajectory.

    trajectory = vxa.invert("papercut", "photo.png", "a red hat", method="direct")
    controls = [FromTrajectory(trajectory), PromptToPrompt()]
    vxa.generate("papercut", ["a red hat", "a blue hat"], controls=controls)

Every picture begins from the trajectory's last latents; with StyleAligned, the first alone. Then, as the
trajectory's method says: ddim leaves all to the sampler; direct puts the first picture back on the trajectory
after each step (Ju et al. 2023); null-text gives the negative rows the context of the step (Mokady et al.
2023); edit-friendly adds the noise of the step to every picture (Huberman-Spiegelglas et al. 2023, eq. 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vxa.attention.sites import Site
from vxa.errors import SettingError, SteeringError
from vxa.models.chunks import pad_context
from vxa.settings import setting
from vxa.steering.control import Compute, Control, Pass, SteeredCall, TakenStep
from vxa.steering.ddim import ddim_steps
from vxa.steering.trajectory import Trajectory
from vxa.tokens import shorten

__all__ = ["FromTrajectory"]

_CLOSE = 0.02
"""Difference from the trajectory's start that half precision may make, as a share of its largest value."""


@dataclass(eq=False)
class FromTrajectory(Control):
    """Generation that begins from an inverted image, which is its first picture.

    Raises:
        SettingError: there is no trajectory, or a value is out of range.
        TrajectoryFileError: its file cannot be read.
    """

    trajectory: Trajectory | str | Path = setting(
        "", "Trajectory", "What vxa.invert returned, or the file that vxa invert wrote."
    )
    held_until: float = setting(
        0.0, "Held until", "Share of the steps in which every picture stays on the trajectory.",
        low=0, high=1, step=0.05,
    )  # fmt: skip

    kind = "cross"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.trajectory, Trajectory):
            if not isinstance(self.trajectory, (str, Path)) or not str(self.trajectory):
                raise SettingError(
                    f"trajectory {self.trajectory!r} is none; give what vxa.invert returned, or its file"
                )
            self.trajectory = Trajectory.read(self.trajectory)
        self._path = self.trajectory
        self._held = round(self.held_until * self._path.steps)
        self.start = self._path.start
        self.only_looks = self._path.method == "ddim" and not self._held

    def begin(self) -> None:
        """Check that the generation fits the trajectory."""
        path, own = self._path, self.generation
        self._steps = ddim_steps(own.model.pipeline.scheduler, own.steps)
        for name, found, needed in (
            ("steps", own.steps, path.steps),
            ("levels", tuple(step.timestep for step in self._steps), path.levels),
            ("latent size", own.latent_size, path.latent_size),
            ("first prompt", shorten(own.prompts[0]), shorten(path.prompt)),
        ):
            self._check(name, found, needed)
        if path.contexts is not None or path.noises is not None:
            self._check("guidance", own.model.pipeline.guidance_scale, path.guidance)
            for text in own.negatives:
                self._check("negative prompt", text or "", "")

    def _check(self, name: str, found: object, needed: object) -> None:
        """Raise SteeringError for a fact of the generation that is not the trajectory's."""
        if found != needed:
            raise SteeringError(
                f"the {name} of the generation is {found!r}, and the {self._path.method} trajectory is made "
                f"for {needed!r}; give that, or invert the image anew"
            )

    def wants(self, site: Site, run: Pass) -> bool:
        """Return whether negative rows read a context of the step's own."""
        return self._path.contexts is not None

    def attend(self, call: SteeredCall, run: Pass, compute: Compute) -> Tensor:
        """Return the product in which the negative rows read the step's context."""
        rows = [call.places.index(place) for place in self.find_rows(call, run, negative=True).values()]
        if not rows or self._path.contexts is None:
            return compute(call)
        context, tokens = self._path.contexts[run.step][None], call.key.shape[2]
        if context.shape[1] < tokens:
            context = pad_context(context, self.generation.encode("").to(context), tokens)
        key, value = call.key.clone(), call.value.clone()
        key[rows], value[rows] = call.project(context.to(call.key))
        return compute(call.replace(key=key, value=value))

    def take_step(self, latents: Tensor, run: Pass, step: TakenStep) -> Tensor:
        """Return the latents that the step leads to by the trajectory's method."""
        path = self._path
        if run.step == 0:
            self._check_start(step.latents[0])
        if path.noises is not None:
            mean = self._steps[run.step].mean(step.latents, step.prediction)
            latents = mean + path.noises[run.step].to(mean)
        pinned = len(latents) if run.step < self._held else int(path.method == "direct")
        if not pinned:
            return latents
        return torch.cat([path.after(run.step).to(latents)[None].repeat(pinned, 1, 1, 1), latents[pinned:]])

    def _check_start(self, latents: Tensor) -> None:
        """Raise SteeringError unless the first picture began from the trajectory."""
        start = self._path.start[0]
        if float((latents.float().cpu() - start).abs().max()) > _CLOSE * float(start.abs().max()):
            raise SteeringError(
                "the first picture did not begin from the trajectory's latents; use vxa.generate, or give "
                "the pipeline latents=trajectory.start"
            )
