"""The body of `Conv4` by the native kernel, where a compiler was found at installation.

The kernel (`native/`) is plain C++ behind a C interface: `ctypes` loads it, and its calls release the
interpreter's lock, so that tasks run in threads.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from med_maml_pipeline.networks.conv import Conv4

__all__ = ["NativeBody", "native_available"]

_INTERFACE = 2
"""``conv4_interface`` of ``native/conv4.cpp``."""

_TAPE_BYTES = 4 << 20
"""Activations that are kept at a time where a set of pictures may be divided."""

_SUFFIXES = {torch.float32: "f32", torch.float64: "f64"}


class _Shape(ctypes.Structure):
    """``Shape`` of ``native/body.hpp``."""

    _fields_ = [(name, ctypes.c_ssize_t) for name in ("channels", "height", "width", "filters", "groups")] + [
        ("eps", ctypes.c_double)
    ]


def native_available() -> bool:
    """Whether the kernel was built and can be loaded here."""
    return _library() is not None


@cache
def _library() -> ctypes.CDLL | None:
    for path in sorted(Path(__file__).parent.glob("_kernel.*")):
        try:
            library = ctypes.CDLL(str(path))
        except OSError:  # built for another system
            continue
        if library.conv4_interface() == _INTERFACE:
            return library
    return None


class NativeBody:
    """The four blocks by the native kernel (see `Body`).

    Args:
        network: The structure.
        width: Channels of every block, a multiple of 16 and of the groups.
        dtype: float32 or float64.

    Raises:
        RuntimeError: the kernel was not built, or does not fit the width or the type.
    """

    order: ClassVar[tuple[int, ...]] = (2, 3, 1, 0)

    def __init__(self, network: Conv4, width: int, dtype: torch.dtype) -> None:
        library = _library()
        if library is None:
            raise RuntimeError(
                "the native kernel of Conv4 was not built: install the package with a C++ compiler"
            )
        if not self.fits(width, dtype):
            raise RuntimeError(
                "the native kernel of Conv4 takes float32 or float64 and filters in multiples of 16, "
                f"got {dtype} and {width} filters"
            )
        norm = network.get_submodule("body.0.1")
        assert isinstance(norm, nn.GroupNorm)
        self._library, self._suffix, self._dtype = library, _SUFFIXES[dtype], dtype
        self._shape = _Shape(*network.shape, width, norm.num_groups, norm.eps)
        self._embedding = network.embedding
        sizes = (ctypes.c_ssize_t * 2)()
        self._call("sizes", sizes)
        self._of_picture, self._n = sizes[0], 0
        self.rows = max(1, _TAPE_BYTES // (sizes[0] * dtype.itemsize))
        # The kernel writes inside the zero borders of these buffers only.
        self._scratch = torch.zeros(sizes[1], dtype=dtype)
        self._tape = self._dots = torch.zeros(0, dtype=dtype)

    @staticmethod
    def fits(width: int, dtype: torch.dtype) -> bool:
        """Whether the kernel computes blocks of this width and type."""
        return width % 16 == 0 and dtype in _SUFFIXES

    def forward(self, x: Tensor, theta: Tensor) -> Tensor:
        """See `Body.forward`."""
        self._n = len(x)
        self._tape = self._for_all(self._tape)
        embedding = theta.new_empty(len(x), self._embedding)
        self._call("forward", len(x), x.contiguous(), theta, self._tape, self._scratch, embedding)
        return embedding

    def backward(self, theta: Tensor, d_embedding: Tensor) -> Tensor:
        """See `Body.backward`."""
        gradient = self._zeros()
        n, d_embedding = len(d_embedding), d_embedding.contiguous()
        self._call("backward", n, theta, self._tape, d_embedding, self._scratch, gradient)
        return gradient

    def linearise(self, x: Tensor, theta: Tensor) -> Tensor:
        """See `Body.linearise`."""
        return self.forward(x, theta)

    def tangent(self, theta: Tensor, direction: Tensor) -> Tensor:
        """See `Body.tangent`."""
        self._dots = self._for_all(self._dots)
        dot = theta.new_empty(self._n, self._embedding)
        direction = direction.contiguous()
        self._call("tangent", self._n, theta, direction, self._tape, self._dots, self._scratch, dot)
        return dot

    def tangent_backward(
        self, theta: Tensor, direction: Tensor, d_embedding: Tensor, d_embedding_dot: Tensor
    ) -> Tensor:
        """See `Body.tangent_backward`."""
        gradient_dot = self._zeros()
        sides = [
            value.contiguous() for value in (direction, self._tape, self._dots, d_embedding, d_embedding_dot)
        ]
        self._call("tangent_backward", len(d_embedding), theta, *sides, self._scratch, gradient_dot)
        return gradient_dot

    def _for_all(self, buffer: Tensor) -> Tensor:
        """The buffer, or a longer one, with room for every picture of the last ``forward``."""
        needed = self._n * self._of_picture
        return buffer if len(buffer) >= needed else torch.zeros(needed, dtype=self._dtype)

    def _zeros(self) -> Tensor:
        shape = self._shape
        weights = 9 * shape.filters * (shape.channels + 3 * shape.filters)
        return torch.zeros(weights + 12 * shape.filters, dtype=self._dtype)

    def _call(self, name: str, *values: object) -> None:
        """Calls the kernel; tensors go as the addresses of their (contiguous) numbers."""
        given = [
            ctypes.c_void_p(value.data_ptr())
            if isinstance(value, Tensor)
            else ctypes.c_ssize_t(value)
            if isinstance(value, int)
            else value
            for value in values
        ]
        getattr(self._library, f"conv4_{name}_{self._suffix}")(ctypes.byref(self._shape), *given)
