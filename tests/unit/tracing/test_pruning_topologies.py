"""Every way channels are joined, split and moved: half of them go, and the network still computes the same shape.

The proof of correctness is the second test: channels that are zero can be cut without a trace.
"""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from lissome.core.errors import TraceError
from lissome.core.snapshot import read_snapshot, write_snapshot
from lissome.tracing.groups import Group, groups_of
from lissome.tracing.propagate import propagate
from lissome.tracing.surgery import keep_units, kept_ids


class Network(nn.Module):
    """Layers by name and a forward given as a function of them."""

    def __init__(self, forward: Callable[..., Tensor], **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.compute = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.compute(self, x)


def conv(inputs: int, outputs: int, size: int = 3, **settings: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, **settings)


def shuffled(net: Network, x: Tensor) -> Tensor:
    x = functional.relu(net.b(net.a(x)))
    batch, _, height, width = x.shape
    x = x.view(batch, 2, 12, height, width).transpose(1, 2).reshape(batch, 24, height, width)
    left, right = x.chunk(2, 1)
    return net.c(torch.cat([net.d(left), right], 1))


def gated(net: Network, x: Tensor) -> Tensor:
    x = functional.relu(net.a(x))
    gate = torch.sigmoid(net.d(functional.relu(net.b(x.mean((2, 3), keepdim=True)))))
    return net.c(x * gate)


def padded(net: Network, x: Tensor) -> Tensor:
    x = functional.relu(net.a(x))
    return net.c(functional.relu(net.b(x) + functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 4, 4))))


def attended(net: Network, x: Tensor) -> Tensor:
    x = functional.relu(net.a(x))
    return net.c(x * torch.sigmoid(net.b(x.mean(1, keepdim=True))))


TOPOLOGIES: dict[str, Network] = {
    "plain": Network(lambda n, x: n.c(functional.relu(n.s(n.a(x)))), a=conv(3, 8), s=nn.BatchNorm2d(8), c=conv(8, 4)),
    "residual": Network(
        lambda n, x: n.c(functional.relu(n.b(functional.relu(n.a(x))) + n.a(x))),
        a=conv(3, 8),
        b=conv(8, 8),
        c=conv(8, 4),
    ),
    "padded shortcut": Network(padded, a=conv(3, 8), b=conv(8, 16, stride=2), c=conv(16, 4)),
    "concatenated": Network(
        lambda n, x: n.c(torch.cat([n.a(x), n.b(x)], 1)), a=conv(3, 8), b=conv(3, 12), c=conv(20, 4)
    ),
    "dense": Network(
        lambda n, x: n.c(torch.cat([n.a(x), n.b(n.a(x)), n.a(x)], 1)), a=conv(3, 8), b=conv(8, 6), c=conv(22, 4)
    ),
    "sliced": Network(lambda n, x: n.c(n.a(x)[:, :6]) + n.b(n.a(x)[:, 6:]), a=conv(3, 16), b=conv(10, 4), c=conv(6, 4)),
    "split": Network(
        lambda n, x: n.c(n.a(x).split([6, 10], 1)[0]) + n.b(n.a(x).split([6, 10], dim=1)[1]),
        a=conv(3, 16),
        b=conv(10, 4),
        c=conv(6, 4),
    ),
    "narrowed": Network(lambda n, x: n.c(n.a(x).narrow(1, 4, 8)), a=conv(3, 16), c=conv(8, 4)),
    "shuffled": Network(shuffled, a=conv(3, 24), b=conv(24, 24, 1, groups=4), d=conv(12, 12, groups=12), c=conv(24, 4)),
    "shuffle layer": Network(lambda n, x: n.c(n.s(n.a(x))), a=conv(3, 16), s=nn.ChannelShuffle(4), c=conv(16, 4)),
    "gated": Network(gated, a=conv(3, 8), b=conv(8, 4, 1), d=conv(4, 8, 1), c=conv(8, 4)),
    "grouped": Network(lambda n, x: n.c(n.b(n.a(x))), a=conv(3, 8), b=conv(8, 16, groups=4), c=conv(16, 4)),
    "depthwise multiplied": Network(
        lambda n, x: n.c(n.b(n.a(x))), a=conv(3, 8), b=conv(8, 16, groups=8), c=conv(16, 4)
    ),
    "transposed": Network(
        lambda n, x: n.c(n.b(n.a(x))), a=conv(3, 8), b=nn.ConvTranspose2d(8, 6, 2, stride=2), c=conv(6, 4)
    ),
    "flattened": Network(lambda n, x: n.c(n.a(x).flatten(1)), a=conv(3, 8), c=nn.Linear(8 * 64, 5)),
    "viewed": Network(lambda n, x: n.c(n.a(x).view(x.size(0), 8 * 64)), a=conv(3, 8), c=nn.Linear(8 * 64, 5)),
    "unflattened": Network(
        lambda n, x: n.c(n.s(n.a(x)).transpose(1, 2).flatten(1, 2)),
        a=conv(3, 8),
        s=nn.Unflatten(1, (2, 4)),
        c=conv(8, 4),
    ),
    "pixel shuffled": Network(lambda n, x: n.c(n.s(n.a(x))), a=conv(3, 16), s=nn.PixelShuffle(2), c=conv(4, 4)),
    "prelu": Network(lambda n, x: n.c(n.s(n.a(x))), a=conv(3, 8), s=nn.PReLU(8), c=conv(8, 4)),
    "shared": Network(lambda n, x: n.c(n.b(n.b(n.a(x)))), a=conv(3, 8), b=conv(8, 8), c=conv(8, 4)),
    "attended": Network(attended, a=conv(3, 8), b=conv(1, 1), c=conv(8, 4)),
    "pooled": Network(
        lambda n, x: n.c(functional.interpolate(functional.max_pool2d(n.a(x), 2), scale_factor=2.0)),
        a=conv(3, 8),
        c=conv(8, 4),
    ),
}
NOT_PRUNABLE = {"attended"}  # a mean over channels depends on how many there are


