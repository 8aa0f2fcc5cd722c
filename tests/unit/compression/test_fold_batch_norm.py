"""Folding leaves the outputs equal, and says why where it does not fold."""

import pytest
import torch
from torch import Tensor, nn

from lissome.compression.folding.fold_batch_norm import FoldBatchNorm
from lissome.core.context import Context
from lissome.models.create import create


def trained(model: nn.Module) -> nn.Module:
    """Give normalisations statistics that matter."""
    torch.manual_seed(0)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor in (layer.running_mean, layer.weight.data, layer.bias.data):
                tensor.uniform_(0.5, 1.5)
            layer.running_var.uniform_(0.5, 1.5)
    return model.eval()


@pytest.mark.parametrize(
    "layers",
    [
        (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)),
        (nn.Conv2d(3, 6, 3, groups=3, bias=False), nn.BatchNorm2d(6)),
        (nn.ConvTranspose2d(3, 4, 2, stride=2), nn.BatchNorm2d(4)),
        (nn.Flatten(), nn.Linear(192, 4), nn.BatchNorm1d(4)),
    ],
)
def test_outputs_are_equal(layers: tuple[nn.Module, ...]) -> None:
    model, x = trained(nn.Sequential(*layers)), torch.randn(2, 3, 8, 8)
    outcome = FoldBatchNorm().apply(model, Context())
    assert isinstance(outcome.model[-1], nn.Identity)
    assert torch.allclose(outcome.model(x), model(x), atol=1e-5)
    assert outcome.measurements == {"folded": 1}


@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v2"])
def test_networks(name: str) -> None:
    settings = {"small_input": True} if name == "mobilenet_v2" else {}
    model, x = trained(create(name, seed=0, **settings)), torch.randn(1, 3, 32, 32)
    outcome = FoldBatchNorm().apply(model, Context())
    assert not any(isinstance(one, nn.BatchNorm2d) for one in outcome.model.modules())
    with torch.no_grad():
        expected = model(x)
        assert (outcome.model(x) - expected).abs().max() < 1e-4 * expected.abs().max()


class Shared(nn.Module):
    """A convolution called twice, and one whose output is used beside its normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.twice, self.once = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
        self.n1, self.n2, self.n3 = nn.BatchNorm2d(3), nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.n1(self.twice(x)) + self.twice(x)
        y = self.once(x)
        return self.n3(self.n2(y) + y)


def test_near_misses_are_declined_with_the_reason() -> None:
    model, x = trained(Shared()), torch.randn(2, 3, 8, 8)
    outcome = FoldBatchNorm().apply(model, Context())
    reasons = {one.layer: one.reason for one in outcome.declined}
    assert "more than once" in reasons["n1"]
    assert "used elsewhere" in reasons["n2"]
    assert "does not come from a layer" in reasons["n3"]
    assert torch.equal(outcome.model(x), model(x))


def test_without_a_normalisation_it_says_so() -> None:
    outcome = FoldBatchNorm().apply(nn.Sequential(nn.Conv2d(3, 4, 1)), Context())
    assert [one.reason for one in outcome.declined] == ["there is no batch normalisation"]


def test_without_statistics_it_declines() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, track_running_stats=False))
    assert "running statistics" in FoldBatchNorm().apply(model, Context()).declined[0].reason


def test_weights_that_are_zero_stay_zero_to_the_bit() -> None:
    model = trained(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    with torch.no_grad():
        model[0].weight[:, 1] = 0.0
        model[1].weight.neg_()
    folded = FoldBatchNorm().apply(model, Context()).model[0].weight
    assert (folded[:, 1] == 0).all()
    assert not torch.signbit(folded[:, 1]).any()
