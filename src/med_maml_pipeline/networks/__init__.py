"""Torch modules: structure only. Their numbers live in dictionaries, drawn from a seed."""

from med_maml_pipeline.networks.build import BACKBONES, Network, build_network
from med_maml_pipeline.networks.conv import Conv4
from med_maml_pipeline.networks.heads import Heads
from med_maml_pipeline.networks.initialise import initial_parameters
from med_maml_pipeline.networks.mlp import MLP
from med_maml_pipeline.networks.resnet import ResNet12

__all__ = [
    "BACKBONES",
    "MLP",
    "Conv4",
    "Heads",
    "Network",
    "ResNet12",
    "build_network",
    "initial_parameters",
]
