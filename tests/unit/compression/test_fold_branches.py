"""Parallel branches become one convolution with equal outputs; every near-miss stays, with the reason."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from lissome.compression.folding.alignment import misalignment
from lissome.compression.folding.fold_branches import FoldBranches
from lissome.core.context import Context
from lissome.core.errors import ParityError
from lissome.layers.branch_sum import LinearBranch
from lissome.models.catalog import CATALOG
from lissome.models.create import create
from lissome.models.repvgg import RepVGG
from lissome.profiling.profile import profile


def trained(model: nn.Module) -> nn.Module:
    """Give normalisations statistics that matter."""
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            layer.running_mean.uniform_(-0.5, 0.5)
            layer.running_var.uniform_(0.5, 1.5)
            if layer.affine:
                nn.init.uniform_(layer.weight, 0.5, 1.5)
                nn.init.uniform_(layer.bias, -0.5, 0.5)
    return model.eval()


def norm(layer: nn.Module, kind: type = nn.BatchNorm2d, **settings: bool) -> nn.Module:
    return nn.Sequential(layer, kind(layer.out_channels, **settings))


class Sum(nn.Module):
    """Adds its branches from left to right."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        total = self.branches[0](x)
        for branch in self.branches[1:]:
            total = total + branch(x)
        return total


def conv(out: int = 4, kernel: int | tuple[int, int] = 3, padding: object = 1, **settings: object) -> nn.Conv2d:
    return nn.Conv2d(4, out, kernel, padding=padding, **settings)


FOLDABLE = {
    "repvgg": lambda: Sum(norm(conv(bias=False)), norm(conv(4, 1, 0, bias=False)), nn.BatchNorm2d(4)),
    "repvgg_strided": lambda: Sum(norm(conv(8, stride=2)), norm(conv(8, 1, 0, stride=2))),
    "acnet": lambda: Sum(norm(conv(8)), norm(conv(8, (1, 3), (0, 1))), norm(conv(8, (3, 1), (1, 0)))),
    "parallel_1x1": lambda: Sum(conv(6, 1, 0), conv(6, 1, 0), norm(conv(6, 1, 0))),
    "raw_input": lambda: Sum(nn.Identity(), conv()),
    "grouped": lambda: Sum(conv(groups=2), norm(conv(4, 1, 0, groups=2)), nn.BatchNorm2d(4)),
    "depthwise": lambda: Sum(conv(4, 5, 2, groups=4), conv(groups=4), conv(4, 1, 0, groups=4), nn.Identity()),
    "dilated": lambda: Sum(conv(4, 3, 2, dilation=2), conv(4, 1, 0), nn.Identity()),
    "unpadded": lambda: Sum(conv(8, 3, 0), conv(8, 5, 1)),
    "same": lambda: Sum(conv(8, 3, "same"), conv(8, 1, "valid"), conv(8, 5, "same")),
    "reflect": lambda: Sum(conv(8, 3, 1, padding_mode="reflect"), conv(8, 5, 2, padding_mode="reflect"), conv(8, 1, 0)),
    "no_affine": lambda: Sum(norm(conv(), affine=False), nn.BatchNorm2d(4, affine=False)),
    "in_place": lambda: InPlaceSum(),
    "python_sum": lambda: PythonSum(conv(), conv(4, 1, 0), nn.Identity()),
    "sum_of_sums": lambda: Sum(nn.Sequential(Sum(conv(), conv(4, 1, 0)), nn.BatchNorm2d(4)), conv(4, 5, 2)),
}


class InPlaceSum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = conv(), norm(conv(4, 1, 0))

    def forward(self, x: Tensor) -> Tensor:
        total = self.one(x)
        total += self.two(x)
        return total.add_(x)


class PythonSum(Sum):
    def forward(self, x: Tensor) -> Tensor:
        return sum(branch(x) for branch in self.branches)


@pytest.mark.parametrize("name", FOLDABLE)
def test_branches_become_one_convolution_with_equal_outputs(name: str) -> None:
    model, x = trained(FOLDABLE[name]()), torch.randn(2, 4, 9, 7)
    expected = model(x).detach()
    outcome = FoldBranches().apply(model, Context(example=x))
    assert torch.allclose(outcome.model(x), expected, atol=1e-4)
    assert outcome.measurements["max_rel_difference"] < 1e-5
    layers = [type(one) for one in outcome.model.modules() if not list(one.children())]
    assert layers.count(nn.Conv2d) == 1
    assert not set(layers) - {nn.Conv2d, nn.Identity}
    assert outcome.declined == ()


