"""A samples × genes matrix inside an HDF5 file, read some samples at a time: dense, CSR or CSC."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import h5py
import numpy as np
from scipy import sparse

from med_maml_pipeline.errors import DataError
from med_maml_pipeline.sources.place import Place
from med_maml_pipeline.tasks.types import FloatArray

__all__ = ["StoredMatrix", "require_self_contained"]

NUMBERS = "biuf"


def require_self_contained(file: h5py.File, name: str, place: Place) -> None:
    """Refuses links and storage that lead out of the file: data from outside must not be read through it.

    Args:
        file: The open file.
        name: Object in it; all that lies below is looked at.
        place: For errors.

    Raises:
        DataError: a link that is not a plain (hard) one, or a data set whose bytes lie in other files.
    """
    waiting, seen = [(file, name)], set()
    while waiting:
        parent, key = waiting.pop()
        node = parent[key] if isinstance(parent.get(key, getlink=True), h5py.HardLink) else None
        if node is None or (isinstance(node, h5py.Dataset) and (node.external or node.is_virtual)):
            raise place.error(
                f"'{name}' leads to other places by links or external storage",
                expected="all data within the file",
                remedy="write the file anew with anndata",
            )
        address = h5py.h5o.get_info(node.id).addr
        if isinstance(node, h5py.Group) and address not in seen:
            seen.add(address)
            waiting += [(node, child) for child in node]


@dataclass(frozen=True)
class StoredMatrix:
    """A matrix on disk.

    Attributes:
        node: Data set (dense) or group (sparse, as anndata writes it).
        shape: Samples and genes that the rest of the file speaks of.
        place: For errors.
    """

    node: h5py.Dataset | h5py.Group
    shape: tuple[int, int]
    place: Place

    def batches(self, size: int) -> Iterator[FloatArray]:
        """Dense float32 blocks ``[size, genes]`` in the order of the samples; the last may be shorter.

        A CSC matrix is turned round first, in memory: its stored values must fit.

        Raises:
            DataError: another shape than the file's tables, no numbers, no known layout, broken indices.
        """
        try:
            yield from self._blocks(size)
        except (KeyError, OSError, ValueError, TypeError, OverflowError):
            raise self._damaged() from None  # h5py and scipy may tell paths and values

    def _blocks(self, size: int) -> Iterator[FloatArray]:
        if isinstance(self.node, h5py.Dataset):
            self._check(self.node.shape, self.node.dtype)
            for start in range(0, self.shape[0], size):
                yield self.node[start : start + size].astype(np.float32)
            return
        layout = self._layout()
        self._check(self._sparse_shape(), self.node["data"].dtype)
        if layout == "csr":
            yield from self._rows(size)
            return
        parts = (self.node["data"][:], self.node["indices"][:], self.node["indptr"][:])
        columns = sparse.csc_matrix(parts, shape=self.shape)
        columns.check_format(full_check=True)
        rows = columns.tocsr()
        for start in range(0, self.shape[0], size):
            yield rows[start : start + size].toarray().astype(np.float32)

    def _rows(self, size: int) -> Iterator[FloatArray]:
        pointers = self.node["indptr"][:]
        if len(pointers) != self.shape[0] + 1:
            raise self._damaged()
        for start in range(0, self.shape[0], size):
            ends = pointers[start : start + size + 1]
            within = slice(int(ends[0]), int(ends[-1]))
            parts = (self.node["data"][within], self.node["indices"][within], ends - ends[0])
            block = sparse.csr_matrix(parts, shape=(len(ends) - 1, self.shape[1]))
            block.check_format(full_check=True)  # an index out of range would write anywhere in memory
            yield block.toarray().astype(np.float32)

    def _layout(self) -> str:
        attributes = self.node.attrs
        written = str(attributes.get("encoding-type", attributes.get("h5sparse_format", "")))
        layout = written.removesuffix("_matrix")
        if layout not in ("csr", "csc"):
            raise self.place.error(
                "the matrix has a layout that is not read here",
                expected="a dense, CSR or CSC matrix",
                remedy="convert it with anndata",
            )
        return layout

    def _sparse_shape(self) -> tuple[int, ...]:
        attributes = self.node.attrs
        return tuple(int(n) for n in attributes.get("shape", attributes.get("h5sparse_shape", ())))

    def _check(self, shape: tuple[int, ...], dtype: np.dtype) -> None:
        if tuple(shape) != self.shape:
            raise self.place.error(
                f"the matrix has the shape {tuple(shape)}, the tables of samples and genes {self.shape}",
                expected="a row per sample of obs and a column per gene of var",
                remedy="write the file anew with anndata",
            )
        if dtype.kind not in NUMBERS:
            raise self.place.error("the matrix does not hold numbers", expected="integers or floats")

    def _damaged(self) -> DataError:
        return self.place.error(
            "the stored matrix is damaged",
            expected="a whole dense, CSR or CSC matrix",
            remedy="write the file anew with anndata",
        )
