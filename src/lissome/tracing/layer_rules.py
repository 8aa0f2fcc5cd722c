"""What each kind of layer does to labels: consumes them, produces new ones, or scales them in passing.

Removing a channel of zeros leaves the output of every layer equal, except of those that average over channels: group
and layer normalisation over several channels, and local response normalisation. There channels still go together
rightly, but what is left is normalised a little differently.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules import pooling as torch_pooling
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.nn.modules.padding import _ConstantPadNd, _ReflectionPadNd, _ReplicationPadNd

from lissome.layers.channel_selection import ChannelSelection
from lissome.layers.folded_norm import FoldedNorm
from lissome.tracing.channel_map import ChannelMap
from lissome.tracing.kernels import Kernel, apply_kernel
from lissome.tracing.label_tensors import along, empty_like, hold, spread

LayerRule = Callable[[ChannelMap, str, nn.Module, Tensor, torch.Size], Tensor]


def convolution(channels: ChannelMap, path: str, layer: nn.Module, labels: Tensor, shape: torch.Size) -> Tensor:
    """Consume `weight[:, i]`, produce `weight[i]`; groups stay equal; a depthwise layer passes ids through."""
    assert isinstance(layer, _ConvNd)
    kernel = Kernel(
        weight=f"{path}.weight",
        follows=(f"{path}.bias", f"{path}.weight_scale"),
        inputs=layer.in_channels,
        outputs=layer.out_channels,
        groups=layer.groups,
        transposed=isinstance(layer, _ConvTransposeNd),
    )
    return apply_kernel(channels, kernel, labels, shape, len(shape) - len(layer.kernel_size) - 1)


def linear(channels: ChannelMap, path: str, layer: nn.Module, labels: Tensor, shape: torch.Size) -> Tensor:
    """Consume the last axis, produce a new one."""
    assert isinstance(layer, nn.Linear)
    follows = (f"{path}.bias", f"{path}.weight_scale")
    kernel = Kernel(weight=f"{path}.weight", follows=follows, inputs=layer.in_features, outputs=layer.out_features)
    return apply_kernel(channels, kernel, labels, shape, len(shape) - 1)


def channel_norm(channels: ChannelMap, path: str, layer: nn.Module, labels: Tensor, shape: torch.Size) -> Tensor:
    """Scale each channel by itself (batch and instance normalisation, folded or not); the statistics follow it."""
    assert isinstance(layer, _BatchNorm | _InstanceNorm | FoldedNorm)
    ids = along(labels, 1, channels.sets)
    folded = isinstance(layer, FoldedNorm)
    for parameter in ("mean", "deviation") if folded else ("weight", "bias", "running_mean", "running_var"):
        channels.claim(f"{path}.{parameter}", 0, ids, "scales")
    return spread(ids, shape, 1)


def group_norm(channels: ChannelMap, path: str, layer: nn.Module, labels: Tensor, shape: torch.Size) -> Tensor:
    """Scale each channel; the groups stay equal in size, or are one a channel."""
    assert isinstance(layer, nn.GroupNorm)
    ids = along(labels, 1, channels.sets)
    if layer.num_groups < layer.num_channels:
        channels.keep_equal(ids, layer.num_groups)
    for parameter in ("weight", "bias"):
        channels.claim(f"{path}.{parameter}", 0, ids, "scales")
    return spread(ids, shape, 1)


def layer_norm(channels: ChannelMap, path: str, layer: nn.Module, labels: Tensor, shape: torch.Size) -> Tensor:
    """Scale each entry of the last axis; over several axes the channels stay whole."""
    assert isinstance(layer, nn.LayerNorm)
    if len(layer.normalized_shape) != 1:
        channels.sets.freeze(labels, "normalised over several axes")
        return labels
    ids = along(labels, labels.dim() - 1, channels.sets)
    for parameter in ("weight", "bias"):
        channels.claim(f"{path}.{parameter}", 0, ids, "scales")
    return spread(ids, shape, len(shape) - 1)


def prelu(channels: ChannelMap, path: str, layer: nn.Module, labels: Tensor, shape: torch.Size) -> Tensor:
    """Pass; one slope a channel follows its channel, one slope for all stays."""
    assert isinstance(layer, nn.PReLU)
    if layer.num_parameters > 1:
        channels.claim(f"{path}.weight", 0, along(labels, 1, channels.sets), "scales")
    return labels.expand(shape)


def entry_by_entry(channels: ChannelMap, path: str, layer: nn.Module, labels: Tensor, shape: torch.Size) -> Tensor:
    """Pass: an activation, dropout, a quantizer."""
    if labels.shape != shape or next(layer.parameters(), None) is not None:
        return refused(channels, path, layer, labels, shape)
    return labels


def pooling(channels: ChannelMap, path: str, layer: nn.Module, labels: Tensor, shape: torch.Size) -> Tensor:
    """Pass the channels; height and width are mixed and may change (pooling, resizing, padding)."""
    pooled = pool_labels(channels, labels, shape, f"{type(layer).__name__} at {path}")
    return refused(channels, path, layer, labels, shape) if pooled is None else pooled


def pool_labels(channels: ChannelMap, labels: Tensor, shape: torch.Size, what: str) -> Tensor | None:
    """Return the labels in another height and width, none of whose rows and columns can go; None if it is no resizing.

    Shape:
        labels: (N, C, …), two dimensions at least; `shape` has the same N and C.
    """
    if labels.dim() < 3 or len(shape) != labels.dim() or labels.shape[:2] != shape[:2]:
        return None
    hold(labels, range(2, labels.dim()), channels.sets, f"mixed by {what}")
    for axis in range(2, labels.dim()):
        labels = labels.narrow(axis, 0, 1)
    return labels.expand(shape)


def selection(channels: ChannelMap, path: str, layer: nn.Module, labels: Tensor, shape: torch.Size) -> Tensor:
    """Read some channels by number, as new ones that can go by themselves; what they are read of stays whole."""
    assert isinstance(layer, ChannelSelection)
    channels.sets.freeze(labels, "is read through a selection of channels")
    made = channels.sets.fresh(layer.selected)
    channels.claim(f"{path}.index", 0, made, "selects")
    return spread(made, shape, 1)


def mixing(channels: ChannelMap, path: str, layer: nn.Module, labels: Tensor, shape: torch.Size) -> Tensor:
    """Keep whole: every output depends on all channels."""
    channels.sets.freeze(labels, f"{type(layer).__name__} at {path} depends on every channel")
    return empty_like(shape)


def refused(channels: ChannelMap, path: str, layer: nn.Module, labels: Tensor, shape: torch.Size) -> Tensor:
    """Keep whole what a layer without a rule touches, and say so."""
    channels.sets.freeze(labels, f"no rule for {type(layer).__name__} at {path}")
    return empty_like(shape)


_POOLING = (
    *(torch_pooling._MaxPoolNd, torch_pooling._AvgPoolNd, torch_pooling._LPPoolNd),
    *(torch_pooling._AdaptiveAvgPoolNd, torch_pooling._AdaptiveMaxPoolNd, nn.Upsample, nn.LocalResponseNorm),
    *(_ConstantPadNd, _ReflectionPadNd, _ReplicationPadNd),
)
_MIXING = (nn.Softmax, nn.LogSoftmax, nn.Softmax2d, nn.Softmin, nn.CrossMapLRN2d)

LAYER_RULES: dict[type[nn.Module], LayerRule] = {
    _ConvNd: convolution,
    nn.Linear: linear,
    _BatchNorm: channel_norm,
    _InstanceNorm: channel_norm,
    FoldedNorm: channel_norm,
    nn.GroupNorm: group_norm,
    nn.LayerNorm: layer_norm,
    nn.PReLU: prelu,
    ChannelSelection: selection,
    **dict.fromkeys(_POOLING, pooling),
    **dict.fromkeys(_MIXING, mixing),
}


def layer_rule(layer: nn.Module) -> LayerRule:
    """Return the rule of a layer; one without parameters and rule works entry by entry."""
    return next((rule for kind, rule in LAYER_RULES.items() if isinstance(layer, kind)), entry_by_entry)
