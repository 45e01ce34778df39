"""Attention edited where it meets the values: the product of a layer is handed over before it is computed.

    with steered_layer(layer, site, attend):
        network(…)              # attend(call, compute) returns the layer's product for a SteeredCall

`compute(call)` runs `scaled_dot_product_attention`. A control gives it the call as it came, an edited one, or
several whose results it adds up. Who watches the layer meanwhile gets what was computed: the sum of all
products, bias and edited values included (`SteeredAttention`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from vxa.attention.calls import GivenAttention, expand_mask, split_heads
from vxa.attention.layers import processor_name
from vxa.attention.products import ATTENTION, fused_arguments, mode_hooks
from vxa.attention.row_attention import RowCall, RowProbabilities
from vxa.attention.sites import Site
from vxa.errors import RecordingError, SteeringError

__all__ = [
    "Attend",
    "Compute",
    "SteeredAttention",
    "SteeredCall",
    "SteeredLayer",
    "find_steered",
    "steered_layer",
]


@dataclass(frozen=True, eq=False)
class SteeredCall:
    """softmax(q kᵀ · scale + bias) (mapping · v) of one site, about to be computed.

    Attributes:
        site: the layer.
        query: [rows, heads, queries, channels].
        key, value: [rows, heads, keys, channels]. Keys that are added to the layer's own come after them.
        bias: added to the logits, broadcastable to [rows, heads, queries, keys]; None is nothing.
        scale: the factor of the logits; None is channels^-1/2.
        places: the place of each row in the network's batch.
        mapping: by place, a matrix [keys, tokens] that says for which of the layer's own tokens each key's
            attention counts; the values used are its product with the layer's own. None is the identity.
        foreign: the places of rows whose keys are another picture's: they attend to nothing of their own.
        part: 0 is the layer's first product; an IP-Adapter's are 1, 2 …
        layer: the layer's module.
    """

    site: Site
    query: Tensor
    key: Tensor
    value: Tensor
    places: tuple[int, ...]
    bias: Tensor | None = None
    scale: float | None = None
    mapping: Mapping[int, Tensor] = field(default_factory=dict)
    foreign: tuple[int, ...] = ()
    part: int = 0
    layer: nn.Module | None = None

    def replace(self, **changes: Any) -> SteeredCall:
        """Return a copy with other values."""
        return replace(self, **changes)

    def only(self, places: Sequence[int]) -> SteeredCall:
        """Return the call of some rows, by their places in the network's batch."""
        rows = [self.places.index(place) for place in places]
        bias = self.bias
        if bias is not None and len(bias) > 1:
            bias = bias[rows]
        return replace(
            self,
            query=self.query[rows],
            key=self.key[rows],
            value=self.value[rows],
            places=tuple(places),
            bias=bias,
        )

    def biased(self, bias: Tensor) -> SteeredCall:
        """Return the call with more bias, broadcastable to [rows, heads, queries, keys]."""
        bias = bias[(None,) * (4 - bias.ndim)]
        return replace(self, bias=bias if self.bias is None else self.bias + bias)

    def mapped(self, place: int, matrix: Tensor) -> SteeredCall:
        """Return the call with the attention of a row counted by a matrix [keys, keys], too."""
        before = self.mapping.get(place)
        matrix = matrix.to(self.value)
        return replace(self, mapping={**self.mapping, place: matrix if before is None else matrix @ before})

    def probabilities(self, place: int, heads: slice = slice(None)) -> Tensor:
        """Return what a row attends to, float32 [heads, queries, tokens], with its mapping and graph."""
        row = self.places.index(place)
        bias = None if self.bias is None else self.bias[row if len(self.bias) > 1 else 0].float()
        scale = self.query.shape[-1] ** -0.5 if self.scale is None else self.scale
        call = RowCall(self.query[row][:, None], self.key[row][:, None], scale, bias)
        found = call.probabilities(heads)
        return found if place not in self.mapping else found @ self.mapping[place].float()

    def project(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return the layer's keys and values [rows, heads, tokens, channels] of another text's context."""
        assert self.layer is not None
        layer: Any = self.layer
        context = context.to(self.key)
        key, value = (
            split_heads(part(context), self.site.heads).transpose(1, 2) for part in (layer.to_k, layer.to_v)
        )
        return key, value

    def mapped_value(self) -> Tensor:
        """Return the values that the product uses: the mapped ones of the rows that have a mapping."""
        if not any(place in self.mapping for place in self.places):
            return self.value
        return torch.stack(
            [
                self.mapping[place] @ value if place in self.mapping else value
                for place, value in zip(self.places, self.value, strict=True)
            ]
        )


Compute = Callable[[SteeredCall], Tensor]
Attend = Callable[[SteeredCall, Compute], Tensor]


@dataclass(frozen=True, eq=False)
class SteeredAttention:
    """Attention of one site that a steered layer computed: a Product, the sum of its calls.

    Attributes:
        calls: the calls that were computed.
        shape: (rows, heads, queries, tokens) of the layer without controls.
    """

    calls: tuple[SteeredCall, ...]
    shape: tuple[int, int, int, int]
    group = None

    @property
    def device(self) -> torch.device:
        """Device of the queries."""
        return self.calls[0].query.device

    def of_row(self, row: int) -> _SteeredRow:
        """Return the attention of one row."""
        calls = tuple(call for call in self.calls if row in call.places and row not in call.foreign)
        return _SteeredRow(calls, row, self.shape[1:], self.device)

    def of_rows(self, rows: Sequence[int]) -> GivenAttention:
        """Return the probabilities of some rows, which later operations of the network cannot change."""
        with torch.no_grad():
            return GivenAttention(torch.stack([self.of_row(row).probabilities() for row in rows]))


@dataclass(frozen=True, eq=False)
class _SteeredRow:
    """Attention of one row of a steered layer; a RowAttention."""

    calls: tuple[SteeredCall, ...]
    row: int
    shape: tuple[int, int, int]
    device: torch.device

    def probabilities(self, heads: slice = slice(None)) -> Tensor:
        """Return float32 probabilities [heads, queries, tokens]; of keys not its own none is left."""
        total = RowProbabilities(torch.zeros(self.shape, device=self.device)).probabilities(heads)
        for call in self.calls:
            total = total + call.probabilities(self.row, heads)[..., : self.shape[2]]
        return total

    def of_sites(self, sites: slice) -> _SteeredRow:
        """Return it: there is one site."""
        return self


class SteeredLayer:
    """A layer under steering, and who watches it.

    Args:
        site: the layer.
        attend: makes the layer's product.
    """

    def __init__(self, site: Site, attend: Attend) -> None:
        self.site, self.attend = site, attend
        self._watching: list[Callable[[SteeredAttention], None]] = []

    @property
    def is_watched(self) -> bool:
        """Whether somebody wants to know what is computed."""
        return bool(self._watching)

    @contextmanager
    def watched_by(self, found: Callable[[SteeredAttention], None]) -> Iterator[None]:
        """Call `found` with what each forward of the layer in this block computed."""
        self._watching.append(found)
        try:
            yield
        finally:
            self._watching.remove(found)

    def on_leave(self, mode: Any) -> None:
        """Pass on what a forward computed. Raises RecordingError if its product was not seen."""
        if mode.shape is None:
            raise RecordingError(
                f"site {self.site.label} ({self.site.name}) cannot be steered: "
                f"{processor_name(mode.layer)} computes it without scaled_dot_product_attention; use torch's "
                "own attention (pipeline.unet.set_default_attn_processor() on torch 2)"
            )
        for found in tuple(self._watching):
            found(SteeredAttention(tuple(mode.computed), mode.shape))


class _SteeringMode(TorchFunctionMode):
    """The products of one forward of a steered layer, handed to its control."""

    def __init__(self, steered: SteeredLayer, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.computed: list[SteeredCall] = []
        self.shape: tuple[int, int, int, int] | None = None
        self._steered, self._parts = steered, 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is not ATTENTION:
            return func(*args, **kwargs)
        call = self._call(fused_arguments(args, kwargs, self._steered.site))
        self._parts += 1

        def compute(given: SteeredCall) -> Tensor:
            if given.part == 0 and self._steered.is_watched:
                self.computed.append(given)
            result: Tensor = func(*args, **kwargs) if given is call else _product(given)
            return result

        return self._steered.attend(call, compute)

    def _call(self, given: Mapping[str, Any]) -> SteeredCall:
        query, key = given["query"], given["key"]
        rows, heads, queries, _ = query.shape
        if self._parts == 0:
            self.shape = (rows, heads, queries, key.shape[2])
        if key.shape[1] != heads:
            raise RecordingError(
                f"site {self._steered.site.label} ({self._steered.site.name}) shares its keys between heads, "
                "and VXA cannot steer it; use a pipeline of SD1, SD2 or SDXL"
            )
        mask = given.get("attn_mask")
        bias = None if mask is None else expand_mask(mask[(None,) * (4 - mask.ndim)], rows, heads)
        return SteeredCall(
            self._steered.site, query, key, given["value"], tuple(range(rows)), bias, given.get("scale"),
            part=self._parts, layer=self.layer,
        )  # fmt: skip


def _product(call: SteeredCall) -> Tensor:
    bias = None if call.bias is None else call.bias.to(call.query.dtype)
    result: Tensor = ATTENTION(call.query, call.key, call.mapped_value(), attn_mask=bias, scale=call.scale)
    return result


_STEERED: WeakKeyDictionary[nn.Module, dict[int, SteeredLayer]] = WeakKeyDictionary()


def find_steered(layer: nn.Module) -> SteeredLayer | None:
    """Return the steering of a layer in this thread; None where there is none."""
    return _STEERED.get(layer, {}).get(threading.get_ident())


@contextmanager
def steered_layer(layer: nn.Module, site: Site, attend: Attend) -> Iterator[SteeredLayer]:
    """Pass the products of a layer to `attend`, in forwards that this thread runs in this block.

    Raises SteeringError for a layer that is steered already.
    """
    steered = SteeredLayer(site, attend)
    threads, thread = _STEERED.setdefault(layer, {}), threading.get_ident()
    if thread in threads:
        raise SteeringError(
            f"site {site.label} ({site.name}) is steered already: two blocks of steer are entered; give all "
            "controls to one, as steer(pipeline, first, second)"
        )
    threads[thread] = steered
    try:
        with mode_hooks(layer, lambda: _SteeringMode(steered, layer), steered.on_leave):
            yield steered
    finally:
        del threads[thread]
