import pytest
import torch
from torch import nn

import lissome as ls
from lissome.core.module_graph import trace
from lissome.layers.basic_block import BasicBlock
from lissome.tracing.blocks import find_blocks, without_blocks


def _found(network, *, shape=(1, 8, 8, 8), chains=False):
    graph = trace(network)
    graph.graph.eliminate_dead_code()
    return graph, *find_blocks(graph, (torch.randn(shape),), chains=chains)


class _Residual(nn.Module):
    """A body with a shortcut, finished as it is told."""

    def __init__(self, finish=None, *, gate=False):
        super().__init__()
        self.before, self.body, self.finish = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1), finish
        self.gate = gate
        self.after = nn.Conv2d(8, 8, 1)

    def forward(self, x):
        x = self.before(x)
        x = x * self.body(x) if self.gate else x + self.body(x)
        return self.after(x if self.finish is None else self.finish(x))


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("resnet20", ["stage1.0", "stage1.1", "stage1.2", "stage2.1", "stage2.2", "stage3.1", "stage3.2"]),
        ("mobilenet_v2", [2, 4, 5, 7, 8, 9, 11, 12, 14, 15]),
        ("shufflenet_v2_x0_5", [1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15]),
        ("googlenet", [4, 5, 9]),
        ("repvgg_a0", [2, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]),
    ],
)
def test_blocks_of_published_networks_and_the_network_without_them(name, names):
    network = ls.create(name, seed=0)
    channels, *_ = ls.CATALOG[name].input
    side = 32 if name == "resnet20" else 64
    graph, blocks, _ = _found(network, shape=(1, channels, side, side))
    parts = {"resnet20": "stages.{}", "shufflenet_v2_x0_5": "units.{}", "repvgg_a0": "blocks.{}"}
    pattern = parts.get(name, "blocks.{}")
    assert [one.name.removesuffix(".layers").removesuffix(".branch").removesuffix(".branches") for one in blocks] == [
        pattern.format(one) for one in names
    ]
    image = torch.randn(1, channels, side, side)
    short = without_blocks(graph, blocks).eval()
    assert short(image).shape == network.eval()(image).shape
    gone = {layer for one in blocks for layer in one.layers}
    lost = sum(weight.numel() for layer in gone for weight in network.get_submodule(layer).parameters())
    assert sum(one.numel() for one in short.parameters()) == sum(one.numel() for one in network.parameters()) - lost


def test_a_block_that_adds_nothing_can_go_without_a_trace():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), BasicBlock(8, 8), BasicBlock(8, 8), nn.Conv2d(8, 4, 1)
    ).eval()
    for block in network[2:4]:
        nn.init.zeros_(block.conv2[0].weight)
    graph, blocks, _ = _found(network, shape=(1, 3, 8, 8))
    assert [one.name for one in blocks] == ["2", "3"]
    image = torch.randn(2, 3, 8, 8)
    for chosen in ([blocks[0]], [blocks[1]], blocks, blocks[::-1]):
        torch.testing.assert_close(without_blocks(graph, chosen)(image), network(image), rtol=0, atol=0)
    assert [one for one in without_blocks(graph, blocks).state_dict() if one[0] in "23"] == []
    assert set(network.state_dict()) == set(graph.state_dict())


@pytest.mark.parametrize(
    ("finish", "last"), [(None, "add"), (nn.ReLU(), "add"), (nn.Dropout(), "finish"), (nn.Hardtanh(-99, 99), "finish")]
)
def test_an_activation_that_would_change_what_enters_is_no_part_of_the_block(finish, last):
    _, blocks, _ = _found(_Residual(finish))
    assert [one.exit.name for one in blocks] == [last]


def test_a_gate_is_no_block():
    _, blocks, fixtures = _found(_Residual(gate=True))
    assert (blocks, fixtures) == ([], [])


def test_what_is_used_elsewhere_stays():
    class Tapped(_Residual):
        def forward(self, x):
            x = self.before(x)
            inner = self.body(x)
            return self.after(x + inner), inner

    _, blocks, fixtures = _found(Tapped())
    assert blocks == []
    assert [(one.name, one.reason) for one in fixtures] == [("body", "its body is used outside of it")]


def test_an_entry_that_is_used_elsewhere_is_no_hindrance():
    class Skip(_Residual):
        def forward(self, x):
            early = self.before(x)
            return torch.cat([early, self.after(early + self.body(early))], 1)

    graph, blocks, _ = _found(Skip())
    assert [one.name for one in blocks] == ["body"]
    assert without_blocks(graph, blocks)(torch.ones(1, 8, 4, 4)).shape == (1, 16, 4, 4)


def test_chains_are_single_convolutions_with_what_belongs_to_them():
    network = nn.Sequential(nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1))
    assert _found(network)[1] == []
    _, blocks, _ = _found(network, chains=True)
    assert [one.layers for one in blocks] == [("1", "2")]


def test_the_classes_of_layers_that_stay_are_kept_and_training_works():
    graph, blocks, _ = _found(nn.Sequential(nn.Conv2d(8, 8, 1), BasicBlock(8, 8), nn.Dropout(), nn.Conv2d(8, 2, 1)))
    short = without_blocks(graph, blocks).train()
    short(torch.randn(2, 8, 4, 4)).sum().backward()
    assert all(one.grad is not None for one in short.parameters())
