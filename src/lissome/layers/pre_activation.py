"""Pre-activation unit: normalisation and activation come BEFORE the convolution.

    y = W ∗ activation(norm(x))

so that nothing but additions (ResNet) or concatenations (DenseNet) lies on the path of the skip. Cost: that of the
convolution, kernel² · C_in · C_out · H_out · W_out MACs; but the normalisation cannot be folded into the convolution
before it where other readers see its output too.
"""

from collections import OrderedDict

from torch import Tensor, nn

from lissome.layers.channel_mask import ChannelMask


class PreActivation(nn.Sequential):
    """Batch normalisation and ReLU, and a channel mask where asked.

    Args:
        channels: Channels of input and output.
        masked: Add a `ChannelMask`, for pruning what this unit reads.

    Shape:
        (N, channels, H, W) to the same.
    """

    def __init__(self, channels: int, *, masked: bool = False) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict(norm=nn.BatchNorm2d(channels), activation=nn.ReLU())
        if masked:
            layers["mask"] = ChannelMask(channels)
        super().__init__(layers)


class PreActivationConvolution(nn.Sequential):
    """Normalise, activate, convolve without bias.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Odd size of the kernel; H and W are kept at stride 1.
        stride: Stride of the convolution.
        masked: Put a `ChannelMask` in front of the convolution.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉).

    Source:
        He et al. 2016, arXiv:1603.05027, Figure 4e.

    Example:
        >>> import torch
        >>> PreActivationConvolution(8, 16, 3)(torch.zeros(1, 8, 4, 4)).shape
        torch.Size([1, 16, 4, 4])
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, masked: bool = False
    ) -> None:
        super().__init__(
            OrderedDict[str, nn.Module](
                before=PreActivation(in_channels, masked=masked),
                conv=nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False),
            )
        )


class PreActivationBottleneck(nn.Module):
    """The pre-activation residual bottleneck: 1x1, 3x3, 1x1, each after normalisation and ReLU.

    Cost at stride 1 with B = C'/4: H·W·(C·B + 9·B² + B·C') MACs.

    Args:
        in_channels: C, channels of the input.
        out_channels: C', channels of the output, a multiple of 4.
        stride: Stride of the 3x3 convolution.
        masked: The form of network slimming: a mask on what the first 1x1 reads, and a projection (where the shape
            changes) that reads the raw input. Otherwise the projection reads what is normalised and activated.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉).

    Source:
        He et al. 2016, arXiv:1603.05027, Figure 1b and Section 4.1; Liu et al. 2017, arXiv:1708.06519 (masks).

    Example:
        >>> import torch
        >>> PreActivationBottleneck(16, 64, stride=2)(torch.zeros(1, 16, 4, 4)).shape
        torch.Size([1, 64, 2, 2])
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1, masked: bool = False) -> None:
        super().__init__()
        inner = out_channels // 4
        self.before = PreActivation(in_channels)
        self.mask = ChannelMask(in_channels) if masked else nn.Identity()
        self.reduce = nn.Conv2d(in_channels, inner, 1, bias=False)
        self.filter = PreActivationConvolution(inner, inner, 3, stride=stride)
        self.restore = PreActivationConvolution(inner, out_channels, 1)
        self.projects_input = masked
        self.projection: nn.Conv2d | None = None
        if stride != 1 or in_channels != out_channels:
            self.projection = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of residual and shortcut, not activated."""
        activated = self.before(x)
        residual: Tensor = self.restore(self.filter(self.reduce(self.mask(activated))))
        if self.projection is None:
            return residual + x
        shortcut: Tensor = self.projection(x if self.projects_input else activated)
        return residual + shortcut
