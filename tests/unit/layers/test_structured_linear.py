import pytest
import torch
from torch import nn

from lissome.core.errors import SettingError
from lissome.layers.structured_linear import StructuredLinear


@pytest.mark.parametrize("structure", ["circulant", "toeplitz"])
@pytest.mark.parametrize("block", [2, 3, 8])
def test_every_block_has_the_structure(structure, block):
    torch.manual_seed(block)
    layer = StructuredLinear(3 * block, 2 * block, block, structure)
    blocks = layer.dense().unflatten(1, (-1, block)).unflatten(0, (-1, block)).permute(0, 2, 1, 3).flatten(0, 1)
    assert blocks.shape == (6, block, block)
    for one in blocks:
        assert one.norm() > 0.01
        torch.testing.assert_close(one[1:, 1:], one[:-1, :-1])
        if structure == "circulant":
            torch.testing.assert_close(one[1:, 0], one[:-1, -1])


@pytest.mark.parametrize("structure", ["circulant", "toeplitz"])
@pytest.mark.parametrize("block", [3, 4])
def test_the_nearest_is_the_mean_of_each_diagonal(structure, block):
    torch.manual_seed(0)
    plain = nn.Linear(2 * block, 3 * block)
    made = StructuredLinear.nearest(plain, block, structure)
    expected = plain.weight.detach().clone()
    for row in range(3):
        for column in range(2):
            part = expected[row * block : (row + 1) * block, column * block : (column + 1) * block]
            whole = part.clone()
            for i in range(block):
                for j in range(block):
                    shift = (j - i) % block if structure == "circulant" else j - i
                    same = [
                        whole[k, m]
                        for k in range(block)
                        for m in range(block)
                        if ((m - k) % block if structure == "circulant" else m - k) == shift
                    ]
                    part[i, j] = sum(same) / len(same)
    torch.testing.assert_close(made.dense(), expected)
    images = torch.randn(5, 2 * block)
    torch.testing.assert_close(made(images), images @ expected.T + plain.bias)


def test_a_weight_that_has_the_structure_comes_back_and_can_be_trained():
    torch.manual_seed(0)
    target = StructuredLinear(16, 16, 8)
    plain = nn.Linear(16, 16)
    plain.weight.data = target.dense()
    torch.testing.assert_close(StructuredLinear.nearest(plain, 8, "circulant").dense(), target.dense())
    made = StructuredLinear(16, 16, 8, bias=False)
    made(torch.ones(1, 16)).square().sum().backward()
    assert made.real.weight.grad.norm() > 0


def test_a_block_that_does_not_divide_is_filled_up():
    torch.manual_seed(0)
    whole = StructuredLinear(16, 12, 4, bias=False)
    part = StructuredLinear(14, 10, 4, bias=False)
    part.load_state_dict(whole.state_dict())
    torch.testing.assert_close(part.dense(), whole.dense()[:10, :14])
    plain = nn.Linear(14, 10)
    plain.weight.data = torch.ones(10, 14)
    assert StructuredLinear.nearest(plain, 4, "toeplitz").dense()[:8, :12].unique().numel() <= 2


def test_a_block_below_two_is_refused():
    with pytest.raises(SettingError, match="StructuredLinear: block is 1"):
        StructuredLinear(10, 8, 1)
