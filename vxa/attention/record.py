"""Watching attention: the queries and keys of chosen layers during one forward pass.

    with record(model.network, sites, latent_size=(64, 48), stop_early=True) as recording:
        model.denoise(latent, timestep, conditioning)
    recording.records()["mid_block…attn2"].tokens([5])      # [1, h, w], mean over heads

Every UNet attention layer of the Stable Diffusion family calls its own `to_q(x)` and then
`to_k(context)`, whatever kernel, optimisation or adapter runs in between. Forward hooks on these two copy
their *outputs*; softmax(q kᵀ · scale) is computed here, later, in float32. Nothing is replaced, so the
network's output is the same bit for bit.

`watch` is the layer below: it hands each site's query and key to a receiver as they come, which is how a
sum over many steps is kept beside the single pass kept here.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from vxa.attention.site import Site
from vxa.errors import RecordingError

_SCRATCH = 2**22  # floats of attention logits held at once (16 MB)


class SiteRecord(Protocol):
    """What is known of one site after watching it; it answers for any token."""

    @property
    def grid(self) -> tuple[int, int]:
        """(height, width) of the queries."""

    @property
    def heads(self) -> int:
        """Number of heads that can be told apart: 1 where only their mean was kept."""

    @property
    def token_count(self) -> int:
        """Number of keys."""

    def tokens(self, indices: Sequence[int], heads: Sequence[int] | None = None) -> Tensor:
        """Probabilities [len(indices), height, width] in float32, the mean over `heads` (None: all)."""


@dataclass(frozen=True, eq=False)
class PassRecord:
    """One site's query and key of one row of one forward pass, from which any head or token follows.

    Attributes:
        query: [height·width, heads·channels], on the CPU, in a dtype numpy knows.
        key: [tokens, heads·channels], likewise.
        heads: number of heads.
        scale: the factor of the logits, usually channels^-1/2.
        grid: (height, width).
    """

    query: Tensor
    key: Tensor
    heads: int
    scale: float
    grid: tuple[int, int]

    @property
    def token_count(self) -> int:
        """Number of keys."""
        return self.key.shape[0]

    @torch.no_grad()
    def tokens(self, indices: Sequence[int], heads: Sequence[int] | None = None) -> Tensor:
        """Probabilities [len(indices), height, width] in float32, the mean over `heads` (None: all)."""
        chosen = range(self.heads) if heads is None else heads
        total = torch.zeros(self.query.shape[0], len(indices))
        for head in chosen:
            query, key = self._head(head)
            key = key[list(indices)]
            for rows in self._row_chunks(len(indices)):
                logits = query[rows] @ key.T
                total[rows] += (logits - self._log_normalizer[head, rows, None]).exp()
        return (total / len(chosen)).T.reshape(len(indices), *self.grid)

    @cached_property
    def _log_normalizer(self) -> Tensor:
        """log Σ exp(logits) over all keys [heads, queries]: with it a further token costs one column."""
        result = torch.empty(self.heads, self.query.shape[0])
        for head in range(self.heads):
            query, key = self._head(head)
            for rows in self._row_chunks(self.token_count):
                result[head, rows] = torch.logsumexp(query[rows] @ key.T, dim=1)
        return result

    def _head(self, head: int) -> tuple[Tensor, Tensor]:
        """Scaled query and key of one head in float32, [queries, channels] and [tokens, channels]."""
        channels = self.query.shape[1] // self.heads
        part = slice(head * channels, (head + 1) * channels)
        return self.query[:, part].float() * self.scale, self.key[:, part].float()

    def _row_chunks(self, columns: int) -> Iterator[slice]:
        step = max(1, _SCRATCH // max(1, columns))
        for start in range(0, self.query.shape[0], step):
            yield slice(start, start + step)


Receiver = Callable[[Site, nn.Module, Tensor, Tensor], None]


class Watch:
    """Pairs the query and key of every watched site and counts how often each came.

    Only forwards of the thread that made it are heard: hooks fire in everyone's.
    """

    def __init__(self, sites: Sequence[Site], receive: Receiver) -> None:
        self.sites = tuple(sites)
        self._receive = receive
        self._thread = threading.get_ident()
        self._queries: dict[str, Tensor] = {}
        self._fired: Counter[str] = Counter()

    def complete(self) -> bool:
        """Whether every site has fired in this forward."""
        return len(self._fired) == len(self.sites)

    def check(self) -> None:
        """Raise RecordingError unless every site fired exactly once; then be ready for another forward."""
        missing = [site for site in self.sites if not self._fired[site.name]]
        half = [site for site in missing if site.name in self._queries]
        count = len(self.sites)
        self._queries.clear()
        self._fired.clear()
        if missing:
            raise RecordingError(_missing(missing, half, count))

    def on_query(self, site: Site, output: Tensor) -> None:
        """Keep a site's query until its key comes."""
        if threading.get_ident() != self._thread:
            return
        if site.name in self._queries:
            raise RecordingError(
                f"site {site.label} ({site.name}) ran more than once in one forward: an extension adds passes "
                "(reference-only control, tiling); switch it off and try again"
            )
        self._queries[site.name] = output

    def on_key(self, site: Site, layer: nn.Module, output: Tensor) -> None:
        """Hand a site's query and key on."""
        if threading.get_ident() != self._thread:
            return
        if site.name not in self._queries or self._fired[site.name]:
            raise RecordingError(
                f"site {site.label} ({site.name}) called to_k {'twice' if self._fired[site.name] else 'before to_q'}: "
                "an extension replaced its forward; switch it off and try again"
            )
        query, self._queries[site.name] = self._queries[site.name], output.new_empty(0)
        self._fired[site.name] += 1
        self._receive(site, layer, query, output)


