"""Shapes of what slides a window over an image: convolutions and poolings."""

import math
from dataclasses import dataclass

from lissome.graph.node import Node
from lissome.graph.shapes import Dim, Shapes


@dataclass(frozen=True, slots=True)
class Window:
    """The settings of a window, one number an image axis (twice as many paddings: begins, then ends).

    Args:
        kernel: Size.
        strides: Steps.
        pads: Zeros around the image; None where SAME_UPPER or SAME_LOWER leaves them to the input's size.
        dilations: Distance of the kernel's taps.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[int, ...] | None
    dilations: tuple[int, ...]

    @property
    def pointwise(self) -> bool:
        """Whether it looks at one pixel at a time and at every pixel."""
        ones = (1,) * len(self.kernel)
        return self.kernel == ones == self.strides and self.pads is not None and not any(self.pads)


def window_of(node: Node, kernel: tuple[int, ...]) -> Window:
    """Return the settings of a convolution or pooling.

    Args:
        node: The node.
        kernel: Its kernel size, from the weight or the attribute.

    Raises:
        ValueError: The settings contradict the kernel's rank.
    """
    rank = len(kernel)
    strides, dilations = node.get("strides") or [1] * rank, node.get("dilations") or [1] * rank
    automatic = node.get("auto_pad") or "NOTSET"
    pads = node.get("pads") or [0] * (2 * rank)
    if automatic == "VALID":
        pads = [0] * (2 * rank)
    if not len(strides) == len(dilations) == rank or len(pads) != 2 * rank or min(strides) < 1 or min(dilations) < 1:
        raise ValueError("settings do not fit the kernel")
    fixed = tuple(pads) if automatic in ("NOTSET", "VALID") else None
    return Window(tuple(kernel), tuple(strides), fixed, tuple(dilations))


def _slide(sides: tuple[Dim, ...], window: Window, *, ceil: bool = False) -> tuple[Dim, ...]:
    made: list[Dim] = []
    rank = len(window.kernel)
    for place, side in enumerate(sides):
        stride = window.strides[place]
        if not isinstance(side, int):
            made.append(side if _keeps_size(window, place) else None)
        elif window.pads is None:
            made.append(-(-side // stride))
        else:
            reach = window.dilations[place] * (window.kernel[place] - 1) + 1
            free = side + window.pads[place] + window.pads[place + rank] - reach
            made.append((math.ceil(free / stride) if ceil else free // stride) + 1)
    return tuple(made)


def _keeps_size(window: Window, place: int) -> bool:
    """Tell whether a side of any length comes out as it was."""
    if window.strides[place] != 1:
        return False
    rank = len(window.kernel)
    reach = window.dilations[place] * (window.kernel[place] - 1)
    return window.pads is None or window.pads[place] + window.pads[place + rank] == reach


def conv(node: Node, shapes: Shapes) -> None:
    """Shape of a convolution."""
    given, weight = shapes.shape(node.input(0)), shapes.static(node.input(1))
    if given is not None and weight is not None and len(given) == len(weight) > 2:
        shapes.put(node, (given[0], weight[0], *_slide(given[2:], window_of(node, weight[2:]))))


def transposed_conv(node: Node, shapes: Shapes) -> None:
    """Shape of a transposed convolution with explicit paddings."""
    given, weight = shapes.shape(node.input(0)), shapes.static(node.input(1))
    if given is None or weight is None or len(given) != len(weight) or node.get("output_shape"):
        return
    window = window_of(node, weight[2:])
    channels = weight[1] * node.get("group", 1)
    extra = node.get("output_padding") or [0] * len(window.kernel)
    rank = len(window.kernel)
    sides: list[Dim] = []
    for place, side in enumerate(given[2:]):
        if not isinstance(side, int) or window.pads is None:
            sides.append(None)
            continue
        reach = window.dilations[place] * (window.kernel[place] - 1) + 1
        cut = window.pads[place] + window.pads[place + rank]
        sides.append(window.strides[place] * (side - 1) + extra[place] + reach - cut)
    shapes.put(node, (given[0], channels, *sides))


def pool(node: Node, shapes: Shapes) -> None:
    """Shape of a pooling."""
    given = shapes.shape(node.input(0))
    if given is None:
        return
    window = window_of(node, tuple(node.attributes["kernel_shape"]))
    sides = _slide(given[2:], window, ceil=bool(node.get("ceil_mode", 0)))
    if node.get("ceil_mode", 0) and window.pads is not None:
        # Whether a last window that begins in the padding counts differs between versions of the standard.
        sides = tuple(side if not isinstance(side, int) or not _starts_outside(given[2 + p], side, window, p) else None
                      for p, side in enumerate(sides))  # fmt: skip
    shapes.put(node, (*given[:2], *sides))


def _starts_outside(side: Dim, made: int, window: Window, place: int) -> bool:
    if not isinstance(side, int) or window.pads is None:
        return True
    return (made - 1) * window.strides[place] >= side + window.pads[place]


def global_pool(node: Node, shapes: Shapes) -> None:
    """Shape of a pooling over the whole image."""
    given = shapes.shape(node.input(0))
    if given is not None:
        shapes.put(node, (*given[:2], *([1] * (len(given) - 2))))
