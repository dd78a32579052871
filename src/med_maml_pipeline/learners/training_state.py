"""All that a broken-off meta-training needs to go on bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from med_maml_pipeline.learners.early_stopping import BestSoFar
from med_maml_pipeline.learners.state_file import StateFile

__all__ = ["TrainingState"]

_PARAMETER, _BEST, _LOSSES = "parameter.", "best.", "losses"


@dataclass
class TrainingState:
    """Where a meta-training stands.

    Attributes:
        parameters: The leaves being trained.
        optimiser: AdamW over them, with its moments.
        step: Updates done.
        losses: Losses since the last record.
        history: The learning curve so far.
        best: The best parameters so far.
    """

    parameters: Mapping[str, Tensor]
    optimiser: torch.optim.AdamW
    step: int = 0
    losses: list[Tensor] = field(default_factory=list)
    history: list[dict[str, float]] = field(default_factory=list)
    best: BestSoFar = field(default_factory=BestSoFar)

    @classmethod
    def started(cls, parameters: Mapping[str, Tensor], weight_decay: float) -> TrainingState:
        """Before the first update."""
        matrices = [value for value in parameters.values() if value.dim() > 1]
        vectors = [value for value in parameters.values() if value.dim() <= 1]
        groups = [
            {"params": matrices, "weight_decay": weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        if not any(value.is_cuda for value in parameters.values()):
            return cls(parameters, torch.optim.AdamW(groups))
        # A CUDA graph reads the rate and counts the steps on the device.
        rate = torch.zeros((), device=next(iter(parameters.values())).device)
        return cls(parameters, torch.optim.AdamW(groups, lr=rate, capturable=True))

    def record(self, learning_rate: float, validation: float) -> None:
        """Adds a point to the learning curve."""
        loss = float(torch.stack(self.losses).mean())
        self.history.append(
            {"step": float(self.step), "loss": loss, "learning_rate": learning_rate, "validation": validation}
        )
        self.losses = []

    def figures(self) -> dict[str, float]:
        """What progress shows: the loss of the last record, and the last validation metric."""
        shown = {"loss": self.history[-1]["loss"]} if self.history else {}
        looks = [one["validation"] for one in self.history if not np.isnan(one["validation"])]
        return {**shown, "validation": looks[-1]} if looks else shown

    def keep_best(self) -> None:
        """Puts the best parameters in place of the last, where validation has chosen any."""
        with torch.no_grad():
            for name, value in self.best.parameters.items():
                self.parameters[name].copy_(value)

    def marked_history(self) -> tuple[Mapping[str, float], ...]:
        """The learning curve, with the step marked whose parameters are kept."""
        kept = self.best.step or self.step
        return tuple({**one, "kept": float(one["step"] == kept)} for one in self.history)

    def save(self, file: StateFile | None) -> None:
        """Saves, if it is time to; changes nothing."""
        if file is None or not file.due:
            return
        facts = {
            "step": self.step,
            "history": self.history,
            "best": {"value": self.best.value, "step": self.best.step, "misses": self.best.misses},
        }
        file.write(self._arrays(), facts)

    def load(self, file: StateFile | None) -> None:
        """Takes up what an earlier process saved, if anything."""
        found = file.read() if file else None
        if found is None:
            return
        arrays, facts = found
        with torch.no_grad():
            for name, value in self.parameters.items():
                value.copy_(torch.tensor(arrays[_PARAMETER + name]))
                self.optimiser.state[value].update(self._moments(arrays, name, value))
        best = {
            name: torch.tensor(arrays[_BEST + name], device=value.device)
            for name, value in self.parameters.items()
            if _BEST + name in arrays
        }
        self.step, self.history = facts["step"], facts["history"]
        device = next(iter(self.parameters.values())).device
        self.losses = list(torch.tensor(arrays[_LOSSES], device=device))
        self.best = BestSoFar(**facts["best"], parameters=best)

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        losses = torch.stack(self.losses) if self.losses else torch.zeros(0)
        tensors = {_LOSSES: losses}
        for name, value in self.parameters.items():
            tensors[_PARAMETER + name] = value.detach()
            tensors |= {f"{key}.{name}": moment for key, moment in self.optimiser.state[value].items()}
        tensors |= {_BEST + name: value for name, value in self.best.parameters.items()}
        return {name: value.cpu().numpy() for name, value in tensors.items()}

    def _moments(
        self, arrays: Mapping[str, NDArray[np.generic]], name: str, like: Tensor
    ) -> dict[str, Tensor]:
        """AdamW's memory of a parameter: none before its first gradient."""
        count = f"step.{name}"
        if count not in arrays:
            return {}
        keys = ("exp_avg", "exp_avg_sq")
        moments = {key: torch.tensor(arrays[f"{key}.{name}"], device=like.device) for key in keys}
        counted_on = like.device if self.optimiser.defaults["capturable"] else "cpu"
        return {"step": torch.tensor(arrays[count], device=counted_on), **moments}
