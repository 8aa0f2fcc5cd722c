"""What training pulls towards zero, so that it can be pruned: ``ls.regularizers.L1OnBatchNormScale()`` and the like."""

from lissome.training.regularizers.batch_norm_scale import L1OnBatchNormScale
from lissome.training.regularizers.group_lasso import GroupLasso
from lissome.training.regularizers.regularizer import Penalty, Regularizer

__all__ = ["GroupLasso", "L1OnBatchNormScale", "Penalty", "Regularizer"]
