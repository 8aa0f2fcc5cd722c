"""MobileOne-S0 (Vasu et al. 2022, arXiv:2206.04040): MobileNetV1's chain, trained with branches, run without.

Idea: latency on a phone follows memory traffic and synchronisation, not MACs or parameters; so a plain chain without
shortcuts at run time, and its accuracy won in training by over-parameterisation: k copies of every convolution, a 1x1
beside the depthwise 3x3s, and the identity.

Cost of a block with C in, C' out: H·W·C·(9 + C') MACs at run time, H·W·C·(9·k + 1 + k·C') in training.
"""

from torch import nn

from lissome.layers.deployable_chain import DeployableChain, plain_convolution
from lissome.layers.reparameterizable import ReparameterizableConvolution
from lissome.layers.width import scaled_channels

# Table 2 of the paper: channels of S0 (width included) and blocks of stages 2 to 5, after a stem of 48 channels.
STEM = 48
STAGES = ((48, 2), (128, 8), (256, 10), (1024, 1))


class MobileOne(DeployableChain):
    """MobileOne-S0, to be trained or to be deployed.

    Args:
        branches: k, copies of every convolution behind the stem in training, >= 1; the paper uses 4.
        deploy: Build the plain chain instead of the branches.
        classes: Number of outputs.
        width: Multiplier on top of S0's channels, > 0.
        input_channels: Channels of the image.
        small_input: Stem and first strided block keep the resolution, for images of about 32x32.

    Shape:
        (N, input_channels, H, W) to (N, classes).

    Example:
        >>> sum(p.numel() for p in MobileOne(deploy=True).parameters())
        2078504
    """

    def __init__(
        self,
        *,
        branches: int = 4,
        deploy: bool = False,
        classes: int = 1000,
        width: float = 1.0,
        input_channels: int = 3,
        small_input: bool = False,
    ) -> None:
        def convolution(in_channels: int, out_channels: int, kernel: int, stride: int, groups: int) -> nn.Module:
            if deploy:
                return plain_convolution(in_channels, out_channels, kernel, stride=stride, groups=groups)
            kernels = [(kernel, kernel)] * (branches if blocks else 1)
            if kernel > 1:
                kernels.append((1, 1))
            return ReparameterizableConvolution(
                in_channels, out_channels, stride=stride, groups=groups, kernels=kernels
            )

        blocks: list[nn.Module] = []
        channels = scaled_channels(STEM, width)
        blocks.append(convolution(input_channels, channels, 3, 1 if small_input else 2, 1))
        for stage, (base, repeats) in enumerate(STAGES):
            out_channels = scaled_channels(base, width)
            for repeat in range(repeats):
                stride = 1 if repeat or (small_input and stage == 0) else 2
                blocks.append(convolution(channels, channels, 3, stride, channels))
                blocks.append(convolution(channels, out_channels, 1, 1, 1))
                channels = out_channels
        super().__init__(blocks, channels, classes)
