"""What MAML and its relatives meta-learn: where a task starts, and how it descends from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from med_maml_pipeline.bilevel import Parameters
from med_maml_pipeline.learners.network_arrays import to_arrays, to_leaves, to_tensors
from med_maml_pipeline.networks import Heads, Network

__all__ = ["MetaLearned"]

_START, _RATES = "network.", "log_rates."


@dataclass(frozen=True)
class MetaLearned:
    """Structure and numbers of a meta-learner, as leaves in training and as plain tensors at adaptation.

    Attributes:
        network: The structure.
        heads: What the last layer starts from.
        parameters: Trunk and heads.
        rates: Whatever the inner rates are computed from (for MAML their logarithms by layer).
    """

    network: Network
    heads: Heads
    parameters: Mapping[str, Tensor]
    rates: Mapping[str, Tensor]

    @classmethod
    def leaves(
        cls,
        network: Network,
        heads: Heads,
        start: Mapping[str, Tensor],
        rates: Mapping[str, Tensor],
        device: str,
        *,
        learn_rates: bool,
    ) -> MetaLearned:
        """Leaves that meta-training changes; the rates only where they are learned."""
        own = to_leaves(rates, device, learned=learn_rates)
        return cls(network, heads, to_leaves(start, device), own)

    @classmethod
    def read(
        cls,
        network: Network,
        heads: Heads,
        arrays: Mapping[str, NDArray[np.generic]],
        device: str,
        dtype: torch.dtype,
    ) -> MetaLearned:
        """Copies of a checkpoint's numbers."""
        parameters, rates = (
            to_tensors(arrays, prefix, device=device, dtype=dtype) for prefix in (_START, _RATES)
        )
        return cls(network, heads, parameters, rates)

    def learned(self) -> dict[str, Tensor]:
        """The leaves that meta-training changes, by the names of their arrays."""
        named = {
            **{_START + name: value for name, value in self.parameters.items()},
            **{_RATES + name: value for name, value in self.rates.items()},
        }
        return {name: value for name, value in named.items() if value.requires_grad}

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Copies of all numbers for a checkpoint."""
        return {**to_arrays(self.parameters, _START), **to_arrays(self.rates, _RATES)}

    def start(self, kind: str, n_classes: int) -> Parameters:
        """Parameters that a task starts from, see `Heads.attach`."""
        return self.heads.attach(self.parameters, kind, n_classes)
