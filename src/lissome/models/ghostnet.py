"""GhostNet (Han et al. 2020, arXiv:1911.11907): half of the features computed, half derived from them.

Idea: feature maps of trained networks come in near-copies ("ghosts"). Compute m = C' / 2 of them by a 1x1, and get the
others by a depthwise 3x3 of those.

Cost of a ghost module: H·W·(C·m + 9·m) MACs against H·W·C·C'. A bottleneck is two of them, at stride 2 with a depthwise
KxK between, and squeeze-and-excitation where MobileNetV3 has it.

Two published forms differ by 1,668 parameters: in the authors' code the shortcut's depthwise kernel is that of the
block (else 3x3 everywhere), squeezed channels are a multiple of 4 (else a plain quarter), and the wide 1x1 behind the
pooling has a bias (else batch normalisation).
"""

from collections import OrderedDict

from torch import Tensor, nn

from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.ghost import Ghost
from lissome.layers.initialization import initialize
from lissome.layers.squeeze_excitation import SqueezeExcitation
from lissome.layers.width import scaled_channels

# Table 1 of the paper: kernel, expanded channels, channels, attention, stride.
BLOCKS = (
    (3, 16, 16, False, 1),
    (3, 48, 24, False, 2),
    (3, 72, 24, False, 1),
    (5, 72, 40, True, 2),
    (5, 120, 40, True, 1),
    (3, 240, 80, False, 2),
    (3, 200, 80, False, 1),
    (3, 184, 80, False, 1),
    (3, 184, 80, False, 1),
    (3, 480, 112, True, 1),
    (3, 672, 112, True, 1),
    (5, 672, 160, True, 2),
    (5, 960, 160, False, 1),
    (5, 960, 160, True, 1),
    (5, 960, 160, False, 1),
    (5, 960, 160, True, 1),
)
SHORTCUT_KERNEL = 3


class GhostBottleneck(nn.Module):
    """Two ghost modules, and around them the identity or a depthwise-separable shortcut.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        expanded_channels: Channels between the modules.
        kernel_size: Odd size of the depthwise kernel that a stride needs.
        stride: 1 or 2.
        squeezed_channels: Channels inside the squeeze-and-excitation; None leaves it out.
        shortcut_kernel_size: Odd size of the shortcut's depthwise kernel.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉).

    Source:
        Han et al. 2020, arXiv:1911.11907, Section 3.2 and Figure 3.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expanded_channels: int,
        *,
        kernel_size: int,
        stride: int,
        squeezed_channels: int | None,
        shortcut_kernel_size: int,
    ) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict(expand=Ghost(in_channels, expanded_channels))
        if stride > 1:
            layers["depthwise"] = ConvNormActivation(
                expanded_channels,
                expanded_channels,
                kernel_size,
                stride=stride,
                groups=expanded_channels,
                activation=None,
            )
        if squeezed_channels is not None:
            layers["attention"] = SqueezeExcitation(expanded_channels, squeezed_channels, gate=nn.Hardsigmoid)
        layers["project"] = Ghost(expanded_channels, out_channels, activation=None)
        self.layers = nn.Sequential(layers)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                ConvNormActivation(
                    in_channels, in_channels, shortcut_kernel_size, stride=stride, groups=in_channels, activation=None
                ),
                ConvNormActivation(in_channels, out_channels, 1, activation=None),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of block and shortcut."""
        y: Tensor = self.layers(x) + self.shortcut(x)
        return y


class GhostNet(nn.Sequential):
    """GhostNet with its width multiplier.

    Args:
        classes: Number of outputs.
        width: Multiplier of the channels, > 0; the paper uses 0.5, 1 and 1.3.
        input_channels: Channels of the image.
        small_input: Stem and first strided block keep the resolution, for images of about 32x32.
        dropout: Share of features dropped before the classifier in training, [0, 1).
        authors_form: Build what the authors' code builds (5,182,508 parameters); see above.

    Shape:
        (N, input_channels, H, W) to (N, classes).

    Example:
        >>> sum(p.numel() for p in GhostNet().parameters())
        5180840
    """

    def __init__(
        self,
        *,
        classes: int = 1000,
        width: float = 1.0,
        input_channels: int = 3,
        small_input: bool = False,
        dropout: float = 0.2,
        authors_form: bool = False,
    ) -> None:
        channels = scaled_channels(16, width, multiple_of=4)
        stem = ConvNormActivation(input_channels, channels, 3, stride=1 if small_input else 2)
        blocks, kept = [], not small_input
        for kernel_size, base_expanded, base, attends, block_stride in BLOCKS:
            stride = block_stride if kept else 1
            kept = kept or block_stride > 1
            expanded = scaled_channels(base_expanded, width, multiple_of=4)
            out_channels = scaled_channels(base, width, multiple_of=4)
            squeezed = scaled_channels(expanded, 0.25, multiple_of=4) if authors_form else expanded // 4
            blocks.append(
                GhostBottleneck(
                    channels,
                    out_channels,
                    expanded,
                    kernel_size=kernel_size,
                    stride=stride,
                    squeezed_channels=squeezed if attends else None,
                    shortcut_kernel_size=kernel_size if authors_form else SHORTCUT_KERNEL,
                )
            )
            channels = out_channels
        features = scaled_channels(960, width, multiple_of=4)
        hidden: nn.Module = ConvNormActivation(features, 1280, 1)
        if authors_form:
            hidden = nn.Sequential(nn.Conv2d(features, 1280, 1), nn.ReLU())
        super().__init__(
            OrderedDict(
                stem=stem,
                blocks=nn.Sequential(*blocks),
                head=ConvNormActivation(channels, features, 1),
                pool=nn.AdaptiveAvgPool2d(1),
                hidden=hidden,
                flatten=nn.Flatten(),
                dropout=nn.Dropout(dropout),
                classifier=nn.Linear(1280, classes),
            )
        )
        initialize(self)
