"""Which boxes are the same object: one way a file."""

from lissome.detection.suppression.distance import DistanceNms
from lissome.detection.suppression.greedy import GreedyNms
from lissome.detection.suppression.soft import SoftNms
from lissome.detection.suppression.suppression import Suppression

__all__ = ["DistanceNms", "GreedyNms", "SoftNms", "Suppression"]
