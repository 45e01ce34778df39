"""Attention read where it meets the values: at the product that a layer really computes.

    with product_hooks(layer, site, found):
        network(…)                       # found(call) gets an AttentionCall, or a GivenAttention

A `TorchFunctionMode` is on while the layer's forward runs. It sees `scaled_dot_product_attention` with its
queries, keys, mask and scale, after every norm and edit. Where a layer computes its softmax itself, it sees
the probabilities as they are multiplied with the values. The mode is of its own thread and replaces nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from vxa.attention.calls import AttentionCall, GivenAttention, Product, expand_mask
from vxa.attention.sites import Site
from vxa.errors import RecordingError

__all__ = ["ATTENTION", "fused_arguments", "mode_hooks", "product_hooks"]

ATTENTION = functional.scaled_dot_product_attention
_ARGUMENTS = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale")
_SOFTMAXES = (torch.softmax, torch.Tensor.softmax, functional.softmax)
_PRODUCTS = (
    torch.bmm,
    torch.Tensor.bmm,
    torch.matmul,
    torch.Tensor.matmul,
    torch.Tensor.__matmul__,
    torch.einsum,
)


class _ProductMode(TorchFunctionMode):
    """Reader of the products of one layer's forward."""

    def __init__(self, site: Site, found: Callable[[Product], None]) -> None:
        super().__init__()
        self._site, self._found = site, found
        self._softmax: tuple[int, int] | None = None  # (queries, tokens) of the layer's own last softmax

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is ATTENTION:
            self._found(_fused_call(fused_arguments(args, kwargs, self._site)))
        elif func in _PRODUCTS:
            self._look_at(args)
        result = func(*args, **kwargs)
        if func in _SOFTMAXES:
            self._softmax = tuple(result.shape[-2:])
        return result

    def _look_at(self, args: Sequence[Any]) -> None:
        """Report the first operand if it has the softmax's shape and meets as many values."""
        operands = [each for each in args if torch.is_tensor(each)]
        if self._softmax is None or len(operands) != 2:
            return
        left, right = operands
        if tuple(left.shape[-2:]) != self._softmax or right.shape[-2] != self._softmax[1]:
            return
        self._softmax = None
        self._found(GivenAttention(_by_heads(left, self._site)))


def fused_arguments(args: tuple[Any, ...], kwargs: Mapping[str, Any], site: Site) -> dict[str, Any]:
    """Return the arguments of scaled_dot_product_attention by name.

    Raises RecordingError for attention that no image layer has.
    """
    given = dict(zip(_ARGUMENTS, args, strict=False)) | dict(kwargs)
    if given.get("is_causal") or given["query"].ndim != 4:
        raise RecordingError(
            f"site {site.label} ({site.name}) has causal attention, or none of [rows, heads, queries, "
            "channels]; VXA reads image layers only"
        )
    return given


def _fused_call(given: Mapping[str, Any]) -> AttentionCall:
    """Return the call of scaled_dot_product_attention with these arguments."""
    query, key = given["query"], given["key"]
    if key.shape[1] != query.shape[1]:  # grouped queries share their keys
        key = key.repeat_interleave(query.shape[1] // key.shape[1], 1)
    scale, mask = given.get("scale"), given.get("attn_mask")
    if mask is not None:
        mask = mask[(None,) * (4 - mask.ndim)]
    bias = expand_mask(mask, len(query), query.shape[1])
    factor = query.shape[-1] ** -0.5 if scale is None else float(scale)
    return AttentionCall(query.transpose(1, 2), key.transpose(1, 2), factor, bias)


def _by_heads(values: Tensor, site: Site) -> Tensor:
    """Return probabilities [rows·heads, queries, tokens] as [rows, heads, queries, tokens]."""
    if values.ndim == 4:
        return values
    if values.ndim != 3 or len(values) % site.heads:
        raise RecordingError(
            f"site {site.label} ({site.name}) multiplies probabilities of shape {tuple(values.shape)}, which "
            f"its {site.heads} heads do not divide; use the model's own attention processors"
        )
    return values.reshape(-1, site.heads, *values.shape[1:])


@contextmanager
def product_hooks(layer: nn.Module, site: Site, found: Callable[[Product], None]) -> Iterator[None]:
    """Call `found` with each product that the layer computes in forwards of this thread in this block."""
    with mode_hooks(layer, lambda: _ProductMode(site, found)):
        yield


@contextmanager
def mode_hooks(
    layer: nn.Module,
    make_mode: Callable[[], TorchFunctionMode],
    on_leave: Callable[[Any], None] = lambda mode: None,
) -> Iterator[None]:
    """Enter a mode in each forward of the layer that this thread runs in this block.

    `on_leave` is called with the mode after a forward that did not raise.
    """
    thread = threading.get_ident()
    modes: list[TorchFunctionMode] = []

    def enter(module: nn.Module, inputs: Any) -> None:
        if threading.get_ident() == thread:
            mode = make_mode()
            mode.__enter__()  # type: ignore[no-untyped-call]
            modes.append(mode)

    def leave(module: nn.Module, inputs: Any, output: Any) -> None:
        if threading.get_ident() == thread and modes:
            mode = modes.pop()
            mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]
            if output is not None:
                on_leave(mode)

    with ExitStack() as handles:
        for handle in (
            layer.register_forward_pre_hook(enter),
            layer.register_forward_hook(leave, always_call=True),
        ):
            handles.callback(handle.remove)
        try:
            yield
        finally:  # torch runs no hook after a BaseException, such as the one that leaves a forward early
            while modes:
                modes.pop().__exit__(None, None, None)  # type: ignore[no-untyped-call]