def _missing(missing: list[Site], half: list[Site], count: int) -> str:
    names = ", ".join(f"{site.label} ({site.name})" for site in missing[:3])
    if len(missing) > 3:
        names += f" and {len(missing) - 3} more"
    if half:
        cause = "called to_q but not to_k: its projections are fused (call unfuse_qkv_projections)"
        cause += " or an extension replaced its forward; undo it and try again"
    elif len(missing) == count:
        cause = (
            "did not run, nor did any other wanted site: the network was compiled (torch.compile) or replaced"
        )
        cause += " (TensorRT); use the plain network"
    else:
        cause = "did not run although others did: an extension replaced or skips the layer; switch it off"
    return f"nothing was recorded at {names}: it {cause}"


@contextmanager
def watch(network: nn.Module, sites: Sequence[Site], receive: Receiver) -> Iterator[Watch]:
    """Hooks on the sites' `to_q` and `to_k` for as long as the block lasts, removed in all cases.

    `receive(site, layer, query, key)` gets the projections' own outputs, [batch, queries, channels] and
    [batch, tokens, channels]: it must copy what it keeps. It may raise to leave the forward.

    Raises:
        RecordingError: a site's layer is not there or cannot be watched faithfully.
    """
    watcher = Watch(sites, receive)
    layers = [(site, watchable_layer(network, site)) for site in watcher.sites]
    with ExitStack() as handles:
        for site, layer in layers:
            for projection, hook in _hooks(watcher, site, layer):
                handle = projection.register_forward_hook(hook)
                handles.callback(handle.remove)
        yield watcher


def _hooks(watcher: Watch, site: Site, layer: Any) -> list[tuple[nn.Module, Callable[..., None]]]:
    def on_query(module: nn.Module, inputs: Any, output: Tensor) -> None:
        watcher.on_query(site, output)

    def on_key(module: nn.Module, inputs: Any, output: Tensor) -> None:
        watcher.on_key(site, layer, output)

    return [(layer.to_q, on_query), (layer.to_k, on_key)]


