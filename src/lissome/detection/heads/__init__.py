"""What a detector's raw output means: one head a file, which turns it into boxes and says how wrong it is."""

from lissome.detection.heads.fastestdet import FastestDetHead
from lissome.detection.heads.head import Head, Truth

__all__ = ["FastestDetHead", "Head", "Truth"]
