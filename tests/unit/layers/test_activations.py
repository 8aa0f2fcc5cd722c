"""Activations against their equations."""

import math

import pytest
import torch

import lissome as ls
from lissome.layers.activations import ACTIVATIONS, activation

POINTS = (-7.0, -3.0, -0.5, 0.0, 0.5, 2.0, 8.0)
SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772
EQUATIONS = {
    "relu": lambda x: max(0, x),
    "leaky_relu": lambda x: x if x > 0 else 0.1 * x,
    "prelu": lambda x: x if x > 0 else 0.25 * x,
    "relu6": lambda x: min(6, max(0, x)),
    "selu": lambda x: SCALE * (x if x > 0 else ALPHA * (math.exp(x) - 1)),
    "swish": lambda x: x / (1 + math.exp(-x)),
    "hard_swish": lambda x: x * min(6, max(0, x + 3)) / 6,
    "mish": lambda x: x * math.tanh(math.log(1 + math.exp(x))),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_equals_its_equation(name):
    found = activation(name)(torch.tensor(POINTS).reshape(1, 1, -1, 1)).flatten().tolist()
    assert found == pytest.approx([EQUATIONS[name](x) for x in POINTS], abs=1e-5)


def test_prelu_has_a_slope_for_each_channel():
    assert activation("prelu", 7).weight.shape == (7,)


def test_an_unknown_one_is_refused_with_what_was_meant():
    with pytest.raises(ls.UnknownNameError, match="mish"):
        activation("mich")
