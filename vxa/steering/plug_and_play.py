"""Plug-and-Play: the layout of the first picture under the prompts of the others.

Tumanyan et al., "Plug-and-Play Diffusion Features for Text-Driven Image-to-Image Translation" (2023): in the
first steps the others take, from the first picture, the queries and keys of the decoder's self-attention, and
what the residual block at one of its coarse layers adds to its input.

The paper names SD1's output block 4 for the features and 4 to 11 for the attention. We name them by part and
grid: the second layer at the up part's coarsest attention, which is block 4 of SD1, and all of the up part's
self-attention, which is one layer more. In the paper both branches of guidance follow the source's one row;
here each branch follows the source's own, so that the same prompt gives the source.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from vxa.attention.sites import Site, SiteSpec, select_sites
from vxa.errors import SteeringError
from vxa.settings import setting
from vxa.steering.control import Compute, Control, Pass, SteeredCall
from vxa.steering.prompt_to_prompt import as_source

__all__ = ["PlugAndPlay"]


@dataclass(eq=False)
class PlugAndPlay(Control):
    """The first picture's layout for every picture of the call.

    Raises SettingError for a value out of range.
    """

    features_until: float = setting(
        0.8, "Features kept until", "Share of the steps in which residual blocks add what the source's do.",
        low=0, high=1, step=0.05,
    )  # fmt: skip
    self_until: float = setting(
        0.5, "Layout kept until", "Share of the steps in which self-attention is the source's.",
        low=0, high=1, step=0.05,
    )  # fmt: skip
    layer: str = setting(
        "", "Feature layers", "Layers whose residual blocks are the source's; blank: the paper's."
    )
    sites: SiteSpec = setting("up", "Layers", "Self-attention layers (sites) that are the source's.")

    kind = "self"
    needs_reference = True

    def begin(self) -> None:
        """Find the residual blocks."""
        self.features = tuple(self._block_of(site) for site in self._layers())
        self._features_until, self._self_until = (
            round(share * self.generation.steps) for share in (self.features_until, self.self_until)
        )

    def _layers(self) -> tuple[Site, ...]:
        """Return one self-attention layer of each block whose features are the source's."""
        own = [site for site in self.generation.sites if site.kind == "self"]
        blocks = {site.name.partition(".transformer_blocks.")[0]: site for site in reversed(own)}
        firsts = list(reversed(blocks.values()))
        if self.layer:
            chosen = select_sites(own, self.layer, self.generation.latent_size)
            return tuple(site for site in firsts if site in chosen)
        up = [site for site in firsts if site.part == "up"]
        coarsest = [site for site in up if site.factor == max(each.factor for each in up)]
        return tuple(coarsest[1:2] or coarsest)

    def _block_of(self, site: Site) -> str:
        """Return the name of the last convolution of a layer's residual block, whose output is added."""
        name = site.name.partition(".transformer_blocks.")[0].replace(".attentions.", ".resnets.") + ".conv2"
        if name not in dict(self.generation.network.named_modules()):
            raise SteeringError(
                f"layer {site.label} ({site.name}) has no residual block {name}; choose others"
            )
        return name

    def wants(self, site: Site, run: Pass) -> bool:
        """Return whether self-attention is the source's in this step."""
        return run.step < self._self_until

    def attend(self, call: SteeredCall, run: Pass, compute: Compute) -> Tensor:
        """Return the product in which the others ask and offer what the source does."""
        edited = call
        for negative in (False, True):
            rows = self.find_rows(call, run, negative)
            if rows:
                source = self.reference_row(rows)
                edited = as_source(edited, source, [place for image, place in rows.items() if image])
        return compute(edited)

    def feature(self, name: str, output: Tensor, run: Pass) -> Tensor:
        """Return the residual of the source for every picture."""
        if run.step >= self._features_until:
            return output
        edited = output.clone()
        for negative in (False, True):
            rows = {row.image: place for place, row in run.rows.items() if row.negative == negative}
            if rows:
                edited[list(rows.values())] = output[self.reference_row(rows)]
        return edited
