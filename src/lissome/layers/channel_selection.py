"""Channel selection: a layer reads some of the channels of a tensor that others read whole.

    y_j = x_{s(j)}

In a pre-activation or a dense network many layers read the same channels, and what one of them can do without another
needs. A selection in front of a reader lets it read fewer, and leaves the tensor whole.

Cost: no parameter and no MAC; the bytes of the channels that are read are moved once.
"""

from itertools import groupby

import torch
from torch import Tensor, nn

from lissome.core.module_graph import LeafModule


class ChannelSelection(LeafModule):
    """Pick channels by number; to start with the first ones, in order.

    Args:
        channels: Channels of the input, >= 1.
        selected: Channels of the output, in [1, channels].

    Shape:
        (N, channels, ...) to (N, selected, ...).

    Source:
        Liu et al. 2017 (network slimming), arXiv:1708.06519, Section 3, "Handling cross layer connections".

    Example:
        >>> selection = ChannelSelection(4, 2)
        >>> selection.index = torch.tensor([0, 3])
        >>> selection(torch.arange(4.0).reshape(1, 4, 1, 1)).flatten().tolist()
        [0.0, 3.0]
    """

    index: Tensor

    def __init__(self, channels: int, selected: int) -> None:
        super().__init__()
        self.channels, self.selected = channels, selected
        self.register_buffer("index", torch.arange(selected))

    def forward(self, x: Tensor) -> Tensor:
        """Return the selected channels."""
        return x.index_select(1, self.index)

    def extra_repr(self) -> str:
        """Show how many of how many."""
        return f"{self.selected} of {self.channels}"


class ChannelSlices(nn.Module):
    """The same channels as slices put together, for engines that cannot pick by number.

    Args:
        index: Numbers of the channels, shape (selected,).

    Example:
        >>> ChannelSlices(torch.tensor([0, 1, 3])).pieces
        [(0, 2), (3, 4)]
    """

    def __init__(self, index: Tensor) -> None:
        super().__init__()
        # Numbers that follow each other are equally far from their places.
        numbered = groupby(enumerate(index.tolist()), lambda pair: pair[1] - pair[0])
        runs = [[number for _, number in run] for _, run in numbered]
        self.pieces = [(run[0], run[-1] + 1) for run in runs]

    def forward(self, x: Tensor) -> Tensor:
        """Return the selected channels."""
        return torch.cat([x[:, first:behind] for first, behind in self.pieces], 1)


def with_slices(model: nn.Module) -> nn.Module:
    """Write every selection of a model as slices, in place, and return it.

    Example:
        >>> with_slices(nn.Sequential(ChannelSelection(4, 2)))[0].pieces
        [(0, 2)]
    """
    for path, layer in list(model.named_modules()):
        if isinstance(layer, ChannelSelection):
            owner, _, name = path.rpartition(".")
            setattr(model.get_submodule(owner), name, ChannelSlices(layer.index))
    return model
