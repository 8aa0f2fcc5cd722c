"""What a detector's training makes small: box losses, and what is done about the many places without an object."""

from lissome.detection.losses.box_loss import BOX_LOSSES, BoxLoss, box_loss
from lissome.detection.losses.focal import focal_loss
from lissome.detection.losses.hard_examples import hard_examples, hard_negatives

__all__ = ["BOX_LOSSES", "BoxLoss", "box_loss", "focal_loss", "hard_examples", "hard_negatives"]
