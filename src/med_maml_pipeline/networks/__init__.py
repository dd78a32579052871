"""Torch modules: structure only. Their numbers live in dictionaries, drawn from a seed."""

from med_maml_pipeline.networks.attention import Attention, AttentionBlock, attend
from med_maml_pipeline.networks.build import BACKBONES, Network, build_network
from med_maml_pipeline.networks.column_evidence import association, column_evidence
from med_maml_pipeline.networks.conv import Conv4
from med_maml_pipeline.networks.directed_heads import DirectedHeads, orthonormal_rows
from med_maml_pipeline.networks.heads import Heads
from med_maml_pipeline.networks.in_context import IDENTITY, InContext
from med_maml_pipeline.networks.initialise import initial_parameters
from med_maml_pipeline.networks.mlp import MLP
from med_maml_pipeline.networks.neural_process import AttentiveProcess, ConditionalProcess
from med_maml_pipeline.networks.resnet import ResNet12
from med_maml_pipeline.networks.snail import Snail

__all__ = [
    "BACKBONES",
    "IDENTITY",
    "MLP",
    "Attention",
    "AttentionBlock",
    "AttentiveProcess",
    "ConditionalProcess",
    "Conv4",
    "DirectedHeads",
    "Heads",
    "InContext",
    "Network",
    "ResNet12",
    "Snail",
    "association",
    "attend",
    "build_network",
    "column_evidence",
    "initial_parameters",
    "orthonormal_rows",
]
