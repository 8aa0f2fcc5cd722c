"""Inception v3 (Szegedy et al. 2015, arXiv:1512.00567), without the auxiliary classifier.

Idea: factorise windows: 5x5 into two 3x3, 7x7 into 1x7 and 7x1, and at 8x8 pixels 3x3 into 1x3 beside 3x1; halve the
side by convolution and pooling in parallel, so that no stage is a bottleneck.

Cost: an nxn window as 1xn and nx1 takes 2n/n² of the MACs: 2/7 at n = 7. A 17x17 module with C = 768 and B inside:
289·(768·(2·192 + 2·B) + 7·B·(192 + B) + 7·B·(192 + 3·B)) MACs.
"""

from torch import Tensor, nn

from lissome.layers.batch_norm import set_batch_norm
from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.inception import (
    AsymmetricConvolution,
    ParallelBranches,
    SplitConvolution,
    convolution_chain,
    parallel_pool_reduction,
    pooled_projection,
)
from lissome.layers.initialization import initialize


class InceptionV3(nn.Module):
    """Inception v3; its own image size is 299x299.

    Args:
        classes: Number of outputs.
        input_channels: Channels of the image.
        small_input: The stem halves the side once instead of three times, for images of about 32x32.
        dropout: Share of features dropped before the classifier in training, [0, 1).

    Shape:
        (N, input_channels, H, W) to (N, classes); H and W at least 75, or 15 with `small_input`.

    Example:
        >>> import torch
        >>> with torch.device("meta"):
        ...     sum(p.numel() for p in InceptionV3().parameters())
        23834568
    """

    def __init__(
        self, *, classes: int = 1000, input_channels: int = 3, small_input: bool = False, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.stem = _small_stem(input_channels) if small_input else _stem(input_channels)
        self.blocks = nn.Sequential(
            _module35(192, 32),
            _module35(256, 64),
            _module35(288, 64),
            parallel_pool_reduction(
                ConvNormActivation(288, 384, 3, stride=2, padding="valid"),
                convolution_chain(288, (64, 96, 96), (1, 3, 3), stride=2, padding="valid"),
            ),
            *(_module17(inner) for inner in (128, 160, 160, 192)),
            parallel_pool_reduction(
                convolution_chain(768, (192, 320), (1, 3), stride=2, padding="valid"),
                nn.Sequential(
                    ConvNormActivation(768, 192, 1),
                    AsymmetricConvolution(192, 192, 192, length=7),
                    ConvNormActivation(192, 192, 3, stride=2, padding="valid"),
                ),
            ),
            _module8(1280),
            _module8(2048),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(2048, classes)
        initialize(self)
        set_batch_norm(self, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        pooled = self.pool(self.blocks(self.stem(x)))
        logits: Tensor = self.classifier(self.dropout(self.flatten(pooled)))
        return logits


def _stem(input_channels: int) -> nn.Sequential:
    return nn.Sequential(
        ConvNormActivation(input_channels, 32, 3, stride=2, padding="valid"),
        ConvNormActivation(32, 32, 3, padding="valid"),
        ConvNormActivation(32, 64, 3),
        nn.MaxPool2d(3, 2),
        ConvNormActivation(64, 80, 1),
        ConvNormActivation(80, 192, 3, padding="valid"),
        nn.MaxPool2d(3, 2),
    )


def _small_stem(input_channels: int) -> nn.Sequential:
    return nn.Sequential(
        *convolution_chain(input_channels, (32, 32, 64, 80, 192), (3, 3, 3, 1, 3)), nn.MaxPool2d(3, 2, 1)
    )


def _module35(channels: int, pooled: int) -> ParallelBranches:
    """Return a module for 35x35 pixels (Figure 5; its 5x5 kept on one branch, as in the published weights)."""
    return ParallelBranches(
        ConvNormActivation(channels, 64, 1),
        convolution_chain(channels, (48, 64), (1, 5)),
        convolution_chain(channels, (64, 96, 96), (1, 3, 3)),
        pooled_projection(channels, pooled),
    )


def _module17(inner: int) -> ParallelBranches:
    """Return a module for 17x17 pixels with 768 channels in and out (Figure 6, n = 7)."""
    return ParallelBranches(
        ConvNormActivation(768, 192, 1),
        nn.Sequential(ConvNormActivation(768, inner, 1), AsymmetricConvolution(inner, inner, 192, length=7)),
        nn.Sequential(
            ConvNormActivation(768, inner, 1),
            AsymmetricConvolution(inner, inner, inner, length=7, first="column"),
            AsymmetricConvolution(inner, inner, 192, length=7, first="column"),
        ),
        pooled_projection(768, 192),
    )


def _module8(channels: int) -> ParallelBranches:
    """Return a module for 8x8 pixels with 2048 channels out (Figure 7)."""
    return ParallelBranches(
        ConvNormActivation(channels, 320, 1),
        nn.Sequential(ConvNormActivation(channels, 384, 1), SplitConvolution(384, 384)),
        nn.Sequential(convolution_chain(channels, (448, 384), (1, 3)), SplitConvolution(384, 384)),
        pooled_projection(channels, 192),
    )
