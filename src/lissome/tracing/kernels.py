"""Convolutions and linear maps: what they consume and produce, whether they are layers or functions."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lissome.tracing.channel_map import ChannelMap, Role
from lissome.tracing.label_tensors import along, spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """The weights of a convolution or a linear map, by their paths in the network.

    Args:
        weight: Path of the weight: (out, in / groups, …), or (in, out / groups, …) if transposed.
        follows: Paths of what has one entry an output channel: the bias, scales of rounded weights.
        inputs: Number of input channels.
        outputs: Number of output channels.
        groups: Number of groups.
        transposed: Whether it is a transposed convolution.
    """

    weight: str
    follows: tuple[str, ...]
    inputs: int
    outputs: int
    groups: int = 1
    transposed: bool = False

    @property
    def is_blockwise(self) -> bool:
        """Whether whole groups go, with what they read and make: of many small groups, such as depthwise ones."""
        return self.groups > 1 and self.groups > self.inputs // self.groups


def apply_kernel(channels: ChannelMap, kernel: Kernel, labels: Tensor, shape: torch.Size, axis: int) -> Tensor:
    """Consume `weight[:, i]`, produce `weight[i]`; groups stay equal; a kernel of small groups passes ids through.

    Args:
        channels: Where to note it.
        kernel: The weights.
        labels: Labels of the input.
        shape: Shape of the output.
        axis: The axis of the channels, in input and output.
    """
    ids = along(labels, axis, channels.sets)
    role: Role
    if kernel.is_blockwise:
        made, role = _blockwise(channels, kernel, ids), "scales"
    else:
        made, role = _full_or_grouped(channels, kernel, ids), "produces"
    for path in kernel.follows:
        channels.claim(path, 0, made, role)
    return spread(made, shape, axis)


def _blockwise(channels: ChannelMap, kernel: Kernel, ids: Tensor) -> Tensor:
    rows = ids.reshape(kernel.groups, -1)
    channels.sets.unite(rows[:, :1].expand_as(rows), rows)
    made = rows[:, 0].repeat_interleave(kernel.outputs // kernel.groups)
    # A transposed weight is (in, out / groups, …): its first axis follows the inputs.
    channels.claim(kernel.weight, 0, ids if kernel.transposed else made, "scales")
    return made


def _full_or_grouped(channels: ChannelMap, kernel: Kernel, ids: Tensor) -> Tensor:
    made = _produced(channels, kernel)
    for side in (ids, made):
        channels.keep_equal(side, kernel.groups)
    # Each group has the second axis for itself: its labels are those of all groups, one after the other.
    if kernel.transposed:
        channels.claim(kernel.weight, 0, ids, "consumes")
        channels.claim(kernel.weight, 1, made, "produces", kernel.groups)
    else:
        channels.claim(kernel.weight, 0, made, "produces")
        channels.claim(kernel.weight, 1, ids, "consumes", kernel.groups)
    return made


def _produced(channels: ChannelMap, kernel: Kernel) -> Tensor:
    """Return the ids a kernel made at an earlier call, else new ones: one weight row is one channel."""
    known = channels.slices.get((kernel.weight, 1 if kernel.transposed else 0))
    fits = known is not None and len(known.labels) == kernel.outputs
    return known.labels if known is not None and fits else channels.sets.fresh(kernel.outputs)
