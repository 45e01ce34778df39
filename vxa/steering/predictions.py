"""The network's prediction, handed to a function in place of the forward."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from vxa.errors import SteeringError
from vxa.models.protocol import Conditioning
from vxa.models.session import Row

__all__ = ["Forward", "Predict", "predicted_by"]

_ORDER = ("sample", "timestep", "encoder_hidden_states")
_RESIDUALS = "down_block_additional_residuals"


class Predict(Protocol):
    """Prediction of the network, within what other controls make of it."""

    def __call__(self, sample: Tensor, rows: Mapping[int, Row] | None = None, heard: bool = True) -> Tensor:
        """Return the prediction for a sample [rows, channels, h, w], which may be a part of the picture.

        Args:
            sample: as many rows as the pass has.
            rows: what each row is, if not what the pass says: a row with a `text` reads that prompt.
            heard: whether a trace counts this prediction. It can count one of a pass.
        """


class Forward(Protocol):
    """Forward of the network with all else as it was called."""

    def __call__(self, sample: Tensor, texts: Mapping[int, Conditioning]) -> Tensor:
        """Return the prediction for a sample; some rows, by their places, read other prompts."""


@contextmanager
def predicted_by(network: nn.Module, predict: Callable[[Tensor, Forward], Tensor]) -> Iterator[None]:
    """Replace the predictions of forwards that this thread runs in this block by `predict(sample, forward)`.

    The instance's `forward` is replaced, as offloading does, and put back.
    """
    thread, inherited, original = threading.get_ident(), "forward" not in vars(network), network.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() != thread:
            return original(*args, **kwargs)
        results: list[Any] = []
        given = args[0] if args else kwargs["sample"]

        def run(sample: Tensor, texts: Mapping[int, Conditioning]) -> Tensor:
            changes = _changes(args, kwargs, sample, given, texts)
            results.append(original(*_replace(args, changes), **{**kwargs, **changes}))
            result = results[-1]
            prediction: Tensor = result[0] if isinstance(result, tuple) else result.sample
            return prediction

        prediction = predict(given, run)
        if not results:
            raise SteeringError("a control made a prediction without the network; call predict(sample) in it")
        result = results[-1]
        if isinstance(result, tuple):
            return (prediction, *result[1:])
        result.sample = prediction
        return result

    network.forward = forward
    try:
        yield
    finally:
        if vars(network).get("forward") is forward:
            if inherited:
                del network.forward
            else:
                network.forward = original


def _changes(
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    sample: Tensor,
    given: Tensor,
    texts: Mapping[int, Conditioning],
) -> dict[str, Any]:
    """Return the arguments that differ, by name. Raises SteeringError where others would have to, too."""
    if sample.shape[-2:] != given.shape[-2:] and kwargs.get(_RESIDUALS) is not None:
        raise SteeringError(
            "a control predicts parts of the picture (MultiDiffusion's views), and a ControlNet's residuals "
            "are of the whole; leave out one of the two"
        )
    changes: dict[str, Any] = {"sample": sample}
    if texts:
        named = dict(zip(_ORDER, args, strict=False)) | dict(kwargs)
        context = {place: each.context for place, each in texts.items()}
        changes["encoder_hidden_states"] = _with_rows(named["encoder_hidden_states"], context)
        added = kwargs.get("added_cond_kwargs")
        if added and "text_embeds" in added:
            pooled = {place: each.extra["text_embeds"] for place, each in texts.items()}
            changes["added_cond_kwargs"] = {**added, "text_embeds": _with_rows(added["text_embeds"], pooled)}
    return changes


def _replace(args: tuple[Any, ...], changes: dict[str, Any]) -> list[Any]:
    """Return the positional arguments with the changes to them, which are taken out of `changes`."""
    names = [*_ORDER, *[""] * len(args)]
    return [changes.pop(name) if name in changes else each for name, each in zip(names, args, strict=False)]


def _with_rows(batch: Tensor, rows: Mapping[int, Tensor]) -> Tensor:
    """Return a batch with some rows [1, …] replaced. Raises SteeringError where they are longer."""
    changed = batch.clone()
    for place, row in rows.items():
        if row.shape[1:] != batch.shape[1:]:
            raise SteeringError(
                f"a control's prompt has {row.shape[1]} tokens and those of the call {batch.shape[1]}; give "
                "prompts of at most 75 tokens, or as long ones to the call"
            )
        changed[place] = row[0].to(batch)
    return torch.as_tensor(changed)