def watchable_layer(network: nn.Module, site: Site) -> nn.Module:
    """The site's attention module, known by its shape and not by its class.

    Raises:
        RecordingError: the network has no such module, or what its projections give is not what its
            attention uses: fused projections, normalised or added keys.
    """
    where = f"site {site.label} ({site.name})"
    try:
        layer = network.get_submodule(site.name)
    except AttributeError:
        raise RecordingError(
            f"{where} is not in the network: it was replaced; load the model again"
        ) from None
    fused = getattr(layer, "fused_projections", False)
    if fused or not all(isinstance(getattr(layer, part, None), nn.Module) for part in ("to_q", "to_k")):
        raise RecordingError(
            f"{where} has fused projections (no to_k of its own); call unfuse_qkv_projections"
        )
    for part in ("norm_q", "norm_k", "add_k_proj"):
        if getattr(layer, part, None) is not None:
            raise RecordingError(
                f"{where} has {part}: it changes queries or keys after projecting, which VXA cannot watch"
            )
    return layer


class _Stop(BaseException):
    """Leaves a forward whose output nobody needs; not an Exception, so that no host swallows it."""

    def __init__(self, recording: Recording) -> None:
        super().__init__()
        self.recording = recording


class Recording:
    """The queries and keys of one forward pass; complete when its `with` block has ended."""

    def __init__(self, latent_size: tuple[int, int], rows: Sequence[int]) -> None:
        self._latent_size = latent_size
        self._rows = list(rows)
        self._kept: dict[str, tuple[Tensor, Tensor, int, float, tuple[int, int]]] = {}

    def receive(self, site: Site, layer: nn.Module, query: Tensor, key: Tensor) -> None:
        """Keep copies of the wanted rows; raise RecordingError where the shapes do not fit the site."""
        grid = site.grid(self._latent_size)
        where = f"site {site.label} ({site.name})"
        if query.ndim != 3 or query.shape[1] != grid[0] * grid[1]:
            raise RecordingError(
                f"{where} has queries of shape {tuple(query.shape)}, but a latent of {self._latent_size} has "
                f"{grid[0]}×{grid[1]} there: tokens were merged or the image was tiled; switch that off"
            )
        if query.shape[-1] != key.shape[-1] or max(self._rows) >= min(len(query), len(key)):
            raise RecordingError(
                f"{where} has queries {tuple(query.shape)} and keys {tuple(key.shape)}, which do not pair "
                f"for rows {self._rows}"
            )
        scale = getattr(layer, "scale", None)
        if scale is None:  # Forge's layers carry none
            scale = (query.shape[-1] // site.heads) ** -0.5
        # Indexing by a list copies: a later in-place operation of the network cannot reach what is kept.
        kept = (query.detach()[self._rows], key.detach()[self._rows])
        self._kept[site.name] = (*kept, site.heads, float(scale), grid)

    def records(self, row: int = 0) -> dict[str, PassRecord]:
        """The record of each site by name, in the order they ran; `row` counts the rows asked for."""
        return {
            name: PassRecord(_on_cpu(query[row]), _on_cpu(key[row]), heads, scale, grid)
            for name, (query, key, heads, scale, grid) in self._kept.items()
        }


def _on_cpu(tensor: Tensor) -> Tensor:
    # numpy has no bfloat16, and maps are saved through it.
    return tensor.to("cpu", torch.float32 if tensor.dtype == torch.bfloat16 else tensor.dtype)


@contextmanager
def record(
    network: nn.Module,
    sites: Sequence[Site],
    *,
    latent_size: tuple[int, int],
    rows: Sequence[int] = (0,),
    stop_early: bool = False,
) -> Iterator[Recording]:
    """Record one forward pass of `network` made in this block by this thread.

    Args:
        network: the module that the sites' names are looked up in.
        sites: what to record.
        latent_size: (height, width) of the latent, from which each site's grid follows.
        rows: the batch rows to keep.
        stop_early: leave the forward, and the block, right after the last wanted site.

    Raises:
        RecordingError: a site cannot be watched, or did not run exactly once.
    """
    recording = Recording(latent_size, rows)

    def receive(site: Site, layer: nn.Module, query: Tensor, key: Tensor) -> None:
        recording.receive(site, layer, query, key)
        if stop_early and watcher.complete():
            raise _Stop(recording)

    try:
        with watch(network, sites, receive) as watcher:
            yield recording
    except _Stop as stop:
        if stop.recording is not recording:
            raise
    watcher.check()
