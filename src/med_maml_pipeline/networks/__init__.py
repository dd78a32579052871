"""Torch modules: structure only. Their numbers live in dictionaries, drawn from a seed."""

from med_maml_pipeline.networks.conv import Conv4
from med_maml_pipeline.networks.heads import Heads
from med_maml_pipeline.networks.initialise import initial_parameters
from med_maml_pipeline.networks.mlp import MLP

__all__ = ["MLP", "Conv4", "Heads", "initial_parameters"]
