"""Records of a site as arrays and plain JSON values: of one pass, or summed over many passes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vxa.attention.records import PassRecord, SiteRecord
from vxa.attention.sites import Site
from vxa.attention.sums import SumRecord
from vxa.errors import MapsFileError
from vxa.io.npz import StoredArrays, to_array, to_tensor

__all__ = ["check_record", "pack_record", "pair", "unpack_record"]


def pack_record(number: int, record: SiteRecord) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the arrays of the site with this number, and its JSON entry. Raises MapsFileError."""
    if isinstance(record, PassRecord):
        tensors = {"query": record.query, "key": record.key}
        entry: dict[str, Any] = {"heads": record.heads, "scale": record.scale, "grid": record.grid}
    elif isinstance(record, SumRecord):
        tensors = {"sums": record.sums}
        entry = {"passes": record.passes, "grid": record.grid}
        entry |= {"token_count": record.token_count, "kept": record.kept}
    else:
        raise MapsFileError(
            f"maps of a {type(record).__name__} cannot be saved; save those of a pass or trace"
        )
    entry["dtypes"] = [str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values()]
    return {f"{part}_{number}": to_array(tensor) for part, tensor in tensors.items()}, entry


def unpack_record(number: int, entry: dict[str, Any], arrays: StoredArrays) -> PassRecord | SumRecord:
    """Return the record that `pack_record` stored. A malformed entry raises various exceptions."""
    grid = pair(entry["grid"], int)
    if "passes" not in entry:
        query, key = (
            to_tensor(arrays.read(f"{part}_{number}"), dtype)
            for part, dtype in zip(("query", "key"), entry["dtypes"], strict=True)
        )
        return PassRecord(query, key, entry["heads"], entry["scale"], grid)
    (dtype,) = entry["dtypes"]
    sums = to_tensor(arrays.read(f"sums_{number}"), dtype)
    kept = None if entry["kept"] is None else tuple(entry["kept"])
    return SumRecord(sums, tuple(entry["passes"]), grid, entry["token_count"], kept)


def check_record(
    site: Site, record: SiteRecord, latent_size: tuple[int, int], tokens: int, bins: int
) -> None:
    """Raise ValueError unless the parts are consistent, so that no heat map can fail later."""
    if record.grid != site.grid(latent_size):
        raise ValueError(f"{site.label} has queries of another grid")
    if isinstance(record, SumRecord):
        _check_sums(site, record, tokens, max(bins, 1))  # of one pass under a mask, too
    elif isinstance(record, PassRecord) and not bins:
        _check_pass(site, record, tokens)
    else:
        raise ValueError(f"{site.label} has a record of one pass in maps with steps")


def _check_pass(site: Site, record: PassRecord, tokens: int) -> None:
    height, width = record.grid
    if record.query.ndim != 2 or record.key.ndim != 2:
        raise ValueError(f"{site.label} has no query and key")
    if record.query.shape[0] != height * width:
        raise ValueError(f"{site.label} has queries of another grid")
    channels = record.query.shape[1]
    if record.key.shape != (tokens, channels) or record.heads < 1 or channels % record.heads:
        raise ValueError(f"{site.label} has keys of another shape")
    if not isinstance(record.heads, int) or not np.isfinite(record.scale):
        raise ValueError(f"{site.label} has no scale or heads")


def _check_sums(site: Site, record: SumRecord, tokens: int, bins: int) -> None:
    height, width = record.grid
    columns = tokens if record.kept is None else len(record.kept)
    sums = record.sums
    if sums.ndim != 4 or str(sums.dtype) != "torch.float32":
        raise ValueError(f"{site.label} has no sums")
    if (sums.shape[0], *sums.shape[2:]) != (bins, height * width, columns) or sums.shape[1] < 1 or bins < 1:
        raise ValueError(f"{site.label} has sums of another shape")
    if record.token_count != tokens or len(record.passes) != bins:
        raise ValueError(f"{site.label} has sums of other tokens or steps")
    counts = [*record.passes, *(record.kept or ())]
    if not all(type(count) is int and count >= 0 for count in counts) or min(record.passes) < 1:
        raise ValueError(f"{site.label} has invalid counts of passes, or invalid kept tokens")
    if len(set(record.kept or ())) != len(record.kept or ()) or max(record.kept or (0,)) >= tokens:
        raise ValueError(f"{site.label} lists kept tokens that are repeated or out of range")


def pair(value: Any, kind: Any) -> tuple[Any, Any]:
    """Return the value as a pair of that type. Raises ValueError or TypeError for anything else."""
    first, second = value
    if isinstance(first, bool) or isinstance(second, bool) or kind(first) != first or kind(second) != second:
        raise ValueError(f"{value!r} is no pair of {kind.__name__}")
    return kind(first), kind(second)