@pytest.fixture(params=TOPOLOGIES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def fresh(name: str) -> nn.Module:
    torch.manual_seed(0)
    model = copy.deepcopy(TOPOLOGIES[name]).eval()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean)
            nn.init.uniform_(layer.bias)
    return model


def halves(groups: list[Group]) -> dict[int, Tensor]:
    return {number: torch.arange(len(group)) % 2 == 0 for number, group in enumerate(groups) if len(group) > 1}


def test_half_of_the_channels_go(name: str, tmp_path) -> None:
    model, x = fresh(name), torch.randn(2, 3, 8, 8)
    expected, before = model(x), sum(one.numel() for one in model.parameters())
    channels = propagate(model, (x,))
    groups, whole = groups_of(channels)
    assert all(one.reason for one in whole)
    pruned = keep_units(model, channels, kept_ids(channels, halves(groups), groups))
    output = pruned(x)
    output.sum().backward()
    assert output.shape == expected.shape
    left = sum(one.numel() for one in pruned.parameters())
    assert (left == before) == (name in NOT_PRUNABLE)
    write_snapshot(pruned, tmp_path / "pruned.safetensors")
    assert torch.equal(read_snapshot(tmp_path / "pruned.safetensors")[0](x), output)


def test_channels_that_are_zero_go_without_a_trace(name: str) -> None:
    model, x = fresh(name), torch.randn(2, 3, 8, 8)
    channels = propagate(model, (x,))
    groups, _ = groups_of(channels)
    keep = halves(groups)
    with torch.no_grad():
        for number, mask in keep.items():
            for member in groups[number].members:
                if member.role != "consumes" and member.parameter in ("weight", "bias"):
                    model.get_parameter(member.path).index_fill_(member.axis, member.indices[~mask].flatten(), 0)
        for layer in model.modules():  # what a normalisation adds must go with its channel
            if isinstance(layer, nn.BatchNorm2d):
                layer.bias[layer.weight == 0] = 0
    expected = model(x)
    pruned = keep_units(model, channels, kept_ids(channels, keep, groups))
    assert torch.allclose(pruned(x), expected, atol=1e-5)


def test_a_network_keeps_its_class_where_its_code_holds_no_width() -> None:
    for name, same in (("residual", True), ("viewed", False), ("sliced", False), ("padded shortcut", False)):
        model, x = fresh(name), torch.randn(2, 3, 8, 8)
        channels = propagate(model, (x,))
        groups, _ = groups_of(channels)
        pruned = keep_units(model, channels, kept_ids(channels, halves(groups), groups))
        assert (type(pruned) is Network) == same, name


def test_a_group_prints_what_is_cut_together() -> None:
    groups, whole = groups_of(propagate(fresh("plain"), (torch.zeros(1, 3, 8, 8),)))
    text = str(groups[0])
    assert text.splitlines()[0] == "a: 8 units of 1"
    assert "scales   s" in text
    assert "consumes c" in text
    assert [(one.layers, one.reason) for one in whole] == [(("c",), "reaches the output")]


def test_tied_layers_are_one_group() -> None:
    groups, _ = groups_of(propagate(fresh("residual"), (torch.zeros(1, 3, 8, 8),)))
    assert [one.layers("produces") for one in groups] == [("a", "b")]


def test_unknown_operators_are_left_whole_and_named() -> None:
    model = Network(lambda n, x: n.c(torch.cumsum(n.a(x), 1)), a=conv(3, 8), c=conv(8, 4)).eval()
    groups, whole = groups_of(propagate(model, (torch.zeros(1, 3, 8, 8),)))
    assert groups == []
    assert any("cumsum" in one.reason and "a" in one.layers for one in whole)


def attention(net: Network, x: Tensor) -> Tensor:
    x = net.a(x)
    tokens = x.flatten(2).transpose(1, 2)
    return net.c(net.b(tokens, tokens, tokens)[0].transpose(1, 2).reshape(x.shape))


def products(net: Network, x: Tensor) -> Tensor:
    x = net.a(x)
    weights = functional.softmax(x.flatten(2).transpose(1, 2) @ x.flatten(2), -1)
    return net.c(torch.einsum("nij,ncj->nci", weights, x.flatten(2)).reshape(x.shape))


@pytest.mark.parametrize(
    ("forward", "reason"), [(attention, "MultiheadAttention at b"), (products, "no rule for matmul")]
)
def test_attention_is_left_whole_and_named(forward: Callable[..., Tensor], reason: str) -> None:
    attend = nn.MultiheadAttention(8, 2, batch_first=True)
    model = Network(forward, a=nn.Sequential(conv(3, 6), conv(6, 8)), b=attend, c=conv(8, 4)).eval()
    x = torch.zeros(2, 3, 4, 4)
    channels = propagate(model, (x,))
    groups, whole = groups_of(channels)
    assert [one.layers("produces") for one in groups] == [("a.0",)]
    assert any(reason in one.reason and "a.1" in one.layers for one in whole)
    assert keep_units(model, channels, kept_ids(channels, halves(groups), groups))(x).shape == (2, 4, 4, 4)


def test_control_flow_on_values_names_the_line() -> None:
    model = Network(lambda n, x: n.a(x) if x.sum() > 0 else x, a=conv(3, 3))
    with pytest.raises(TraceError, match=r"test_pruning_topologies\.py"):
        propagate(model, (torch.zeros(1, 3, 8, 8),))
