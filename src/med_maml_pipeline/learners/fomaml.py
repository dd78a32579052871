"""First-order model-agnostic meta-learning."""

from __future__ import annotations

from dataclasses import dataclass, replace

from med_maml_pipeline.bilevel import InnerLoop
from med_maml_pipeline.learners.maml import Maml
from med_maml_pipeline.learners.maml_settings import MamlTraining

__all__ = ["Fomaml", "FomamlTraining"]


@dataclass(frozen=True)
class FomamlTraining(MamlTraining):
    """Settings of meta-training: those of `MamlTraining`."""

    @property
    def inner_loop(self) -> InnerLoop:
        """The inner loop of meta-training, its gradients constants to the outer derivative."""
        return replace(super().inner_loop, first_order=True)


class Fomaml(Maml):
    """First-order MAML (Finn et al. 2017, section 5.2).

    The outer gradient is taken at the adapted parameters and applied to the start, as if the inner gradients
    did not depend on it. Without the second derivatives an update is cheaper; what they say of the curvature
    is lost. The inner rates are learned as in `Maml`: their gradient leaves out the same terms.
    """

    name = "fomaml"
    training = FomamlTraining
