"""The mask that pruning sets."""

import torch

from lissome.layers.channel_mask import ChannelMask


def test_ones_change_nothing_and_zeros_silence_a_channel():
    mask = ChannelMask(3)
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(mask(x), x)
    mask.mask.data[1] = 0
    assert not mask(x)[:, 1].any()
    assert torch.equal(mask(x)[:, [0, 2]], x[:, [0, 2]])


def test_mask_is_counted_and_saved_but_not_trained():
    mask = ChannelMask(3)
    assert [one.numel() for one in mask.parameters()] == [3]
    assert list(mask.state_dict()) == ["mask"]
    assert not any(one.requires_grad for one in mask.parameters())