@pytest.mark.parametrize(
    ("kind", "batch_norm", "side"), [(nn.Conv1d, nn.BatchNorm1d, 1), (nn.Conv3d, nn.BatchNorm3d, 3)]
)
def test_other_dimensions(kind: type, batch_norm: type, side: int) -> None:
    large, small = kind(3, 3, 3, padding=1), kind(3, 3, 1)
    model = trained(Sum(norm(large, batch_norm), norm(small, batch_norm), batch_norm(3)))
    x = torch.randn(2, 3, *(6,) * side)
    outcome = FoldBranches().apply(model, Context(example=x))
    assert outcome.measurements["branches_folded"] == 1
    assert torch.allclose(outcome.model(x), model(x), atol=1e-4)


class Reused(nn.Module):
    """The 1x1 branch is also an output."""

    def __init__(self) -> None:
        super().__init__()
        self.large, self.small = conv(), conv(4, 1, 0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        small = self.small(x)
        return self.large(x) + small, small


class Concatenated(Reused):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.large(x), self.small(x)], 1)


class Twice(Reused):
    def forward(self, x: Tensor) -> Tensor:
        return self.large(x) + self.small(x) + self.small(x * 2)


class Doubled(Reused):
    def forward(self, x: Tensor) -> Tensor:
        small = self.small(x)
        return self.large(x) + (small + small)


class Weighted(Reused):
    def forward(self, x: Tensor) -> Tensor:
        return torch.add(self.large(x), self.small(x), alpha=2)


class Activated(Reused):
    def forward(self, x: Tensor) -> Tensor:
        return self.large(x) + functional.relu(self.small(x))


class ChangedInPlace(Reused):
    def forward(self, x: Tensor) -> Tensor:
        x = x * 1
        large = self.large(x)
        functional.relu(x, inplace=True)
        return large + self.small(x)


class WrittenInto(Reused):
    """The input has the sum written into it, and is read again."""

    def forward(self, x: Tensor) -> Tensor:
        x = x * 1
        x.add_(self.large(x))
        return x * self.small(x)


class AddedInto(Reused):
    def forward(self, x: Tensor) -> Tensor:
        x = y = x * 1
        x += self.large(y)
        return x * y + self.small(x)


class SummedApart(Reused):
    """One input, two sums."""

    def forward(self, x: Tensor) -> Tensor:
        return (self.large(x) + x.flip(1)) * (self.small(x) + x.flip(2))


NEAR_MISSES = {
    "stride": (
        lambda: Sum(conv(4, 3, 1, stride=(1, 7)), conv(4, 1, 0, stride=(1, 8))),
        "other stride: 1x8 against 1x7",
    ),
    "padding_mode": (lambda: Sum(conv(), conv(padding_mode="circular")), "other padding mode: circular against zeros"),
    "groups": (lambda: Sum(conv(), conv(groups=2)), "other group count: 2 against 1"),
    "channels": (lambda: Sum(conv(4), conv(1, 1, 0)), "other number of channels"),
    "dilation": (lambda: Sum(conv(), conv(4, 3, 2, dilation=2)), "other dilation: 2x2 against 1x1"),
    "not_nested": (lambda: Sum(conv(4, (1, 3), (0, 1)), conv(4, (3, 1), (1, 0))), "neither kernel fits into the other"),
    "reused": (Reused, "its output is used elsewhere too"),
    "concatenated": (Concatenated, "it is not added to its siblings: its output goes to cat"),
    "called_twice": (Twice, "it is called more than once"),
    "doubled": (Doubled, "it is summed twice"),
    "weighted": (Weighted, "it is not added to its siblings: its output goes to add"),
    "activated": (Activated, "it is not added to its siblings: its output goes to relu"),
    "changed_in_place": (ChangedInPlace, "its input is changed in place"),
    "written_into": (WrittenInto, "its input is changed in place"),
    "summed_apart": (SummedApart, "no sibling in its sum can be added to it"),
    "transposed": (lambda: Sum(nn.ConvTranspose2d(4, 4, 1), conv(4, 1, 0)), "it is a ConvTranspose2d"),
    "identity_strided": (lambda: Sum(nn.BatchNorm2d(4), conv(4, 3, (5, 4), stride=2)), "it keeps every pixel"),
    "identity_channels": (lambda: Sum(nn.BatchNorm2d(4), conv(1)), "changes the number of channels"),
}


