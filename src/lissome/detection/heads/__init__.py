"""What a detector's raw output means: one head a file, which turns it into boxes and says how wrong it is."""

from lissome.detection.heads.fastestdet import FastestDetHead
from lissome.detection.heads.head import Head, Truth
from lissome.detection.heads.nanodet import NanoDetHead
from lissome.detection.heads.ssd import SsdHead
from lissome.detection.heads.yolo import YoloHead

__all__ = ["FastestDetHead", "Head", "NanoDetHead", "SsdHead", "Truth", "YoloHead"]
