"""Built as the published Keras files are."""

import torch
from torch import nn

from lissome.models.mlperf_tiny_mobilenet import KerasMobileNetV1
from lissome.models.mlperf_tiny_resnet8 import ResNet8


def uneven_paddings(model):
    return [name for name, one in model.named_modules() if isinstance(one, nn.ZeroPad2d)]


def test_resnet8_has_the_parameters_that_keras_shows():
    model = ResNet8()
    weights = sum(one.numel() for one in model.parameters())
    statistics = sum(one.running_mean.numel() * 2 for one in model.modules() if isinstance(one, nn.BatchNorm2d))
    # Keras counts the running statistics too: "Total params: 78,666".
    assert weights + statistics == 78_666


def test_every_convolution_has_its_bias_and_every_norm_its_eps():
    for model in (ResNet8(), KerasMobileNetV1()):
        assert all(one.bias is not None for one in model.modules() if isinstance(one, nn.Conv2d))
        assert {one.eps for one in model.modules() if isinstance(one, nn.BatchNorm2d)} == {1e-3}


def test_strided_convolutions_on_even_sizes_are_padded_behind_only():
    assert uneven_paddings(ResNet8()) == ["blocks.1.conv1.pad", "blocks.2.conv1.pad"]
    assert len(uneven_paddings(KerasMobileNetV1())) == 5
    assert len(uneven_paddings(KerasMobileNetV1(input_size=97))) < 5


def test_other_sizes_with_the_same_remainder_work():
    assert ResNet8().eval()(torch.rand(1, 3, 36, 36)).shape == (1, 10)
