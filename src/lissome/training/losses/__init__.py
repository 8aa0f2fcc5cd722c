"""Training losses as settings: ``ls.losses.Focal()`` and the like."""

from lissome.training.losses.cross_entropy import CrossEntropy
from lissome.training.losses.focal import Focal
from lissome.training.losses.hard_examples import HardExamples
from lissome.training.losses.loss import Loss
from lissome.training.losses.refined_labels import RefinedLabels

__all__ = ["CrossEntropy", "Focal", "HardExamples", "Loss", "RefinedLabels"]
