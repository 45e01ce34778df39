"""Steering of a pipeline's own calls: controls on its attention, predictions and latents.

    with vxa.steer("papercut", StyleAligned()) as pipeline:
        pipeline(["a cat", "a house"])

The controls listen to the same session as a trace (`vxa.models.pipeline_session`): `steer` and `trace` may be
entered in either order, and the trace gets what was really attended to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from vxa.attention.hooks import heard_as
from vxa.attention.layers import refuse_compiled
from vxa.attention.sites import Site, select_sites
from vxa.attention.steered import Compute, SteeredCall, steered_layer
from vxa.errors import ModelError, SettingError, SteeringError
from vxa.models import load
from vxa.models.pipeline_session import CallListener, StartedCall, TakenStep, listen
from vxa.models.prompt_events import EncodedPrompts
from vxa.models.protocol import Conditioning
from vxa.models.session import Pass, Row
from vxa.steering.control import Control, Generation, describe
from vxa.steering.features import edited_output
from vxa.steering.predictions import Forward, Predict, predicted_by
from vxa.tracing.prompts import Reader

__all__ = ["check_controls", "steer"]


@contextmanager
def steer(source: object, *controls: Control) -> Iterator[Any]:
    """Steer every generation of a pipeline that this thread runs in the block; yield the pipeline.

    Of several controls the first is the outermost: it gets a layer's call first, and its `compute` is the
    next one's `attend`.

    Args:
        source: a pipeline, a model with one, or a name or path for `vxa.load`.
        controls: what to change, as `vxa.steering.PromptToPrompt()`.

    Raises:
        ModelError: the source has no pipeline.
        SettingError: there is no control, or something else than controls.
        SiteError: a control's sites name no layer of the model.
        SteeringError: a control reached nothing or changed nothing, or lacks a row that it needs.
        RecordingError: the network is compiled, or computes its attention where no control reaches it.
    """
    check_controls(controls)
    model: Any = load(source)
    if getattr(model, "pipeline", None) is None:
        raise ModelError(f"the model {model.name} has no pipeline to steer; give a diffusers pipeline")
    refuse_compiled(model.network)
    reached = [_sites_of(control, model.sites) for control in controls]
    listener = _ControlListener(model, controls, reached)
    with listen(model, listener):
        yield model.pipeline
    listener.check()


def check_controls(controls: Sequence[Any]) -> None:
    """Raise SettingError unless there are controls, and nothing else."""
    for each in controls:
        if not isinstance(each, Control):
            kind = each.__name__ if isinstance(each, type) else type(each).__name__
            needed = f"an object of it, {kind}()" if isinstance(each, type) else "controls of vxa.steering"
            raise SettingError(f"{kind} is no control; give {needed}")
    if not controls:
        raise SettingError("no control was given; give one of vxa.steering, as PromptToPrompt()")


def _sites_of(control: Control, sites: Sequence[Site]) -> frozenset[str]:
    """Return the names of the layers that a control may reach."""
    own = [site for site in sites if control.kind in (None, site.kind)]
    return frozenset(site.name for site in select_sites(own, control.sites))


class _ControlListener(CallListener):
    """Link from a pipeline's calls to the controls."""

    steers = True

    def __init__(self, model: Any, controls: Sequence[Control], reached: Sequence[frozenset[str]]) -> None:
        self.notes = tuple(f"steered by {describe(control)}" for control in controls)
        self._model, self._given, self._reached = model, controls, reached
        self._reader = Reader(model, False, None, None, None, None)
        self._own: list[Control] = []
        self._changed: set[int] = set()
        self._hooks, self._forward = ExitStack(), ExitStack()
        self._texts: dict[str, Conditioning] = {}
        self._run: Pass | None = None
        self._began = False

    def check(self) -> None:
        """Raise SteeringError if no generation was steered, or a control changed nothing."""
        if not self._began:
            raise SteeringError(
                "nothing was steered: no pass of the pipeline was made in the block, by its thread; call the "
                "pipeline that was given to steer"
            )
        for number, control in enumerate(self._given):
            if number not in self._changed and not control.only_looks:
                raise SteeringError(
                    f"{describe(control)} changed nothing in the whole generation; check its words, "
                    "sites and steps, or leave it out"
                )

    def on_encode(self, encoded: EncodedPrompts) -> None:
        """Remember the texts of the embeddings. The call's first pass already takes the forward of now."""
        self._reader.on_encode(encoded)
        self._texts = {}
        self._replace_forward()

    def begin_call(self, call: StartedCall) -> None:
        """Begin a generation: copy the controls and reach the layers."""
        self.end_call()
        model, encoded = self._model, call.encoded
        generation = Generation(
            tuple(text or "" for text in self._reader.texts(encoded)),
            len(call.state.steps.levels),
            call.latent_size,
            model.sites,
            model.default_sites,
            model.network,
            lambda: [each.tokens for each in self._reader.readings(encoded)],
            lambda text: self._encode(text).context,
            model,
            self._reader.texts(encoded, negative=True),
        )
        self._own = [control.for_generation(generation) for control in self._given]
        self._began = True
        for site in model.sites:
            if any(site.name in names for names in self._reached):
                layer = model.network.get_submodule(site.name)
                self._hooks.enter_context(steered_layer(layer, site, self._attend))
        for number, control in reversed(list(enumerate(self._own))):
            for name in control.features:
                edit = partial(self._edit_feature, number, control, name)
                self._hooks.enter_context(edited_output(model.network, name, edit))
        self._replace_forward()  # encoding a text takes offloading's hooks away and puts them back

    def _replace_forward(self) -> None:
        """Predict in place of the network's forward, where a control does."""
        self._forward.close()
        if any(type(each).predict is not Control.predict for each in self._given):
            self._forward.enter_context(predicted_by(self._model.network, self._predict))

    def _encode(self, text: str) -> Conditioning:
        """Return an encoded prompt, which is encoded once a call."""
        if text not in self._texts:
            with torch.no_grad():
                self._texts[text] = self._model.encode_prompt(text, (0, 0))
        return self._texts[text]

    def end_call(self) -> None:
        """End the generation and remove the hooks."""
        self._hooks.close()
        self._forward.close()
        self._own, self._run = [], None

    def before_pass(self, run: Pass | None) -> None:
        """Note the pass; one that is nobody's is not steered."""
        self._run = run

    def fail_pass(self) -> None:
        """Forget the pass."""
        self._run = None

    def edit_latents(self, latents: Tensor, step: TakenStep) -> Tensor:
        """Return what every control makes of the latents after a step, the last one's first."""
        run = self._run
        if run is None:
            return latents
        controls = list(reversed(list(enumerate(self._own))))
        for number, control in controls:
            latents = self._noted(number, latents, control.take_step(latents, run, step))
        for number, control in controls:
            latents = self._noted(number, latents, control.edit_latents(latents, run))
        return latents

    def _edit_feature(self, number: int, control: Control, name: str, output: Tensor) -> Tensor:
        if self._run is None:
            return output
        return self._noted(number, output, control.feature(name, output, self._run))

    def _noted(self, number: int, plain: Tensor, edited: Tensor) -> Tensor:
        """Return what a control made of a tensor, and note whether it is another one."""
        if edited is not plain:
            self._changed.add(number)
        return edited

    def _attend(self, call: SteeredCall, compute: Compute) -> Tensor:
        run = self._run
        return compute(call) if run is None else self._link(0, run, compute)(call)

    def _link(self, number: int, run: Pass, compute: Compute) -> Compute:
        """Return what the controls from `number` on compute."""
        if number == len(self._own):
            return compute
        rest = self._link(number + 1, run, compute)
        control, names = self._own[number], self._reached[number]

        def attend(call: SteeredCall) -> Tensor:
            if call.part or call.site.name not in names or not control.wants(call.site, run):
                return rest(call)
            return self._watched(number, control, call, run, rest)

        return attend

    def _watched(self, number: int, control: Control, call: SteeredCall, run: Pass, rest: Compute) -> Tensor:
        """Return a control's product, and note whether it is another than without it."""
        plain: list[Tensor] = []

        def compute(given: SteeredCall) -> Tensor:
            result = rest(given)
            if given is call:
                plain.append(result)
            return result

        result = control.attend(call, run, compute)
        if not any(each is result for each in plain):
            self._changed.add(number)
            _check_product(control, call, result)
        return result

    def _predict(self, sample: Tensor, forward: Forward) -> Tensor:
        run = self._run
        return forward(sample, {}) if run is None else self._predictor(0, run, forward)(sample)

    def _predictor(self, number: int, run: Pass, forward: Forward) -> Predict:
        """Return what predicts from the control `number` on, in a pass as those before it see it."""

        def predict(sample: Tensor, rows: Mapping[int, Row] | None = None, heard: bool = True) -> Tensor:
            own = _as_seen(run, sample, rows)
            with nullcontext() if heard else heard_as("unheard"):
                if number == len(self._own):
                    return self._forwarded(sample, own, forward)
                return self._predicted(number, sample, own, self._predictor(number + 1, own, forward))

        return predict

    def _predicted(self, number: int, sample: Tensor, run: Pass, inner: Predict) -> Tensor:
        """Return a control's prediction, and note whether it is another than without it."""
        control, plain = self._own[number], list[tuple[Tensor, Mapping[int, Row] | None, Tensor]]()

        def noted(sample: Tensor, rows: Mapping[int, Row] | None = None, heard: bool = True) -> Tensor:
            result = inner(sample, rows, heard)
            plain.append((sample, rows, result))
            return result

        result = control.predict(sample, run, noted)
        if not any(each is result and rows is None and given is sample for given, rows, each in plain):
            self._changed.add(number)
        return result

    def _forwarded(self, sample: Tensor, run: Pass, forward: Forward) -> Tensor:
        """Return the network's prediction in a pass as the controls see it."""
        whole, self._run = self._run, run
        assert whole is not None
        is_part = run.latent_size != whole.latent_size
        try:
            texts = {place: self._encode(row.text) for place, row in run.rows.items() if row.text}
            with heard_as("part") if is_part else nullcontext():
                return forward(sample, texts)
        finally:
            self._run = whole


def _as_seen(run: Pass, sample: Tensor, rows: Mapping[int, Row] | None) -> Pass:
    """Return a pass on another sample or with other rows."""
    size = (sample.shape[-2], sample.shape[-1])
    if rows is None and size == run.latent_size:
        return run
    return replace(run, latent_size=size, rows=run.rows if rows is None else rows)


def _check_product(control: Control, call: SteeredCall, product: Any) -> None:
    """Raise SteeringError for a product that is none."""
    shape = (*call.query.shape[:3], call.value.shape[3])
    if not torch.is_tensor(product) or tuple(product.shape) != shape:
        found = tuple(product.shape) if torch.is_tensor(product) else type(product).__name__
        raise SteeringError(
            f"{type(control).__name__}.attend returned {found} at {call.site.label}; return a tensor {shape}"
        )
