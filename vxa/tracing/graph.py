"""Maps of a generation's last pass with their graph, for losses on attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from torch import nn

from vxa.attention.calls import Product
from vxa.attention.hooks import watch
from vxa.attention.recording import Recording
from vxa.attention.records import SiteRecord
from vxa.attention.sites import Site
from vxa.maps.attention_maps import AttentionMaps
from vxa.models.session import Pass, PassListener, Row
from vxa.tracing.call_info import GenerationInfo, TracedPrompt

__all__ = ["GraphRecorder"]


class GraphRecorder(PassListener):
    """Recorder that keeps only the call's last pass, counted by a step or not, on the network's device.

    Args:
        network: the network that runs the passes.
        sites: the sites to record.
        readings: the prompts of the call.
        info: what its maps share.

    Attributes:
        passes: the number of passes so far.
        step, steps: the step of the last pass, and the number of steps.
    """

    nbytes = 0  # the graph is the pipeline's own

    def __init__(
        self,
        network: nn.Module,
        sites: Sequence[Site],
        readings: Sequence[TracedPrompt],
        info: GenerationInfo,
        steps: int,
    ) -> None:
        self.call = self
        self.passes, self.step, self.steps = 0, 0, steps
        self._sites, self._readings, self._info = tuple(sites), tuple(readings), info
        self._run: Pass | None = None
        self._recording: Recording | None = None
        self._maps: dict[Row, AttentionMaps] = {}
        self._hooks = ExitStack()
        self._watcher = self._hooks.enter_context(watch(network, self._sites, self._receive))

    @property
    def maps(self) -> tuple[AttentionMaps, ...]:
        """Maps of each image for its prompt, in the last pass that read it."""
        return self._branch(negative=False)

    @property
    def negative_maps(self) -> tuple[AttentionMaps, ...]:
        """Maps of each image for its negative prompt."""
        return self._branch(negative=True)

    def _branch(self, negative: bool) -> tuple[AttentionMaps, ...]:
        rows = (Row(each.image, negative=negative) for each in self._readings if each.negative == negative)
        return tuple(self._maps[row] for row in rows if row in self._maps)

    def close(self) -> None:
        """Remove the hooks."""
        self._hooks.close()

    def finish(self) -> None:
        """Keep the maps as they are: they are of the last pass."""

    def before_pass(self, run: Pass | None) -> None:
        """Record the pass, if it has a row of the call's prompts."""
        self._run, self._recording = run, None
        if run is not None and run.rows:
            self._recording = Recording(run.latent_size, tuple(run.rows), grad=True)
        self._watcher.reset(self._recording is not None)

    def after_pass(self, run: Pass | None) -> None:
        """Make the maps. Raises RecordingError unless every site fired exactly once."""
        recording, self._recording = self._recording, None
        if run is None or recording is None:
            return
        self._watcher.check()
        self.passes, self.step = self.passes + 1, run.step
        prompts = {Row(each.image, negative=each.negative): each for each in self._readings}
        for number, row in enumerate(run.rows.values()):
            if row in prompts:
                self._maps[row] = self._maps_of(prompts[row], run, recording.records(number))

    def fail_pass(self) -> None:
        """Forget the pass."""
        self._recording = None

    def _receive(self, site: Site, call: Product) -> None:
        if self._recording is not None:
            self._recording.receive(site, call)

    def _maps_of(self, prompt: TracedPrompt, run: Pass, records: Mapping[str, SiteRecord]) -> AttentionMaps:
        notes = (*self._info.provenance.notes, *prompt.notes)
        provenance = replace(
            self._info.provenance, prompt=prompt.prompt, timestep=round(run.timestep), notes=notes
        )
        return AttentionMaps(
            sites=tuple(site for site in self._sites if site.kind == "cross"),
            tokens=prompt.tokens,
            image_size=self._info.image_size,
            extent=self._info.extent,
            latent_size=run.latent_size,
            provenance=provenance,
            records=records,
            default_sites=self._info.default_sites,
            self_sites=tuple(site for site in self._sites if site.kind == "self"),
            region=self._info.region,
        )
