"""Uncompressed arrays in an npz, read without unpickling and without trusting the file's headers."""

from __future__ import annotations

import hashlib
import math
import zipfile
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["StoredArrays", "digest_of", "to_array", "to_tensor"]

_DTYPES = {
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float32": torch.float32,
    "float64": torch.float64,
}


class StoredArrays:
    """Arrays of an uncompressed npz; reading never allocates more than the file's size."""

    def __init__(self, members: zipfile.ZipFile, size: int) -> None:
        entries = members.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ValueError("its arrays are compressed")
        if sum(entry.file_size for entry in entries) > size:
            raise ValueError("its arrays are larger than the file")
        self._members = members

    def read(self, name: str) -> NDArray[Any]:
        """Read an array by name. Raises KeyError or ValueError if it is missing or damaged."""
        with self._members.open(f"{name}.npy") as member:
            # numpy's own reader allocates the size stated in the header before it reads the data.
            if np.lib.format.read_magic(member) != (1, 0):
                raise ValueError(f"{name} is of another npy version")
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(member)
            data = bytearray(member.read())
        if fortran or dtype.hasobject or len(data) != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"{name} does not hold what its header says")
        return np.frombuffer(data, dtype).reshape(shape)


def to_array(tensor: torch.Tensor) -> NDArray[Any]:
    """Return the tensor's bits as an array; bfloat16, which numpy lacks, becomes int16."""
    tensor = tensor.detach().cpu().contiguous()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.int16)
    array: NDArray[Any] = tensor.numpy()
    return array


def to_tensor(array: NDArray[Any], dtype: str) -> torch.Tensor:
    """Return the tensor that `to_array` stored. Raises ValueError if the array does not fit `dtype`."""
    stored = "int16" if dtype == "bfloat16" else dtype
    if dtype not in _DTYPES or array.dtype.name != stored or not array.dtype.isnative:
        raise ValueError(f"an array of {array.dtype} stands for {dtype}")
    return torch.from_numpy(array).view(_DTYPES[dtype])


def digest_of(file: BinaryIO) -> str:
    """Return the SHA-256 of the whole file."""
    file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(2**20):
        digest.update(block)
    return digest.hexdigest()