@pytest.mark.parametrize("name", NEAR_MISSES)
def test_near_misses_stay_with_the_reason(name: str) -> None:
    build, reason = NEAR_MISSES[name]
    model, x = trained(build()), torch.randn(2, 4, 9, 7)
    expected = model(x.clone()).detach() if name != "reused" else model(x)[0].detach()
    outcome = FoldBranches().apply(model, Context(example=x.clone()))
    actual = outcome.model(x.clone())
    assert torch.equal(actual if name != "reused" else actual[0], expected)
    assert outcome.measurements["branches_folded"] == 0
    assert any(reason in one.reason for one in outcome.declined), outcome.declined
    assert all(one.layer for one in outcome.declined)


@pytest.mark.parametrize(
    ("one", "largest", "reason"),
    [
        (conv(4, 1, 0), conv(4, 2, 0), "the kernels have no common centre: 1x1 against 2x2"),
        (conv(4, 3, 0), conv(4, 5, 2), "its padding 0x0 puts its centre elsewhere than 2x2"),
        (conv(4, 2, "same"), conv(4, 4, 1), "padding 'same' of an even kernel is uneven"),
        (conv(4, 1, 0).double(), conv(), "other data type: torch.float64 against torch.float32"),
        (nn.Conv1d(4, 4, 1), conv(), "it is a Conv1d, not a Conv2d"),
        (None, conv(4, 3, 0), "the convolution beside it does not keep the size"),
    ],
)
def test_what_does_not_line_up_is_named(one: nn.Module | None, largest: nn.Conv2d, reason: str) -> None:
    assert misalignment(LinearBranch(one), largest) == reason


def test_a_sibling_that_does_not_line_up_does_not_keep_the_others_apart() -> None:
    model, x = (
        trained(Sum(conv(4, 5, 2, groups=4), conv(), norm(conv(4, 1, 0)), nn.Identity())),
        torch.randn(1, 4, 6, 6),
    )
    outcome = FoldBranches().apply(model, Context(example=x))
    assert outcome.measurements["branches_folded"] == 2
    assert torch.allclose(outcome.model(x), model(x), atol=1e-4)
    assert {one.out_channels // one.groups for one in outcome.model.modules() if isinstance(one, nn.Conv2d)} == {1, 4}
    assert [one.reason for one in outcome.declined] == [
        "beside branches.0: other group count: 1 against 4",
        "no sibling in its sum can be added to it",
    ]


@pytest.mark.parametrize("variant", ["a0", "b1"])
def test_repvgg_folds_to_exactly_its_deployed_cost(variant: str) -> None:
    with torch.device("meta"):
        model = create(f"repvgg_{variant}")
    outcome = FoldBranches().apply(model, Context())
    cost, deployed = profile(outcome.model, (1, 3, 224, 224)), CATALOG[f"repvgg_{variant}_deploy"]
    assert (cost.params, cost.macs) == (deployed.params, deployed.macs)
    assert outcome.declined == ()
    assert outcome.measurements["params_before"] == CATALOG[f"repvgg_{variant}"].params


def test_repvgg_folds_as_its_own_deployment_does() -> None:
    model, x = trained(RepVGG(width=0.125, classes=5, small_input=True)), torch.randn(2, 3, 32, 32)
    folded = FoldBranches().apply(model, Context(example=x)).model
    assert torch.allclose(folded(x), model.deployed()(x), atol=1e-4)


def test_a_network_that_tracing_reads_wrongly_is_refused() -> None:
    # torch.fx takes `x += y` for `x = x + y`, so the old name of x means something else in the graph.
    with pytest.raises(ParityError, match="folding changed the outputs by"):
        FoldBranches().apply(trained(AddedInto()), Context(example=torch.randn(2, 4, 9, 7)))


def test_without_branches_the_network_keeps_its_class_and_its_norms_are_folded() -> None:
    outcome = FoldBranches().apply(trained(nn.Sequential(conv(8), nn.BatchNorm2d(8))), Context())
    assert type(outcome.model) is nn.Sequential
    assert outcome.measurements["norms_folded"] == 1
    assert "max_rel_difference" not in outcome.measurements
    outcome = FoldBranches().apply(nn.Sequential(conv(8)), Context())
    assert [one.reason for one in outcome.declined] == ["there are no parallel branches and no batch normalisation"]


def test_inception_modules_are_left_alone_with_the_reason() -> None:
    outcome = FoldBranches().apply(create("googlenet", seed=0), Context())
    assert outcome.measurements["branches_folded"] == 0
    assert sum("its output goes to" in one.reason for one in outcome.declined) == 9 * 3
