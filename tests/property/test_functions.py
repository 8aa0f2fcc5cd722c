"""Parameters used by functions instead of layers, traced by torch.fx and by running: zeros can go, or all stay."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import lissome as ls
from lissome.core.errors import TraceError
from lissome.core.module_graph import EXPORTED, trace
from lissome.core.snapshot import read_snapshot, write_snapshot
from lissome.tracing.function_rules import FUNCTION_RULES


class Between(nn.Module):
    """Two convolutions by functions, and what is tested between them.

    Args:
        expression: Of the network and the features.
        looped: Whether the forward does what torch.fx cannot trace.
        tensors: The shapes of the network's own parameters.
    """

    def __init__(self, expression, *, looped=False, **tensors):
        super().__init__()
        self.maker, self.expression, self.looped = nn.Parameter(torch.randn(8, 3, 3, 3)), expression, looped
        for name, shape in tensors.items():
            value = torch.rand(shape) + 0.5
            if name in ("mean", "variance", "fixed"):
                self.register_buffer(name, value)
            else:
                setattr(self, name, nn.Parameter(value))
        with torch.no_grad():
            x = expression(self, torch.randn(2, 8, 4, 6))
        self.reader, self.offset = nn.Parameter(torch.randn(3, x.shape[1], 1, 1)), nn.Parameter(torch.randn(3))

    def forward(self, x):
        if self.looped and len(x.shape) != 4:
            return x
        x = functional.conv2d(x, self.maker, padding=1)
        return functional.conv2d(self.expression(self, x), weight=self.reader, bias=self.offset)


class Picked(Between):
    """Channels picked by a buffer of numbers, one of them twice."""

    def __init__(self, **settings):
        numbers = torch.tensor([5, 0, 3, 3, 7, 1])
        super().__init__(lambda n, x: x.index_select(1, getattr(n, "numbers", numbers)), **settings)
        self.register_buffer("numbers", numbers)


def norm(net, x):
    return functional.batch_norm(x, net.mean, net.variance, net.weight, net.bias, eps=1e-3)


OWN = dict.fromkeys(("mean", "variance", "weight", "bias"), (8,))
EXACT = {
    "conv2d": lambda **k: Between(lambda n, x: functional.conv2d(x, n.kernel), kernel=(6, 8, 3, 3), **k),
    "conv1d": lambda **k: Between(
        lambda n, x: functional.conv1d(x.flatten(2), n.kernel, n.bias)[..., None], kernel=(6, 8, 3), bias=(6,), **k
    ),
    "conv3d": lambda **k: Between(
        lambda n, x: functional.conv3d(x.unsqueeze(2), n.kernel).squeeze(2), kernel=(6, 8, 1, 3, 3), **k
    ),
    "conv_transpose1d": lambda **k: Between(
        lambda n, x: functional.conv_transpose1d(x.flatten(2), n.kernel)[..., None], kernel=(8, 6, 3), **k
    ),
    "conv_transpose2d": lambda **k: Between(
        lambda n, x: functional.conv_transpose2d(x, n.kernel, n.bias, 2), kernel=(8, 6, 2, 2), bias=(6,), **k
    ),
    "conv_transpose3d": lambda **k: Between(
        lambda n, x: functional.conv_transpose3d(x.unsqueeze(2), n.kernel).squeeze(2), kernel=(8, 6, 1, 2, 2), **k
    ),
    "grouped": lambda **k: Between(lambda n, x: functional.conv2d(x, n.kernel, groups=2), kernel=(12, 4, 3, 3), **k),
    "depthwise": lambda **k: Between(
        lambda n, x: functional.conv2d(x, n.kernel, None, 1, 1, 1, 8), kernel=(8, 1, 3, 3), **k
    ),
    "depthwise of one pixel": lambda **k: Between(
        lambda n, x: functional.conv2d(x, n.kernel, groups=x.shape[1]), kernel=(16, 1, 1, 1), **k
    ),
    "a fixed blur": lambda **k: Between(
        lambda n, x: functional.conv2d(x, n.fixed, padding=1, groups=8), fixed=(8, 1, 3, 3), **k
    ),
    "index_select": lambda **k: Picked(**k),
    "index_select by the code": lambda **k: Between(lambda n, x: x.index_select(1, torch.tensor([2, 0, 0])), **k),
    "linear": lambda **k: Between(
        lambda n, x: functional.linear(x.permute(0, 2, 3, 1), n.kernel, n.bias).permute(0, 3, 1, 2),
        kernel=(6, 8),
        bias=(6,),
        **k,
    ),
    "batch_norm": lambda **k: Between(norm, **OWN, **k),
    "instance_norm": lambda **k: Between(
        lambda n, x: functional.instance_norm(x, weight=n.weight, bias=n.bias), weight=(8,), bias=(8,), **k
    ),
    "prelu": lambda **k: Between(lambda n, x: functional.prelu(x, n.slope), slope=(8,), **k),
    "prelu of one slope": lambda **k: Between(lambda n, x: functional.prelu(x, n.slope), slope=(1,), **k),
    "group_norm": lambda **k: Between(
        lambda n, x: functional.group_norm(x, 8, n.weight, n.bias), weight=(8,), bias=(8,), **k
    ),
}


@pytest.mark.parametrize("looped", [False, True])
@pytest.mark.parametrize("case", EXACT)
def test_zeros_go_unnoticed(case, looped, zeros_cut):
    network = EXACT[case](looped=looped)
    cut = zeros_cut(network, torch.randn(2, 3, 4, 6))
    assert "maker" in cut.layers
    assert cut.worst < 1e-10
    assert not looped or EXPORTED in cut.after.meta


APPROXIMATE = {
    "group_norm": lambda: Between(lambda n, x: functional.group_norm(x, 2, weight=n.weight), weight=(8,)),
    "layer_norm": lambda: Between(
        lambda n, x: functional.layer_norm(x.permute(0, 2, 3, 1), (8,), n.weight, n.bias).permute(0, 3, 1, 2),
        weight=(8,),
        bias=(8,),
    ),
}


@pytest.mark.parametrize("case", APPROXIMATE)
def test_where_channels_are_averaged_they_go_together_but_not_unnoticed(case, zeros_cut):
    cut = zeros_cut(APPROXIMATE[case](), torch.randn(2, 3, 4, 6), seed=1)
    assert "maker" in cut.layers
    assert 1e-10 < cut.worst < 10


STAY = {
    "computed numbers": (
        lambda: Between(lambda n, x: x.index_select(1, torch.arange(8) // x.size(0))),
        "picked by computed numbers",
    ),
    "computed weights": (
        lambda: Between(lambda n, x: functional.conv2d(x, n.kernel * n.scale), kernel=(6, 8, 3, 3), scale=(1,)),
        "weights are computed, for conv2d",
    ),
    "a computed matrix": (
        lambda: Between(lambda n, x: functional.linear(x.mean((2, 3)), 2 * n.kernel)[..., None, None], kernel=(6, 8)),
        "weights are computed, for linear",
    ),
    "several axes": (
        lambda: Between(lambda n, x: functional.layer_norm(x, (8, 4, 6))),
        "normalised over several axes",
    ),
}


@pytest.mark.parametrize("case", STAY)
def test_what_cannot_go_stays_and_says_why(case, zeros_cut):
    build, reason = STAY[case]
    cut = zeros_cut(build(), torch.randn(2, 3, 4, 6))
    assert "maker" not in cut.layers
    assert any(reason in one for one in cut.reasons)


def test_every_rule_is_tried():
    assert set(FUNCTION_RULES) <= {*EXACT, *APPROXIMATE}


def test_such_a_network_is_counted_kept_and_recalled(tmp_path):
    images = torch.randn(1, 3, 4, 6)
    model = EXACT["depthwise"](looped=True).eval()
    with pytest.raises(TraceError, match=r"test_functions\.py"):
        trace(model)
    assert ls.profile(model, images).macs == 24 * (8 * 27 + 8 * 9 + 3 * 8)
    outcome = ls.PruneChannels(keep=0.5, score=ls.scores.L1(), multiple_of=1).apply(model, ls.Context(example=images))
    assert outcome.measurements["macs"] == 24 * (4 * 27 + 4 * 9 + 3 * 4)
    assert [row["group"] for row in outcome.measurements["groups"]] == ["maker"]
    write_snapshot(outcome.model, tmp_path / "pruned.safetensors")
    kept, _ = read_snapshot(tmp_path / "pruned.safetensors")
    images = torch.randn(5, 3, 4, 6)
    torch.testing.assert_close(kept(images), outcome.model(images))
