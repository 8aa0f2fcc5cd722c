"""Weights of a Keras .h5 file, in PyTorch's order of axes.

    convolution (H, W, I, O) → (O, I, H, W)     depthwise (H, W, C, 1) → (C, 1, H, W)     dense (I, O) → (O, I)

Keras lists layers by their depth in the graph and not as they were built, so a shortcut's convolution may stand before
a normalisation of the main path. Within each kind the order is that of building; so convolutions and dense layers are
matched with ours in turn, and normalisations with normalisations.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from lissome.core.errors import WeightsError

_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
_LAYER = {"kernel": "weight", "depthwise_kernel": "weight", "bias": "bias"}
_AXES: Mapping[str, Mapping[int, tuple[int, ...]]] = {
    "kernel": {4: (3, 2, 0, 1), 2: (1, 0)},
    "depthwise_kernel": {4: (2, 3, 0, 1)},
}

Layer = tuple[str, Mapping[str, Tensor]]


def read_keras(path: Path, model: nn.Module) -> dict[str, tuple[str, Tensor]]:
    """Return, for each tensor of the model, the name and value that a Keras file has for it.

    Args:
        path: A .h5 file of a whole model, or of its weights.
        model: Gives the names and the order; it is left as it is.

    Raises:
        WeightsError: h5py is not installed, the file is damaged or no Keras file, or it has another number of layers.
    """
    layers = list(_layers(path))
    theirs = (
        [one for one in layers if "moving_mean" in one[1]],
        [one for one in layers if "kernel" in one[1] or "depthwise_kernel" in one[1]],
    )
    strangers = [name for name, tensors in layers if not any((name, tensors) == one for kind in theirs for one in kind)]
    if strangers:
        raise WeightsError(
            f"layer {strangers[0]} is neither a convolution, a dense layer nor a normalisation", where=path.name
        )
    ours = (
        [name for name, one in model.named_modules() if isinstance(one, _BatchNorm)],
        [name for name, one in model.named_modules() if isinstance(one, _ConvNd | nn.Linear)],
    )
    found: dict[str, tuple[str, Tensor]] = {}
    for kind, names, stored in zip(("normalisations", "convolutions and dense layers"), ours, theirs, strict=True):
        if len(names) != len(stored):
            raise WeightsError(
                f"the file has {len(stored)} {kind}, the model {len(names)}",
                where=path.name,
                fix="build the network with the settings the weights were trained with",
            )
        for name, (layer, tensors) in zip(names, stored, strict=True):
            for part, tensor in tensors.items():
                found[f"{name}.{(_NORM | _LAYER)[part]}"] = (f"{layer}.{part}", tensor)
    return found


def _layers(path: Path) -> Iterator[Layer]:
    """Yield each layer that has weights: its name, and its tensors by Keras's names."""
    try:
        import h5py
    except ImportError as error:
        raise WeightsError("reading .h5 needs h5py", where=path.name, fix="pip install h5py") from error
    try:
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)
            for layer in map(_text, root.attrs["layer_names"]):
                names = [_text(name) for name in root[layer].attrs["weight_names"]]
                tensors = {_part(name): torch.from_numpy(root[layer][name][()]) for name in names}
                if tensors:
                    yield layer, {part: _turned(part, tensor) for part, tensor in tensors.items()}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise WeightsError("the file is damaged, or no Keras file", where=path.name) from error


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _part(name: str) -> str:
    """Turn "conv2d/kernel:0" into "kernel"."""
    return name.rpartition("/")[2].partition(":")[0]


def _turned(part: str, tensor: Tensor) -> Tensor:
    axes = _AXES.get(part, {}).get(tensor.ndim)
    return tensor if axes is None else tensor.permute(axes).contiguous()
