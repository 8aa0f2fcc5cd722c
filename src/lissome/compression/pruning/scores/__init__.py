"""How much a channel is worth: ``ls.scores.L1()`` and the like."""

from lissome.compression.pruning.scores.activation_mean import ActivationMean
from lissome.compression.pruning.scores.activation_rank import ActivationRank
from lissome.compression.pruning.scores.batch_norm_scale import BatchNormScale
from lissome.compression.pruning.scores.geometric_median import GeometricMedian
from lissome.compression.pruning.scores.hessian_diagonal import HessianDiagonal
from lissome.compression.pruning.scores.magnitude import L1, L2
from lissome.compression.pruning.scores.random import Random
from lissome.compression.pruning.scores.score import LayerwiseScore, Score
from lissome.compression.pruning.scores.taylor import Taylor

__all__ = [
    "L1",
    "L2",
    "ActivationMean",
    "ActivationRank",
    "BatchNormScale",
    "GeometricMedian",
    "HessianDiagonal",
    "LayerwiseScore",
    "Random",
    "Score",
    "Taylor",
]
