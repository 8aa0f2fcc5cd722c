"""What a detector's training makes small: box losses, and what is done about the many places without an object."""

from lissome.detection.losses.box_loss import BOX_LOSSES, BoxLoss, box_loss
from lissome.detection.losses.focal import focal_loss
from lissome.detection.losses.hard_negatives import hard_negatives
from lissome.detection.losses.objectness_loss import OBJECTNESS_LOSSES, ObjectnessLoss, objectness_loss

__all__ = [
    "BOX_LOSSES",
    "OBJECTNESS_LOSSES",
    "BoxLoss",
    "ObjectnessLoss",
    "box_loss",
    "focal_loss",
    "hard_negatives",
    "objectness_loss",
]
