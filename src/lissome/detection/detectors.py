"""DETECTORS: every detector by name, with the network, the head that reads it, and the exact cost. Loads no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lissome.core.names import choose, load_attribute

if TYPE_CHECKING:
    from torch import nn

    from lissome.detection.heads.head import Head


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorEntry:
    """One detector.

    Args:
        build: "module:attribute" of what builds the network.
        head: "module:attribute" of the settings class of its head.
        paper: "arXiv:…" or where the form is from.
        params: Number of parameters with the default classes.
        macs: Multiply-adds of convolutions for one image of shape `input`.
        classes: Default number of classes.
        input: Shape of one image, (channels, height, width).
        settings: Keyword arguments that make the builder build this network.
    """

    build: str
    head: str
    paper: str
    params: int
    macs: int
    classes: int
    input: tuple[int, int, int]
    settings: Mapping[str, Any] = field(default_factory=dict)


DETECTORS: Mapping[str, DetectorEntry] = {
    "fastestdet": DetectorEntry(
        build="lissome.models.fastestdet:FastestDet",
        head="lissome.detection.heads:FastestDetHead",
        paper="github.com/dog-qiuqiu/FastestDet",
        params=244_490,
        macs=121_491_744,
        classes=80,
        input=(3, 352, 352),
    ),
    "mobilenet_ssd": DetectorEntry(
        build="lissome.models.mobilenet_ssd:MobileNetSsd",
        head="lissome.detection.heads:SsdHead",
        paper="arXiv:1512.02325, arXiv:1704.04861",
        params=5_796_089,
        macs=1_148_479_168,
        classes=20,
        input=(3, 300, 300),
    ),
    "nanodet_like": DetectorEntry(
        build="lissome.models.nanodet_like:NanoDetLike",
        head="lissome.detection.heads:NanoDetHead",
        paper="github.com/RangiLyu/nanodet, arXiv:2006.04388",
        params=950_324,
        macs=342_223_200,
        classes=80,
        input=(3, 320, 320),
    ),
    "yolov5s_like": DetectorEntry(
        build="lissome.models.yolov5s_like:YoloV5sLike",
        head="lissome.detection.heads:YoloHead",
        paper="YOLOv5, release 5",
        params=7_276_605,
        macs=8_478_924_800,
        classes=80,
        input=(3, 640, 640),
    ),
}


def create_detector(
    name: str,
    *,
    classes: int | None = None,
    width: float | None = None,
    sides: tuple[int, int] | None = None,
    seed: int | None = None,
) -> "tuple[nn.Module, Head]":
    """Return a new detector of `DETECTORS`, in eval mode, with random start weights, and the head that reads it.

    Args:
        name: A name of `DETECTORS`.
        classes: Classes of objects; None keeps the entry's.
        width: As the network takes it; None keeps the entry's.
        sides: Rows and columns of the input; None keeps the entry's.
        seed: Seed of the start weights; the global generator is left as it was. None draws from it.

    Raises:
        UnknownNameError: No detector has that name.
        SettingError: The network has no such width, or the head does not take such sides.

    Example:
        >>> import torch
        >>> network, head = create_detector("nanodet_like", classes=3, sides=(64, 96), seed=0)
        >>> boxes, scores = head.decode(network(torch.zeros(1, 3, 64, 96)))
        >>> boxes.shape, scores.shape
        (torch.Size([1, 126, 4]), torch.Size([1, 126, 3]))
    """
    from lissome.core.seeded import seeded

    entry = choose(DETECTORS, name, "detector")
    build = load_attribute(entry.build)
    asked = dict(entry.settings) | {"classes": entry.classes if classes is None else classes}
    if width is not None:
        asked["width"] = width
    height, columns = sides or entry.input[1:]
    head: Head = load_attribute(entry.head)(height=height, width=columns)
    with seeded(seed):
        return build(**asked).eval(), head
