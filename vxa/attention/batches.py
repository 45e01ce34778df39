"""Calls of one pass, computed together: at once on a CPU, several of one shape at a time on an accelerator.

    batch = CallBatch(add)
    batch.receive(site, call, rows)          # in a hook; add(sites, row, attention, scratch) may follow
    batch.flush()                            # at the end of the pass

An accelerator waits for launches more than for memory, so calls are held until their group is full. They are
held by reference, because a copy would be two launches a site. What an operation of the network overwrites
meanwhile is noticed by torch's own version counter, and is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vxa.attention.calls import AttentionCall, Product, join
from vxa.attention.row_attention import RowAttention
from vxa.attention.sites import Site
from vxa.attention.sums import CPU_SCRATCH
from vxa.errors import RecordingError

__all__ = ["ACCELERATOR_BYTES", "Add", "CallBatch"]

ACCELERATOR_BYTES = 2**25
"""Memory that a batch takes on an accelerator: what it holds, and what computing it takes."""

Add = Callable[[Sequence[Site], int, RowAttention, int], None]
"""Adds the attention of sites of one shape, in one row; the last is the number of floats computed at once."""


@dataclass(eq=False)
class _HeldCall:
    """A call that is held by reference.

    Attributes:
        versions: those that its tensors had.
        nbytes: bytes of the tensors, of every row.
    """

    site: Site
    call: AttentionCall
    versions: tuple[int, int]
    nbytes: int


class CallBatch:
    """Calls of one pass that are not computed yet, in groups of one shape.

    Args:
        add: gets the attention of each group.
        capacity: the bytes that the batch may take; None is 0 for a call on a CPU and `ACCELERATOR_BYTES` for
            others. A batch of 0 computes each call at once.
    """

    def __init__(self, add: Add, capacity: int | None = None) -> None:
        self._add, self._capacity = add, capacity
        self._groups: dict[Hashable, list[_HeldCall]] = {}  # the one that grew last is the last
        self._rows: Collection[int] = ()
        self._nbytes = 0

    def receive(self, site: Site, call: Product, rows: Collection[int]) -> None:
        """Compute some rows of a call, now or with others of its group."""
        capacity, self._rows = self._capacity_of(call), rows
        if not capacity or not isinstance(call, AttentionCall) or not _can_wait(call):
            for row in rows:
                self._add((site,), row, call.of_row(row), max(capacity // 8, CPU_SCRATCH))
            return
        group = (site.kind, site.factor, call.group)
        held = _HeldCall(site, call, _versions(call), _nbytes(call.query) + _nbytes(call.key))
        members = self._groups[group] = self._groups.pop(group, [])
        members.append(held)
        self._nbytes += held.nbytes
        while self._groups and self._nbytes > capacity // 2:
            self._compute(next(iter(self._groups)))
        _, heads, queries, tokens = call.shape
        if group in self._groups and 8 * len(members) * heads * queries * tokens >= capacity:
            self._compute(group)  # logits and probabilities of its calls take that much

    def flush(self) -> None:
        """Compute what is held."""
        for group in list(self._groups):
            self._compute(group)

    def clear(self) -> None:
        """Forget what is held."""
        self._groups.clear()
        self._nbytes = 0

    @torch.no_grad()
    def _compute(self, group: Hashable) -> None:
        """Compute a group, row by row, after the network's tensors were copied and let go."""
        members = self._groups.pop(group)
        self._nbytes -= sum(held.nbytes for held in members)
        _check_unchanged(members)
        capacity, rows = self._capacity_of(members[0].call), list(self._rows)
        sites = [held.site for held in members]
        copies = [join([held.call for held in members], row) for row in rows]
        members.clear()
        while copies:
            taken = self._nbytes + len(copies) * 4 * copies[-1].values.numel()
            self._add(sites, rows.pop(), copies.pop().in_float(), max((capacity - taken) // 8, 1))

    def _capacity_of(self, call: Product) -> int:
        if self._capacity is not None:
            return self._capacity
        return 0 if call.device.type == "cpu" else ACCELERATOR_BYTES


def _can_wait(call: AttentionCall) -> bool:
    """Return whether the call has a group, and torch counts the versions of its tensors."""
    return call.group is not None and not (call.query.is_inference() or call.key.is_inference())


def _versions(call: AttentionCall) -> tuple[int, int]:
    return call.query._version, call.key._version


def _nbytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _check_unchanged(members: Sequence[_HeldCall]) -> None:
    """Raise RecordingError for a call whose queries or keys were overwritten while it was held."""
    for held in members:
        if _versions(held.call) != held.versions:
            raise RecordingError(
                f"site {held.site.label} ({held.site.name}) overwrote its queries or keys after they were "
                "read, so its attention is not known; use the model's own attention processors"
            )
