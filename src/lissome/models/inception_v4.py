"""Inception v4 (Szegedy et al. 2016, arXiv:1602.07261), without residual connections.

Idea: Inception v3 made uniform and deeper: 4, 7 and 3 equal modules at 35x35, 17x17 and 8x8 pixels, and a stem that
itself reduces by convolution and pooling in parallel.

Cost: as in v3, an nxn window as 1xn and nx1 takes 2/n of the MACs. The seven 17x17 modules with 1024 channels take half
of the total.
"""

from typing import Literal

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


class InceptionV4(nn.Module):
    """Inception v4; its own image size is 299x299.

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
        ...     sum(p.numel() for p in InceptionV4().parameters())
        42679816
    """

    def __init__(
        self, *, classes: int = 1000, input_channels: int = 3, small_input: bool = False, dropout: float = 0.2
    ) -> None:
        super().__init__()
        self.stem = _stem(input_channels, small_input=small_input)
        self.blocks = nn.Sequential(
            *(_module35() for _ in range(4)),
            parallel_pool_reduction(
                ConvNormActivation(384, 384, 3, stride=2, padding="valid"),
                convolution_chain(384, (192, 224, 256), (1, 3, 3), stride=2, padding="valid"),
            ),
            *(_module17() for _ in range(7)),
            parallel_pool_reduction(
                convolution_chain(1024, (192, 192), (1, 3), stride=2, padding="valid"),
                nn.Sequential(
                    ConvNormActivation(1024, 256, 1),
                    AsymmetricConvolution(256, 256, 320, length=7),
                    ConvNormActivation(320, 320, 3, stride=2, padding="valid"),
                ),
            ),
            *(_module8() for _ in range(3)),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(1536, classes)
        initialize(self)
        set_batch_norm(self, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        pooled = self.pool(self.blocks(self.stem(x)))
        logits: Tensor = self.classifier(self.dropout(self.flatten(pooled)))
        return logits


def _stem(input_channels: int, *, small_input: bool) -> nn.Sequential:
    """Return the stem of Figure 3: an eighth of the side (half with `small_input`), 384 channels out."""
    step = 1 if small_input else 2
    padding: Literal["same", "valid"] = "same" if small_input else "valid"
    margin = 1 if small_input else 0
    return nn.Sequential(
        ConvNormActivation(input_channels, 32, 3, stride=step, padding=padding),
        ConvNormActivation(32, 32, 3, padding=padding),
        ConvNormActivation(32, 64, 3),
        ParallelBranches(nn.MaxPool2d(3, step, margin), ConvNormActivation(64, 96, 3, stride=step, padding=padding)),
        ParallelBranches(
            convolution_chain(160, (64, 96), (1, 3), padding=padding),
            nn.Sequential(
                ConvNormActivation(160, 64, 1),
                AsymmetricConvolution(64, 64, 64, length=7),
                ConvNormActivation(64, 96, 3, padding=padding),
            ),
        ),
        ParallelBranches(ConvNormActivation(192, 192, 3, stride=2, padding=padding), nn.MaxPool2d(3, 2, margin)),
    )


def _module35() -> ParallelBranches:
    """Return Inception-A, 384 channels in and out (Figure 4)."""
    return ParallelBranches(
        ConvNormActivation(384, 96, 1),
        convolution_chain(384, (64, 96), (1, 3)),
        convolution_chain(384, (64, 96, 96), (1, 3, 3)),
        pooled_projection(384, 96),
    )


def _module17() -> ParallelBranches:
    """Return Inception-B, 1024 channels in and out (Figure 5)."""
    return ParallelBranches(
        ConvNormActivation(1024, 384, 1),
        nn.Sequential(ConvNormActivation(1024, 192, 1), AsymmetricConvolution(192, 224, 256, length=7)),
        nn.Sequential(
            ConvNormActivation(1024, 192, 1),
            AsymmetricConvolution(192, 192, 224, length=7, first="column"),
            AsymmetricConvolution(224, 224, 256, length=7, first="column"),
        ),
        pooled_projection(1024, 128),
    )


def _module8() -> ParallelBranches:
    """Return Inception-C, 1536 channels in and out (Figure 6)."""
    return ParallelBranches(
        ConvNormActivation(1536, 256, 1),
        nn.Sequential(ConvNormActivation(1536, 384, 1), SplitConvolution(384, 256)),
        nn.Sequential(
            ConvNormActivation(1536, 384, 1),
            AsymmetricConvolution(384, 448, 512, length=3, first="column"),
            SplitConvolution(512, 256),
        ),
        pooled_projection(1536, 256),
    )
