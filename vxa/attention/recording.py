"""Recording of attention: the queries and keys of chosen layers (sites) during one forward pass.

    with record(model.network, sites, latent_size=(64, 48), stop_early=True) as recording:
        model.denoise(latent, timestep, conditioning)
    recording.records()["mid_block…attn2"].tokens([5])      # [1, h, w], mean over heads

During the forward only queries and keys are copied. softmax(q kᵀ · scale) is computed later, here, in
float32, for the requested heads and tokens. Attention under a mask, or that a processor edits, is kept as
probabilities. The sum over the steps of a generation (`vxa.attention.sums`) is another receiver of
`vxa.attention.hooks` and another SiteRecord.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor, nn

from vxa.attention.calls import AttentionCall, Product
from vxa.attention.hooks import watch
from vxa.attention.sites import Site
from vxa.attention.sums import SumRecord
from vxa.errors import RecordingError

_SCRATCH = 2**20  # floats of attention logits held at once (4 MB)


class SiteRecord(Protocol):
    """Attention of one site after watching it, for any token."""

    @property
    def grid(self) -> tuple[int, int]:
        """(height, width) of the queries."""

    @property
    def heads(self) -> int:
        """Number of heads kept separately: 1 where only their mean was kept."""

    @property
    def token_count(self) -> int:
        """Number of keys."""

    def tokens(self, indices: Sequence[int], heads: Sequence[int] | None = None) -> Tensor:
        """Return float32 probabilities [len(indices), height, width], the mean over `heads` (None: all)."""

    def gather(self, values: Tensor) -> Tensor:
        """Return the mean of `values` [n, token_count] weighted by each query's attention, over all heads.

        The result is float32 [n, height, width].
        """

    def is_finite(self) -> bool:
        """Return whether the attention has neither NaN nor infinity."""


@dataclass(frozen=True, eq=False)
class PassRecord:
    """Query and key of one site, for one row of one forward pass: enough for the map of any head or token.

    Attributes:
        query: [height·width, heads·channels], on the CPU, in a dtype that numpy has.
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
        """Return float32 probabilities [len(indices), height, width], the mean over `heads` (None: all)."""
        normalizer, mean = self._summary
        if heads is None and mean is not None:
            return mean[list(indices)].reshape(len(indices), *self.grid)
        chosen = range(self.heads) if heads is None else heads
        keys = self.key[list(indices)].float() * self.scale
        result = torch.zeros(len(indices), self.query.shape[0])
        for part in self._chunks(len(indices)):
            for head in chosen:
                key, query = keys[:, self._channels(head)], self._query(head, part)
                result[:, part] += torch.addmm(-normalizer[head, part], key, query).exp_()
        return result.div_(len(chosen)).reshape(len(indices), *self.grid)

    @torch.no_grad()
    def gather(self, values: Tensor) -> Tensor:
        """Return the mean of `values` [n, token_count] weighted by each query's attention, over all heads.

        The result is float32 [n, height, width].
        """
        return (values.float() @ self._mean.T).reshape(-1, *self.grid)

    def is_finite(self) -> bool:
        """Return whether neither query nor key has NaN or infinity."""
        return bool(self.query.isfinite().all() and self.key.isfinite().all())

    @cached_property
    def _mean(self) -> Tensor:
        """Mean probabilities over heads [queries, tokens]; cached, so that a further map costs little."""
        keys = self.key.float() * self.scale
        mean = torch.zeros(self.query.shape[0], self.token_count)
        for part in self._chunks(self.token_count):
            for head in range(self.heads):
                logits = self._query(head, part).T @ keys[:, self._channels(head)].T
                mean[part] += logits.softmax(1)
        return mean.div_(self.heads)

    @cached_property
    def _summary(self) -> tuple[Tensor, Tensor | None]:
        """log Σ exp(logits) over keys [heads, queries]; the mean over heads of every token [tokens, queries].

        The first call needs every logit. With these two cached, a further call costs one row of logits a
        token for single heads, and nothing for the mean over all. The mean is cached only where it is no
        larger than the query, since a prompt can have thousands of tokens.
        """
        keys = self.key.float() * self.scale
        normalizer = torch.empty(self.heads, self.query.shape[0])
        small = self.token_count <= self.query.shape[1]
        mean = torch.zeros(self.token_count, self.query.shape[0]) if small else None
        for part in self._chunks(self.token_count):
            for head in range(self.heads):
                logits = keys[:, self._channels(head)] @ self._query(head, part)
                normalizer[head, part] = torch.logsumexp(logits, dim=0)
                if mean is not None:
                    mean[:, part] += logits.sub_(normalizer[head, part]).exp_()
        return normalizer, mean if mean is None else mean.div_(self.heads)

    def _query(self, head: int, part: slice) -> Tensor:
        """Return some queries of one head in float32, [channels, queries]."""
        return self.query[part, self._channels(head)].float().T

    def _channels(self, head: int) -> slice:
        channels = self.query.shape[1] // self.heads
        return slice(head * channels, (head + 1) * channels)

    def _chunks(self, tokens: int) -> Iterator[slice]:
        """Yield slices of the queries whose logits fit into `_SCRATCH`."""
        step = max(1, _SCRATCH // max(1, tokens))
        for start in range(0, self.query.shape[0], step):
            yield slice(start, start + step)


@dataclass(frozen=True, eq=False)
class GraphRecord:
    """Attention of one site, for one row of one pass, with the graph that leads to it.

    Its answers stay on the network's device and can be differentiated.

    Attributes:
        call: the attention of the batch.
        row: the row of the batch.
        grid: (height, width).
    """

    call: Product
    row: int
    grid: tuple[int, int]

    @property
    def heads(self) -> int:
        """Number of heads."""
        return self.call.shape[1]

    @property
    def token_count(self) -> int:
        """Number of keys."""
        return self.call.shape[3]

    def tokens(self, indices: Sequence[int], heads: Sequence[int] | None = None) -> Tensor:
        """Return float32 probabilities [len(indices), height, width], the mean over `heads` (None: all)."""
        chosen = list(range(self.heads) if heads is None else heads)
        mean = self._probabilities[chosen].mean(0)[:, list(indices)]
        return mean.T.reshape(len(indices), *self.grid)

    def gather(self, values: Tensor) -> Tensor:
        """Return the mean of `values` [n, token_count] weighted by each query's attention."""
        mean = self._probabilities.mean(0)
        return (values.to(mean) @ mean.T).reshape(-1, *self.grid)

    @property
    def has_graph(self) -> bool:
        """Whether the probabilities can be differentiated."""
        return self._probabilities.requires_grad

    def is_finite(self) -> bool:
        """Return whether the probabilities have neither NaN nor infinity."""
        return bool(self._probabilities.isfinite().all())

    @cached_property
    def _probabilities(self) -> Tensor:
        return self.call.probabilities(self.row)


class _Stop(BaseException):
    """Signal to leave a forward early; no Exception, so that a host's broad except does not catch it."""

    def __init__(self, recording: Recording) -> None:
        super().__init__()
        self.recording = recording


class Recording:
    """Attention of one forward pass; complete when its `with` block has ended.

    Args:
        latent_size: (height, width), from which each site's grid follows.
        rows: the batch rows to keep.
        grad: keep the attention's graph, on the network's device.
    """

    def __init__(self, latent_size: tuple[int, int], rows: Sequence[int], grad: bool = False) -> None:
        self._latent_size = latent_size
        self._rows = list(rows)
        self._grad = grad
        self._calls: dict[str, tuple[Product, tuple[int, int]]] = {}

    def receive(self, site: Site, call: Product) -> None:
        """Keep the chosen rows; raise RecordingError where the shapes do not fit the site."""
        check_shape(site, call, self._latent_size, self._rows)
        kept = call if self._grad else call.of_rows(self._rows)
        self._calls[site.name] = (kept, site.grid(self._latent_size))

    def records(self, row: int = 0) -> dict[str, SiteRecord]:
        """Return the record of each site by name, in run order; `row` indexes the recorded rows.

        Raises:
            RecordingError: a site's attention is not finite.
        """
        if self._grad:
            return {
                name: GraphRecord(call, self._rows[row], grid) for name, (call, grid) in self._calls.items()
            }
        records: dict[str, SiteRecord] = {
            name: _record_of(call, row, grid) for name, (call, grid) in self._calls.items()
        }
        for name, record in records.items():
            if not record.is_finite():
                raise RecordingError(not_finite(name))
        return records


def _record_of(call: Product, row: int, grid: tuple[int, int]) -> PassRecord | SumRecord:
    """Return queries and keys where they tell the attention, else its probabilities, of every head."""
    if isinstance(call, AttentionCall) and call.bias is None:
        query, key = (_on_cpu(each[row].transpose(0, 1).flatten(1)) for each in (call.query, call.key))
        return PassRecord(query, key, call.shape[1], call.scale, grid)
    with torch.no_grad():
        probabilities = call.probabilities(row).cpu()
    return SumRecord(probabilities[None], (1,), grid, call.shape[3])


def check_shape(site: Site, call: Product, latent_size: tuple[int, int], rows: Iterable[int]) -> None:
    """Raise RecordingError unless the shape fits the site's grid and has the rows."""
    grid = site.grid(latent_size)
    where = f"site {site.label} ({site.name})"
    count, _, queries, _ = call.shape
    if queries != grid[0] * grid[1]:
        raise RecordingError(
            f"{where} has {queries} queries, but a latent of {latent_size} has {grid[0]}×{grid[1]} there: "
            "tokens were merged or the image was tiled; switch that off"
        )
    if max(rows) >= count:
        raise RecordingError(f"{where} has {count} rows, and the rows {sorted(rows)} are wanted of it")


def not_finite(where: str) -> str:
    """Return the message on attention that is NaN or infinite, first seen at `where`."""
    return (
        f"the attention at {where} is not finite (NaN or infinity), so there is no map: half precision "
        "overflowed, or weights are broken; run the model in float32"
    )


def _on_cpu(tensor: Tensor) -> Tensor:
    # Maps are saved through numpy, which has no bfloat16.
    return tensor.to("cpu", torch.float32 if tensor.dtype == torch.bfloat16 else tensor.dtype)


@contextmanager
def record(
    network: nn.Module,
    sites: Sequence[Site],
    *,
    latent_size: tuple[int, int],
    rows: Sequence[int] = (0,),
    stop_early: bool = False,
    grad: bool = False,
) -> Iterator[Recording]:
    """Record one forward pass of `network` that this thread runs in this block.

    Args:
        network: the module in which the sites' names are looked up.
        sites: the attention layers to record.
        latent_size: (height, width) of the latent, from which each site's grid follows.
        rows: the batch rows to keep.
        stop_early: leave the forward, and the block, right after the last of the sites.
        grad: keep the attention's graph; the records are GraphRecords, on the network's device.

    Raises:
        RecordingError: a site cannot be watched, or did not run exactly once.
    """
    recording = Recording(latent_size, rows, grad)

    def receive(site: Site, call: Product) -> None:
        recording.receive(site, call)
        if stop_early and watcher.complete():
            raise _Stop(recording)

    try:
        with watch(network, sites, receive) as watcher:
            yield recording
    except _Stop as stop:
        if stop.recording is not recording:
            raise
    watcher.check()
