"""Whatever branches stand beside each other: folding leaves the outputs equal, and never costs more."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import lissome as ls


class Sum(nn.Module):
    """Adds its branches."""

    def __init__(self, branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        total = self.branches[0](x)
        for branch in self.branches[1:]:
            total = total + branch(x)
        return total


@st.composite
def branch_of(draw, channels, out_channels, stride):
    """Draw a branch that gives H / stride pixels: a convolution that may have a normalisation, or the identity."""
    kinds = ["convolution"] * 3 + (["norm", "identity"] if channels == out_channels and stride == 1 else [])
    kind = draw(st.sampled_from(kinds))
    if kind == "identity":
        return nn.Identity()
    if kind == "norm":
        return nn.BatchNorm2d(channels)
    kernel = draw(st.tuples(st.sampled_from([1, 3, 5]), st.sampled_from([1, 3])))
    dilation = draw(st.sampled_from([1, 1, 2]))
    layer = nn.Conv2d(
        channels,
        out_channels,
        kernel,
        stride,
        padding=tuple(dilation * (size - 1) // 2 for size in kernel),
        dilation=dilation,
        groups=draw(st.sampled_from([1, 1, 2])),
        bias=draw(st.booleans()),
        padding_mode=draw(st.sampled_from(["zeros", "zeros", "replicate"])),
    )
    return nn.Sequential(layer, nn.BatchNorm2d(out_channels)) if draw(st.booleans()) else layer


@st.composite
def networks(draw):
    """Draw a sum of two to five branches, and another behind it."""
    sums, channels = [], 4
    for _ in range(2):
        out_channels, stride = draw(st.sampled_from([4, 6])), draw(st.sampled_from([1, 1, 2]))
        sums.append(Sum(draw(st.lists(branch_of(channels, out_channels, stride), min_size=2, max_size=5))))
        channels = out_channels
    return nn.Sequential(sums[0], nn.ReLU(), sums[1]).eval()


@given(networks(), st.integers(5, 9), st.integers(5, 9))
def test_folding_leaves_the_outputs_equal(model, height, width):
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.uniform_(layer.running_mean, -0.5, 0.5)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
    x = torch.randn(2, 4, height, width)
    before = model(x).detach()
    outcome = ls.FoldBranches().apply(model, ls.Context(example=x))
    assert torch.allclose(outcome.model(x), before, atol=1e-4 * max(1.0, float(before.abs().max())))
    assert sum(map(weights_of, outcome.model.modules())) <= sum(map(weights_of, model.modules()))


def weights_of(layer):
    return layer.weight.numel() if isinstance(layer, nn.Conv2d) else 0
