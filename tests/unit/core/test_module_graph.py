from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from lissome.core.errors import ShapeError, TraceError
from lissome.core.module_graph import LeafModule, evaluation_mode, run_once, trace

HERE = Path(__file__).name


class Branching(nn.Module):
    def forward(self, x):
        if x.sum() > 0:  # the line that cannot be traced
            return x
        return -x


class Block(LeafModule):
    def forward(self, x):
        return x + 1 if bool(x.sum() > 0) else x


def _line_with(text):
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, start=1) if text in line)


def test_an_untraceable_forward_is_named_by_file_and_line():
    with pytest.raises(TraceError) as caught:
        trace(nn.Sequential(nn.ReLU(), Branching()))
    line = _line_with("the line that cannot be traced")
    assert caught.value.where.startswith(f"{HERE}:{line} (if x.sum() > 0")
    assert "\n" not in str(caught.value)


class Unpacking(nn.Module):
    def forward(self, x):
        return sum(part for part in x)


def test_the_reason_is_one_sentence():
    with pytest.raises(TraceError, match=r"cannot be traced: Proxy object cannot be iterated; avoid"):
        trace(Unpacking())


def test_a_graph_shares_the_parameters():
    model = nn.Sequential(nn.Linear(2, 2))
    graph = trace(model)
    assert graph.get_parameter("0.weight") is model[0].weight


def test_blocks_of_ours_stay_one_node():
    graph = trace(nn.Sequential(Block()))
    assert [node.op for node in graph.graph.nodes] == ["placeholder", "call_module", "output"]


class Dropping(nn.Module):
    def forward(self, x):
        return functional.dropout(x, 0.5, self.training)


def test_a_graph_computes_what_evaluation_computes():
    graph = trace(Dropping().train())
    ones = torch.ones(100)
    assert torch.equal(graph(ones), ones)


def test_evaluating_restores_the_mode_of_each_module_even_after_an_error():
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout()).train()
    model[0].eval()  # frozen statistics, as in fine-tuning
    with pytest.raises(RuntimeError, match="inside"), evaluation_mode(model):
        assert not any(module.training for module in model.modules())
        raise RuntimeError("inside")
    assert [module.training for module in model.modules()] == [True, False, True]


def test_run_once_evaluates_without_gradients():
    model = nn.Sequential(nn.Linear(2, 2), Dropping()).train()
    result = run_once(model, (torch.ones(1, 2),))
    assert torch.equal(result, model[0](torch.ones(1, 2)))
    assert not result.requires_grad
    assert model.training


@pytest.mark.parametrize("traced", [False, True])
def test_a_wrong_input_is_named_with_its_shape_and_nothing_is_printed(traced, capsys):
    model = nn.Sequential(nn.Conv2d(3, 4, 3))
    with pytest.raises(ShapeError, match=r"the forward fails on input 1x1x8x8: .*3 channels"):
        run_once(trace(model) if traced else model, (torch.zeros(1, 1, 8, 8),))
    assert capsys.readouterr() == ("", "")
