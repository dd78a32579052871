"""One block of `Conv4` in PyTorch, with the derivatives of its output and gradients written out.

The second derivative of a convolution by automatic differentiation is slow; the R-operator (Pearlmutter
1994) needs convolutions, their two adjoints and sums only. Which unit wins a pooling and which is cut off
by the ReLU stays fixed in a derivative, as it does in PyTorch's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Block", "Weights", "plain_block"]

Weights = tuple[Tensor, Tensor, Tensor, Tensor]
"""Weight ``[f, c, 3, 3]`` and bias ``[f]`` of the convolution, scale and shift ``[f]`` of the normalisation,
the weight in the memory format ``channels_last``."""


def plain_block(x: Tensor, weights: Weights, groups: int, eps: float) -> Tensor:
    """The block as PyTorch differentiates it once; pooling before the ReLU gives the same with less work."""
    return F.max_pool2d(F.group_norm(_convolved(x, weights), groups, weights[2], weights[3], eps), 2).relu()


@dataclass
class Block:
    """Convolution, group normalisation, ReLU and pooling at one point.

    Attributes:
        groups: Groups of the normalisation.
        eps: What it adds to the variance.
    """

    groups: int
    eps: float
    mixing: Tensor | None = None  # [f, f]: from sums per channel to means per group
    x: Tensor = field(init=False)
    normal: Tensor = field(init=False)  # normalised convolution, [n, f, h, w]
    scale: Tensor = field(init=False)  # [n, f]: 1 / standard deviation
    winner: Tensor = field(init=False)  # where each pooled unit comes from, [n, units, f]
    alive: Tensor = field(init=False)  # pooled units above zero
    pooled: Tensor = field(init=False)  # normalised convolution at the winners
    x_dot: Tensor | None = field(init=False)
    normal_dot: Tensor = field(init=False)
    pooled_dot: Tensor = field(init=False)
    growth: Tensor = field(init=False)  # relative derivative of the scale

    def linearise(self, x: Tensor, weights: Weights) -> Tensor:
        """``[n, c, h, w]`` to ``[n, f, h / 2, w / 2]``, channels last in memory (pooling is slow else)."""
        y = _convolved(x, weights)
        gain, shift = weights[2:]
        n, width, *sides = y.shape
        self.x = x
        self.normal, _, scale = torch.native_group_norm(
            y, None, None, n, width, math.prod(sides), self.groups, self.eps
        )
        if self.mixing is None:
            self.mixing = _mixing(self.groups, math.prod(sides), like=y)
        self.scale = scale.repeat_interleave(width // self.groups, dim=1)
        units = torch.addcmul(_column(shift), self.normal, _column(gain))
        best, winner = F.max_pool2d(units, 2, return_indices=True)
        self.winner = _rows_of(winner)
        self.pooled = self._at_winners(self.normal)
        self.alive = ~(best <= 0)
        return best.relu_()

    def tangent(self, weights: Weights, direction: Weights, x_dot: Tensor | None) -> Tensor:
        """Derivative of the output along ``direction`` and ``x_dot`` (None: the input stays)."""
        y_dot = _convolved(self.x, direction)
        if x_dot is not None:
            y_dot += F.conv2d(x_dot, weights[0], padding=1)
        self.x_dot = x_dot
        constant, self.growth = -self.scale * self._means(_sums(y_dot), _sums(self.normal * y_dot))
        self.normal_dot = y_dot.mul_(_column(self.scale)).add_(_column(constant))
        self.normal_dot.addcmul_(self.normal, _column(self.growth))
        self.pooled_dot = self._at_winners(self.normal_dot)
        gain, gain_dot, shift_dot = _column(weights[2]), _column(direction[2]), _column(direction[3])
        return (
            torch.addcmul(shift_dot, self.pooled, gain_dot).addcmul_(self.pooled_dot, gain).mul_(self.alive)
        )

    def tangent_backward(
        self, weights: Weights, direction: Weights, d_out: Tensor, d_out_dot: Tensor
    ) -> tuple[Tensor | None, Tensor | None, list[Tensor]]:
        """Gradient of the input, its derivative, and the derivatives of the weights' gradients."""
        gain, gain_dot, scale, growth = weights[2], direction[2], self.scale, self.growth
        d_units, d_units_dot = d_out * self.alive, d_out_dot * self.alive
        d_shift, d_gain, d_shift_dot = _sums(d_units), _sums(d_units * self.pooled), _sums(d_units_dot)
        d_gain_dot = _sums((d_units_dot * self.pooled).addcmul_(d_units, self.pooled_dot))
        b, c, b_dot, c_dot = -scale * self._means(
            gain * d_shift,
            gain * d_gain,
            gain_dot * d_shift + gain * d_shift_dot,
            gain_dot * d_gain + gain * d_gain_dot,
        )
        b_dot, c_dot = _column(b_dot + growth * b), _column(c_dot + growth * c)
        a, a_dot = _column(scale * gain), _column(scale * (growth * gain + gain_dot))
        d_y_dot = self._spread(
            torch.addcmul(b_dot, self.normal, c_dot).addcmul_(self.normal_dot, _column(c)),
            (a_dot * d_units).addcmul_(a, d_units_dot),
        )
        norm = [d_gain_dot.sum(0), d_shift_dot.sum(0)]
        if self.x_dot is None:
            return None, None, [*_adjoint(d_y_dot, self.x, weights[0], inputs=False, weights=True)[1:], *norm]
        d_y = self._spread(torch.addcmul(_column(b), self.normal, _column(c)), a * d_units)
        d_x, d_weight, _ = _adjoint(d_y, self.x_dot, weights[0], inputs=True, weights=True)
        d_x_dot, d_weight_dot, d_bias_dot = _adjoint(d_y_dot, self.x, weights[0], inputs=True, weights=True)
        d_x_dot += _adjoint(d_y, self.x, direction[0], inputs=True, weights=False)[0]
        return d_x, d_x_dot, [d_weight + d_weight_dot, d_bias_dot, *norm]

    def _means(self, *sums: Tensor) -> Tensor:
        """Means over each group of numbers summed per channel ``[n, f]``, given to its channels; stacked."""
        assert self.mixing is not None
        return torch.stack(sums) @ self.mixing

    def _at_winners(self, value: Tensor) -> Tensor:
        sides = self.x.shape[2] // 2, self.x.shape[3] // 2
        return _rows_of(value).gather(1, self.winner).transpose(1, 2).unflatten(2, sides)

    def _spread(self, value: Tensor, at_winners: Tensor) -> Tensor:
        _rows_of(value).scatter_add_(1, self.winner, _rows_of(at_winners))
        return value


def _rows_of(value: Tensor) -> Tensor:
    """Pictures ``[n, f, h, w]`` as rows ``[n, h · w, f]``, as they lie in memory."""
    return value.flatten(2).transpose(1, 2)


def _convolved(x: Tensor, weights: Weights) -> Tensor:
    # One channel is both formats at once, and the convolution then chooses the slow one.
    return F.conv2d(x, weights[0], weights[1], padding=1).contiguous(memory_format=torch.channels_last)


def _mixing(groups: int, pixels: int, like: Tensor) -> Tensor:
    size = like.shape[1] // groups
    return torch.block_diag(*[like.new_ones(size, size)] * groups) / (size * pixels)


def _column(value: Tensor) -> Tensor:
    """Numbers per channel, ready to meet pictures."""
    return value[..., None, None]


def _sums(value: Tensor) -> Tensor:
    return value.sum((2, 3))


def _adjoint(
    d_y: Tensor, x: Tensor, weight: Tensor, *, inputs: bool, weights: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of a convolution's input, weight and bias."""
    found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        d_y, x, weight, [len(weight)], [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [inputs, weights, weights]
    )
    return found
