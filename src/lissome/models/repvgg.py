"""RepVGG (Ding et al. 2021, arXiv:2101.03697): trained with branches, run as a plain chain of 3x3 convolutions.

Idea: branches make training work, a plain chain makes running fast: no branch waits in memory, and 3x3 convolutions
have the highest rate of MACs on most devices (Winograd). All of it is linear, so the trained branches fold into one.

Cost of a block: H·W·C·C'·(9 + 1) MACs in training, 9·H·W·C·C' at run time, the same function.
"""

from torch import nn

from lissome.core.errors import SettingError
from lissome.layers.deployable_chain import DeployableChain, plain_convolution
from lissome.layers.reparameterizable import ReparameterizableConvolution
from lissome.layers.width import scaled_channels

# Tables 2 and 3 of the paper: blocks of stages 2 to 5; the first four widths' multiplier and the last one's.
VARIANTS = {
    "A0": ((2, 4, 14, 1), 0.75, 2.5),
    "A1": ((2, 4, 14, 1), 1.0, 2.5),
    "A2": ((2, 4, 14, 1), 1.5, 2.75),
    "B0": ((4, 6, 16, 1), 1.0, 2.5),
    "B1": ((4, 6, 16, 1), 2.0, 4.0),
    "B2": ((4, 6, 16, 1), 2.5, 5.0),
    "B3": ((4, 6, 16, 1), 3.0, 5.0),
}


class RepVGG(DeployableChain):
    """RepVGG, to be trained or to be deployed.

    Args:
        variant: "A0" to "A2", "B0" to "B3".
        deploy: Build the plain chain instead of the branches.
        classes: Number of outputs.
        width: Multiplier on top of the variant's, > 0.
        input_channels: Channels of the image.
        small_input: The first two strided blocks keep the resolution, for images of about 32x32.

    Raises:
        SettingError: No such variant.

    Shape:
        (N, input_channels, H, W) to (N, classes).

    Example:
        >>> sum(p.numel() for p in RepVGG(variant="A0", deploy=True).parameters())
        8309384
    """

    def __init__(
        self,
        *,
        variant: str = "A0",
        deploy: bool = False,
        classes: int = 1000,
        width: float = 1.0,
        input_channels: int = 3,
        small_input: bool = False,
    ) -> None:
        if variant not in VARIANTS:
            raise SettingError(f"variant is {variant!r}", where="RepVGG", fix=f"choose one of {', '.join(VARIANTS)}")
        repeats, multiplier, last_multiplier = VARIANTS[variant]
        bases = (min(64.0, 64 * multiplier), *(64 * 2**stage * multiplier for stage in range(3)), 512 * last_multiplier)
        blocks: list[nn.Module] = []
        channels = input_channels
        for stage, (base, stage_repeats) in enumerate(zip(bases, (1, *repeats), strict=True)):
            out_channels = scaled_channels(round(base), width)
            for repeat in range(stage_repeats):
                stride = 1 if repeat or (small_input and stage < 2) else 2
                block = plain_convolution if deploy else ReparameterizableConvolution
                blocks.append(block(channels, out_channels, stride=stride))
                channels = out_channels
        super().__init__(blocks, channels, classes)
