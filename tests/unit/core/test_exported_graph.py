"""Forwards that torch.fx cannot trace: the graph has the module's layers, computes the same, and takes any batch."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from lissome.core.errors import ShapeError, TraceError
from lissome.core.module_graph import EXPORTED, trace
from lissome.core.snapshot import read_snapshot, write_snapshot


class Network(nn.Module):
    """Does what is tested between two layers, and what torch.fx cannot trace."""

    def __init__(self, expression):
        super().__init__()
        self.conv, self.norm, self.act = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True)
        self.drop, self.again, self.free = nn.Dropout(), nn.Conv2d(8, 8, 1), nn.Parameter(torch.rand(8, 1, 1))
        self.expression = expression

    def forward(self, x):
        x = self.drop(self.act(self.norm(self.conv(x))))
        for _ in range(len(x.shape) - 2):
            x = self.again(x) * self.free
        return self.expression(x)


EXPRESSIONS = {
    "slices": lambda x: x[:, 2:6] + x[..., 1:5, :, :] + x[:, -4:],
    "steps": lambda x: x[:, ::2, ::2],
    "an index": lambda x: x[:, [0, 3]] + x[:, 2:3],
    "select": lambda x: x[:, 1],
    "new axes": lambda x: x[:, None].squeeze(1).unsqueeze(-1),
    "splits": lambda x: torch.cat([*x.split(3, 1)[::-1], *x.split([2, 6], 1), *x.chunk(2, 1)], 1),
    "views": lambda x: x.view(x.size(0), 2, 4, *x.shape[2:]).transpose(1, 2).reshape(x.shape).flatten(1),
    "views of moved": lambda x: x.transpose(1, 2).contiguous().view(x.size(0), -1),
    "nearest": lambda x: functional.interpolate(x, scale_factor=2),
    "bilinear": lambda x: functional.interpolate(x, size=(5, 7), mode="bilinear", align_corners=True),
    "bicubic": lambda x: functional.interpolate(x, scale_factor=1.5, mode="bicubic"),
    "in place": lambda x: functional.silu(functional.hardswish(x + 1, inplace=True), inplace=True).add_(1).mul_(2),
    "types": lambda x: x.to(torch.float64).float().type_as(x),
    "norms": lambda x: x / torch.norm(x, dim=1, keepdim=True) + x.std(1, keepdim=True) + x.norm(),
    "from a number": lambda x: 1 - x / float(x.shape[1]),
    "pools": lambda x: functional.max_pool2d(x, 3, 1, 1) + functional.avg_pool2d(x, 3, 1, 1),
    "padding": lambda x: functional.pad(functional.pad(x, (1, 2)), (1, 1, 1, 1), mode="reflect"),
    "products": lambda x: torch.einsum("nchw,ndhw->ncd", x, x) + x.flatten(2) @ x.flatten(2).transpose(1, 2),
    "softmax": lambda x: functional.softmax(x, 1) + functional.log_softmax(x, 1),
    "off": lambda x: functional.dropout(x, 0.5, training=False).contiguous().detach(),
    "new": lambda x: torch.cat([x, x.new_zeros(x.size(0), 2, x.size(2), x.size(3))], 1) + torch.ones(10, 1, 1),
    "a dict": lambda x: {"one": x, "more": [x + 1, (x.mean((2, 3)),)]},
}


def flat(value):
    if isinstance(value, dict):
        value = list(value.values())
    return [one for part in value for one in flat(part)] if isinstance(value, list | tuple) else [value]


@pytest.mark.parametrize("case", EXPRESSIONS)
def test_the_graph_computes_the_same(case, tmp_path):
    model = Network(EXPRESSIONS[case]).eval()
    with pytest.raises(TraceError, match="len"):
        trace(model)
    graph = trace(model, (torch.randn(1, 3, 4, 6),))
    assert EXPORTED in graph.meta
    called = [str(node.target) for node in graph.graph.nodes if node.op == "call_module"]
    assert called == ["conv", "norm", "act", "drop", "again", "again"]
    assert graph.get_submodule("conv") is model.conv
    assert graph.free is model.free
    write_snapshot(graph, tmp_path / "graph.safetensors")
    kept, _ = read_snapshot(tmp_path / "graph.safetensors")
    for batch in (1, 3):
        images = torch.randn(batch, 3, 4, 6)
        for one, other, third in zip(*(flat(network(images)) for network in (model, graph, kept)), strict=True):
            torch.testing.assert_close(one, other)
            torch.testing.assert_close(one, third)


def test_a_batch_that_the_code_names_stays():
    model = Network(lambda x: x.reshape(2, 8 * 24)).eval()
    images = torch.randn(2, 3, 4, 6)
    torch.testing.assert_close(trace(model, (images,))(images), model(images))


def test_several_inputs_by_name():
    class Two(nn.Module):
        def forward(self, picture, depth):
            return picture[:, : len(depth.shape)] + depth

    images, depth = torch.randn(1, 6, 4, 4), torch.randn(1, 1, 4, 4)
    graph = trace(Two().eval(), (images, depth))
    assert torch.equal(graph(images, depth), Two()(images, depth))


def test_layers_with_several_inputs_or_results_become_functions():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.join, self.pool = nn.Bilinear(4, 4, 2), nn.MaxPool2d(2, return_indices=True)

        def forward(self, x):
            assert len(x.shape) == 4
            return self.join(x, x)[..., :1], *self.pool(x)[:1]

    model, images = Odd().eval(), torch.randn(2, 3, 4, 4)
    graph = trace(model, (images,))
    assert not [node for node in graph.graph.nodes if node.op == "call_module"]
    for one, other in zip(model(images), graph(images), strict=True):
        torch.testing.assert_close(one, other)


def test_what_is_drawn_at_random_is_refused():
    model = Network(lambda x: x + torch.rand_like(x)).eval()
    with pytest.raises(TraceError, match="draw at random"):
        trace(model, (torch.randn(1, 3, 4, 6),))


def test_a_branch_on_values_names_the_line():
    def branch(x):
        return x if x.sum() > 0 else -x

    with pytest.raises(TraceError, match=r"test_exported_graph.py:\d+ \(return x if x.sum"):
        trace(Network(branch).eval(), (torch.randn(1, 3, 4, 6),))


def test_a_wrong_input_is_the_inputs_fault():
    with pytest.raises(ShapeError, match="fails on input 1x4x4x6"):
        trace(Network(lambda x: x).eval(), (torch.randn(1, 4, 4, 6),))


def test_a_refusal_is_one_error_and_nothing_printed(capfd):
    class ByValue(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(TraceError, match="avoid control flow"):
        trace(ByValue(), (torch.ones(1, 3, 4, 4),))
    assert capfd.readouterr() == ("", "")
