"""Optimizers as settings."""

from lissome.layers.scaled_branches import BranchScales, scales_of, with_scaled_branches, without_scaled_branches
from lissome.training.optimizers.adamw import AdamW
from lissome.training.optimizers.optimizer import Optimizer, parameter_groups
from lissome.training.optimizers.rep_sgd import RepSGD
from lissome.training.optimizers.sgd import SGD

__all__ = [
    "SGD",
    "AdamW",
    "BranchScales",
    "Optimizer",
    "RepSGD",
    "parameter_groups",
    "scales_of",
    "with_scaled_branches",
    "without_scaled_branches",
]
