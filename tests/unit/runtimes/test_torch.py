import numpy as np
import pytest
import torch
from torch import nn

from lissome.core.errors import BadModelError
from lissome.runtimes.torch import TorchSession, flat_outputs


def test_it_runs_in_evaluation_mode_with_its_threads_and_restores_them():
    seen = []

    class Watch(nn.Module):
        def forward(self, x):
            seen.append((self.training, torch.get_num_threads(), torch.is_grad_enabled()))
            return x

    before = torch.get_num_threads()
    TorchSession(Watch(), threads=before + 1).run(np.zeros((1, 1), np.float32))
    assert seen == [(False, before + 1, False)]
    assert torch.get_num_threads() == before


def test_neither_the_input_nor_its_memory_is_shared():
    image = np.zeros((1, 2), np.float32)
    image.flags.writeable = False
    (output,) = TorchSession(nn.Identity()).run(image)
    output += 1
    assert image.sum() == 0


def test_outputs_are_flattened_in_order():
    one, two, three = torch.ones(1), torch.ones(2), torch.ones(3)
    assert [len(part) for part in flat_outputs({"a": one, "b": [two, (three,)]})] == [1, 2, 3]


def test_other_outputs_are_refused():
    with pytest.raises(BadModelError, match="the forward returns a str"):
        flat_outputs((torch.ones(1), "boxes"))
