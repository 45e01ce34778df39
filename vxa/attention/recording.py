"""Recording of attention: the queries and keys of chosen layers (sites) during one forward pass.

    with record(model.network, sites, latent_size=(64, 48), stop_early=True) as recording:
        model.denoise(latent, timestep, conditioning)
    recording.records()["mid_block…attn2"].tokens([5])      # [1, h, w], mean over heads

During the forward only queries and keys are copied; the records (`vxa.attention.records`) compute from them
what is asked. Attention under a mask, or that a processor edits, is kept as probabilities. The sum over the
steps of a generation (`vxa.attention.sums`) is another receiver of `vxa.attention.hooks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from vxa.attention.calls import AttentionCall, Product
from vxa.attention.hooks import watch
from vxa.attention.records import GraphRecord, PassRecord, SiteRecord
from vxa.attention.sites import Site
from vxa.attention.sums import SumRecord
from vxa.errors import RecordingError

__all__ = ["Recording", "check_shape", "not_finite", "record"]


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
        query, key = (_on_cpu(each[row].flatten(1)) for each in (call.query, call.key))
        return PassRecord(query, key, call.shape[1], call.scale, grid)
    with torch.no_grad():
        probabilities = call.of_row(row).probabilities().cpu()
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
