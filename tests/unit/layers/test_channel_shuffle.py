"""A shuffle is a permutation with an inverse; a split is undone by a concatenation."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lissome.core.errors import SettingError
from lissome.layers.channel_shuffle import ChannelShuffle, channel_shuffle, channel_split

GROUPS = st.integers(1, 6)


def numbered(channels, batch=1, height=1, width=1):
    """Every channel holds its own number."""
    return torch.arange(channels).reshape(1, -1, 1, 1).expand(batch, channels, height, width)


@given(groups=GROUPS, per_group=GROUPS)
def test_shuffle_sends_each_channel_where_the_formula_says(groups, per_group):
    order = channel_shuffle(numbered(groups * per_group), groups).flatten().tolist()
    assert order == [i * per_group + j for j in range(per_group) for i in range(groups)]


@given(groups=GROUPS, per_group=GROUPS)
def test_shuffle_with_the_other_factor_is_the_inverse(groups, per_group):
    x = torch.randn(2, groups * per_group, 3, 4)
    assert torch.equal(channel_shuffle(channel_shuffle(x, groups), per_group), x)


def test_shuffle_moves_whole_planes():
    x = numbered(6, batch=2, height=3, width=5)
    y = ChannelShuffle(3)(x)
    assert y.shape == x.shape
    assert torch.equal(y[1, :, 2, 4], torch.tensor([0, 2, 4, 1, 3, 5]))


@given(parts=GROUPS, per_part=GROUPS)
def test_concatenation_undoes_a_split(parts, per_part):
    x = torch.randn(2, parts * per_part, 2, 3)
    pieces = channel_split(x, parts)
    assert [one.shape[1] for one in pieces] == [per_part] * parts
    assert torch.equal(torch.cat(pieces, 1), x)


def test_groups_below_one_are_refused():
    with pytest.raises(SettingError, match="groups is 0"):
        ChannelShuffle(0)
