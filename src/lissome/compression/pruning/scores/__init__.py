"""How much a channel is worth: ``ls.scores.L1()`` and the like."""

from lissome.compression.pruning.scores.batch_norm_scale import BatchNormScale
from lissome.compression.pruning.scores.magnitude import L1, L2
from lissome.compression.pruning.scores.random import Random
from lissome.compression.pruning.scores.score import Score

__all__ = ["L1", "L2", "BatchNormScale", "Random", "Score"]
