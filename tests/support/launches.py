"""Count of the kernels that a block of code launches, and its memory, by torch's own dispatcher.

    with Launches(memory=True) as launches:
        …
    launches.count["aten.bmm"]; launches.count.total()
    launches.peak                              # bytes of the tensors that the block made, alive at once

Views and allocations launch nothing. On an accelerator an operation is one kernel or a few.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_ALLOCATIONS = ("empty", "new_empty", "empty_like", "empty_strided", "_unsafe_view")


class Launches(TorchDispatchMode):
    """Counter of operations that compute, by name, and of the memory of what they make, where it is asked."""

    def __init__(self, memory: bool = False) -> None:
        super().__init__()
        self._memory = memory
        self.count: Counter[str] = Counter()
        self.peak = 0
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not _is_view(func) and func.overloadpacket.__name__ not in _ALLOCATIONS:
            self.count[str(func.overloadpacket)] += 1
        if self._memory and not _aliases(func):
            self._weigh(result)
        return result

    def _weigh(self, result: Any) -> None:
        for tensor in tree_leaves(result):
            if torch.is_tensor(tensor):
                storage = tensor.untyped_storage()
                self._alive[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
        self._alive = {key: held for key, held in self._alive.items() if not held[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self._alive.values()))


def _aliases(func: Any) -> bool:
    """Whether an operation returns an operand, changed or not."""
    return any(each.alias_info is not None for each in func._schema.returns)


def _is_view(func: Any) -> bool:
    """Whether an operation returns its operand under another shape."""
    aliases = [each.alias_info for each in func._schema.returns]
    return any(alias is not None and not alias.is_write for alias in aliases)
