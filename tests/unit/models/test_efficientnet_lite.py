"""Lite0 computes what the network its published weights were trained in computes."""

import pytest
import torch
from torch.nn import functional

from lissome.models.efficientnet import STAGES
from lissome.models.efficientnet_lite import EfficientNetLite
from lissome.models.weights import load_weights


def tensorflow_convolution(x, weights, name, norm, *, stride=1, bounded=True):
    """Compute a published layer from its tensors alone, padded as TensorFlow pads."""
    weight = weights[f"{name}.weight"]
    total = max((-(-x.shape[-1] // stride) - 1) * stride + weight.shape[-1] - x.shape[-1], 0)
    sides = (total // 2, total - total // 2)
    groups = x.shape[1] // weight.shape[1]
    y = functional.conv2d(functional.pad(x, sides * 2), weight, stride=stride, groups=groups)
    mean, variance, scale, shift = (
        weights[f"{norm}.{one}"] for one in ("running_mean", "running_var", "weight", "bias")
    )
    y = functional.batch_norm(y, mean, variance, scale, shift, eps=1e-3)
    return y.clamp(0, 6) if bounded else y


def tensorflow_logits(x, weights):
    """Compute the published network; only the strides come from the table."""
    strides = [stride if repeat == 0 else 1 for *_, repeats, stride in STAGES for repeat in range(repeats)]
    x = tensorflow_convolution(x, weights, "_conv_stem", "_bn0", stride=2)
    for index, stride in enumerate(strides):
        at, y = f"_blocks.{index}", x
        if f"{at}._expand_conv.weight" in weights:
            y = tensorflow_convolution(y, weights, f"{at}._expand_conv", f"{at}._bn0")
        y = tensorflow_convolution(y, weights, f"{at}._depthwise_conv", f"{at}._bn1", stride=stride)
        y = tensorflow_convolution(y, weights, f"{at}._project_conv", f"{at}._bn2", bounded=False)
        x = x + y if x.shape == y.shape else y
    x = tensorflow_convolution(x, weights, "_conv_head", "_bn1")
    return x.mean((2, 3)) @ weights["_fc.weight"].T + weights["_fc.bias"]


@pytest.mark.data
@pytest.mark.parametrize("size", [224, 96, 75])
def test_published_weights_give_the_published_network(data_folder, size):
    path = data_folder / "weights/imagenet_efficientnet_lite0/efficientnet-lite0-57934424.pth"
    model = EfficientNetLite(input_size=size).eval()
    receipt = load_weights(model, path)
    assert receipt.ignored == ()
    x = torch.randn(2, 3, size, size)
    with torch.no_grad():
        expected = tensorflow_logits(x, torch.load(path, weights_only=True))
        assert torch.allclose(model(x), expected, atol=1e-4)


def test_only_strided_units_are_padded_unevenly():
    model = EfficientNetLite()
    padded = [name.removesuffix(".pad") for name, _ in model.named_modules() if name.endswith(".pad")]
    strided = [
        name.removesuffix(".conv") for name, one in model.named_modules() if getattr(one, "stride", None) == (2, 2)
    ]
    assert padded == strided
    assert len(padded) == 5


def test_stem_and_head_keep_their_width():
    model = EfficientNetLite(width=1.4)
    assert model.stem.conv.out_channels == 32
    assert model.head.conv.out_channels == 1280
    assert model.head.conv.in_channels == 448
