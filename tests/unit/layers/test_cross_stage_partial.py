"""One half goes through the blocks, the other half around them."""

import pytest
import torch
from torch import nn

from lissome.core.errors import SettingError
from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.cross_stage_partial import CrossStagePartial


class Recorder(nn.Module):
    """Keeps what it was given."""

    def forward(self, x):
        self.seen = x
        return x


def test_blocks_see_the_second_half_and_the_first_passes_by():
    recorder = Recorder()
    stage = CrossStagePartial(4, 8, 6, recorder, block_channels=3).eval()
    x = torch.randn(2, 4, 5, 5)
    y = stage(x)
    expanded = stage.expand(x)
    assert torch.equal(recorder.seen, expanded[:, 3:])
    joined = torch.cat([expanded[:, :3], stage.transition(expanded[:, 3:])], 1)
    assert torch.equal(y, stage.merge(joined))


def test_blocks_may_change_the_number_of_channels():
    stage = CrossStagePartial(4, 8, 6, ConvNormActivation(3, 5), block_channels=5)
    assert stage(torch.zeros(1, 4, 4, 4)).shape == (1, 8, 4, 4)
    assert stage.transition.conv.weight.shape == (3, 5, 1, 1)


def test_linear_expansion_has_no_activation():
    linear, bent = (
        CrossStagePartial(4, 8, 6, nn.Identity(), block_channels=3, linear_expansion=choice) for choice in (True, False)
    )
    assert len(linear.expand) == 2
    assert isinstance(bent.expand.activation, nn.LeakyReLU)


def test_odd_expansion_is_refused():
    with pytest.raises(SettingError, match="7 channels cannot be halved"):
        CrossStagePartial(4, 8, 7, nn.Identity(), block_channels=3)
