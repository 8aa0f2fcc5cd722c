"""EfficientNet-Lite0 (Google 2020, github.com/tensorflow/tpu, efficientnet/lite): B0 for fixed-point chips.

Idea: what an 8-bit accelerator computes badly is taken out: no squeeze-and-excitation (a reduction over the image, then
a broadcast product), ReLU6 instead of swish (a bounded range quantizes well); stem and head keep their width.

Cost of a block: H·W·t·C·(C + (K² + C') / stride²) MACs, as in MobileNetV2.

Trained in TensorFlow: "SAME" padding and batch normalisation with eps 1e-3, so published weights give their accuracy.
"""

from collections import OrderedDict

from torch import nn

from lissome.layers.batch_norm import set_batch_norm
from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.initialization import initialize
from lissome.layers.inverted_residual import InvertedResidual
from lissome.layers.same_padding import same_padded
from lissome.layers.width import scaled_channels
from lissome.models.efficientnet import STAGES


class EfficientNetLite(nn.Sequential):
    """EfficientNet-Lite0 with a width multiplier.

    Args:
        classes: Number of outputs.
        width: Multiplier of the channels between stem and head, > 0.
        input_channels: Channels of the image.
        input_size: Height and width of the images, for the padding; any size equal to it modulo 32 works alike.
        small_input: Stem and first strided block keep the resolution, for images of about 32x32.
        dropout: Share of features dropped before the classifier in training, [0, 1).

    Shape:
        (N, input_channels, input_size, input_size) to (N, classes).

    Example:
        >>> sum(p.numel() for p in EfficientNetLite().parameters())
        4652008
    """

    def __init__(
        self,
        *,
        classes: int = 1000,
        width: float = 1.0,
        input_channels: int = 3,
        input_size: int = 224,
        small_input: bool = False,
        dropout: float = 0.2,
    ) -> None:
        channels, size = 32, input_size
        stem_stride = 1 if small_input else 2
        stem = ConvNormActivation(input_channels, channels, 3, stride=stem_stride, activation=nn.ReLU6)
        padded_stem = same_padded(stem, size)
        size = -(-size // stem_stride)
        blocks: list[nn.Module] = []
        for stage, (expansion, kernel_size, base, repeats, stage_stride) in enumerate(STAGES):
            out_channels = scaled_channels(base, width)
            for repeat in range(repeats):
                stride = 1 if repeat > 0 or (small_input and stage == 1) else stage_stride
                block = InvertedResidual(
                    channels, out_channels, channels * expansion, kernel_size=kernel_size, stride=stride
                )
                block.layers.depthwise = same_padded(block.layers.get_submodule("depthwise"), size)
                blocks.append(block)
                channels, size = out_channels, -(-size // stride)
        super().__init__(
            OrderedDict(
                stem=padded_stem,
                blocks=nn.Sequential(*blocks),
                head=ConvNormActivation(channels, 1280, 1, activation=nn.ReLU6),
                pool=nn.AdaptiveAvgPool2d(1),
                flatten=nn.Flatten(),
                dropout=nn.Dropout(dropout),
                classifier=nn.Linear(1280, classes),
            )
        )
        initialize(self)
        set_batch_norm(self, eps=1e-3, momentum=0.01)
